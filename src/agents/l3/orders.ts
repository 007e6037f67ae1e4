/** What an agent makes of what a server tells it about a replica's role. Pure. */
import type { ReplicaOrder } from '../../resources/router.ts';

/** How long a replica that was told to step back at once stays back, if it is not told again. */
export const LEASE_MS = 10_000;

export interface InForce {
  readonly epoch: number;
  /** done: a lease that is over. It stays known, so that the same order does not begin it anew. */
  readonly do: ReplicaOrder['do'] | 'done';
  /** When a lease ends; null: it holds until something else is told. */
  readonly until: number | null;
}

export interface OwnRole {
  readonly incarnation: number;
  readonly seq: number;
  readonly now: number;
}

/**
 * What is in force after `order` is what the server has to say. An order is for the role that the server knew: a replica
 * whose role is another by now has already moved. What was accepted stays in force when the role changes by it.
 */
export function follow(before: InForce | null, order: ReplicaOrder | null, own: OwnRole): InForce | null {
  if (order === null) return null;
  if (before !== null && order.epoch <= before.epoch) return isOver(before, own.now) ? ended(before) : before;
  const isForUs = order.incarnation === own.incarnation && order.seq === own.seq;
  if (!isForUs && order.do !== 'prefer' && order.do !== 'tell') return null;
  return { epoch: order.epoch, do: order.do, until: order.do === 'fault' ? own.now + LEASE_MS : null };
}

export const ended = ({ epoch }: InForce): InForce => ({ epoch, do: 'done', until: null });

export const isOver = ({ until }: InForce, now: number): boolean => until !== null && now >= until;

/** As kept for the next life of the agent. */
export function renderInForce(inForce: InForce | null): string {
  return inForce === null ? '' : `${inForce.epoch} ${inForce.do}\n`;
}

/** A lease of an earlier life begins anew: it ends by itself all the same. */
export function readInForce(text: string | null, now: number): InForce | null {
  const found = /^(\d{1,15}) (tell|prefer|yield|fault|done)\n$/.exec(text ?? '');
  if (found === null) return null;
  const what = found[2] as InForce['do'];
  return { epoch: Number(found[1]), do: what, until: what === 'fault' ? now + LEASE_MS : null };
}
