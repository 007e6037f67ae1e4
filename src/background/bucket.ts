import type { Clock } from '../lib/clock.ts';

/** A rate with a burst: fills steadily up to `most`, and is full at first. */
export class Bucket {
  readonly #clock: Clock;
  readonly #rate: { readonly perSecond: number; readonly most: number };
  #level: number;
  #at: number;

  constructor(clock: Clock, rate: { readonly perSecond: number; readonly most: number }) {
    this.#clock = clock;
    this.#rate = rate;
    this.#level = rate.most;
    this.#at = clock.now();
  }

  /** How many may be taken now. */
  available(): number {
    const now = this.#clock.now();
    const { perSecond, most } = this.#rate;
    this.#level = Math.min(most, this.#level + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    return Math.max(0, Math.floor(this.#level));
  }

  /** Takes so many; more than there are delays those that come next. */
  take(count: number): void {
    this.available();
    this.#level -= count;
  }
}
