/** A real server whose database goes away, or is there and says nothing: it says so quickly, and keeps its agents. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { hostGroup } from '../../src/resources/agent-view.ts';
import { HttpTransport } from '../../src/watch/client.ts';
import { Follower } from '../../src/watch/follow.ts';
import { Journal } from '../../src/watch/journal.ts';
import { DatabaseProxy } from '../support/database-proxy.ts';
import { startTestCluster, type TestCluster } from '../support/postgres.ts';
import { freePort } from '../support/server-process.ts';
import { watchRequest } from '../support/watch-world.ts';

/** A busy machine is slow; a caller that waits for a database that says nothing would wait for ever. */
const HANGS_MS = 60_000;

let cluster: TestCluster;
let proxy: DatabaseProxy;
let server: ChildProcess;
let apiPort: number;
let agentPort: number;

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly tookMs: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
  readonly body: any;
}

function ask(method: string, path: string, body?: object): Promise<Answer> {
  const began = performance.now();
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: apiPort, method, path, headers, agent: false };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => {
        text += more;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'],
          tookMs: performance.now() - began,
          body: text === '' ? undefined : JSON.parse(text),
        }),
      );
    });
    asked.on('error', reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!(await look())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

before(async () => {
  cluster = await startTestCluster();
  proxy = await DatabaseProxy.start(cluster.directory);
  [apiPort, agentPort] = [await freePort(), await freePort()];
  const addresses = ['--api-listen', `127.0.0.1:${apiPort}`, '--agent-listen', `127.0.0.1:${agentPort}`];
  const argv = ['server', '--database-url', proxy.url, ...addresses, '--log-level', 'error'];
  server = spawn('bin/deuteron', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  await until('the server answers', () =>
    ask('GET', '/readyz').then(
      (answer) => answer.status === 200,
      () => false,
    ),
  );
});

after(async () => {
  if (server.exitCode === null) {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
  await proxy.goAway();
  await cluster.close();
});

/** An agent of a new host on the real client. */
async function follow(host: string) {
  const { body } = await ask('POST', '/v2.0/deuteron/hosts', { host: { name: host } });
  const nowhere = { read: async () => null, append: async () => undefined, replace: async () => undefined };
  const journal = await Journal.open(nowhere, host);
  const transport = new HttpTransport({
    ...{ servers: [`http://127.0.0.1:${agentPort}`], credential: body.host.credential },
    ...{ clock: realClock, random: realRandom },
  });
  const follower = new Follower({
    ...{ transport, journal, clock: realClock, random: realRandom, describe: () => watchRequest(host) },
    onChanges: () => undefined,
    onJournalError: (error) => assert.fail(String(error)),
  });
  const abort = new AbortController();
  const running = follower.run(abort.signal);
  await until(`${host} follows`, () => follower.state.name === 'live');
  const stop = () => {
    abort.abort();
    transport.close();
    return running;
  };
  return { follower, mirror: journal.mirror, stop };
}

/** What a caller asks for again and again meanwhile; each refused, and quickly once it is known. */
async function assertRefused(forMs: number): Promise<void> {
  const began = performance.now();
  while (performance.now() - began < forMs) {
    const answers = await Promise.all([
      ask('GET', '/v2.0/networks'),
      ask('POST', '/v2.0/networks', { network: { name: 'never' } }),
      ask('GET', '/readyz'),
      ...Array.from({ length: 12 }, () => ask('GET', '/v2.0/ports')),
    ]);
    for (const { status, retryAfter, tookMs } of answers) {
      assert.deepEqual([status, retryAfter], [503, '1']);
      assert.ok(tookMs < HANGS_MS, `an answer took ${tookMs} ms`);
    }
    assert.equal((await ask('GET', '/healthz')).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

for (const how of ['away', 'silent'] as const) {
  test(`the database is ${how}: 503 at once, watches stay open, all goes on after`, async () => {
    const host = `host-${how}`;
    const { follower, mirror, stop } = await follow(host);
    try {
      const { body } = await ask('POST', '/v2.0/networks', { network: { name: how } });
      const { connection } = follower.state;
      if (how === 'away') await proxy.goAway();
      else proxy.fallSilent();
      await assertRefused(how === 'away' ? 2_000 : 7_000);
      assert.deepEqual([follower.state.name, follower.state.connection], ['live', connection]);
      await proxy.comeBack();
      await until('it is ready again', async () => (await ask('GET', '/readyz')).status === 200);
      const port = { network_id: body.network.id, 'binding:host_id': host };
      assert.equal((await ask('POST', '/v2.0/ports', { port })).status, 201);
      await until('the agent hears of it', () => (mirror.group(hostGroup(host))?.size ?? 0) > 1);
      const { networks } = (await ask('GET', '/v2.0/networks?name=never')).body;
      assert.deepEqual(networks, [], 'what was refused did not happen');
      assert.equal(server.exitCode, null);
    } finally {
      await stop();
    }
  });
}
