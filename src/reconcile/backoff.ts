import type { Random } from '../lib/random.ts';

const FIRST_MS = 250;
const LONGEST_MS = 30_000;

/**
 * How long to wait after the `failures`-th failure in a row (from 1): doubling from a quarter of a second to half a
 * minute, each time between half and all of it, so that many keys that failed together do not return together.
 */
export function backoffMs(failures: number, random: Random): number {
  const fullMs = Math.min(FIRST_MS * 2 ** Math.min(failures - 1, 20), LONGEST_MS);
  return Math.round(fullMs * (0.5 + random.next() / 2));
}
