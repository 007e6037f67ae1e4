/** R34: a check that fails on every replica says nothing about any of them: what it checks is to blame. Pure. */
import type { ReplicaState } from '../resources/replica-report.ts';

export interface CheckedReplica {
  readonly host: string;
  readonly state: ReplicaState;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly text: string }[];
}

export interface Blamed {
  readonly check: string;
  readonly hosts: readonly string[];
  /** What it says, mostly. */
  readonly text: string;
}

/**
 * The checks that fail on all replicas of a router that tell of them, two at the least. A replica of which nothing is known
 * says neither; one whose host is not told to run the check does not count.
 */
export function blamed(replicas: readonly CheckedReplica[]): Blamed[] {
  const known = replicas.filter(({ state }) => state !== 'unknown');
  const told = known.flatMap(({ host, checks }) => checks.map((check) => ({ host, ...check })));
  return [...Map.groupBy(told, ({ name }) => name)]
    .filter(([, all]) => all.length >= 2 && all.every(({ ok }) => !ok))
    .map(([check, all]) => ({
      check,
      hosts: all.map(({ host }) => host).sort(),
      text: all[0]?.text ?? '',
    }));
}
