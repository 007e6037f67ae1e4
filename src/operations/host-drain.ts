/**
 * Empties a host before maintenance: its DHCP and L3 agents are switched off, so that they are given nothing new and the background gives what
 * they have to others, which serve before these stop; HA routers that are active there move at once. A router that is not HA has one MAC
 * address and no second place: the other host begins as this one lets go, and nobody serves it in between.
 */
import type { EventRow } from '../resources/event.ts';
import type { Role } from '../resources/agent.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { record } from './event.ts';
import { hostNotFound } from './faults.ts';
import type { Call } from './operation.ts';
import { moveTo, planFailover } from './router-failover.ts';
import { aliveAmong, shownState } from './router-view.ts';

const DRAINED: readonly Role[] = ['dhcp', 'l3'];

export interface Drain {
  readonly host: string;
  readonly draining: boolean;
  /** HA routers whose active replica is there, and all replicas that are. */
  readonly active_routers: number;
  readonly replicas: number;
  /** Networks whose DHCP is served from there. */
  readonly networks: number;
  /** Ports of machines, which nobody moves. */
  readonly ports: number;
}

/** What a host has. */
export async function showDrain(tables: Tables, call: Call, host: string): Promise<Drain> {
  if ((await tables.hosts.count({ name: host })) === 0) throw hostNotFound(host);
  const agents = (await tables.agents.find({ host })).filter(({ role }) => DRAINED.includes(role));
  const own = await tables.routerBindings.find({ host });
  const routers = own.map((row) => row.router_id);
  const bindings = routers.length === 0 ? [] : await tables.routerBindings.find({ router_id: routers });
  const { isAlive } = await aliveAmong(tables, call, bindings);
  const byRouter = Map.groupBy(bindings, (row) => row.router_id);
  const isActive = (of: string) => {
    const all = byRouter.get(of) ?? [];
    return all.some((row) => row.host === host && shownState(row, { all, isAlive }) === 'active');
  };
  const ports = await tables.ports.find({ host });
  return {
    host,
    draining: agents.length > 0 && agents.every((agent) => !agent.admin_state_up),
    active_routers: routers.filter(isActive).length,
    replicas: own.length,
    networks: await tables.dhcpBindings.count({ host }),
    ports: ports.filter(({ device_owner }) => !device_owner.startsWith('network:')).length,
  };
}

export interface DrainOutcome {
  readonly events: readonly EventRow[];
  /** HA routers that were told to move, and those that cannot, with why. */
  readonly moved: number;
  readonly stuck: readonly { readonly router: string; readonly why: string }[];
}

export interface DrainWish {
  readonly host: string;
  readonly draining: boolean;
  /** Active routers go also to replicas that ail. */
  readonly force?: boolean;
}

/** Begins to drain a host, or lets it take part again. Once more moves what could not be moved before. */
export async function drainHost(
  tx: Transaction,
  call: Call,
  { host, draining, force = false }: DrainWish,
): Promise<DrainOutcome> {
  if ((await tx.hosts.count({ name: host })) === 0) throw hostNotFound(host);
  const bindings = draining ? await tx.routerBindings.find({ host }) : [];
  // routers come before agents
  const ids = bindings.map((row) => row.router_id);
  const routers = ids.length === 0 ? [] : await tx.routers.lock({ id: ids });
  const changed = await tx.agents.update(
    { host, role: DRAINED, admin_state_up: draining },
    { admin_state_up: !draining },
  );
  const events: EventRow[] = [];
  const stuck: { router: string; why: string }[] = [];
  let moved = 0;
  for (const router of routers.filter(({ ha }) => ha)) {
    const found = await planFailover(tx, call, { router, force });
    const isHere = 'active' in found ? found.active?.host === host : await isActiveAt(tx, router.id, host);
    if (!isHere) continue;
    if ('why' in found) stuck.push({ router: router.id, why: found.why });
    else {
      events.push(...(await moveTo(tx, call, { router, ...found })).events);
      moved += 1;
    }
  }
  if (changed.length > 0) {
    const message = draining
      ? `${host} is drained: it gets nothing new, and what it has goes to others. ${moved} routers move.`
      : `${host} takes part again.`;
    const data = { draining, moved, stuck: stuck.length };
    events.push(await record(tx, call, { kind: 'host-drain', severity: 'info', host, message, data }));
  }
  return { events, moved, stuck };
}

const isActiveAt = async (tx: Transaction, router_id: string, host: string): Promise<boolean> =>
  (await tx.routerBindings.count({ router_id, host, ha_state: 'active' })) > 0;
