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

/** The two clocks of now: this life's own (ms), and the wall's (UTC ms), which the next life has as well. */
export interface Now {
  readonly now: number;
  readonly wallMs: number;
}

/** As kept for the next life of the agent: a lease with its end. */
export function renderInForce(inForce: InForce | null, { now, wallMs }: Now): string {
  if (inForce === null) return '';
  const end = inForce.until === null ? '' : ` ${Math.round(wallMs + inForce.until - now)}`;
  return `${inForce.epoch} ${inForce.do}${end}\n`;
}

/**
 * A lease of an earlier life ends when it would have, so that agents that restart again and again do not draw it out; whatever became of
 * the wall clock, it is no longer than a new one.
 */
export function readInForce(text: string | null, { now, wallMs }: Now): InForce | null {
  const found = /^(\d{1,15}) (tell|prefer|yield|fault|done)(?: (\d{1,15}))?\n$/.exec(text ?? '');
  if (found === null) return null;
  const [, epoch, what, end] = found;
  const leftMs = end === undefined ? LEASE_MS : Math.min(LEASE_MS, Math.max(0, Number(end) - wallMs));
  return { epoch: Number(epoch), do: what as InForce['do'], until: what === 'fault' ? now + leftMs : null };
}
