/** A few seeds of the world of routers, and proof that it finds what is wrong. `npm run sim -- --world l3` plays more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawL3Plan } from './plan.ts';
import { L3_PLANTS, provoke } from './plants.ts';
import { runL3, runL3Plan } from './run.ts';

const SEEDS = 10;
const MOST_SEEDS = 25;

test('whatever goes wrong with HA routers, one replica serves each, and not two for long', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failure, replay } = await runL3(seed);
    assert.equal(failure, undefined, `${replay}: ${failure}`);
  }
});

test('a seed of routers replays event by event', async () => {
  const [first, second, other] = [await runL3(7), await runL3(7), await runL3(8)];
  assert.deepEqual(first.story, second.story);
  assert.equal(first.trace, second.trace);
  assert.notEqual(first.trace, other.trace);
});

for (const plant of Object.values(L3_PLANTS)) {
  test(`it finds the planted bug ${plant.name}: ${plant.summary}`, async () => {
    for (let seed = 1; seed <= MOST_SEEDS; seed++) {
      // it may show in more than one way; its own is asked for
      const { failure = '' } = await runL3Plan(provoke(drawL3Plan(seed), plant), plant);
      if (plant.found.test(failure)) return;
    }
    assert.fail(`not within ${MOST_SEEDS} seeds`);
  });
}
