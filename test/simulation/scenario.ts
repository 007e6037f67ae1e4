/** What is played in a world: the ordinary chaos, or a story of its own. */
import type { World } from './world.ts';

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** Builds the world of a seed, hands it to `prepare`, and says how the story goes in it. */
  readonly play: (seed: number, prepare: (world: World) => void) => Promise<void>;
}

/** Everything must be as the rows want it so long after the worst is over. */
export const CONVERGE_MS = 120_000;
