/** A replica of an HA router, as its row has it. */
import type { PathState, ReplicaState } from '../resources/replica-report.ts';
import type { ReplicaOrder, RouterBindingRow } from '../resources/router.ts';

export interface Replica {
  readonly host: string;
  readonly rank: number;
  readonly state: ReplicaState;
  /** The two that name its role: an order for another one is not for this. */
  readonly incarnation: number;
  readonly seq: number;
  /** Since when (UTC milliseconds, by the clock of the server that took the report); null: never reported. */
  readonly since: number | null;
  readonly penalty: number;
  readonly hears: boolean;
  readonly paths: { readonly tunnel: PathState; readonly management: PathState };
  /** How many of its checks fail. */
  readonly failing: number;
  /** The epoch of the order that it says to know. */
  readonly obeys: number | null;
  /** When it first said so (UTC milliseconds); null: it knows none. */
  readonly obeysSince: number | null;
  /** When it first said, in this role, that it reaches nobody (UTC milliseconds); null: it does not. */
  readonly cutOffSince: number | null;
  /** It only seems so: in a moment it is known to be worse off, or well. */
  readonly isUnsure?: true;
  readonly order: ReplicaOrder | null;
}

export function replicaOf(row: RouterBindingRow): Replica {
  const { host, rank, role_incarnation, role_seq, role_since, role_details: said, order } = row;
  return {
    ...{ host, rank, incarnation: role_incarnation, seq: role_seq, order },
    state: said?.state ?? 'unknown',
    since: role_since === '' ? null : Date.parse(role_since),
    penalty: said?.penalty ?? 0,
    hears: said?.hears ?? false,
    paths: said?.paths ?? { tunnel: 'unknown', management: 'unknown' },
    failing: said?.checks.filter((check) => !check.ok).length ?? 0,
    obeys: said?.order ?? null,
    obeysSince: said?.order_at ?? null,
    cutOffSince: said?.cut_off_at ?? null,
    ...(said?.doubts ? { isUnsure: true } : {}),
  };
}

/** Whether it was told something about the role that it is in now. `prefer` is about no role. */
export const isTold = ({ order, incarnation, seq }: Replica): boolean =>
  order !== null && order.do !== 'prefer' && order.incarnation === incarnation && order.seq === seq;

/**
 * What was asked ahead, and answered within this, need not be asked again. Less than it takes to step forward for one that is gone: whoever
 * was told to step back for it looks three times for longer than this.
 */
export const FRESH_MS = 350;

/** Asked, and has answered just now. */
export const hasJustAnswered = (replica: Replica, now: number): boolean =>
  isTold(replica) &&
  !isUnheard(replica) &&
  replica.obeysSince !== null &&
  Math.abs(now - replica.obeysSince) < FRESH_MS;

/**
 * Told, and not yet known to have heard it: as of now it is only a memory. What it said before may be of a host that has
 * lost its power since.
 */
export const isUnheard = (replica: Replica): boolean =>
  isTold(replica) && replica.obeys !== replica.order?.epoch;

/**
 * An active one whose own word came as the newest became active that it reaches nobody: as good as an answer, and there sooner. A host
 * that loses its power says no such thing, and one that said it long ago may have lost its power since. Where it was asked as well and has
 * not answered, the word is believed for as long as an answer would be.
 */
export function isVouched(replica: Replica, newest: Replica, now: number | null): boolean {
  const { cutOffSince } = replica;
  if (now === null || cutOffSince === null || newest.since === null) return false;
  const isNear = cutOffSince > newest.since - FRESH_MS;
  return isNear && (!isUnheard(replica) || now - cutOffSince < FRESH_MS);
}

/** It has said so just now: whoever wants to know whether it serves knows it. */
export const isJustCutOff = ({ cutOffSince }: Replica, now: number | null): boolean =>
  now !== null && cutOffSince !== null && now - cutOffSince < FRESH_MS;
