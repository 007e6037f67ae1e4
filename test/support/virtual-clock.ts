/** Time that passes by hand: `advance` fires what falls due, in order, and lets everything settle in between. */
import type { Clock } from '../../src/lib/clock.ts';

interface Timer {
  readonly at: number;
  readonly number: number;
  readonly fire: () => void;
}

/** Lets promises run until nothing is left to do but wait. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class VirtualClock implements Clock {
  #now = 0;
  #number = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  wall(): Date {
    return new Date(Date.UTC(2026, 0, 31, 12) + this.#now);
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), number: this.#number++, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (let next = this.#first(until); next; next = this.#first(until)) {
      this.#now = next.at;
      this.#timers.delete(next);
      next.fire();
      await settle();
    }
    this.#now = until;
  }

  #first(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > until) continue;
      if (!first || timer.at < first.at || (timer.at === first.at && timer.number < first.number))
        first = timer;
    }
    return first;
  }
}
