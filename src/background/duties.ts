import { type Clock, sleep } from '../lib/clock.ts';

/** Something the server does again and again. It must be idempotent, and safe beside another server that does the same. */
export interface Duty {
  readonly name: string;
  /** Only the leader needs to: elsewhere it is left out. What would do harm twice calls `guard` besides. */
  readonly leaderOnly?: boolean;
  readonly intervalMs: number;
  readonly perform: () => Promise<void>;
}

export interface DutyOptions {
  readonly clock: Clock;
  readonly leader: { readonly isLeader: boolean };
  /** Told of each failure; the duty is tried again after its interval. */
  readonly onFailure: (duty: string, error: unknown) => void;
}

/** Performs every duty at once and then at its interval, each on its own, until `signal` aborts. */
export async function runDuties(
  duties: readonly Duty[],
  options: DutyOptions,
  signal: AbortSignal,
): Promise<void> {
  const runOne = async (duty: Duty) => {
    while (!signal.aborted) {
      try {
        if (!duty.leaderOnly || options.leader.isLeader) await duty.perform();
      } catch (error) {
        options.onFailure(duty.name, error);
      }
      await sleep(options.clock, duty.intervalMs, signal);
    }
  };
  await Promise.all(duties.map(runOne));
}
