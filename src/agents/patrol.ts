/**
 * When a role looks at what the host tells of with no name, or not at all: bit by bit all the time, and at everything
 * once it was told that another hand was there.
 */
import { type Clock, sleep } from '../lib/clock.ts';

export interface PatrolOptions {
  readonly clock: Clock;
  /** Looks at everything, or at the next bit. */
  readonly look: (scope: 'all' | 'next') => Promise<void>;
  /** Whether there is anything to look at yet. */
  readonly isReady: () => boolean;
}

/** Between looks at a bit. */
const PERIOD_MS = 4_000;
/** What one hand does comes in several pieces. */
const GATHER_MS = 20;
/** After a look at everything, until the next: so long, and four times as long as it took. */
const REST_MS = 500;
const REST_SHARE = 4;

export class Patrol {
  readonly #options: PatrolOptions;
  #isHurried = false;
  #wake = new AbortController();

  constructor(options: PatrolOptions) {
    this.#options = options;
  }

  /** Everything is to be looked at, soon. */
  hurry(): void {
    this.#isHurried = true;
    this.#wake.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, look, isReady } = this.#options;
    const stop = () => this.#wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    let restedAt = 0;
    while (!signal.aborted) {
      if (!this.#isHurried) await this.#pause(PERIOD_MS, signal);
      if (signal.aborted) break;
      const scope = this.#isHurried ? 'all' : 'next';
      if (scope === 'all') await sleep(clock, Math.max(GATHER_MS, restedAt - clock.now()), signal);
      if (signal.aborted) break;
      this.#isHurried = false;
      if (!isReady()) continue;
      const begunAt = clock.now();
      await look(scope);
      const now = clock.now();
      if (scope === 'all') restedAt = now + Math.max(REST_MS, REST_SHARE * (now - begunAt));
    }
    signal.removeEventListener('abort', stop);
  }

  /** Until then, or until there is a hurry. */
  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    if (signal.aborted || this.#isHurried) return;
    await sleep(this.#options.clock, delayMs, this.#wake.signal);
  }
}
