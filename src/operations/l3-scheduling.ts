/**
 * Which hosts have replicas of which routers: one where a router is not HA, several where it is, each with its port on the segment on
 * which they talk. A router that finds no agent is the background's to give to one.
 */
import type { AgentRow } from '../resources/agent.ts';
import { ROUTER_HA_OWNER, type RouterBindingRow, type RouterRow } from '../resources/router.ts';
import { planReplicas, type Replica, type RouterCandidate } from '../scheduling/l3.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { takersAmong } from './dhcp-placement.ts';
import { removalsOf } from './l3-removals.ts';
import type { Call } from './operation.ts';
import { attachedTo } from './router-attached.ts';
import { bindRouterPorts, createRouterPort } from './router-ports.ts';

const DEFAULT_REPLICAS = 3;

/** How many replicas a router is to have. */
export const replicasOf = (call: Call, router: Pick<RouterRow, 'ha'>): number =>
  router.ha ? (call.settings.maxL3AgentsPerRouter ?? DEFAULT_REPLICAS) : 1;

/** The L3 agents that may be given something new, with what their hosts reach and what they have. */
export interface L3Pool {
  candidates: RouterCandidate[];
  readonly agents: ReadonlyMap<string, AgentRow>;
}

/** Of more agents than this all bindings are read at once. */
const MOST_COUNTED = 8;

export async function l3Pool(tables: Tables, call: Call): Promise<L3Pool> {
  const agents = takersAmong(call, await tables.agents.find({ role: 'l3', admin_state_up: true }));
  if (agents.length === 0) return { candidates: [], agents: new Map() };
  const hosts = await tables.hosts.find({ name: agents.map((agent) => agent.host) });
  const reach = new Map(hosts.map((host) => [host.name, host.physical_networks]));
  const agent_id = agents.map((agent) => agent.id);
  const all =
    agents.length > MOST_COUNTED ? await tables.routerBindings.find({ leaving: false, agent_id }) : undefined;
  const byAgent = all && Map.groupBy(all, (binding) => binding.agent_id);
  const candidates: RouterCandidate[] = [];
  for (const { id, host, availability_zone: zone } of agents) {
    const own = byAgent && (byAgent.get(id) ?? []);
    candidates.push({
      ...{ id, zone, physicalNetworks: reach.get(host) ?? [], room: Number.POSITIVE_INFINITY },
      load: own?.length ?? (await tables.routerBindings.count({ agent_id: id, leaving: false })),
      preferred:
        own?.filter((binding) => binding.rank === 0).length ??
        (await tables.routerBindings.count({ agent_id: id, leaving: false, rank: 0 })),
    });
  }
  return { candidates, agents: new Map(agents.map((agent) => [agent.id, agent])) };
}

/** What the pool is once these were given. */
function given(pool: L3Pool, replicas: readonly Replica[]): void {
  pool.candidates = pool.candidates.map((one) => {
    const replica = replicas.find((it) => it.agentId === one.id);
    if (!replica) return one;
    return { ...one, load: one.load + 1, preferred: one.preferred + Number(replica.rank === 0) };
  });
}

/** The physical networks that a host of the router must reach. */
export async function physicalNetworksOf(tables: Tables, routerId: string): Promise<string[]> {
  const { ports } = await attachedTo(tables, routerId);
  const ids = [...new Set(ports.map((port) => port.network_id))];
  if (ids.length === 0) return [];
  const networks = await tables.networks.find({ id: ids });
  return [...new Set(networks.flatMap((network) => network.physical_network ?? []))];
}

async function addHaPort(
  tx: Transaction,
  call: Call,
  { router, host }: { readonly router: RouterRow; readonly host: string },
): Promise<void> {
  const [network] = await tx.networks.lock({ id: router.ha_network_id ?? [] });
  if (!network) return;
  const asked = {
    ...{ project_id: '', name: `HA port tenant ${router.project_id}`, port_security_enabled: false },
    ...{ network_id: network.id, device_id: router.id, device_owner: ROUTER_HA_OWNER, host },
  };
  await createRouterPort(tx, call, { network, asked });
}

/** Adds replicas of a router, which is locked, and binds its ports. */
export async function addReplicas(
  tx: Transaction,
  call: Call,
  {
    router,
    replicas,
  }: { readonly router: RouterRow; readonly replicas: readonly (Replica & { host: string })[] },
): Promise<void> {
  if (replicas.length === 0) return;
  await tx.routerBindings.insert(
    replicas.map(
      ({ agentId, host, rank }): RouterBindingRow => ({
        ...{ router_id: router.id, agent_id: agentId, host, rank, leaving: false },
        ...{ ha_state: router.ha ? 'standby' : 'unknown', tag: tx.tag, position: null },
        ...{ role_since: '', role_incarnation: 0, role_seq: 0, role_details: null, order: null, epoch: 0 },
      }),
    ),
  );
  const staying = await tx.routerBindings.count({ router_id: router.id, leaving: false });
  // Once it is where it is to be, where it was taken from before is forgotten.
  const given = staying < replicasOf(call, router) ? { agent_id: replicas.map((one) => one.agentId) } : {};
  await tx.routerRemovals.remove({ router_id: router.id, ...given });
  if (router.ha) for (const { host } of replicas) await addHaPort(tx, call, { router, host });
  await bindRouterPorts(tx, call, [router]);
}

/** Takes replicas of a router away, with their HA ports; its ports are then bound elsewhere, or nowhere. */
export async function removeReplicas(
  tx: Transaction,
  call: Call,
  { router, bindings }: { readonly router: RouterRow; readonly bindings: readonly RouterBindingRow[] },
): Promise<void> {
  await dropReplicas(tx, router, bindings);
  if (bindings.length > 0) await bindRouterPorts(tx, call, [router]);
}

async function dropReplicas(
  tx: Transaction,
  router: RouterRow,
  bindings: readonly RouterBindingRow[],
): Promise<void> {
  if (bindings.length === 0) return;
  await tx.routerBindings.remove({ router_id: router.id, agent_id: bindings.map((one) => one.agent_id) });
  const host = bindings.map((one) => one.host);
  await tx.ports.remove({ device_id: router.id, device_owner: ROUTER_HA_OWNER, host });
}

/**
 * Gives a router, which is locked, the replicas that it lacks. A replica on a host that does not reach all its networks goes, and so
 * does the only one of a router that is not HA whose agent is dead or switched off, where there is another host for it. Where the
 * agent is dead its host may serve on: such a one is marked as leaving, and goes once the new one serves (l3-moves.ts). `pool`, if
 * given, is kept up to date. `barred` agents are given none, unless there is no other for a router that would be without any. Returns
 * the replicas that came, those that went and those that are to go.
 */
export async function scheduleRouter(
  tx: Transaction,
  call: Call,
  router: RouterRow,
  { pool, barred = new Set() }: { readonly pool?: L3Pool; readonly barred?: ReadonlySet<string> } = {},
): Promise<{
  added: readonly { readonly host: string }[];
  removed: readonly RouterBindingRow[];
  leaving: readonly RouterBindingRow[];
}> {
  const bindings = await tx.routerBindings.find({ router_id: router.id });
  const staying = bindings.filter((binding) => !binding.leaving);
  const known = await tx.agents.find({ id: bindings.map((binding) => binding.agent_id) });
  const agentOf = new Map(known.map((agent) => [agent.id, agent]));
  const physicalNetworks = await physicalNetworksOf(tx, router.id);
  const unfit = await unfitAmong(tx, staying, physicalNetworks);
  if (!router.ha) {
    const isStray = (one: RouterBindingRow) => isToBeLeft(call, agentOf.get(one.agent_id));
    unfit.push(...staying.filter((one) => isStray(one) && !unfit.includes(one)));
  }
  const missing = replicasOf(call, router) - (staying.length - unfit.length);
  if (missing <= 0) return { added: [], removed: [], leaving: [] };
  const from = pool ?? (await l3Pool(tx, call));
  const fit = staying.filter((binding) => !unfit.includes(binding));
  const demand = {
    ...{ routerId: router.id, zoneHints: router.availability_zone_hints, physicalNetworks, missing },
    bound: new Set(bindings.map((binding) => binding.agent_id)),
    staying: fit.map((binding) => agentOf.get(binding.agent_id)?.availability_zone ?? ''),
    // Of a router that is not HA the one that is to serve is the first, whatever has not left yet.
    ranks: (router.ha ? bindings : fit).filter((one) => !unfit.includes(one)).map((one) => one.rank),
  };
  const others = planReplicas(
    demand,
    from.candidates.filter(({ id }) => !barred.has(id)),
  );
  const chosen = others.length + fit.length > 0 ? others : planReplicas(demand, from.candidates);
  const replicas = chosen.map((one) => ({ ...one, host: from.agents.get(one.agentId)?.host ?? '' }));
  given(from, replicas);
  const going = unfit.slice(0, replicas.length);
  const mayServe = (one: RouterBindingRow) => !router.ha && isDead(call, agentOf.get(one.agent_id));
  const [leaving, removed] = [going.filter(mayServe), going.filter((one) => !mayServe(one))];
  if (leaving.length > 0)
    await tx.routerBindings.update(
      { router_id: router.id, agent_id: leaving.map((one) => one.agent_id) },
      { leaving: true },
    );
  await dropReplicas(tx, router, removed);
  await addReplicas(tx, call, { router, replicas });
  return { added: replicas, removed, leaving };
}

export const isUnusable = (call: Call, agent: AgentRow | undefined): boolean =>
  agent === undefined || !agent.admin_state_up || !call.isAlive(agent);

const isDead = (call: Call, agent: AgentRow | undefined): boolean =>
  agent !== undefined && !call.isAlive(agent);

/** Whether a router that is not HA should not be left with it. */
export const isToBeLeft = (call: Call, agent: AgentRow | undefined): boolean =>
  isUnusable(call, agent) &&
  (call.settings.automaticL3Failover !== false || agent?.admin_state_up !== true || !isDead(call, agent));

async function unfitAmong(
  tx: Transaction,
  bindings: readonly RouterBindingRow[],
  physicalNetworks: readonly string[],
): Promise<RouterBindingRow[]> {
  if (physicalNetworks.length === 0 || bindings.length === 0) return [];
  const hosts = await tx.hosts.find({ name: bindings.map((binding) => binding.host) });
  const reach = new Map(hosts.map((host) => [host.name, host.physical_networks]));
  return bindings.filter(({ host }) => !physicalNetworks.every((name) => reach.get(host)?.includes(name)));
}

/** Locks the routers that a host has replicas of, before its L3 agent is removed. */
export async function lockHostedRouters(tx: Transaction, host: string): Promise<RouterRow[]> {
  const bindings = await tx.routerBindings.find({ host });
  return bindings.length === 0 ? [] : tx.routers.lock({ id: bindings.map((binding) => binding.router_id) });
}

/** Gives these routers to others, after the L3 agent of the host that had them was removed with its bindings. */
export async function leaveRouters(
  tx: Transaction,
  call: Call,
  { host, routers }: { readonly host: string; readonly routers: readonly RouterRow[] },
): Promise<void> {
  const removals = await removalsOf(tx, call, routers);
  for (const router of routers) {
    await tx.ports.remove({ device_id: router.id, device_owner: ROUTER_HA_OWNER, host });
    const { added } = await scheduleRouter(tx, call, router, { barred: removals.agents(router.id) });
    if (added.length === 0) await bindRouterPorts(tx, call, [router]);
  }
}
