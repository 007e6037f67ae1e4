/** So much at once, so much a second after that. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A token bucket, full at first. Time is an argument (monotonic milliseconds). */
export class Allowance {
  readonly #rate: Rate;
  #level: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#level = rate.burst;
    this.#at = now;
  }

  /** Counts in what has been earned since the last look, and returns it (what did not fit as well). */
  earn(now: number): number {
    const earned = (Math.max(0, now - this.#at) / 1000) * this.#rate.perSecond;
    this.#level = Math.min(this.#rate.burst, this.#level + earned);
    this.#at = Math.max(now, this.#at);
    return earned;
  }

  /** What may be taken now; below zero while more was taken than was there. */
  level(now: number): number {
    this.earn(now);
    return this.#level;
  }

  /** Takes so many; more than there are delays those that come next. */
  take(now: number, count = 1): void {
    this.earn(now);
    this.#level -= count;
  }

  /** As if nothing had been taken for long. */
  isFull(now: number): boolean {
    return this.level(now) >= this.#rate.burst;
  }
}
