/**
 * One life of one process. Whatever the process is given passes through here; once it is killed, no promise that it
 * waits for settles any more and no timer of it fires, so that it stops between two steps wherever it stands.
 */
import type { Clock } from '../../src/lib/clock.ts';
import { integerBetween, type Random, seededRandom } from '../../src/lib/random.ts';
import type { Scheduler } from './scheduler.ts';

const NEVER = new Promise<never>(() => undefined);
const WALL_ORIGIN = Date.UTC(2026, 0, 1);

export class Incarnation {
  readonly name: string;
  readonly random: Random;
  readonly clock: Clock;
  /** Aborted on an orderly stop only; a killed process hears nothing. */
  readonly stopping = new AbortController();
  readonly #scheduler: Scheduler;
  readonly #atDeath: (() => void)[] = [];
  #alive = true;

  /** `origin`: what this life's monotonic clock says at the simulation's start. */
  constructor(scheduler: Scheduler, name: string, chance: Random) {
    this.name = name;
    this.#scheduler = scheduler;
    this.random = seededRandom(chance.tag());
    const origin = integerBetween(this.random, 0, 1_000_000);
    this.clock = {
      now: () => origin + scheduler.now,
      wall: () => new Date(WALL_ORIGIN + scheduler.now),
      after: (delayMs, fire) => this.#scheduler.after(delayMs, '', () => this.#alive && this.run(fire)),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Ends this life at once. */
  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const end of this.#atDeath.splice(0)) end();
  }

  /** Called when the process dies: what its kernel does then, e.g. closing its connections. */
  atDeath(end: () => void): void {
    if (this.#alive) this.#atDeath.push(end);
    else end();
  }

  /** Runs code of the process; an error that it lets out is a bug of the process and fails the simulation. */
  run(code: () => void): void {
    try {
      code();
    } catch (error) {
      this.#scheduler.failure ??= error;
    }
  }

  /** Follows a promise of the process that nobody awaits; its failure fails the simulation. */
  follow(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      if (this.#alive) this.#scheduler.failure ??= error;
    });
  }

  /** Resolves after a while, unless the process dies first. */
  pause(label: string, delayMs: number): Promise<void> {
    return this.call(label, { before: delayMs, after: 0 }, () => undefined);
  }

  /**
   * A request to something outside the process: `work` is done after a while, the answer comes after another. Killed in
   * between, the work is done or not, and nobody hears of it.
   */
  call<Result>(
    label: string,
    delays: { before: number; after: number },
    work: () => Result | Promise<Result>,
  ): Promise<Result> {
    if (!this.#alive) return NEVER;
    return new Promise<Result>((resolve, reject) => {
      const answer = (settle: () => void) => {
        if (delays.after === 0) {
          if (this.#alive) settle();
          return;
        }
        this.#scheduler.after(delays.after, '', () => this.#alive && settle());
      };
      this.#scheduler.after(delays.before, `${this.name} ${label}`, () => {
        if (!this.#alive && this.random.next() < 0.5) return;
        // an async function, so that what `work` throws at once is a rejection too
        const done = (async () => work())();
        done.then(
          (result) => answer(() => resolve(result)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  }
}
