/**
 * Whether a replica that was told to step back at once (`fault`) is to stay so: its lease ends by itself, and is renewed only while
 * somebody else is known to serve. Each renewal asks that one anew; who does not answer any more is not waited for.
 */
import { isUnheard, type Replica } from './replica.ts';

export interface LeaseStep {
  /** Renew the leases of these hosts. */
  readonly renew: readonly string[];
  /** Ask these whether they still are active, for the next time. */
  readonly ask: readonly string[];
  /** Let these go: nobody is known to serve. */
  readonly end: readonly string[];
}

/** To be asked every few seconds, several times within a lease. */
export function leaseStep(replicas: readonly Replica[]): LeaseStep {
  const none = { renew: [], ask: [], end: [] };
  const held = replicas.filter(({ order, state }) => order?.do === 'fault' && state !== 'active');
  if (held.length === 0) return none;
  const [serving, ...others] = replicas.filter((one) => one.state === 'active' && !isUnheard(one));
  if (!serving) return { ...none, end: held.map(hostOf) };
  // that is a new dispute
  if (others.length > 0) return none;
  // where they reach each other again the lease is left to end, and they settle it by themselves
  const apart = held.filter((one) => !(isReached(one) && isReached(serving)));
  return { ...none, renew: apart.map(hostOf), ask: apart.length > 0 ? [serving.host] : [] };
}

const hostOf = ({ host }: Replica): string => host;

const isReached = ({ paths, hears }: Replica): boolean =>
  hears || paths.tunnel === 'up' || paths.management === 'up';
