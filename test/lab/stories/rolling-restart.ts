import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { apiSocket, hostsOf, serversOf } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { integerBetween, type Random } from '../../../src/lib/random.ts';
import { hostGroup } from '../../../src/resources/agent-view.ts';
import { decodeMirror } from '../../../src/watch/journal.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { countsOf, NO_COUNTS, plus } from '../feed-counts.ts';
import { type Network, PATIENCE_MS, type Port, type Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

/** What the clients asked for, and what they were told. */
interface Ledger {
  made: number;
  readonly failed: string[];
  readonly present: Map<string, { readonly port: Port; name: string }>;
  readonly deleted: Map<string, Port>;
}

interface Client {
  ask(method: string, path: string, body?: object): Promise<{ status: number; text: string }>;
  close(): void;
}

/** A client of its own that keeps one connection open, or opens one for each request. Never asks a second time. */
function openClient(port: number, keepAlive: boolean): Client {
  const agent = new Agent({ keepAlive, maxSockets: 1 });
  return {
    ask(method, path, body) {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : { 'content-type': 'application/json' };
      return new Promise((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, method, path, agent, headers }, (response) => {
          let answer = '';
          response.setEncoding('utf8');
          response.on('data', (more: string) => {
            answer += more;
          });
          response.on('error', reject);
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text: answer }));
        });
        asked.on('error', reject);
        asked.end(text);
      });
    },
    close: () => agent.destroy(),
  };
}

const AT_MOST = 20;

interface Load {
  readonly client: Client;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** One request after another, until `signal` aborts; whatever is not answered as it should be has failed. */
async function load(parts: Load): Promise<void> {
  const { client, ledger, random, signal } = parts;
  const own: string[] = [];
  for (let turn = 0; !signal.aborted; turn++) {
    ledger.made++;
    try {
      await oneRequest(parts, own, turn);
    } catch (error) {
      ledger.failed.push(String((error as Error).message));
    }
    await sleep(realClock, integerBetween(random, 5, 40), signal);
  }
  client.close();
}

async function oneRequest(parts: Load, own: string[], turn: number): Promise<void> {
  const { client, network, ledger, random } = parts;
  const expect = async (status: number, ...asked: Parameters<Client['ask']>) => {
    const { status: found, text } = await client.ask(...asked);
    assert.equal(found, status, `${asked[0]} ${asked[1]}: ${found} ${text.slice(0, 200)}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  const id = own[integerBetween(random, 0, Math.max(0, own.length - 1))];
  if (id === undefined || (turn % 4 === 0 && own.length < AT_MOST)) {
    const host = `h${integerBetween(random, 1, 3)}`;
    const body = { port: { network_id: network.id, 'binding:host_id': host } };
    const { port } = await expect(201, 'POST', '/v2.0/ports', body);
    ledger.present.set(port.id, { port, name: '' });
    own.push(port.id);
  } else if (turn % 4 === 1 && own.length > AT_MOST / 2) {
    await expect(204, 'DELETE', `/v2.0/ports/${id}`);
    own.splice(own.indexOf(id), 1);
    ledger.deleted.set(id, ledger.present.get(id)!.port);
    ledger.present.delete(id);
  } else if (turn % 4 === 2) {
    const name = `t${turn}`;
    await expect(200, 'PUT', `/v2.0/ports/${id}`, { port: { name } });
    ledger.present.get(id)!.name = name;
  } else {
    const { port } = await expect(200, 'GET', `/v2.0/ports/${id}`);
    assert.equal(port.name, ledger.present.get(id)!.name, `port ${id} has an older name than acknowledged`);
  }
}

/** Every acknowledged change is in the rows, in the host's mirror, and served; nothing that was deleted is. */
async function compare(stage: Stage, ledger: Ledger): Promise<void> {
  type Bound = Port & { readonly 'binding:host_id': string };
  const { ports } = (await stage.lab.api('GET', '/v2.0/ports')) as { ports: Bound[] };
  const shown = new Map(ports.map((port) => [port.id, port]));
  for (const [id, { name }] of ledger.present) {
    assert.ok(shown.has(id), `port ${id} was acknowledged and is lost`);
    assert.equal(shown.get(id)?.name, name, `port ${id} was renamed, and that is lost`);
  }
  for (const id of ledger.deleted.keys()) assert.equal(shown.has(id), false, `deleted port ${id} is back`);
  for (const { port } of ledger.present.values()) await stage.untilServed(port);
  for (const host of hostsOf(stage.lab.layout)) {
    const text = readFileSync(join(host.directory, 'agent', 'mirror.journal'), 'utf8');
    const { mirror } = decodeMirror(host.name, text);
    const held = [...(mirror.group(hostGroup(host.name))?.keys() ?? [])].filter((key) =>
      key.startsWith('port/'),
    );
    const bound = ports.filter((port) => port['binding:host_id'] === host.name);
    assert.deepEqual(held.sort(), bound.map(({ id }) => `port/${id}`).sort(), `the mirror of ${host.name}`);
  }
}

async function restartAll(scene: Scene, network: Network): Promise<void> {
  const { stage, note, form, random } = scene;
  const { lab } = stage;
  const servers = serversOf(lab.layout);
  const proxy = await startTcpProxy(servers.map((server) => ({ path: apiSocket(server) })));
  const ledger: Ledger = { made: 0, failed: [], present: new Map(), deleted: new Map() };
  const enough = new AbortController();
  // The last opens a connection for each request.
  const busy = [true, true, true, true, true, false].map((keepAlive) =>
    load({ client: openClient(proxy.port, keepAlive), network, ledger, random, signal: enough.signal }),
  );
  let total = NO_COUNTS;
  try {
    for (const { name } of servers) total = plus(total, await countsOf(stage, name), -1);
    for (let round = 1; round <= (form === 'long' ? 5 : 1); round++) {
      for (const { name } of servers) {
        total = plus(total, await countsOf(stage, name), 1);
        const began = realClock.now();
        await lab.restart(name, { graceMs: 30_000 });
        await lab.waitForServer(name, { timeoutMs: PATIENCE_MS });
        const took = ((realClock.now() - began) / 1000).toFixed(1);
        note(`${name} restarted in ${took} s; ${ledger.made} requests, ${ledger.failed.length} failed`);
      }
    }
    for (const { name } of servers) total = plus(total, await countsOf(stage, name), 1);
  } finally {
    enough.abort();
    await Promise.all(busy);
    await proxy.close();
  }
  assert.deepEqual(ledger.failed, []);
  assert.equal(proxy.refused(), 0);
  await stage.settle();
  await compare(stage, ledger);
  assert.equal(total.snapshots, 0, 'no agent had to compare its groups');
  assert.equal(total.mismatches, 0, 'no digest differed');
  assert.ok(total.resumes >= servers.length, 'agents went on by deltas');
  note(
    `${ledger.made} requests over ${proxy.passed()} connections, 0 failed; ${ledger.present.size} ports as acknowledged; ` +
      `${total.resumes} resumes, ${total.snapshots} snapshots`,
  );
}

/** R17, active-active: servers are restarted one after another while everything goes on. */
export const rollingRestart: Story = {
  name: 'rolling-restart',
  summary:
    'all servers restarted in turns under load behind a plain TCP proxy: no failed request, no snapshot',
  hosts: 3,
  servers: 3,
  async tell(scene) {
    const network = await scene.stage.network();
    const first = await scene.stage.port(network, 'h1');
    await scene.stage.untilServed(first);
    await scene.stage.settle();
    await scene.stage.lab.api('DELETE', `/v2.0/ports/${first.id}`);
    await restartAll(scene, network);
  },
};
