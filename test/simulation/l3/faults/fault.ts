/** One kind of what goes wrong with routers. It takes back what does not last, sooner or later, or leaves it to `calm`. */
import { integerBetween, type Random } from '../../../../src/lib/random.ts';
import { happens } from '../../weather.ts';
import type { L3World } from '../world.ts';

export interface L3Fault {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  /** Does it, and says what in a few words; undefined: nothing to do it to. */
  strike(world: L3World, random: Random): string | undefined;
  /** Routers are moved by it, or hosts changed: after it nothing is expected to stand still for a moment. */
  readonly isFelt: boolean;
}

/** Mostly for seconds, at times for a moment, seldom for long. */
export function forHowLong(random: Random): number {
  if (happens(random, 0.1)) return integerBetween(random, 15_000, 40_000);
  return happens(random, 0.3) ? integerBetween(random, 20, 800) : integerBetween(random, 800, 12_000);
}

/** Troubles of the world, for a while. */
export function trouble(
  world: L3World,
  names: readonly string[],
  forMs: number,
  atEnd: () => void = () => undefined,
): void {
  const ends = names.map((name) => world.troubles.begin(name));
  world.scheduler.after(forMs, `over: ${names.join(', ')}`, () => {
    world.watch.disturb();
    for (const end of ends) end();
    atEnd();
  });
}
