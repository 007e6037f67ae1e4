/** Which of several active replicas is to keep the router: the one that serves best, then the one that has for longest. */
import type { PathState } from '../resources/replica-report.ts';
import type { Replica } from './replica.ts';

const PATH_ORDER: Readonly<Record<PathState, number>> = { up: 0, unknown: 1, down: 2 };

interface Criterion {
  /** The less the better. */
  readonly of: (replica: Replica) => number;
  readonly says: (better: Replica, worse: Replica) => string;
}

/** Of one that doubts whether it reaches anybody it is not known that its tunnel is well, though it has not said otherwise yet. */
const tunnelOf = ({ isUnsure, paths }: Replica): PathState =>
  isUnsure && paths.tunnel === 'up' ? 'unknown' : paths.tunnel;

const CRITERIA: readonly Criterion[] = [
  {
    of: (replica) => PATH_ORDER[tunnelOf(replica)],
    says: (better, worse) => `its tunnel is ${tunnelOf(better)}, that of ${worse.host} ${tunnelOf(worse)}`,
  },
  {
    of: ({ penalty }) => penalty,
    says: (better, worse) => `its health costs ${better.penalty}, that of ${worse.host} ${worse.penalty}`,
  },
  {
    of: ({ failing }) => failing,
    says: (better, worse) => `${better.failing} of its checks fail, of ${worse.host} ${worse.failing}`,
  },
  {
    of: ({ since }) => since ?? Number.POSITIVE_INFINITY,
    says: () => 'it has been active for longest',
  },
  { of: ({ rank }) => rank, says: () => 'it comes first by rank' },
];

function compare(one: Replica, other: Replica): number {
  for (const { of } of CRITERIA) {
    const [first, second] = [of(one), of(other)];
    if (first !== second) return first < second ? -1 : 1;
  }
  return one.host < other.host ? -1 : 1;
}

/** Who has been active for longest of them, as far as is known. */
export function incumbent(replicas: readonly Replica[]): Replica | undefined {
  const since = (one: Replica) => one.since ?? Number.POSITIVE_INFINITY;
  return byMerit(replicas).reduce<Replica | undefined>(
    (best, one) => (best === undefined || since(one) < since(best) ? one : best),
    undefined,
  );
}

/** Best first. */
export const byMerit = (replicas: readonly Replica[]): Replica[] => [...replicas].sort(compare);

/** Why the first is better than the second, as the end of a sentence. */
export function merit(better: Replica, worse: Replica): string {
  const decisive = CRITERIA.find(({ of }) => of(better) !== of(worse));
  return decisive?.says(better, worse) ?? 'it comes first by name';
}
