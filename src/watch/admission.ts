/** A token bucket: so many at once, so many a second after that. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;
  /** Turned away in the last second or so: how long the others may have to wait. */
  #waiting = 0;

  constructor(limits: { perSecond: number; burst: number }, now: number) {
    this.#perSecond = limits.perSecond;
    this.#burst = limits.burst;
    this.#tokens = limits.burst;
    this.#at = now;
  }

  /** Takes a token if there is one. */
  take(now: number): boolean {
    this.#refill(now);
    if (this.#tokens < 1) {
      this.#waiting++;
      return false;
    }
    this.#tokens--;
    return true;
  }

  /** When it is worth coming back, so that those who were turned away come one after another. */
  retryAfterMs(now: number): number {
    this.#refill(now);
    return Math.ceil((1000 * Math.max(1, this.#waiting)) / this.#perSecond);
  }

  #refill(now: number): void {
    const earned = ((now - this.#at) / 1000) * this.#perSecond;
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#waiting = Math.max(0, this.#waiting - earned);
  }
}
