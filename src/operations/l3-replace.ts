/**
 * Replicas of HA routers whose agent is gone for good, or is to have none, are replaced in two steps: another is added and the old one is
 * marked as leaving; it goes once those that stay are ready, one of them is active, and it is not. What is not HA and leaves a dead agent ends in
 * l3-moves.ts. Read from rows each time; nothing is queued.
 */
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow, RouterRow } from '../resources/router.ts';
import { planReplicas } from '../scheduling/l3.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { removalsOf } from './l3-removals.ts';
import { addReplicas, l3Pool, physicalNetworksOf, removeReplicas, replicasOf } from './l3-scheduling.ts';
import { finishMove, isReady, moveEvent } from './l3-moves.ts';
import type { Call } from './operation.ts';
import { moveTo, planFailover } from './router-failover.ts';
import { aliveAmong, shownState } from './router-view.ts';

/** Who is to have no replicas, and who keeps them meanwhile. */
export interface Departures {
  /** Agents. */
  readonly gone: ReadonlySet<string>;
  /** Hosts whose replicas are not removed, though others were given them: their peers are to go on asking them. */
  readonly kept: ReadonlySet<string>;
}

/** HA routers with a replica at an agent that is gone which another agent could have, and all where one is leaving that may. */
export async function replaceable(
  tables: Tables,
  call: Call,
  { gone, kept }: Departures,
): Promise<readonly string[]> {
  const leaving = (await tables.routerBindings.find({ leaving: true })).filter((row) => !kept.has(row.host));
  const found = new Set(leaving.map((row) => row.router_id));
  const own =
    gone.size === 0 ? [] : await tables.routerBindings.find({ agent_id: [...gone], leaving: false });
  if (own.length === 0) return [...found];
  const { candidates } = await l3Pool(tables, call);
  const free = candidates.filter(({ id }) => !gone.has(id));
  const routers = await tables.routers.find({ id: own.map((row) => row.router_id), ha: true });
  const ids = routers.map((router) => router.id);
  const bindings = ids.length === 0 ? [] : await tables.routerBindings.find({ router_id: ids });
  const byRouter = Map.groupBy(bindings, (row) => row.router_id);
  for (const router of routers) {
    const all = byRouter.get(router.id) ?? [];
    const bound = new Set(all.map((row) => row.agent_id));
    const isSpare = all.filter((row) => !row.leaving).length > replicasOf(call, router);
    if (isSpare || free.some(({ id }) => !bound.has(id))) found.add(router.id);
  }
  return [...found];
}

/** Takes the step that is due for each of these routers. Events for replicas that began to leave, and for those that left. */
export async function replaceReplicas(
  tx: Transaction,
  call: Call,
  { ids, gone, kept }: Departures & { readonly ids: readonly string[] },
): Promise<EventRow[]> {
  const events: EventRow[] = [];
  for (const router of await tx.routers.lock({ id: ids })) {
    if (!router.ha) {
      events.push(...(await finishMove(tx, call, router)));
      continue;
    }
    events.push(...(await begin(tx, call, { router, gone })));
    events.push(...(await finish(tx, call, { router, kept })));
  }
  return events;
}

async function begin(
  tx: Transaction,
  call: Call,
  { router, gone }: { readonly router: RouterRow; readonly gone: ReadonlySet<string> },
): Promise<EventRow[]> {
  const bindings = await tx.routerBindings.find({ router_id: router.id });
  const staying = bindings.filter((row) => !row.leaving);
  const stray = staying.filter((row) => gone.has(row.agent_id));
  if (stray.length === 0) return [];
  const missing = Math.max(0, replicasOf(call, router) - (staying.length - stray.length));
  const pool = await l3Pool(tx, call);
  const barred = (await removalsOf(tx, call, [router])).agents(router.id);
  const { agents } = await aliveAmong(tx, call, bindings);
  const zoneOf = (row: RouterBindingRow) => agents.get(row.agent_id)?.availability_zone ?? '';
  const replicas = planReplicas(
    {
      ...{ routerId: router.id, zoneHints: router.availability_zone_hints, missing },
      physicalNetworks: await physicalNetworksOf(tx, router.id),
      bound: new Set(bindings.map((row) => row.agent_id)),
      staying: staying.filter((row) => !stray.includes(row)).map(zoneOf),
      ranks: bindings.map((row) => row.rank),
    },
    pool.candidates.filter(({ id }) => !gone.has(id) && !barred.has(id)),
  ).map((replica) => ({ ...replica, host: pool.agents.get(replica.agentId)?.host ?? '' }));
  const leaving = stray.slice(0, stray.length - (missing - replicas.length));
  if (leaving.length === 0) return [];
  await tx.routerBindings.update(
    { router_id: router.id, agent_id: leaving.map((row) => row.agent_id) },
    { leaving: true },
  );
  await addReplicas(tx, call, { router, replicas });
  const to = replicas.map((one) => one.host);
  return [await moveEvent(tx, call, { router, kind: 'move-begun', leaving, to })];
}

async function finish(
  tx: Transaction,
  call: Call,
  { router, kept }: Pick<Departures, 'kept'> & { readonly router: RouterRow },
): Promise<EventRow[]> {
  const all = await tx.routerBindings.find({ router_id: router.id });
  const leaving = all.filter((row) => row.leaving);
  const going = leaving.filter((row) => !kept.has(row.host));
  if (going.length === 0) return [];
  const { isAlive, agents } = await aliveAmong(tx, call, all);
  const staying = all.filter((row) => !row.leaving && isAlive(row.agent_id));
  const wanted = Math.min(replicasOf(call, router), all.length - leaving.length);
  const ready = staying.filter((row) => isReady(row, agents.get(row.agent_id)));
  if (ready.length < wanted) return [];
  const isActive = (row: RouterBindingRow) => shownState(row, { all, isAlive }) === 'active';
  const active = all.filter(isActive);
  if (active.some((row) => row.leaving)) return giveAway(tx, call, { router, active });
  // what a dead agent's host does is not known: it may serve on, until another is seen to
  const tells = all.some((row) => row.role_details !== null);
  if (tells && active.length === 0) return [];
  await removeReplicas(tx, call, { router, bindings: going });
  const to = ready.map((row) => row.host);
  return [await moveEvent(tx, call, { router, kind: 'move-done', leaving: going, to })];
}

/** The one that leaves is active: another is to be first. */
async function giveAway(
  tx: Transaction,
  call: Call,
  { router, active }: { readonly router: RouterRow; readonly active: readonly RouterBindingRow[] },
): Promise<EventRow[]> {
  if (active.some((row) => row.order !== null)) return [];
  const found = await planFailover(tx, call, { router });
  return 'why' in found ? [] : [...(await moveTo(tx, call, { router, ...found })).events];
}
