import type { Clock } from './clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** A clock that stands still until it is told to move: for tests and simulation. */
export class ManualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #wallOrigin: number;
  readonly #timers = new Set<Timer>();

  /** `wallOrigin`: what the wall clock says at 0, in milliseconds since 1970. */
  constructor(wallOrigin = 1_767_225_600_000) {
    this.#wallOrigin = wallOrigin;
  }

  now(): number {
    return this.#now;
  }

  wall(): Date {
    return new Date(this.#wallOrigin + this.#now);
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** When the next timer fires; undefined with none. */
  next(): number | undefined {
    return this.#earliest()?.at;
  }

  /** Moves on by `durationMs`, firing on the way what becomes due, in order of time. */
  advance(durationMs: number): void {
    const end = this.#now + durationMs;
    for (let timer = this.#earliest(); timer && timer.at <= end; timer = this.#earliest()) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.fire();
    }
    this.#now = end;
  }

  #earliest(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order))
        first = timer;
    }
    return first;
  }
}
