/**
 * Whether a verdict is to be thought over. It was passed on what was known then, a moment after replicas lost each other; a host whose
 * addresses answer may learn only seconds later that nothing of what matters reaches it. Pure.
 *
 * A replica that was told to step back is let go again where the one that keeps the router is clearly worse off by now: what a
 * verdict goes by, but neither who has served for longer nor what is small. It becomes active beside the other, who is told to step back
 * once it is: so nobody is missing where it cannot serve, or is late. Whoever performs it sees to it that within
 * `REVISION_WINDOW_MS` it does not happen more often than there are replicas: one after the other may fail, but two that ail in turn
 * are not to pass the router to and fro for ever.
 */
import { byMerit } from './choice.ts';
import type { Replica } from './replica.ts';

export interface Revision {
  /** Who is to have it. */
  readonly to: string;
  readonly from: string;
  readonly why: string;
}

/** Others may be as badly off as the one that keeps the router, and learn of it a moment later: some misses of what is asked inside tunnels. */
export const SETTLE_REVISION_MS = 500;

/** Within this a router's verdict is revised as often as it has replicas, at most. */
export const REVISION_WINDOW_MS = 60_000;

/** So much more has to ail the one that keeps it, if not the tunnels: no carrier outside. A link that is only held down costs 75 at most. */
export const CLEARLY = 100;

/** null: the verdict stands, or there is none. */
export function revisionOf(replicas: readonly Replica[]): Revision | null {
  const [keeper, ...others] = replicas.filter(({ state }) => state === 'active');
  if (!keeper || others.length > 0) return null;
  // one at a time
  if (replicas.some(({ order }) => order?.do === 'prefer')) return null;
  const better = byMerit(replicas.filter(isHeldAndHeard)).find((one) => isClearlyBetter(one, keeper));
  if (!better) return null;
  const { host: to } = better;
  const { host: from } = keeper;
  return { to, from, why: `${from} keeps it, though ${worse(better, keeper)}; ${to} is to have it` };
}

/** It stands back, and has said so since it was last told to: its agent is there. */
const isHeldAndHeard = ({ state, order, obeys }: Replica): boolean =>
  state === 'fault' && order?.do === 'fault' && obeys === order.epoch;

function isClearlyBetter(one: Replica, keeper: Replica): boolean {
  // what is not known is no evidence, nor is what it then costs
  const isKnown = one.paths.tunnel === 'up' || one.paths.tunnel === keeper.paths.tunnel;
  return (
    isKnown &&
    one.penalty <= keeper.penalty &&
    (reachesMore(one, keeper) || keeper.penalty - one.penalty >= CLEARLY)
  );
}

const reachesMore = (one: Replica, keeper: Replica): boolean =>
  one.paths.tunnel === 'up' && keeper.paths.tunnel === 'down';

const worse = (better: Replica, keeper: Replica): string =>
  reachesMore(better, keeper)
    ? `its tunnel is down by now, that of ${better.host} up`
    : `its health costs ${keeper.penalty} by now, that of ${better.host} ${better.penalty}`;
