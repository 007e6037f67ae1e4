/**
 * Time as an argument. Everything that waits or measures takes a Clock; only `main/` (and tests) choose which.
 * `now` is monotonic milliseconds, for durations and deadlines; `wall` is for stored, displayed times only.
 */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary origin. */
  now(): number;
  /** The wall clock, for display and stored timestamps. */
  wall(): Date;
  /** Runs `fire` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, fire: () => void): () => void;
}

/** The machine's own clock. */
export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => new Date(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once when `signal` aborts (it never rejects: look at the signal afterwards). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}

/** A stored timestamp the way Neutron shows it: UTC, whole seconds, `2026-01-31T12:00:00Z`. */
export function timestamp(clock: Pick<Clock, 'wall'>): string {
  return `${clock.wall().toISOString().slice(0, 19)}Z`;
}

/** Resolves once `signal` aborts, at once if it already has. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
