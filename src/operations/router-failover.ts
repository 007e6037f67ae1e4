/** A planned move of the active role, for maintenance: the active yields, another is preferred. VRRP does the rest, with nobody absent. */
import { byMerit } from '../arbitration/choice.ts';
import { wouldTakeBack } from '../arbitration/move.ts';
import { replicaOf } from '../arbitration/replica.ts';
import type { AgentRow } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow, RouterRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import { record } from './event.ts';
import type { Call } from './operation.ts';
import { lockRouter } from './router.ts';
import { endOrders, giveOrders } from './router-orders.ts';
import { aliveAmong, type IsAlive, shownState } from './router-view.ts';

export interface Failover {
  /** Who was active; '' if nobody. */
  readonly from: string;
  /** Who is to be. */
  readonly to: string;
  /** What was written down; none where it is so already. */
  readonly events: readonly EventRow[];
}

export interface Wish {
  /** A host; without it, the best of the others. */
  readonly to?: string;
  /** Also to one that ails, is held back, switched off or about to leave; what ails it now does not count there, so that it stays. */
  readonly force?: boolean;
}

const refused = (routerId: string, why: string): Fault =>
  new Fault('RouterNotMovable', `Router ${routerId} cannot be moved: ${why}.`);

/**
 * Moves the active role of an HA router to the best of the others, or to the one on host `to`.
 * @throws Fault RouterNotFound, RouterNotMovable
 */
export async function failoverRouter(
  tx: Transaction,
  call: Call,
  { routerId, ...wish }: Wish & { readonly routerId: string },
): Promise<Failover> {
  const router = await lockRouter(tx, call, routerId);
  if (!router.ha) throw refused(routerId, 'it is not HA');
  const found = await planFailover(tx, call, { router, ...wish });
  if ('why' in found) throw refused(routerId, found.why);
  return moveTo(tx, call, { router, ...found });
}

export interface Plan {
  readonly rows: readonly RouterBindingRow[];
  readonly active: RouterBindingRow | undefined;
  readonly target: RouterBindingRow;
  /** What ails the target and is not to count: it was forced. */
  readonly forgives?: number;
}

/** Who is to take it from whom; or why nobody is. */
export async function planFailover(
  tx: Transaction,
  call: Call,
  { router, to, force = false }: Wish & { readonly router: Pick<RouterRow, 'id'> },
): Promise<Plan | { readonly why: string }> {
  const rows = await tx.routerBindings.find({ router_id: router.id });
  const alive = await aliveAmong(tx, call, rows);
  const actives = rows.filter((row) => shownState(row, { all: rows, ...alive }) === 'active');
  const [active] = actives;
  if (actives.length > 1) return { why: 'more than one replica is active' };
  const asked = rows.filter((row) => (to === undefined ? row !== active : row.host === to));
  const [only] = asked;
  if (to !== undefined && !only) return { why: `${to} has no replica of it` };
  if (only !== undefined && only === active) return { rows, active, target: active };
  asked.sort((one, other) => (one.host < other.host ? -1 : 1));
  const looked = asked.map((row) => ({ row, ...lookAt(row, { rows, ...alive }) }));
  const isIn = ({ cannot, shouldNot }: Look) => cannot === null && (force || shouldNot === null);
  const fit = looked.filter(isIn);
  // whom nothing speaks against, also where it is forced
  const best = fit.filter(({ shouldNot }) => shouldNot === null);
  const [chosen] = byMerit(
    (best.length > 0 ? best : fit).map(({ row }) => ({ ...replicaOf(row), since: null })),
  );
  const target = rows.find(({ host }) => host === chosen?.host);
  if (chosen && target) {
    const ails = looked.find(({ row }) => row === target)?.ails ?? false;
    return { rows, active, target, ...(ails ? { forgives: chosen.penalty } : {}) };
  }
  const whys = looked.map(({ cannot, shouldNot }) => cannot ?? shouldNot ?? '');
  if (to !== undefined) return { why: whys[0] ?? '' };
  return { why: `no other replica is fit to take it${whys.length > 0 ? ` (${whys.join('; ')})` : ''}` };
}

interface Look {
  /** Why it cannot take the router, whatever anybody wants. */
  readonly cannot: string | null;
  /** Why it is not to, unless it is forced. */
  readonly shouldNot: string | null;
  /** That is because it ails more than another. */
  readonly ails: boolean;
}

function lookAt(
  row: RouterBindingRow,
  around: {
    readonly rows: readonly RouterBindingRow[];
    readonly isAlive: IsAlive;
    readonly agents: ReadonlyMap<string, AgentRow>;
  },
): Look {
  const { host, role_details: said, order } = row;
  const { rows, isAlive, agents } = around;
  const never = (cannot: string): Look => ({ cannot, shouldNot: null, ails: false });
  if (!isAlive(row.agent_id)) return never(`the agent of ${host} is taken for dead`);
  if (order?.do === 'fault') return never(`its replica on ${host} was told to step back: ${order.why}`);
  const state = said?.state ?? 'unknown';
  const because = said && said.reasons.length > 0 ? ` (${said.reasons.join('; ')})` : '';
  if (state !== 'standby') return never(`its replica on ${host} is ${state}, not standby${because}`);
  const others = rows.filter((one) => one !== row && isAlive(one.agent_id) && takesPart(one));
  const better = wouldTakeBack(replicaOf(row), others.map(replicaOf));
  const unless = (shouldNot: string): Look => ({ cannot: null, shouldNot, ails: better !== undefined });
  if (agents.get(row.agent_id)?.liveness === 'held')
    return unless(`the agent of ${host} is held back, for it has died often lately`);
  if (agents.get(row.agent_id)?.admin_state_up !== true)
    return unless(`the agent of ${host} is switched off`);
  if (row.leaving) return unless(`its replica on ${host} is about to leave`);
  if (!better) return { cannot: null, shouldNot: null, ails: false };
  return unless(
    `its replica on ${host} ails by ${said?.penalty}${because}, that on ${better.host} by ${better.penalty}: it would move there at once`,
  );
}

const takesPart = ({ role_details: said }: RouterBindingRow): boolean =>
  said?.state === 'active' || said?.state === 'standby';

/** Gives the orders. */
export async function moveTo(
  tx: Transaction,
  call: Call,
  { router, rows, active, target, forgives }: Plan & { readonly router: Pick<RouterRow, 'id'> },
): Promise<Failover> {
  const [from, to] = [active?.host ?? '', target.host];
  if (from === to) return { from, to, events: [] };
  const forced = forgives === undefined ? '' : ', though it ails';
  const why = `the router is to move to ${to}${forced}`;
  const yields = from === '' ? [] : [{ host: from, do: 'yield' as const, why }];
  const preferred = { host: to, do: 'prefer' as const, why, ...(forgives === undefined ? {} : { forgives }) };
  // of an earlier move
  const before = rows.filter((row) => row.order?.do === 'prefer' && row.host !== to);
  await endOrders(
    tx,
    before,
    before.map((row) => row.host),
  );
  await giveOrders(tx, rows, [...yields, preferred]);
  const by = call.caller.userId === '' ? '' : ` by ${call.caller.userId}`;
  const event = await record(tx, call, {
    ...{ kind: 'router-order', severity: 'info', host: to, role: 'l3', object: `router/${router.id}` },
    message: `Router ${router.id} is to move${from === '' ? '' : ` from ${from}`} to ${to}${forced}, as asked${by}.`,
    data: { from, to, ...(forgives === undefined ? {} : { forgives }) },
  });
  return { from, to, events: [event] };
}
