/**
 * What goes by tunnels reaches the active's host on neither path, nor anybody from there; servers do, and its addresses answer. That is
 * found out seconds after servers have judged.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trouble } from './faults/fault.ts';
import { servedWorld } from './stage.ts';
import { portName } from './underlay.ts';

const HEARD_MS = 10_000;
/** Both of the others rise, are told to step back, and are told otherwise. */
const SETTLED_MS = 6_000;
/** Longer than a lease. */
const FOR_MS = 20_000;

test('who alone reaches nobody does not keep the router, whatever was known as servers judged', async (t) => {
  for (const seed of [1, 2, 3]) {
    const { world, id } = await servedWorld(seed);
    const holders = async () => (await world.truth.holders(id)).map(({ name }) => name).join();
    // who never answered inside a tunnel says nothing by not doing so
    await world.pass(HEARD_MS);
    const active = await holders();
    const wires = (['tunnel', 'management'] as const).map((wire) => portName(wire, active));
    trouble(world, wires, FOR_MS);
    await world.pass(SETTLED_MS);
    const holder = await holders();
    assert.ok(holder !== active && holder !== '', `seed ${seed}: ${active} had it, ${holder} has it`);
    for (let at = 0; at < 2 * FOR_MS; at += 250) {
      await world.pass(250);
      assert.equal(await holders(), holder, `seed ${seed}: nothing moves any more, also when it is over`);
    }
    const revised = world.store.rows('events').filter(({ data }) => data['revises'] !== undefined);
    t.diagnostic(`seed ${seed}: revised ${revised.length} times`);
    assert.ok(revised.length <= 1);
  }
});
