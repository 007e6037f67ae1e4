/** Plays a scenario with one seed, and says what came of it. */
import type { Plant } from './plants.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

export interface RunResult {
  readonly scenario: string;
  readonly seed: number;
  /** Hash of everything that happened: the same for the same seed. */
  readonly trace: string;
  readonly steps: number;
  readonly virtualMs: number;
  /** What was violated, or what was thrown; undefined when all held. */
  readonly failure: string | undefined;
  readonly replay: string;
  /** The last events, one a line. */
  readonly story: readonly string[];
}

export async function run(scenario: Scenario, options: { seed: number; plant?: Plant }): Promise<RunResult> {
  const { seed, plant } = options;
  let world: World | undefined;
  let failure: string | undefined;
  try {
    await scenario.play(seed, (made) => {
      world = made;
      plant?.install(made);
    });
  } catch (error) {
    failure = describe(error);
  }
  const replay = [
    `npm run sim -- --seed ${seed}`,
    ...(scenario.name === 'chaos' ? [] : [`--scenario ${scenario.name}`]),
    ...(plant ? [`--plant ${plant.name}`] : []),
  ].join(' ');
  return {
    scenario: scenario.name,
    seed,
    trace: world?.scheduler.digest() ?? '',
    steps: world?.scheduler.steps ?? 0,
    virtualMs: world?.scheduler.now ?? 0,
    failure,
    replay,
    story: world?.scheduler.recent() ?? [],
  };
}

/** A Violation by its message; anything else is a bug of somebody's, so with where it was thrown. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'Violation' ? error.message : (error.stack ?? error.message);
}
