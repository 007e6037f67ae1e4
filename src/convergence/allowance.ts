/** So many at once, so many a second after that. Time is an argument (monotonic milliseconds). */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export class Allowance {
  readonly #rate: Rate;
  #left: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#left = rate.burst;
    this.#at = now;
  }

  /** Whether one more may be taken now; takes nothing. */
  has(now: number): boolean {
    const { perSecond, burst } = this.#rate;
    this.#left = Math.min(burst, this.#left + (Math.max(0, now - this.#at) / 1000) * perSecond);
    this.#at = Math.max(now, this.#at);
    return this.#left >= 1;
  }

  take(): void {
    this.#left -= 1;
  }

  /** As if nothing had been taken for long. */
  isFull(now: number): boolean {
    this.has(now);
    return this.#left >= this.#rate.burst;
  }
}
