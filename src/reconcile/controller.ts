/**
 * The loop that makes each key so, whatever the road: level, not edge. `mark` says only "look again at this key".
 *
 * - One queue of keys: deduped, never two workers on one key; a key marked while it is worked on runs again afterwards.
 * - `position` is the log position of the change that marked it (0: none, e.g. drift). When a run that *began* at or
 *   after a mark ends converged, that mark is realised.
 * - Urgent keys go before others (a new port before a full resync).
 * - A failure backs off its key only (R19); a reconciler that throws is a failure with the error as its reason (R18).
 * - A run that exceeds `timeoutMs` is a stall: `onStall` is told (the agent process exits and is restarted: R24).
 */
import type { Clock } from '../lib/clock.ts';
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

/** What a key still owes. */
export interface Pending {
  readonly key: string;
  /** The oldest position not realised. */
  readonly since: number;
  /** Empty when it has simply not run yet. */
  readonly shortfalls: readonly Shortfall[];
}

export interface Controller {
  mark(key: string, position: number, options?: { urgent?: boolean }): void;
  /** Every key with unrealised marks or shortfalls, in key order. */
  pending(): Pending[];
  /** Resolves once no key is queued or running (shortfalls that wait or back off do not count). */
  idle(): Promise<void>;
  /** Works until `signal` aborts, then waits for the runs under way. */
  run(signal: AbortSignal): Promise<void>;
}
