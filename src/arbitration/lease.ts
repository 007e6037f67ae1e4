/**
 * Whether a replica that was told to step back at once (`fault`) is to stay so: its lease ends by itself, and is renewed only while
 * somebody else is known to serve. That one is asked every second, and the leases are renewed every few; who does not answer any more is not
 * waited for.
 */
import { byMerit } from './choice.ts';
import { isUnheard, type Replica } from './replica.ts';

export interface LeaseStep {
  /** Renew the leases of these hosts. */
  readonly renew: readonly string[];
  /** Ask these whether they still are active, for the next time. */
  readonly ask: readonly string[];
  /** These were asked and have not answered; there is time yet. */
  readonly awaited: readonly string[];
  /** Let these go: nobody is known to serve. One at a time, the best first: the others would rise with it. */
  readonly end: readonly string[];
}

export interface LeaseTimes {
  /** Leases are to be told again: several times within one. */
  readonly isDue: boolean;
  /** Who was asked has had the time to answer. */
  readonly isLate: boolean;
}

/** To be decided every second. */
export function leaseStep(replicas: readonly Replica[], { isDue, isLate }: LeaseTimes): LeaseStep {
  const none = { renew: [], ask: [], awaited: [], end: [] };
  const held = replicas.filter(({ order, state }) => order?.do === 'fault' && state !== 'active');
  if (held.length === 0) return none;
  const active = replicas.filter((one) => one.state === 'active');
  const [serving, ...others] = active.filter((one) => !isUnheard(one));
  if (!serving && active.length > 0 && !isLate) return { ...none, awaited: active.map(hostOf) };
  if (!serving) return { ...none, end: byMerit(held).slice(0, 1).map(hostOf) };
  // that is a new dispute
  if (others.length > 0) return none;
  // where they reach each other again the lease is left to end, and they settle it by themselves
  const apart = held.filter((one) => !(isReached(one) && isReached(serving)));
  return { ...none, renew: isDue ? apart.map(hostOf) : [], ask: apart.length > 0 ? [serving.host] : [] };
}

const hostOf = ({ host }: Replica): string => host;

const isReached = ({ paths, hears }: Replica): boolean =>
  hears || paths.tunnel === 'up' || paths.management === 'up';
