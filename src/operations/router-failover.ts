/** A planned move of the active role, for maintenance: the active yields, another is preferred. VRRP does the rest, with nobody absent. */
import { byMerit } from '../arbitration/choice.ts';
import { replicaOf } from '../arbitration/replica.ts';
import { Fault } from '../resources/errors.ts';
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow, RouterRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import { record } from './event.ts';
import type { Call } from './operation.ts';
import { lockRouter } from './router.ts';
import { giveOrders } from './router-orders.ts';
import { aliveAmong, shownState } from './router-view.ts';

export interface Failover {
  /** Who was active; '' if nobody. */
  readonly from: string;
  /** Who is to be. */
  readonly to: string;
  /** What was written down; none where it is so already. */
  readonly events: readonly EventRow[];
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
  { routerId, to }: { readonly routerId: string; readonly to?: string },
): Promise<Failover> {
  const router = await lockRouter(tx, call, routerId);
  if (!router.ha) throw refused(routerId, 'it is not HA');
  const found = await planFailover(tx, call, { router, ...(to === undefined ? {} : { to }) });
  if ('why' in found) throw refused(routerId, found.why);
  return moveTo(tx, call, { router, ...found });
}

export interface Plan {
  readonly rows: readonly RouterBindingRow[];
  readonly active: RouterBindingRow | undefined;
  readonly target: RouterBindingRow;
}

/** Who is to take it from whom; or why nobody is. */
export async function planFailover(
  tx: Transaction,
  call: Call,
  { router, to }: { readonly router: Pick<RouterRow, 'id'>; readonly to?: string },
): Promise<Plan | { readonly why: string }> {
  const rows = await tx.routerBindings.find({ router_id: router.id });
  const { isAlive, agents } = await aliveAmong(tx, call, rows);
  const actives = rows.filter((row) => shownState(row, { all: rows, isAlive }) === 'active');
  const [active] = actives;
  if (actives.length > 1) return { why: 'more than one replica is active' };
  if (to !== undefined) {
    const target = rows.find((row) => row.host === to);
    if (!target) return { why: `${to} has no replica of it` };
    const state = target.role_details?.state ?? 'unknown';
    if (!isAlive(target.agent_id)) return { why: `the agent of ${to} is taken for dead` };
    if (target !== active && state !== 'standby')
      return { why: `its replica on ${to} is ${state}, not standby` };
    return { rows, active, target };
  }
  const ready = rows.filter((row) => {
    const isFit = isAlive(row.agent_id) && agents.get(row.agent_id)?.admin_state_up === true;
    return row !== active && isFit && !row.leaving && row.role_details?.state === 'standby';
  });
  const [best] = byMerit(ready.map((row) => ({ ...replicaOf(row), since: null })));
  const target = ready.find((row) => row.host === best?.host);
  return target ? { rows, active, target } : { why: 'no other replica stands by' };
}

/** Gives the orders. */
export async function moveTo(
  tx: Transaction,
  call: Call,
  { router, rows, active, target }: Plan & { readonly router: Pick<RouterRow, 'id'> },
): Promise<Failover> {
  const [from, to] = [active?.host ?? '', target.host];
  if (from === to) return { from, to, events: [] };
  const why = `the router is to move to ${to}`;
  const yields = from === '' ? [] : [{ host: from, do: 'yield' as const, why }];
  await giveOrders(tx, rows, [...yields, { host: to, do: 'prefer', why }]);
  const event = await record(tx, call, {
    ...{ kind: 'router-order', severity: 'info', host: to, role: 'l3', object: `router/${router.id}` },
    message: `Router ${router.id} is to move${from === '' ? '' : ` from ${from}`} to ${to}, as asked by ${call.caller.userId}.`,
    data: { from, to },
  });
  return { from, to, events: [event] };
}
