/** HA routers in numbers, for metrics: as of one view, never by router. */
import { type Ailment, AILMENTS, ailmentOf } from '../resources/ailment.ts';
import type { RouterBindingRow } from '../resources/router.ts';
import type { Tables } from '../store/store.ts';
import type { Call } from './operation.ts';
import { countOpen, type RouterAlert } from './router-alerts.ts';
import { aliveAmong, shownState } from './router-view.ts';

export type Actives = '0' | '1' | '2+';

export interface RouterCounts {
  /** HA routers that are switched on, by how many replicas are known to be active. */
  readonly byActives: Readonly<Record<Actives, number>>;
  /** Hosts with replicas of HA routers that do not reach others by a path, by path. */
  readonly pathsDown: Readonly<Record<'tunnel' | 'management', number>>;
  /** Replicas of living agents that say so, by kind; one may ail in several ways. */
  readonly ailing: Readonly<Record<Ailment, number>>;
  readonly alerts: Readonly<Record<RouterAlert, number>>;
}

/** All of it now. */
export async function countRouters(tables: Tables, call: Call): Promise<RouterCounts> {
  const routers = await tables.routers.find({ ha: true, admin_state_up: true });
  const ids = new Set(routers.map(({ id }) => id));
  const rows = ids.size === 0 ? [] : await tables.routerBindings.find({});
  const bindings = rows.filter((row) => ids.has(row.router_id));
  const { isAlive } = await aliveAmong(tables, call, bindings);
  const byRouter = Map.groupBy(bindings, (row) => row.router_id);
  const byActives = { '0': 0, '1': 0, '2+': 0 };
  for (const id of ids) {
    const all = byRouter.get(id) ?? [];
    const active = all.filter((row) => shownState(row, { all, isAlive }) === 'active').length;
    byActives[active > 1 ? '2+' : active === 1 ? '1' : '0'] += 1;
  }
  const heard = bindings.filter((row) => isAlive(row.agent_id));
  return {
    byActives,
    pathsDown: { tunnel: hostsWithout('tunnel', heard), management: hostsWithout('management', heard) },
    ailing: ailingAmong(heard),
    alerts: await countOpen(tables),
  };
}

const hostsWithout = (path: 'tunnel' | 'management', rows: readonly RouterBindingRow[]): number =>
  new Set(rows.filter((row) => row.role_details?.paths[path] === 'down').map(({ host }) => host)).size;

function ailingAmong(rows: readonly RouterBindingRow[]): Record<Ailment, number> {
  const counts = Object.fromEntries(AILMENTS.map((kind) => [kind, 0])) as Record<Ailment, number>;
  for (const { role_details: said } of rows)
    for (const kind of new Set(said?.reasons.map(ailmentOf))) counts[kind] += 1;
  return counts;
}
