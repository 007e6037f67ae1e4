/** Replicas that hear each other on no path, all but one told to stand back; then the one that serves loses its power. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trouble } from './faults/fault.ts';
import type { L3Machine } from './machine.ts';
import { LONG_MS, servedWorld } from './stage.ts';
import { peersName } from './underlay.ts';
import type { L3World } from './world.ts';

const SEEDS = [1, 2, 4];
/** With neither servers nor peers they find out nothing of one another once all leases have ended. */
const AFTER_MS = 3_000;

interface Stage {
  readonly world: L3World;
  readonly id: string;
  readonly active: L3Machine;
}

/** Everybody reaches the servers and the outside, nobody a peer; that has been settled `forMs` ago. */
async function partedStage(seed: number, forMs: number, isBlind = false): Promise<Stage> {
  const { world, id } = await servedWorld(seed);
  const wires = world.machines.flatMap(({ name }) =>
    (['tunnel', 'management'] as const).map((wire) => peersName(wire, name)),
  );
  const unseen = world.machines.map(({ name }) => peersName('external', name));
  trouble(world, [...wires, ...(isBlind ? unseen : [])], 10 * LONG_MS);
  const isHeld = (machine: L3Machine) => machine.keepalivedOf(id)?.state === 'fault';
  await world.until('one keeps it, two stand back', LONG_MS, async () => {
    const holders = await world.truth.holders(id);
    return holders.length === 1 && world.machines.filter(isHeld).length === 2 ? undefined : 'not yet';
  });
  await world.pass(forMs);
  const [active] = await world.truth.holders(id);
  assert.ok(active);
  return { world, id, active };
}

/** How long nobody has it, and for how long more than one has within the time after. */
async function follow({ world, id }: Stage): Promise<{ noneMs: number; severalMs: number }> {
  const count = async () => (await world.truth.holders(id)).length;
  const began = world.scheduler.now;
  while ((await count()) === 0 && world.scheduler.now - began < LONG_MS) await world.pass(25);
  const noneMs = world.scheduler.now - began;
  let severalMs = 0;
  for (let at = 0; at < AFTER_MS; at += 25) {
    await world.pass(25);
    if ((await count()) > 1) severalMs += 25;
  }
  return { noneMs, severalMs };
}

function powerOff({ world, active }: Stage): void {
  world.agent(active.name).kill();
  world.scheduler.follow(active.powerOff());
}

const CASES: readonly {
  readonly name: string;
  readonly isBlind?: boolean;
  readonly worse: (stage: Stage) => void;
  readonly noneMs: number;
  readonly severalMs: number;
}[] = [
  { name: 'the outside shows it', worse: () => undefined, noneMs: 3_000, severalMs: 1_000 },
  {
    name: 'also with no server',
    worse: ({ world }) => {
      for (const server of world.servers) server.kill(true);
    },
    ...{ noneMs: 3_000, severalMs: 1_000 },
  },
  {
    name: 'servers end it where the outside shows nothing',
    ...{ isBlind: true, worse: () => undefined },
    // nobody but the servers stands between the two that are left
    ...{ noneMs: 3_500, severalMs: 1_000 },
  },
];

for (const { name, isBlind, worse, ...most } of CASES)
  test(`who stands back for one that loses its power takes over soon: ${name}`, async (t) => {
    for (const seed of SEEDS) {
      const stage = await partedStage(seed, 5_000 + 700 * seed, isBlind);
      worse(stage);
      powerOff(stage);
      const { noneMs, severalMs } = await follow(stage);
      t.diagnostic(`seed ${seed}: nobody for ${noneMs} ms, several for ${severalMs} ms`);
      assert.ok(noneMs <= most.noneMs, `seed ${seed}: nobody for ${noneMs} ms`);
      assert.ok(severalMs <= most.severalMs, `seed ${seed}: several for ${severalMs} ms`);
    }
  });

test('who stands back stays so while the other serves, for as long as that is', async () => {
  for (const seed of SEEDS) {
    const stage = await partedStage(seed, 1_000);
    const { world, id, active } = stage;
    const holders = async () => (await world.truth.holders(id)).map(({ name }) => name).join();
    for (let at = 0; at < 40_000; at += 100) {
      await world.pass(100);
      assert.equal(await holders(), active.name, `seed ${seed}, after ${at} ms`);
    }
  }
});
