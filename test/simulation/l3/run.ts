/** Plays a seed or a plan of the world of routers, and says what came of it. */
import type { Plan } from '../plan.ts';
import { describeFailure, type RunResult } from '../run.ts';
import { drawL3Plan } from './plan.ts';
import type { L3Plant } from './plants.ts';
import { playL3Plan } from './play.ts';
import type { L3World } from './world.ts';

export async function runL3Plan(plan: Plan, plant?: L3Plant): Promise<RunResult> {
  let world: L3World | undefined;
  let failure: string | undefined;
  try {
    await playL3Plan(plan, (made) => {
      world = made;
      plant?.install(made);
    });
  } catch (error) {
    failure = describeFailure(error);
  }
  const virtualMs = world?.scheduler.now ?? 0;
  return {
    scenario: 'l3',
    seed: plan.seed,
    trace: world?.scheduler.digest() ?? '',
    steps: world?.scheduler.steps ?? 0,
    deliveries: (world?.network.deliveries ?? 0) + (world?.adverts ?? 0),
    virtualMs,
    agentMs: virtualMs * plan.hosts,
    convergedInMs: world?.convergedInMs,
    failure,
    replay: `npm run sim -- --world l3 --seed ${plan.seed}${plant ? ` --plant ${plant.name}` : ''}`,
    coverage: world?.coverage.found ?? {},
    story: world?.scheduler.recent() ?? [],
  };
}

export const runL3 = (seed: number, plant?: L3Plant): Promise<RunResult> =>
  runL3Plan(drawL3Plan(seed), plant);
