/** A host that is cut off while its agent is away: the agent that starts there finds out all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trouble } from './faults/fault.ts';
import { LONG_MS, servedWorld } from './stage.ts';
import { cutName } from './underlay.ts';

test('an agent that starts on a host that is cut off leaves the router to whoever has it', async () => {
  for (const seed of [1, 2, 3]) {
    const { world, id } = await servedWorld(seed);
    const names = async () => (await world.truth.holders(id)).map(({ name }) => name);
    const [active = ''] = await names();
    // heard by the others until then
    await world.pass(5_000);
    world.agent(active).kill();
    const cuts = (['tunnel', 'management'] as const).flatMap((wire) => [
      cutName(wire, active, 'out'),
      cutName(wire, active, 'in'),
    ]);
    trouble(world, cuts, LONG_MS);
    await world.until('two have it', LONG_MS, async () =>
      (await names()).length === 2 ? undefined : 'not yet',
    );
    world.agent(active).start();
    await world.until('one has it', 5_000, async () =>
      (await names()).length === 1 ? undefined : 'not yet',
    );
    assert.notEqual((await names())[0], active);
    await world.pass(5_000);
    assert.equal((await names()).length, 1, `seed ${seed}`);
  }
});
