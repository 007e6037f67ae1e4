/** One kind of what goes wrong. What it does is drawn from a stream of its own, so that leaving another out changes nothing in it. */
import { integerBetween, type Random } from '../../../src/lib/random.ts';
import { happens } from '../weather.ts';
import type { World } from '../world.ts';

export interface Struck {
  /** What was done, in a few words. */
  readonly what: string;
  /** The process or host that it was done to, where it is one. */
  readonly on?: string;
}

export interface Fault {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  /** Does it; undefined: nothing to do it to. It takes back what does not last, sooner or later, or leaves it to `calm`. */
  strike(world: World, random: Random): Struck | undefined;
}

/** Mostly over soon, at times only after a while, seldom long. */
export function lastingMs(random: Random): number {
  if (happens(random, 0.05)) return integerBetween(random, 15_000, 45_000);
  return happens(random, 0.2) ? integerBetween(random, 3_000, 15_000) : integerBetween(random, 5, 1_500);
}

/** Something that lasts: as above, but never only a moment. */
export function longMs(random: Random): number {
  return happens(random, 0.2) ? integerBetween(random, 10_000, 40_000) : integerBetween(random, 500, 12_000);
}

/** A trouble of the world, for a while. */
export function trouble(world: World, names: readonly string[], forMs: number): void {
  const ends = names.map((name) => world.troubles.begin(name));
  world.scheduler.after(forMs, `over: ${names.join(', ')}`, () => {
    for (const end of ends) end();
  });
}
