/** Whoever ignores what it is told, and asks again and again, must not send the others away for long. */
const MAX_WAIT_MS = 30_000;

/**
 * A token bucket: so much work at once, so much a second after that. What costs more than the bucket holds passes when
 * it is full, and is paid off afterwards.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;
  /** Work that was turned away lately: how long the next may have to wait. */
  #waiting = 0;

  constructor(limits: { perSecond: number; burst: number }, now: number) {
    this.#perSecond = limits.perSecond;
    this.#burst = limits.burst;
    this.#tokens = limits.burst;
    this.#at = now;
  }

  /** Takes that many tokens, if they are there. */
  take(now: number, cost: number): boolean {
    this.#refill(now);
    if (this.#tokens < Math.min(cost, this.#burst)) {
      this.#waiting += cost;
      return false;
    }
    this.#tokens -= cost;
    return true;
  }

  /** When it is worth coming back, so that those who were turned away come one after another. */
  retryAfterMs(now: number): number {
    this.#refill(now);
    const missing = this.#waiting - Math.min(0, this.#tokens);
    return Math.min(MAX_WAIT_MS, Math.ceil((1000 * Math.max(1, missing)) / this.#perSecond));
  }

  #refill(now: number): void {
    const earned = ((now - this.#at) / 1000) * this.#perSecond;
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#waiting = Math.max(0, this.#waiting - earned);
  }
}
