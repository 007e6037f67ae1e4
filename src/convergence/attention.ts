/**
 * Whether this server is in a state to judge others (local health, as in Lifeguard: Dadgar, Phillips, Currey 2018). Who
 * was paused, or whose database answers late, has not heard what was said meanwhile: silence is counted from when its
 * own loop and its own reads and writes were last not prompt.
 */

export class Attention {
  readonly #promptMs: number;
  #since: number;
  #tickedAt: number;
  readonly #pending = new Map<number, number>();
  #asked = 0;

  constructor(promptMs: number, now: number) {
    this.#promptMs = promptMs;
    this.#since = now;
    this.#tickedAt = now;
  }

  /** The loop has come round, as it should have `plannedMs` after the last time. */
  ticked(now: number, plannedMs: number): void {
    if (now - this.#tickedAt > plannedMs + this.#promptMs) this.#since = now;
    this.#tickedAt = now;
  }

  /** The database is asked something; the returned function tells that it has answered, or has failed. */
  asks(now: number): (now: number, isAnswered: boolean) => void {
    const number = ++this.#asked;
    this.#pending.set(number, now);
    return (at, isAnswered) => {
      this.#pending.delete(number);
      if (!isAnswered || at - now > this.#promptMs) this.#since = Math.max(this.#since, at);
    };
  }

  /** Since when all has been prompt. */
  since(now: number): number {
    for (const began of this.#pending.values()) {
      if (now - began > this.#promptMs) this.#since = Math.max(this.#since, now);
    }
    // a pause that the next tick will find
    return now - this.#tickedAt > 2 * this.#promptMs ? now : this.#since;
  }
}
