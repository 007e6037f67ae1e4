/**
 * Spares callers the wait for someone who does not answer. After some waits in vain in a row asking is refused at once for a
 * while; then one at a time may try, and the first answer lets all through again. Failures that come at once spare nobody
 * anything, and stop nobody: whoever can make one fail must not be able to stop the others.
 */
import type { Clock } from '../lib/clock.ts';

/** silence: waited in vain; refusal: waiting does not mend it, and each try may be held against us; other: an answer of a kind. */
export type FailureKind = 'silence' | 'refusal' | 'other';

const SILENCES = 3;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4_000;
const REFUSED_PAUSE_MS = 30_000;

export class Breaker {
  readonly #clock: Clock;
  readonly #onFailure: (failure: Error | null) => void;
  #silences = 0;
  #openUntil = Number.NEGATIVE_INFINITY;
  #trying = false;
  #failing = false;

  /** `onFailure` hears of the first failure in a row, and null of the success after it. */
  constructor(clock: Clock, onFailure: (failure: Error | null) => void) {
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** Asks, or rejects at once. */
  async through<Result>(
    ask: () => Promise<Result>,
    kindOf: (error: unknown) => FailureKind,
  ): Promise<Result> {
    const isTrial = this.#silences >= SILENCES;
    if (isTrial && (this.#trying || this.#clock.now() < this.#openUntil))
      throw new Error('it did not answer lately');
    if (isTrial) this.#trying = true;
    try {
      const result = await ask();
      if (this.#failing) this.#onFailure(null);
      this.#failing = false;
      this.#silences = 0;
      return result;
    } catch (error) {
      if (!this.#failing) this.#onFailure(error as Error);
      this.#failing = true;
      this.#failed(kindOf(error));
      throw error;
    } finally {
      if (isTrial) this.#trying = false;
    }
  }

  #failed(kind: FailureKind): void {
    const now = this.#clock.now();
    if (kind === 'other') this.#silences = 0;
    else if (kind === 'silence') {
      this.#silences++;
      const pauseMs = FIRST_PAUSE_MS * 2 ** Math.max(0, this.#silences - SILENCES);
      this.#openUntil = now + Math.min(pauseMs, LONGEST_PAUSE_MS);
    } else {
      this.#silences = Math.max(this.#silences, SILENCES);
      this.#openUntil = now + REFUSED_PAUSE_MS;
    }
  }
}
