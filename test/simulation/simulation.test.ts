/** A few dozen seeds of the simulation, its scenarios, and proof that it finds what is wrong. `npm run sim` plays more. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { drawPlan, focusOn, type Plan } from './plan.ts';
import { PLANTS, type Plant } from './plants.ts';
import { run, runPlan } from './run.ts';
import type { Scenario } from './scenario.ts';
import { readScenarioFile } from './scenario-file.ts';
import { chaos } from './scenarios/chaos.ts';
import { staleDelivery } from './scenarios/stale-delivery.ts';
import { shrink } from './shrink.ts';

/** What planted bugs are found by. */
const FOUND =
  /^(exact mirror|ACTIVE implies served|convergence|one leader a term|served while moved|no false death|remedies take nothing down|quiet)/;
const FILES = join(import.meta.dirname, 'scenarios');

async function playAll(scenario: Scenario, seeds: number): Promise<void> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { failure, replay } = await run(scenario, { seed });
    assert.equal(failure, undefined, `${replay}: ${failure}`);
  }
}

test('whatever goes wrong, every host ends as the rows want it', () => playAll(chaos, 30));

test('a message from before a crash changes nothing after the resync (R14)', () =>
  playAll(staleDelivery, 12));

test('an old message that a mirror did take would be seen', async () => {
  const plant = PLANTS['accept-older'] as Plant;
  const { failure } = await run(staleDelivery, { seed: 3, plant });
  assert.match(failure ?? '', /^never back/);
});

for (const name of readdirSync(FILES).filter((one) => one.endsWith('.json'))) {
  const { about, plan } = readScenarioFile(join(FILES, name));
  test(`${name}: ${about}`, async () => {
    const { failure } = await runPlan(plan);
    assert.equal(failure, undefined, `npm run sim -- --file test/simulation/scenarios/${name}: ${failure}`);
  });
}

test('a failing run is made as small as it can be', async () => {
  const plant = PLANTS['drop-change'] as Plant;
  const fails = async (plan: Plan) => (await runPlan(plan, plant)).failure !== undefined;
  let seed = 1;
  while (!(await fails(drawPlan(seed)))) seed += 1;
  const { plan } = await shrink(drawPlan(seed), { fails, budget: 300 });
  assert.ok(await fails(plan));
  assert.equal(plan.faults.length, 0);
  assert.ok(plan.requests.length <= 3, `${plan.requests.length} requests`);
});

test('a seed replays event by event', async () => {
  const [first, second, other] = [
    await run(chaos, { seed: 42 }),
    await run(chaos, { seed: 42 }),
    await run(chaos, { seed: 43 }),
  ];
  assert.deepEqual(first.story, second.story);
  assert.equal(first.trace, second.trace);
  assert.notEqual(first.trace, other.trace);
});

for (const plant of Object.values(PLANTS).filter((one) => !one.isSeldomMet)) {
  test(`it finds the planted bug ${plant.name}`, async () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const plan = drawPlan(seed);
      const { failure } = await runPlan(plant.provokedBy ? focusOn(plan, plant.provokedBy) : plan, plant);
      if (failure === undefined) continue;
      assert.match(failure, FOUND);
      return;
    }
    assert.fail('not within 1,000 seeds');
  });
}
