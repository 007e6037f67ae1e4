/**
 * Routers that should be elsewhere: those that are not HA and whose only host's agent is dead or switched off, and those with fewer
 * replicas than they are to have. Read from rows each time; nothing is queued.
 */
import type { EventRow } from '../resources/event.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { record } from './event.ts';
import { isUnusable, l3Pool, replicasOf, scheduleRouter } from './l3-scheduling.ts';
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
  const unusable = new Set(agents.filter((agent) => isUnusable(call, agent)).map((agent) => agent.id));
  const { candidates } = await l3Pool(tables, call);
  const takers = candidates
    .map((agent) => agent.id)
    .sort()
    .join();
  if (candidates.length === 0) return { ids: [], takers };
  const found = new Set<string>();
  if (unusable.size > 0) {
    const bindings = await tables.routerBindings.find({ agent_id: [...unusable] });
    const ids = [...new Set(bindings.map((binding) => binding.router_id))];
    const routers = ids.length === 0 ? [] : await tables.routers.find({ id: ids, ha: false });
    for (const router of routers) found.add(router.id);
  }
  if (!all && (known === undefined || known === takers)) return { ids: [...found], takers };
  const bindings = Map.groupBy(
    await tables.routerBindings.find({ leaving: false }),
    (binding) => binding.router_id,
  );
  for (const router of await tables.routers.find({})) {
    const own = bindings.get(router.id) ?? [];
    const has = new Set(own.map((binding) => binding.agent_id));
    if (own.length < replicasOf(call, router) && candidates.some(({ id }) => !has.has(id)))
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
  const left = new Map<string, { readonly router: string; readonly to: string }[]>();
  for (const router of routers) {
    const { added, removed } = await scheduleRouter(tx, call, router, pool);
    if (added.length === 0) continue;
    const from = removed[0]?.host ?? '';
    const to = added.map((one) => one.host).join(', ');
    left.set(from, [...(left.get(from) ?? []), { router: router.id, to }]);
  }
  const events: EventRow[] = [];
  for (const [host, moved] of left) {
    const to = [...new Set(moved.map((one) => one.to))].sort().join(', ');
    const what = moved.length === 1 ? `Router ${moved[0]?.router}` : `${moved.length} routers`;
    const message =
      host === ''
        ? `${what} got hosts that were lacking: ${to}.`
        : `${what} moved from ${host}, which is dead, switched off or out of reach, to ${to}.`;
    const event = await record(tx, call, {
      ...{ kind: 'move-done', severity: host === '' ? 'info' : 'warning', host, role: 'l3', message },
      object: moved.length === 1 ? `router/${moved[0]?.router}` : '',
      data: { count: moved.length, routers: moved.map((one) => one.router) },
    });
    events.push(event);
  }
  return { moved: [...left.values()].flat().length, events };
}
