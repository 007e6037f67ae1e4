/** What replicas of HA routers are told about their roles: rows, under the router's lock. */
import { judge, type Step } from '../arbitration/judge.ts';
import { leaseStep } from '../arbitration/lease.ts';
import { type Replica, replicaOf } from '../arbitration/replica.ts';
import type { EventRow } from '../resources/event.ts';
import type { ReplicaOrder, RouterBindingRow } from '../resources/router.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { record } from './event.ts';
import type { Call } from './operation.ts';

export interface NewOrder {
  readonly host: string;
  readonly do: ReplicaOrder['do'];
  readonly why: string;
}

/** Gives these orders, all of one new epoch, each for the role that the replica is known to be in. */
export async function giveOrders(
  tx: Transaction,
  replicas: readonly RouterBindingRow[],
  orders: readonly NewOrder[],
): Promise<void> {
  const epoch = Math.max(0, ...replicas.map((row) => row.epoch)) + 1;
  for (const { host, ...order } of orders) {
    const row = replicas.find((one) => one.host === host);
    if (!row) continue;
    const { router_id, agent_id, role_incarnation: incarnation, role_seq: seq } = row;
    await tx.routerBindings.update(
      { router_id, agent_id },
      { order: { epoch, incarnation, seq, ...order }, epoch },
    );
  }
}

/** Ends what these hosts were told. */
export async function endOrders(
  tx: Transaction,
  replicas: readonly RouterBindingRow[],
  hosts: readonly string[],
): Promise<void> {
  for (const { router_id, agent_id, host, order } of replicas) {
    if (order !== null && hosts.includes(host))
      await tx.routerBindings.update({ router_id, agent_id }, { order: null });
  }
}

const DOES: Readonly<Record<Step['do'], string>> = {
  yield: 'is to give way',
  fault: 'is to step back at once, for it does not hear the others',
};

/**
 * Settles who keeps a router that has two actives, if it still has: the others are told to step back. Whoever was told before is not told
 * again, unless it is stubborn; so any server may do it, at any time.
 */
export async function arbitrate(
  tx: Transaction,
  call: Call,
  {
    routerId,
    isStubborn,
  }: { readonly routerId: string; readonly isStubborn?: (replica: Replica) => boolean },
): Promise<EventRow[]> {
  await tx.routers.lock({ id: routerId });
  const rows = await tx.routerBindings.find({ router_id: routerId });
  const found = judge(rows.map(replicaOf), isStubborn ? { isStubborn } : {});
  if (found.kind === 'ask') {
    const why = 'more than one replica says that it is active: are you still?';
    await giveOrders(
      tx,
      rows,
      found.hosts.map((host) => ({ host, do: 'tell', why })),
    );
  }
  if (found.kind !== 'dispute') return [];
  await endOrders(tx, rows, found.ends);
  if (found.steps.length === 0) return [];
  await giveOrders(
    tx,
    rows,
    found.steps.map((step) => ({ ...step, why: found.why })),
  );
  const told = found.steps.map((step) => `${step.host} ${DOES[step.do]}`).join(', ');
  const event = await record(tx, call, {
    ...{ kind: 'router-order', severity: 'warning', role: 'l3', object: `router/${routerId}` },
    message: `Router ${routerId}: ${found.why}; ${told}.`,
    data: { keep: found.keep, steps: found.steps, why: found.why },
  });
  return [event];
}

/** Routers with more than one row that says active, and those where somebody was told something. */
export async function unsettledRouters(
  tables: Tables,
): Promise<{ readonly disputed: readonly string[]; readonly told: readonly RouterBindingRow[] }> {
  const active = await tables.routerBindings.find({ ha_state: 'active' });
  const routers = Map.groupBy(active, (row) => row.router_id);
  const disputed = [...routers].filter(([, rows]) => rows.length > 1).map(([id]) => id);
  const told = await tables.routerBindings.list({
    filters: [],
    sort: [{ column: 'router_id', descending: false }],
  });
  return { disputed, told: told.filter((row) => row.order !== null) };
}

/** Renews the leases of replicas that stepped back, or ends them; asks who serves, for the next time. */
export async function renewLeases(tx: Transaction, routerId: string): Promise<void> {
  await tx.routers.lock({ id: routerId });
  const rows = await tx.routerBindings.find({ router_id: routerId });
  const { renew, ask, end } = leaseStep(rows.map(replicaOf));
  await endOrders(tx, rows, end);
  const whyOf = (host: string) => rows.find((row) => row.host === host)?.order?.why ?? '';
  await giveOrders(tx, rows, [
    ...renew.map((host) => ({ host, do: 'fault' as const, why: whyOf(host) })),
    ...ask.map((host) => ({ host, do: 'tell' as const, why: 'others stand back for you: are you active?' })),
  ]);
}
