import { Allowance, type Rate } from '../lib/allowance.ts';

/** Whoever ignores what it is told, and asks again and again, must not send the others away for long. */
const MAX_WAIT_MS = 30_000;

/**
 * A token bucket: so much work at once, so much a second after that. What costs more than the bucket holds passes when
 * it is full, and is paid off afterwards.
 */
export class TokenBucket {
  readonly #rate: Rate;
  readonly #tokens: Allowance;
  /** Work that was turned away lately: how long the next may have to wait. */
  #waiting = 0;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = new Allowance(rate, now);
  }

  /** Takes that many tokens, if they are there. */
  take(now: number, cost: number): boolean {
    if (this.#level(now) < Math.min(cost, this.#rate.burst)) {
      this.#waiting += cost;
      return false;
    }
    this.#tokens.take(now, cost);
    return true;
  }

  /** When it is worth coming back, so that those who were turned away come one after another. */
  retryAfterMs(now: number): number {
    const level = this.#level(now);
    const missing = this.#waiting - Math.min(0, level);
    return Math.min(MAX_WAIT_MS, Math.ceil((1000 * Math.max(1, missing)) / this.#rate.perSecond));
  }

  #level(now: number): number {
    this.#waiting = Math.max(0, this.#waiting - this.#tokens.earn(now));
    return this.#tokens.level(now);
  }
}
