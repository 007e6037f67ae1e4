/** Plays a plan: users, bad weather and faults as planned; then calm, in which everything must converge within the bound. */
import { seededRandom } from '../../src/lib/random.ts';
import type { FeedLimits } from '../../src/watch/feed.ts';
import { FAULTS } from './faults.ts';
import type { Plan } from './plan.ts';
import { CONVERGE_MS } from './scenario.ts';
import { ACTIONS } from './workload.ts';
import { World } from './world.ts';

const NARROW: Partial<FeedLimits> = {
  stallMs: 3_000,
  tailChanges: 15,
  tailRefs: 60,
  ringBytes: 4_000,
  snapshots: { perSecond: 4, burst: 2 },
  joinersPerCycle: 2,
  groupsPerCycle: 2,
};

export async function playPlan(plan: Plan, prepare: (world: World) => void): Promise<void> {
  const { seed, hosts, servers, zones, weather, narrow, detectMs } = plan;
  const world = new World({
    ...{ seed, hosts, servers, zones, weather },
    settings: { agentDownTimeMs: detectMs },
    limits: narrow ? NARROW : {},
  });
  prepare(world);
  await world.begin();
  schedule(world, plan);
  await world.scheduler.run(plan.durationMs, () => false);
  world.calm();
  await world.converge(CONVERGE_MS);
  if (plan.quietMs > 0) await world.stayQuiet(plan.quietMs);
}

function schedule(world: World, { requests, faults, maxNetworks, maxPorts }: Plan): void {
  for (const { kind, atMs, seed } of requests) {
    world.scheduler.after(atMs, '', () => {
      const random = seededRandom(seed);
      const request = ACTIONS[kind]?.action(world.workload(random, { maxNetworks, maxPorts }));
      if (request) world.scheduler.follow(world.ask(request, random));
    });
  }
  for (const { atMs, seed, kind } of faults) {
    world.scheduler.after(atMs, '', () => {
      const count = world.coverage.before(kind);
      const struck = FAULTS.get(kind)?.strike(world, seededRandom(seed));
      if (!struck) return;
      world.scheduler.note(`fault: ${struck.what}`);
      count(struck);
    });
  }
}
