/** Waiting for a state of the world: until it is there, or the deadline. */
import { type Clock, sleep } from '../lib/clock.ts';

export interface UntilOptions {
  /** What is waited for, for the message when it does not come. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Between two looks. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** It did not come in time, or the wait was ended; the message has the last reason. */
export class NotInTime extends Error {
  override readonly name = 'NotInTime';
}

/**
 * Calls `look` until it gives something other than undefined or false, and returns that. A look that throws counts as
 * "not yet"; its message is in the error that is thrown at the deadline.
 */
export async function until<T>(
  clock: Clock,
  options: UntilOptions,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const start = clock.now();
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    const because = last instanceof Error ? ` (${last.message})` : '';
    if (options.signal?.aborted) throw new NotInTime(`interrupted while waiting: ${options.what}${because}`);
    if (clock.now() - start >= options.timeoutMs)
      throw new NotInTime(`not within ${options.timeoutMs / 1000} s: ${options.what}${because}`);
    await sleep(clock, options.everyMs ?? 25, options.signal);
  }
}
