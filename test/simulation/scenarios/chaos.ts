/** Users, bad weather and faults of every kind, then quiet. */
import { integerBetween, seededRandom } from '../../../src/lib/random.ts';
import type { FeedLimits } from '../../../src/watch/feed.ts';
import { drawFaults } from '../faults.ts';
import { CONVERGE_MS, type Scenario } from '../scenario.ts';
import { CALM, drawWeather } from '../weather.ts';
import { drawRequest } from '../workload.ts';
import { World } from '../world.ts';

export const chaos: Scenario = {
  name: 'chaos',
  summary: 'users, bad weather and faults of every kind, then quiet',
  async play(seed, prepare) {
    const random = seededRandom(seed ^ 0x5eed);
    const world = new World({
      seed,
      hosts: integerBetween(random, 2, 4),
      servers: integerBetween(random, 1, 2),
      weather: happensToBeCalm(random.next()) ? CALM : drawWeather(random),
      ...(random.next() < 0.4 ? { limits: NARROW } : {}),
    });
    prepare(world);
    await world.begin();
    const durationMs = integerBetween(random, 10_000, 40_000);
    const limits = { maxNetworks: integerBetween(random, 1, 4), maxPorts: integerBetween(random, 3, 15) };
    keepAsking(world, { everyMs: integerBetween(random, 100, 1_500), limits });
    keepStriking(world, integerBetween(random, 400, 6_000));
    await world.scheduler.run(durationMs, () => false);
    world.isOver = true;
    world.calm();
    await world.converge(CONVERGE_MS);
  },
};

/** A feed that can keep next to nothing, so that what is for thousands of agents happens with a few. */
const NARROW: Partial<FeedLimits> = {
  stallMs: 3_000,
  tailChanges: 15,
  tailRefs: 60,
  ringBytes: 4_000,
  snapshots: { perSecond: 4, burst: 2 },
  joinersPerCycle: 2,
  groupsPerCycle: 2,
};

const happensToBeCalm = (lot: number) => lot < 0.15;

/** Users: one request after another, each to a server that lives. */
function keepAsking(
  world: World,
  options: { everyMs: number; limits: { maxNetworks: number; maxPorts: number } },
): void {
  const { random } = world;
  const again = () => {
    if (world.isOver) return;
    const request = drawRequest(world.workload(options.limits));
    if (request) world.follow(world.ask(request));
    world.later(options.everyMs * 2 * random.next(), '', again);
  };
  world.later(500, '', again);
}

function keepStriking(world: World, everyMs: number): void {
  const { random } = world;
  const strike = drawFaults(random);
  const again = () => {
    if (world.isOver) return;
    const done = strike(world);
    if (done) world.scheduler.note(`fault: ${done}`);
    world.later(everyMs * 2 * random.next(), '', again);
  };
  world.later(1_000, '', again);
}
