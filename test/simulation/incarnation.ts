/**
 * One life of one process. Whatever the process is given passes through here; once it is killed, no promise that it
 * waits for settles any more and no timer of it fires, so that it stops between two steps wherever it stands.
 */
import type { Clock } from '../../src/lib/clock.ts';
import { integerBetween, type Random, seededRandom } from '../../src/lib/random.ts';
import type { Scheduler } from './scheduler.ts';

const NEVER = new Promise<never>(() => undefined);
const WALL_ORIGIN = Date.UTC(2026, 0, 1);
/** What waited for a process that stood still comes in its order, each so much after the one before. */
const TINY_MS = 0.001;

export class Incarnation {
  readonly name: string;
  readonly random: Random;
  readonly clock: Clock;
  /** Aborted on an orderly stop only; a killed process hears nothing. */
  readonly stopping = new AbortController();
  readonly #scheduler: Scheduler;
  readonly #atDeath: (() => void)[] = [];
  #alive = true;
  /** What comes to the process while it stands still; undefined while it runs. */
  #kept: (() => void)[] | undefined;

  /** `wallOffset`: by how many milliseconds the wall clock of its machine is wrong now. */
  constructor(scheduler: Scheduler, name: string, chance: Random, wallOffset: () => number = () => 0) {
    this.name = name;
    this.#scheduler = scheduler;
    this.random = seededRandom(chance.tag());
    // what its monotonic clock says at the simulation's start
    const origin = integerBetween(this.random, 0, 1_000_000);
    this.clock = {
      now: () => origin + scheduler.now,
      wall: () => new Date(WALL_ORIGIN + scheduler.now + wallOffset()),
      after: (delayMs, fire) => {
        let isCancelled = false;
        const cancel = this.#scheduler.after(delayMs, '', () => this.enter(() => isCancelled || fire()));
        return () => {
          isCancelled = true;
          cancel();
        };
      },
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get isFrozen(): boolean {
    return this.#kept !== undefined;
  }

  /** The process stands still until `thaw`: its clock goes on, what comes to it waits. */
  freeze(): void {
    if (this.#alive) this.#kept ??= [];
  }

  thaw(): void {
    if (!this.#kept) return;
    const next = this.#kept.shift();
    if (!next) {
      this.#kept = undefined;
      return;
    }
    if (this.#alive) this.run(next);
    this.#scheduler.after(TINY_MS, '', () => this.thaw());
  }

  /** Code of the process goes on: at once, or when the process does; never once it is dead. */
  enter(code: () => void): void {
    if (!this.#alive) return;
    if (this.#kept) this.#kept.push(code);
    else this.run(code);
  }

  /** Ends this life at once. */
  kill(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#kept = undefined;
    for (const end of this.#atDeath.splice(0)) end();
  }

  /** Called when the process dies: what its kernel does then, e.g. closing its connections. */
  atDeath(end: () => void): void {
    if (this.#alive) this.#atDeath.push(end);
    else end();
  }

  /** Runs code of the process, which does not stand still; an error that it lets out is a bug of the process and fails the simulation. */
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
        if (delays.after === 0) this.enter(settle);
        else this.#scheduler.after(delays.after, '', () => this.enter(settle));
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
