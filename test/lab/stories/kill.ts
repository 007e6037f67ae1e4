import assert from 'node:assert/strict';
import type { Random } from '../../../src/lib/random.ts';
import { integerBetween } from '../../../src/lib/random.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { addressOf, type Network, type Port, type Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

const VICTIMS = [
  ['ctl1', 'server'],
  ['ctl1', 'database'],
  ['h1', 'agent'],
  ['h2', 'agent'],
  ['h3', 'agent'],
  ['any', 'dnsmasq'],
] as const;

/** What the clients were told, and so what must be there in the end. */
interface Ledger {
  /** Acknowledged by 201, and not asked to be deleted. */
  readonly present: Map<string, Port>;
  /** Acknowledged by 204. */
  readonly deleted: Map<string, Port>;
  /** A delete was asked for and no answer came: either way is right. */
  readonly unsure: Map<string, Port>;
  failed: number;
}

const AT_MOST = 60;
/** Removals are collected (`FORGETFUL`) before dnsmasq reads its files again. */
const FORGET_MS = 60_000;

interface LoadParts {
  readonly ledger: Ledger;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** Creates and deletes ports as fast as they are answered, whatever dies meanwhile, until `signal` aborts. */
async function load(stage: Stage, networks: readonly Network[], parts: LoadParts): Promise<void> {
  const { ledger, random, signal } = parts;
  for (let turn = 0; !signal.aborted; turn++) {
    const network = networks[turn % networks.length]!;
    const isFull = ledger.present.size >= AT_MOST;
    try {
      if (isFull || random.next() < 0.3) await deleteOne(stage, parts);
      else {
        const port = await stage.port(network, `h${integerBetween(random, 1, 3)}`);
        ledger.present.set(port.id, port);
      }
      // Some room for the others: three of these and all of the lab share the machine.
      await sleep(realClock, 20, signal);
    } catch {
      ledger.failed++;
      await sleep(realClock, 50, signal);
    }
  }
}

async function deleteOne(stage: Stage, parts: LoadParts): Promise<void> {
  const { ledger, random, signal } = parts;
  const ports = [...ledger.present.values()];
  const port = ports[integerBetween(random, 0, Math.max(0, ports.length - 1))];
  if (!port) return;
  ledger.present.delete(port.id);
  ledger.unsure.set(port.id, port);
  try {
    await stage.lab.api('DELETE', `/v2.0/ports/${port.id}`);
    ledger.unsure.delete(port.id);
    ledger.deleted.set(port.id, port);
  } catch (error) {
    while (!signal.aborted && !(await resolve(stage, ledger, port))) await sleep(realClock, 50, signal);
    throw error;
  }
}

/** What became of a delete whose answer was lost is what a server shows afterwards. false: none answers yet. */
async function resolve(stage: Stage, ledger: Ledger, port: Port): Promise<boolean> {
  const answer = await stage.lab.api('GET', `/v2.0/ports?id=${port.id}`).catch(() => undefined);
  if (!answer) return false;
  ledger.unsure.delete(port.id);
  (answer.ports.length > 0 ? ledger.present : ledger.deleted).set(port.id, port);
  return true;
}

/** Starts whatever of ours has ended, as systemd would. */
async function supervise(stage: Stage, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const node of ['ctl1', 'h1', 'h2', 'h3']) await stage.lab.start(node);
    await sleep(realClock, 100, signal);
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** The rows and the hosts against what was acknowledged. Throws with the first thing that is wrong. */
async function compare(stage: Stage, ledger: Ledger): Promise<void> {
  const { ports } = (await stage.lab.api('GET', '/v2.0/ports')) as { ports: Port[] };
  const shown = new Map(ports.map((port) => [port.id, port]));
  for (const port of ledger.present.values()) {
    const found = shown.get(port.id);
    assert.ok(found, `port ${port.id} was acknowledged and is lost`);
    assert.deepEqual(found.fixed_ips, port.fixed_ips);
  }
  for (const id of ledger.deleted.keys()) assert.equal(shown.has(id), false, `deleted port ${id} is back`);
  for (const port of shown.values()) {
    if (ledger.present.has(port.id)) await stage.untilServed(port);
  }
  for (const port of ledger.deleted.values()) {
    await stage.untilForgotten(port.mac_address, FORGET_MS);
  }
}

/** R10, R11, R24: kill -9 of anything at any moment under load loses nothing that was acknowledged. */
export const kill: Story = {
  name: 'kill',
  summary: 'kill -9 of server, database, agents and dnsmasq at random moments under load: nothing is lost',
  hosts: 3,
  servers: 1,
  async tell(scene) {
    const { stage, note } = scene;
    const networks = [await stage.network(), await stage.network()];
    const ending = new AbortController();
    const supervising = supervise(stage, ending.signal);
    try {
      await killUnderLoad(scene, networks);
      const machine = await stage.machineThatAsks(networks[0]!, 'h2');
      assert.equal((await stage.lease(machine.machine)).ip, addressOf(machine.port));
      note('and a new machine gets its lease');
    } finally {
      ending.abort();
      await supervising;
    }
  },
};

/** Rounds of kills under load, each followed by quiet, convergence and a comparison with what was acknowledged. */
async function killUnderLoad(
  { stage, note, form, random }: Scene,
  networks: readonly Network[],
): Promise<void> {
  const kills = form === 'long' ? 100 : 6;
  const inRound = form === 'long' ? 20 : 6;
  const ledger: Ledger = { present: new Map(), deleted: new Map(), unsure: new Map(), failed: 0 };
  // In turns, so that also a few kills are of every kind.
  const queue: (typeof VICTIMS)[number][] = [];
  for (let done = 0; done < kills; ) {
    const enough = new AbortController();
    const busy = [1, 2].map(() => load(stage, networks, { ledger, random, signal: enough.signal }));
    try {
      for (const last = Math.min(done + inRound, kills); done < last; done++) {
        await sleep(realClock, integerBetween(random, 50, 1500));
        if (queue.length === 0) queue.push(...shuffled(VICTIMS, random));
        const [where, what] = queue.pop()!;
        const host = where === 'any' ? `h${integerBetween(random, 1, 3)}` : where;
        const pids = stage.lab.signal(host, what, 'SIGKILL');
        note(`${done + 1}: kill -9 ${what} on ${host}${pids.length === 0 ? ': none runs just now' : ''}`);
      }
    } finally {
      enough.abort();
      await Promise.all(busy);
    }
    // The last kill may have its consequences still ahead, so everything is asked for patiently.
    await stage.until('lost answers are resolved', async () => {
      for (const port of ledger.unsure.values()) if (!(await resolve(stage, ledger, port))) return false;
      return true;
    });
    await stage.settle(120_000);
    await compare(stage, ledger);
    const { present, deleted, failed } = ledger;
    const counts = `${present.size} ports there, ${deleted.size} deleted; ${failed} requests failed meanwhile`;
    note(`all as acknowledged: ${counts}`);
  }
}
