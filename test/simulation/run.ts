/** Plays a scenario with one seed, or a plan, and says what came of it. */
import type { Coverage } from './coverage.ts';
import type { Plan } from './plan.ts';
import { playPlan } from './play.ts';
import type { Plant } from './plants.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

/** What is played where there is a plan. */
const PLAN = 'plan';

export interface RunResult {
  readonly scenario: string;
  readonly seed: number;
  /** Hash of everything that happened: the same for the same seed. */
  readonly trace: string;
  readonly steps: number;
  /** Messages that arrived: watch requests, frames, reports, answers. */
  readonly deliveries: number;
  readonly virtualMs: number;
  /** Virtual time of all agents together. */
  readonly agentMs: number;
  /** How long after the worst was over all was as it should be; undefined where that was not reached. */
  readonly convergedInMs: number | undefined;
  /** What was violated, or what was thrown; undefined when all held. */
  readonly failure: string | undefined;
  /** The command that plays it again. */
  readonly replay: string;
  readonly coverage: Coverage;
  /** The last events, one a line. */
  readonly story: readonly string[];
}

export async function run(
  scenario: Scenario,
  options: { readonly seed: number; readonly plant?: Plant | undefined },
): Promise<RunResult> {
  const { seed, plant } = options;
  let world: World | undefined;
  let failure: string | undefined;
  try {
    await scenario.play(seed, (made) => {
      world = made;
      plant?.install(made);
    });
  } catch (error) {
    failure = describeFailure(error);
  }
  const replay = [
    `npm run sim -- --seed ${seed}`,
    ...(isDrawn(scenario) ? [] : [`--scenario ${scenario.name}`]),
    ...(plant ? [`--plant ${plant.name}`] : []),
  ].join(' ');
  const virtualMs = world?.scheduler.now ?? 0;
  return {
    scenario: scenario.name,
    seed,
    trace: world?.scheduler.digest() ?? '',
    steps: world?.scheduler.steps ?? 0,
    deliveries: world?.network.deliveries ?? 0,
    virtualMs,
    agentMs: virtualMs * (world?.agents.length ?? 0),
    convergedInMs: world?.convergedInMs,
    failure,
    replay,
    coverage: world?.coverage.found ?? {},
    story: world?.scheduler.recent() ?? [],
  };
}

/** Whether the seed alone says what is played. */
const isDrawn = ({ name }: Scenario): boolean => name === 'chaos' || name === PLAN;

/** A plan, as it stands. `replay` is for one that was drawn; who has it from a file knows better. */
export function runPlan(plan: Plan, plant?: Plant): Promise<RunResult> {
  const scenario: Scenario = {
    name: PLAN,
    summary: '',
    play: (_seed, prepare) => playPlan(plan, prepare),
  };
  return run(scenario, { seed: plan.seed, plant });
}

/** The invariant that was violated, or the error: what stays the same when a failing run is made smaller. */
export function kindOf(failure: string): string {
  return failure.split('\n', 1)[0]?.replace(/:.*/, '') ?? '';
}

/** A Violation by its message; anything else is a bug of somebody's, so with where it was thrown. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Violation' ? error.message : (error.stack ?? error.message);
}
