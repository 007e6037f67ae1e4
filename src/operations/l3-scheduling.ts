/**
 * Which hosts have replicas of which routers: one where a router is not HA, several where it is, each with its port on the segment on
 * which they talk. A router that finds no agent is the background's to give to one.
 */
import type { AgentRow } from '../resources/agent.ts';
import { ROUTER_HA_OWNER, type RouterBindingRow, type RouterRow } from '../resources/router.ts';
import { planReplicas, type Replica, type RouterCandidate } from '../scheduling/l3.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { takersAmong } from './dhcp-placement.ts';
import type { Call } from './operation.ts';
import { attachedTo, bindRouterPorts, createRouterPort } from './router-ports.ts';

const DEFAULT_REPLICAS = 3;

/** How many replicas a router is to have. */
export const replicasOf = (call: Call, router: Pick<RouterRow, 'ha'>): number =>
  router.ha ? (call.settings.maxL3AgentsPerRouter ?? DEFAULT_REPLICAS) : 1;

/** The L3 agents that may be given something new, with what their hosts reach and what they have. */
export async function l3Candidates(
  tables: Tables,
  call: Call,
): Promise<{ candidates: RouterCandidate[]; agents: Map<string, AgentRow> }> {
  const agents = takersAmong(call, await tables.agents.find({ role: 'l3', admin_state_up: true }));
  if (agents.length === 0) return { candidates: [], agents: new Map() };
  const hosts = await tables.hosts.find({ name: agents.map((agent) => agent.host) });
  const reach = new Map(hosts.map((host) => [host.name, host.physical_networks]));
  const candidates: RouterCandidate[] = [];
  for (const agent of agents) {
    candidates.push({
      id: agent.id,
      zone: agent.availability_zone,
      physicalNetworks: reach.get(agent.host) ?? [],
      load: await tables.routerBindings.count({ agent_id: agent.id, leaving: false }),
      preferred: await tables.routerBindings.count({ agent_id: agent.id, leaving: false, rank: 0 }),
      room: Number.POSITIVE_INFINITY,
    });
  }
  return { candidates, agents: new Map(agents.map((agent) => [agent.id, agent])) };
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
      }),
    ),
  );
  if (router.ha) for (const { host } of replicas) await addHaPort(tx, call, { router, host });
  await bindRouterPorts(tx, call, [router]);
}

/** Takes replicas of a router away, with their HA ports; its ports are then bound elsewhere, or nowhere. */
export async function removeReplicas(
  tx: Transaction,
  call: Call,
  { router, bindings }: { readonly router: RouterRow; readonly bindings: readonly RouterBindingRow[] },
): Promise<void> {
  if (bindings.length === 0) return;
  await tx.routerBindings.remove({ router_id: router.id, agent_id: bindings.map((one) => one.agent_id) });
  const host = bindings.map((one) => one.host);
  await tx.ports.remove({ device_id: router.id, device_owner: ROUTER_HA_OWNER, host });
  await bindRouterPorts(tx, call, [router]);
}

/**
 * Gives a router, which is locked, the replicas that it lacks. Those on hosts that do not reach all its networks go, where there is
 * another that does. Returns how many were added.
 */
export async function scheduleRouter(tx: Transaction, call: Call, router: RouterRow): Promise<number> {
  const bindings = await tx.routerBindings.find({ router_id: router.id });
  const staying = bindings.filter((binding) => !binding.leaving);
  const physicalNetworks = await physicalNetworksOf(tx, router.id);
  const unfit = await unfitAmong(tx, staying, physicalNetworks);
  const missing = replicasOf(call, router) - (staying.length - unfit.length);
  if (missing <= 0) return 0;
  const { candidates, agents } = await l3Candidates(tx, call);
  const fit = staying.filter((binding) => !unfit.includes(binding));
  const known = await tx.agents.find({ id: fit.map((binding) => binding.agent_id) });
  const replicas = planReplicas(
    {
      ...{ routerId: router.id, zoneHints: router.availability_zone_hints, physicalNetworks, missing },
      bound: new Set(bindings.map((binding) => binding.agent_id)),
      staying: known.map((agent) => agent.availability_zone),
      ranks: bindings.filter((binding) => !unfit.includes(binding)).map((binding) => binding.rank),
    },
    candidates,
  ).map((replica) => ({ ...replica, host: agents.get(replica.agentId)?.host ?? '' }));
  await removeReplicas(tx, call, { router, bindings: unfit.slice(0, replicas.length) });
  await addReplicas(tx, call, { router, replicas });
  return replicas.length;
}

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
  for (const router of routers) {
    await tx.ports.remove({ device_id: router.id, device_owner: ROUTER_HA_OWNER, host });
    if ((await scheduleRouter(tx, call, router)) === 0) await bindRouterPorts(tx, call, [router]);
  }
}
