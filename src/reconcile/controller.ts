/**
 * The loop that makes each key so, whatever the road: level, not edge. `mark` says only "look again at this key".
 *
 * - One queue of keys: deduped, never two workers on one key; a key marked while it is worked on runs again afterwards.
 * - `position` is the log position of the change that marked it (0: none, e.g. drift). When a run that *began* at or
 *   after a mark ends converged, that mark is realised.
 * - Urgent keys go before others (a new port before a full resync).
 * - A failure backs off its key only (R19); a reconciler that throws is a failure with the error as its reason (R18).
 * - Marks without a position (drift) run a key at most five times in a row, then every 100 ms, or every second while it
 *   fails: a program that dies as often as it is started does not take the machine with it. A change runs it at once.
 * - A change that may wait (`afterMs`) is owed from the start, and done with the key's next run, whatever asks for that one.
 * - A run that exceeds `timeoutMs` is a stall: `onStall` is told (the agent process exits and is restarted: R24).
 */
import { backoffMs } from './backoff.ts';
import { WorkQueue } from './workqueue.ts';
import { type Clock, untilAborted } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';

/** What of a key is not as it should be, though the run itself went through. */
export interface Shortfall {
  /** The sub-object, e.g. `port/<id>`; '' for the whole key. */
  readonly object: string;
  /** waiting: for the world, nothing to retry; failed: retry with backoff. */
  readonly state: 'waiting' | 'failed';
  readonly reason: string;
}

/** The result of one run for one key. Empty shortfalls: converged. */
export interface Outcome {
  readonly shortfalls: readonly Shortfall[];
  /** Look again after this long even if nothing marks the key. */
  readonly again?: number;
  /** Something on the host had to be made or changed. Tells audits that there was drift. */
  readonly repaired?: boolean;
}

export const CONVERGED: Outcome = { shortfalls: [] };

export interface ControllerOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome>;
  /** Called after each run. */
  readonly onOutcome?: (key: string, outcome: Outcome) => void;
  readonly onStall?: (key: string) => void;
}

/**
 * What a key still owes. A key can stand there twice: once with the shortfalls of its last run, once without any for marks
 * that came since and have not run yet.
 */
export interface Pending {
  readonly key: string;
  /** The oldest position not realised; 0: it was realised and is no more (drift). */
  readonly since: number;
  /** Empty when it has simply not run yet. */
  readonly shortfalls: readonly Shortfall[];
}

export interface Controller {
  /** `afterMs`: a change may wait so long for others of its key, counted from the first that waits. */
  mark(key: string, position: number, options?: { urgent?: boolean; afterMs?: number }): void;
  /** Every key with shortfalls or with marks of a position above 0 that are not realised, in key order. */
  pending(): Pending[];
  /** Resolves once no key is queued or running (shortfalls that wait or back off do not count). */
  idle(): Promise<void>;
  /** Works until `signal` aborts, then waits for the runs under way. */
  run(signal: AbortSignal): Promise<void>;
}

/** Runs that only drift asks for: so many at once, then one in each interval, longer while the key fails. */
const DRIFT_BURST = 5;
const DRIFT_INTERVAL_MS = 100;
const DRIFT_INTERVAL_FAILING_MS = 1000;

interface Timer {
  readonly at: number;
  readonly cancel: () => void;
  /** Set by a mark for drift and by none for a change, not by backoff or `again`. */
  readonly drift: boolean;
  readonly urgent: boolean;
}

interface KeyState {
  readonly key: string;
  running: boolean;
  /** Marked while it ran: for a change or for drift only, urgently or not. */
  again: { readonly change: boolean; readonly urgent: boolean } | null;
  /** When changes that came while it ran have waited long enough, which is all that is asked for unless `again` says more. */
  laterAt: number | null;
  /** Oldest position marked and not taken by a run; taken by the run under way; covered by a run that left shortfalls. */
  marked: number | null;
  taken: number | null;
  owed: number | null;
  shortfalls: readonly Shortfall[];
  failures: number;
  /** Drift runs left as of `driftAt`. */
  driftCredit: number;
  driftAt: number;
  timer: Timer | null;
}

function oldest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

export function createController(options: ControllerOptions): Controller {
  return new KeyController(options);
}

class KeyController implements Controller {
  readonly #options: ControllerOptions;
  readonly #states = new Map<string, KeyState>();
  readonly #queue = new WorkQueue();
  readonly #runs = new Set<AbortController>();
  #signal: AbortSignal | null = null;
  #idleWaiters: (() => void)[] = [];
  #pumping = false;
  #onDrained: (() => void) | null = null;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  mark(key: string, position: number, { urgent = false, afterMs = 0 } = {}): void {
    const state = this.#stateOf(key);
    if (position > 0) state.marked = oldest(state.marked, position);
    const change = position > 0;
    if (change && afterMs > 0) this.#later(state, this.#options.clock.now() + afterMs);
    else if (state.running) {
      const before = state.again;
      state.again = {
        change: change || (before?.change ?? false),
        urgent: urgent || (before?.urgent ?? false),
      };
    } else if (change) this.#enqueue(state, urgent);
    else this.#enqueueForDrift(state, urgent);
  }

  pending(): Pending[] {
    const list: Pending[] = [];
    for (const state of this.#states.values()) {
      const { key, shortfalls } = state;
      if (shortfalls.length > 0) list.push({ key, since: state.owed ?? 0, shortfalls });
      const unrun = oldest(state.marked, state.taken);
      if (unrun !== null) list.push({ key, since: unrun, shortfalls: [] });
    }
    // Stable: a key's shortfalls stay before its marks.
    return list.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  }

  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  async run(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#signal = signal;
    this.#pumpSoon();
    await untilAborted(signal);
    for (const run of this.#runs) run.abort();
    if (this.#runs.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    }
    this.#signal = null;
    for (const state of this.#states.values()) {
      this.#stopTimer(state);
      if (state.marked !== null) this.#queue.add(state.key, false);
    }
  }

  #stateOf(key: string): KeyState {
    let state = this.#states.get(key);
    if (state === undefined) {
      state = {
        key,
        running: false,
        again: null,
        laterAt: null,
        marked: null,
        taken: null,
        owed: null,
        shortfalls: [],
        failures: 0,
        driftCredit: DRIFT_BURST,
        driftAt: this.#options.clock.now(),
        timer: null,
      };
      this.#states.set(key, state);
    }
    return state;
  }

  /** A run that is to come takes it along. */
  #later(state: KeyState, at: number): void {
    if (state.running) state.laterAt ??= at;
    else if (!this.#queue.has(state.key)) this.#startTimer(state, at, { drift: false, urgent: true });
  }

  #enqueue(state: KeyState, urgent: boolean): void {
    this.#stopTimer(state);
    this.#queue.add(state.key, urgent);
    this.#pumpSoon();
  }

  #enqueueForDrift(state: KeyState, urgent: boolean): void {
    if (this.#queue.has(state.key)) {
      if (urgent) this.#queue.add(state.key, true);
      return;
    }
    const now = this.#options.clock.now();
    const intervalMs = state.failures > 0 ? DRIFT_INTERVAL_FAILING_MS : DRIFT_INTERVAL_MS;
    state.driftCredit = Math.min(DRIFT_BURST, state.driftCredit + (now - state.driftAt) / intervalMs);
    state.driftAt = now;
    if (state.driftCredit < 1) {
      this.#startTimer(state, now + Math.ceil((1 - state.driftCredit) * intervalMs), { drift: true, urgent });
      return;
    }
    state.driftCredit -= 1;
    this.#enqueue(state, urgent);
  }

  /** One timer a key: the earlier of what is set and what is asked for. */
  #startTimer(state: KeyState, at: number, why: { drift: boolean; urgent: boolean }): void {
    const before = state.timer;
    const due = before === null ? at : Math.min(before.at, at);
    const drift = state.marked === null && (why.drift || (before?.drift ?? false));
    const urgent = why.urgent || (before?.urgent ?? false);
    this.#stopTimer(state);
    const cancel = this.#options.clock.after(Math.max(0, due - this.#options.clock.now()), () => {
      state.timer = null;
      if (drift) this.#enqueueForDrift(state, urgent);
      else this.#enqueue(state, urgent);
    });
    state.timer = { at: due, cancel, drift, urgent };
  }

  #stopTimer(state: KeyState): void {
    state.timer?.cancel();
    state.timer = null;
  }

  /** Never within the caller's own turn: it may be half way through applying what it marks for. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#signal !== null && !this.#signal.aborted && this.#runs.size < this.#options.concurrency) {
      const key = this.#queue.take();
      if (key === undefined) break;
      void this.#work(this.#stateOf(key));
    }
    if (this.#idleWaiters.length > 0 && this.#isIdle()) {
      const waiters = this.#idleWaiters;
      this.#idleWaiters = [];
      for (const resolve of waiters) resolve();
    }
  }

  #isIdle(): boolean {
    if (this.#queue.size > 0 || this.#runs.size > 0) return false;
    for (const { timer, marked } of this.#states.values()) if (timer?.drift || marked !== null) return false;
    return true;
  }

  async #work(state: KeyState): Promise<void> {
    const { clock, timeoutMs, onOutcome, onStall } = this.#options;
    const run = new AbortController();
    this.#runs.add(run);
    state.running = true;
    state.taken = state.marked;
    state.marked = null;
    const cancelStall = clock.after(timeoutMs, () => {
      run.abort();
      onStall?.(state.key);
    });
    const outcome = await this.#reconcile(state.key, run.signal);
    cancelStall();
    this.#runs.delete(run);
    this.#settle(state, outcome);
    onOutcome?.(state.key, outcome);
    if (this.#runs.size === 0) this.#onDrained?.();
    this.#pumpSoon();
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    try {
      return await this.#options.reconcile(key, signal);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { shortfalls: [{ object: '', state: 'failed', reason }] };
    }
  }

  #settle(state: KeyState, outcome: Outcome): void {
    const { again, laterAt } = state;
    state.running = false;
    state.again = null;
    state.laterAt = null;
    state.owed = outcome.shortfalls.length > 0 ? (oldest(state.owed, state.taken) ?? 0) : null;
    state.taken = null;
    state.shortfalls = outcome.shortfalls;
    const failed = outcome.shortfalls.some((shortfall) => shortfall.state === 'failed');
    state.failures = failed ? state.failures + 1 : 0;
    if (this.#signal === null || this.#signal.aborted) this.#keepMark(state, again);
    else if (again?.change) this.#enqueue(state, again.urgent);
    else {
      this.#schedule(state, failed, outcome.again);
      if (laterAt !== null) this.#later(state, laterAt);
      if (again) this.#enqueueForDrift(state, again.urgent);
      if (state.timer === null) this.#forgetLater(state);
    }
  }

  /** When to look again though no change asks for it. */
  #schedule(state: KeyState, failed: boolean, againMs: number | undefined): void {
    const { clock, random } = this.#options;
    const why = { drift: false, urgent: false };
    if (failed) this.#startTimer(state, clock.now() + backoffMs(state.failures, random), why);
    if (againMs !== undefined) this.#startTimer(state, clock.now() + againMs, why);
  }

  /** The loop has been asked to stop: what was marked stays queued for a later `run`. */
  #keepMark(state: KeyState, again: KeyState['again']): void {
    if (again || state.shortfalls.length > 0) this.#queue.add(state.key, again?.urgent ?? false);
  }

  /** A key that owes nothing is dropped once its last run no longer matters, or every key ever seen would stay. */
  #forgetLater(state: KeyState): void {
    if (state.shortfalls.length > 0) return;
    this.#options.clock.after(DRIFT_BURST * DRIFT_INTERVAL_MS, () => {
      const settled = !state.running && state.timer === null && state.shortfalls.length === 0;
      if (
        settled &&
        state.marked === null &&
        !this.#queue.has(state.key) &&
        this.#states.get(state.key) === state
      ) {
        this.#states.delete(state.key);
      }
    });
  }
}
