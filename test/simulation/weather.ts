/** How bad the world is right now. All chances are drawn from the seed; calm weather still delays. */
import { integerBetween, type Random } from '../../src/lib/random.ts';

/** Chances of each misfortune, each in [0, 1] and per message, statement or step. */
export interface Weather {
  /** A frame or report is lost, the connection goes on. */
  readonly loss: number;
  readonly duplication: number;
  /** A message overtakes those before it. */
  readonly reordering: number;
  /** A message takes up to seconds. */
  readonly slowness: number;
  /** A step on a host fails. */
  readonly failedStep: number;
  /** A COMMIT's answer is lost. */
  readonly lostAnswer: number;
  /** A wake-up between servers is lost. */
  readonly lostWake: number;
}

export const CALM: Weather = {
  loss: 0,
  duplication: 0,
  reordering: 0,
  slowness: 0,
  failedStep: 0,
  lostAnswer: 0,
  lostWake: 0,
};

/** A weather of its own for each seed: some misfortunes rare, some frequent, some absent. */
export function drawWeather(random: Random): Weather {
  const chance = (most: number) => (random.next() < 0.4 ? 0 : random.next() ** 2 * most);
  return {
    loss: chance(0.08),
    duplication: chance(0.15),
    reordering: chance(0.15),
    slowness: chance(0.05),
    failedStep: chance(0.1),
    lostAnswer: chance(0.05),
    lostWake: chance(1),
  };
}

export function happens(random: Random, chance: number): boolean {
  return chance > 0 && random.next() < chance;
}

/** A delay in milliseconds, mostly short. */
export function delay(random: Random, usualMs: number, slowness = 0): number {
  if (happens(random, slowness)) return integerBetween(random, 500, 4000);
  return usualMs * (0.2 + random.next() * random.next() * 4);
}

export function pick<Item>(random: Random, items: readonly Item[]): Item | undefined {
  return items[Math.floor(random.next() * items.length)];
}

/** One of them, each as often as its weight says beside the others'. */
export function weighted<Item extends { readonly weight: number }>(
  random: Random,
  items: readonly Item[],
): Item | undefined {
  let lot = random.next() * items.reduce((sum, { weight }) => sum + weight, 0);
  for (const item of items) {
    lot -= item.weight;
    if (lot < 0) return item;
  }
  return undefined;
}
