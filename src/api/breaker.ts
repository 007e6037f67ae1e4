/**
 * Spares callers the wait for someone who does not answer. After some failures in a row asking is refused at once for a while;
 * then one at a time may try, and the first success lets all through again.
 */
import type { Clock } from '../lib/clock.ts';

const FAILURES = 3;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4_000;
/** For those who refuse us: each try with a wrong password may be counted against its user. */
const REFUSED_PAUSE_MS = 30_000;

export class Breaker {
  readonly #clock: Clock;
  readonly #onFailure: (failure: Error | null) => void;
  #failures = 0;
  #openUntil = Number.NEGATIVE_INFINITY;
  #trying = false;

  /** `onFailure` hears of the first failure in a row, and null of the success after it. */
  constructor(clock: Clock, onFailure: (failure: Error | null) => void) {
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** Asks, or rejects at once. `refused`: whether a failure is one that waiting does not mend. */
  async through<Result>(ask: () => Promise<Result>, refused: (error: unknown) => boolean): Promise<Result> {
    const isTrial = this.#failures >= FAILURES;
    if (isTrial && (this.#trying || this.#clock.now() < this.#openUntil))
      throw new Error('it did not answer lately');
    if (isTrial) this.#trying = true;
    try {
      const result = await ask();
      if (this.#failures > 0) this.#onFailure(null);
      this.#failures = 0;
      return result;
    } catch (error) {
      this.#failed(error, refused(error));
      throw error;
    } finally {
      if (isTrial) this.#trying = false;
    }
  }

  #failed(error: unknown, refused: boolean): void {
    if (this.#failures === 0) this.#onFailure(error as Error);
    this.#failures = refused ? Math.max(this.#failures + 1, FAILURES) : this.#failures + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, this.#failures - FAILURES), LONGEST_PAUSE_MS);
    this.#openUntil = this.#clock.now() + (refused ? REFUSED_PAUSE_MS : pauseMs);
  }
}
