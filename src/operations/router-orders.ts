/** What replicas of HA routers are told about their roles: rows, under the router's lock. */
import { judge, type Judgement, type Step } from '../arbitration/judge.ts';
import { leaseStep, type LeaseTimes } from '../arbitration/lease.ts';
import { isUnheard, type Replica, replicaOf } from '../arbitration/replica.ts';
import { REVISION_WINDOW_MS, type Revision, revisionOf } from '../arbitration/revision.ts';
import type { EventRow } from '../resources/event.ts';
import type { ReplicaOrder, RouterBindingRow } from '../resources/router.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { record } from './event.ts';
import type { Call } from './operation.ts';
import { tellOfDisputes } from './router-alerts.ts';
import { isRivalSeen, tellOfRival } from './router-rivals.ts';

export interface NewOrder {
  readonly host: string;
  readonly do: ReplicaOrder['do'];
  readonly why: string;
  readonly forgives?: number;
  readonly revises?: string;
}

/** Gives these orders, all of one new epoch, each for the role that the replica is known to be in. */
export async function giveOrders(
  tx: Transaction,
  replicas: readonly RouterBindingRow[],
  orders: readonly NewOrder[],
): Promise<void> {
  const epoch = Math.max(0, ...replicas.map((row) => row.epoch)) + 1;
  const given = orders.map(async ({ host, ...order }) => {
    const row = replicas.find((one) => one.host === host);
    if (!row) return;
    const { router_id, agent_id, role_incarnation: incarnation, role_seq: seq } = row;
    await tx.routerBindings.update(
      { router_id, agent_id },
      { order: { epoch, incarnation, seq, ...order }, epoch },
    );
  });
  await Promise.all(given);
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

/** Of these rows, those whose agent is dead. */
async function deadAmong(
  tx: Transaction,
  call: Call,
  rows: readonly RouterBindingRow[],
): Promise<RouterBindingRow[]> {
  const agents = await tx.agents.find({ id: rows.map((row) => row.agent_id) });
  const alive = new Set(agents.filter((agent) => call.isAlive(agent)).map((agent) => agent.id));
  return rows.filter((row) => !alive.has(row.agent_id));
}

export interface ArbitrateRequest {
  readonly routerId: string;
  readonly isStubborn?: (replica: Replica) => boolean;
}

/**
 * Settles who keeps a router that has two actives, if it still has: the others are told to step back. Whoever was told before is not told
 * again, unless it is stubborn; so any server may do it, at any time. A dead agent's word does not count: it is asked anew.
 */
export async function arbitrate(tx: Transaction, call: Call, request: ArbitrateRequest): Promise<EventRow[]> {
  const { routerId, isStubborn } = request;
  await tx.routers.lock({ id: routerId });
  const read = () => tx.routerBindings.find({ router_id: routerId });
  let rows = await read();
  const active = rows.filter((row) => row.ha_state === 'active');
  const heard = active.filter((row) => !isUnheard(replicaOf(row)));
  const dead = active.length > 1 ? await deadAmong(tx, call, heard) : [];
  if (dead.length > 0) {
    await giveOrders(tx, rows, askOf(dead.map((row) => row.host)));
    rows = await read();
  }
  const found = judge(rows.map(replicaOf), {
    ...{ isDue: true, now: call.clock.wall().getTime() },
    ...(isStubborn ? { isStubborn } : {}),
  });
  await followUp(tx, rows, found);
  const revised = found.kind === 'calm' && found.revision ? await revise(tx, call, rows, found.revision) : [];
  if (revised.length > 0) return revised;
  const isSettled = found.kind === 'calm' || (found.kind === 'await' && dead.length > 0);
  if (isSettled && isRivalSeen(rows)) return tellOfRival(tx, call, rows);
  if (isSettled) return tellOfDisputes(tx, call, { disputed: new Map(), over: [routerId] });
  if (found.kind !== 'dispute') return [];
  const events = await Promise.all([
    tellOfDisputes(tx, call, { disputed: new Map([[routerId, found]]), over: [] }),
    pronounce(tx, call, { routerId, rows, found }),
  ]);
  return events.flat();
}

/**
 * Lets one that stands back have the router after all; who has it is told to step back as soon as that one has come. Not where its agent is
 * dead, nor more often within a while than the router has replicas.
 */
async function revise(
  tx: Transaction,
  call: Call,
  rows: readonly RouterBindingRow[],
  { to, from, why }: Revision,
): Promise<EventRow[]> {
  const target = rows.filter(({ host }) => host === to);
  const routerId = target[0]?.router_id ?? '';
  const object = `router/${routerId}`;
  const since = new Date(call.clock.wall().getTime() - REVISION_WINDOW_MS).toISOString();
  const [dead, told] = await Promise.all([
    deadAmong(tx, call, target),
    tx.events.find({ object, kind: 'router-order' }),
  ]);
  const lately = told.filter(({ at, data }) => at > since && data['revises'] !== undefined);
  if (dead.length > 0 || lately.length >= rows.length) return [];
  await giveOrders(tx, rows, [{ host: to, do: 'prefer', why, revises: from }]);
  const message = `Router ${routerId}: ${why}.`;
  const about = { kind: 'router-order', severity: 'warning', role: 'l3', object } as const;
  return [await record(tx, call, { ...about, message, data: { revises: from, to, why } })];
}

/** Tells those who are to step back, and writes down why. */
export async function pronounce(
  tx: Transaction,
  call: Call,
  verdict: {
    readonly routerId: string;
    readonly rows: readonly RouterBindingRow[];
    readonly found: Judgement & { readonly kind: 'dispute' };
  },
): Promise<EventRow[]> {
  const { routerId, rows, found } = verdict;
  const { keep, steps, why } = found;
  if (steps.length === 0) return [];
  const told = steps.map((step) => `${step.host} ${DOES[step.do]}`).join(', ');
  const orders = steps.map((step) => ({ ...step, why }));
  const about = {
    kind: 'router-order',
    severity: 'warning',
    role: 'l3',
    object: `router/${routerId}`,
  } as const;
  const message = `Router ${routerId}: ${why}; ${told}.`;
  const [event] = await Promise.all([
    record(tx, call, { ...about, message, data: { keep, steps, why } }),
    giveOrders(tx, rows, orders),
  ]);
  return [event];
}

/** Ends what has done its work, and asks who is to be asked. */
export async function followUp(
  tx: Transaction,
  rows: readonly RouterBindingRow[],
  found: Judgement,
): Promise<void> {
  const asked = found.kind === 'ask' ? found.hosts : found.kind === 'calm' ? found.asks : [];
  await giveOrders(tx, rows, askOf(asked));
  if (found.kind !== 'ask') await endOrders(tx, rows, found.ends);
}

const askOf = (hosts: readonly string[]): NewOrder[] =>
  hosts.map((host) => ({
    host,
    do: 'tell',
    why: 'are you still active? Others say that they are, or stand back for you',
  }));

/** A router with something to do. */
export interface Unsettled {
  /** The rows that say active. */
  readonly active: readonly RouterBindingRow[];
  /** The last order of a planned move that has not come about so far; null: there is none. */
  readonly moveEpoch: number | null;
}

/** The target of a planned move, as long as it has not got the router. */
const isAwaited = ({ order, ha_state }: RouterBindingRow): boolean =>
  order?.do === 'prefer' && ha_state !== 'active';

/**
 * By router: those of which more than one row says active, or one that was told something; and those that are to move to a replica that is
 * not active, whoever else is.
 */
export async function unsettledRouters(
  tables: Pick<Tables, 'routerBindings'>,
): Promise<Map<string, Unsettled>> {
  const [active, preferred] = await Promise.all([
    tables.routerBindings.find({ ha_state: 'active' }),
    tables.routerBindings.list({
      filters: [{ column: 'order', operator: 'contains', values: ['"prefer"'] }],
      sort: [],
    }),
  ]);
  const awaited = Map.groupBy(preferred.filter(isAwaited), (row) => row.router_id);
  const serving = Map.groupBy(active, (row) => row.router_id);
  const found = new Map<string, Unsettled>();
  for (const id of new Set([...serving.keys(), ...awaited.keys()])) {
    const rows = serving.get(id) ?? [];
    const yields = rows.filter(({ order }) => order?.do === 'yield');
    const moving = [...yields, ...(awaited.get(id) ?? [])].map(({ epoch }) => epoch);
    if (rows.length > 1 || moving.length > 0 || rows.some((row) => row.order !== null))
      found.set(id, { active: rows, moveEpoch: moving.length > 0 ? Math.max(...moving) : null });
  }
  return found;
}

export interface Renewed {
  /** Who was asked and has not answered. */
  readonly awaited: readonly string[];
  /** One that stands back would serve clearly better. */
  readonly isWorse: boolean;
}

/** Renews the leases of replicas that stepped back, or ends them; asks who serves, for the next time. */
export async function renewLeases(tx: Transaction, routerId: string, times: LeaseTimes): Promise<Renewed> {
  await tx.routers.lock({ id: routerId });
  const rows = await tx.routerBindings.find({ router_id: routerId });
  const replicas = rows.map(replicaOf);
  const { renew, ask, awaited, end } = leaseStep(replicas, times);
  await endOrders(tx, rows, end);
  const whyOf = (host: string) => rows.find((row) => row.host === host)?.order?.why ?? '';
  await giveOrders(tx, rows, [
    ...renew.map((host) => ({ host, do: 'fault' as const, why: whyOf(host) })),
    ...askOf(ask),
  ]);
  return { awaited, isWorse: revisionOf(replicas) !== null };
}

/**
 * A planned move has not come about: what was told for it ends, so that its target does not take the router at a later time, when it
 * is well again. Nothing is said where it has come about by now.
 */
export async function giveUpMove(tx: Transaction, call: Call, routerId: string): Promise<EventRow[]> {
  await tx.routers.lock({ id: routerId });
  const rows = await tx.routerBindings.find({ router_id: routerId });
  const told = rows.filter((row) => row.order?.do === 'yield' || isAwaited(row));
  if (told.length === 0) return [];
  await endOrders(
    tx,
    rows,
    told.map((row) => row.host),
  );
  const active = rows.filter((row) => row.ha_state === 'active');
  const event = await record(tx, call, {
    ...{ kind: 'router-order', severity: 'warning', role: 'l3', object: `router/${routerId}` },
    message: `Router ${routerId} has not moved${notMoved(told, active)}`,
    data: { hosts: told.map((row) => row.host) },
  });
  return [event];
}

function notMoved(told: readonly RouterBindingRow[], active: readonly RouterBindingRow[]): string {
  const stays = active.some((row) => told.includes(row));
  if (stays) return ': nobody else was fit to take it. It stays where it is.';
  const to = told.map(({ host }) => host).join(' and ');
  const who =
    active.length === 0 ? 'nobody is known to be active' : `${hostsOf(active)} became active instead`;
  return ` to ${to}: ${who}. It is not to move any more.`;
}

const hostsOf = (rows: readonly RouterBindingRow[]): string => rows.map(({ host }) => host).join(' and ');
