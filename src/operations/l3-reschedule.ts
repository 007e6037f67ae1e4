/**
 * Routers that should be elsewhere: those that are not HA and whose only host's agent is dead or switched off, and those with fewer
 * replicas than they are to have. Read from rows each time; nothing is queued. What an operator took away by hand is left (l3-removals.ts).
 */
import type { EventRow } from '../resources/event.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { record } from './event.ts';
import { removalsOf } from './l3-removals.ts';
import { isToBeLeft, l3Pool, replicasOf, scheduleRouter } from './l3-scheduling.ts';
import type { Call } from './operation.ts';

export interface StrayRouters {
  readonly ids: readonly string[];
  /** The agents that may be given routers, as one word: while it is the same, what lacked agents lacks them still. */
  readonly takers: string;
}

/** Those that lack replicas are looked for among all routers, with `all` and whenever the takers are not those named. */
export async function strayRouters(
  tables: Tables,
  call: Call,
  { all, takers: known }: { readonly all: boolean; readonly takers?: string },
): Promise<StrayRouters> {
  const agents = await tables.agents.find({ role: 'l3' });
  const left = new Set(agents.filter((agent) => isToBeLeft(call, agent)).map((agent) => agent.id));
  const { candidates } = await l3Pool(tables, call);
  const takers = candidates
    .map((agent) => agent.id)
    .sort()
    .join();
  if (candidates.length === 0) return { ids: [], takers };
  const found = new Set<string>();
  if (left.size > 0) {
    const bindings = await tables.routerBindings.find({ agent_id: [...left], leaving: false });
    const ids = [...new Set(bindings.map((binding) => binding.router_id))];
    const routers = ids.length === 0 ? [] : await tables.routers.find({ id: ids, ha: false });
    for (const router of routers) found.add(router.id);
  }
  if (!all && (known === undefined || known === takers)) return { ids: [...found], takers };
  const bindings = Map.groupBy(
    await tables.routerBindings.find({ leaving: false }),
    (binding) => binding.router_id,
  );
  const removals = await removalsOf(tables, call);
  for (const router of await tables.routers.find({})) {
    if (removals.isInHand(router.id)) continue;
    const own = bindings.get(router.id) ?? [];
    const has = new Set(own.map((binding) => binding.agent_id));
    const barred = own.length === 0 ? new Set() : removals.agents(router.id);
    if (own.length < replicasOf(call, router) && candidates.some(({ id }) => !has.has(id) && !barred.has(id)))
      found.add(router.id);
  }
  return { ids: [...found], takers };
}

/** Gives these routers what they lack; what is in order by now stays. One event for each host that they leave, and for those that had none. */
export async function rescheduleRouters(
  tx: Transaction,
  call: Call,
  ids: readonly string[],
): Promise<{ readonly moved: number; readonly events: readonly EventRow[] }> {
  const routers = await tx.routers.lock({ id: ids });
  const pool = await l3Pool(tx, call);
  const all: Moved[] = [];
  const removals = await removalsOf(tx, call, routers);
  for (const router of routers) {
    if (removals.isInHand(router.id)) continue;
    const barred = removals.agents(router.id);
    const { added, removed, leaving } = await scheduleRouter(tx, call, router, { pool, barred });
    if (added.length === 0) continue;
    const from = (leaving[0] ?? removed[0])?.host ?? '';
    const to = added.map((one) => one.host).join(', ');
    all.push({ router: router.id, from, to, isBegun: leaving.length > 0 });
  }
  const events: EventRow[] = [];
  for (const some of Map.groupBy(all, ({ from, isBegun }) => `${isBegun} ${from}`).values())
    events.push(await recordMoves(tx, call, some));
  return { moved: all.length, events };
}

interface Moved {
  readonly router: string;
  /** '' where it had none. */
  readonly from: string;
  readonly to: string;
  /** The host that it is to leave may serve on. */
  readonly isBegun: boolean;
}

/** All from one host. */
function recordMoves(tx: Transaction, call: Call, moved: readonly Moved[]): Promise<EventRow> {
  const { from: host, isBegun } = moved[0] as Moved;
  const to = [...new Set(moved.map((one) => one.to))].sort().join(', ');
  const isOne = moved.length === 1;
  const what = isOne ? `Router ${moved[0]?.router}` : `${moved.length} routers`;
  const begun = `${isOne ? 'is' : 'are'} to move from ${host}, whose agent is dead, to ${to}: once nobody answers for ${isOne ? 'it' : 'them'} any more`;
  const done = `moved from ${host}, which is switched off or out of reach, to ${to}`;
  const how = isBegun ? begun : host === '' ? `got hosts that were lacking: ${to}` : done;
  return record(tx, call, {
    ...{ kind: isBegun ? 'move-begun' : 'move-done', severity: host === '' ? 'info' : 'warning', host },
    ...{ role: 'l3', message: `${what} ${how}.`, object: isOne ? `router/${moved[0]?.router}` : '' },
    data: { count: moved.length, routers: moved.map((one) => one.router) },
  });
}
