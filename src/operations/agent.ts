/** Agents: one row for each role of each host, made when the host's agent first connects. */
import { timestamp } from '../lib/clock.ts';
import { canonicalAddress } from '../ipam/address.ts';
import { AGENT_TYPES, type AgentRow, type Role } from '../resources/agent.ts';
import type { ListQuery, Tables, Transaction } from '../store/store.ts';
import { bind, bindingFacts } from './binding.ts';
import { leaveNetworks, lockServedNetworks } from './dhcp-scheduling.ts';
import { agentNotFound, hostNotFound } from './faults.ts';
import { leaveRouters, lockHostedRouters } from './l3-scheduling.ts';
import type { Call } from './operation.ts';
import { reopenBlocks } from './provisioning.ts';
import { differing, touched } from './standard.ts';

const DEFAULT_ZONE = 'nova';
const MAX_ZONE_LENGTH = 255;

/** What an agent says of itself when it connects. */
export interface Registration {
  readonly host: string;
  readonly role: Role;
  readonly incarnation: number;
  readonly tunnel_ip: string;
  readonly physical_networks: readonly string[];
  readonly configurations: Readonly<Record<string, unknown>>;
  readonly server_id: string;
}

/** An agent as the API shows it. */
export type AgentView = AgentRow & {
  readonly agent_type: string;
  readonly binary: string;
  readonly topic: string;
  readonly alive: boolean;
};

/** Everything that is known of it; a living agent's heartbeat is now, for its connection is open. */
export function agentView(call: Call, agent: AgentRow): AgentView {
  const alive = call.isAlive(agent);
  return {
    ...agent,
    ...AGENT_TYPES[agent.role],
    alive,
    heartbeat_at: alive ? timestamp(call.clock) : agent.heartbeat_at,
  };
}

/** A host that ports were bound to before it had an agent: bind them now. */
async function bindWaitingPorts(tx: Transaction, call: Call, host: string): Promise<void> {
  const failed = await tx.ports.find({ host, vif_type: 'binding_failed' });
  if (failed.length === 0) return;
  const networks = await tx.networks.lock({ id: [...new Set(failed.map((port) => port.network_id))] });
  const facts = await bindingFacts(tx, [host]);
  const ports = await tx.ports.lock({ id: failed.map((port) => port.id), host, vif_type: 'binding_failed' });
  const networkOf = new Map(networks.map((network) => [network.id, network]));
  const bindable = ports.flatMap((port) => {
    const network = networkOf.get(port.network_id);
    const binding = network && bind(facts, { host, network, vnicType: port.vnic_type });
    return binding?.vif_type === 'bridge' ? [{ port, binding }] : [];
  });
  // A host may have thousands: one statement for all that become the same.
  const alike = Map.groupBy(bindable, ({ port }) => `${port.generation} ${port.revision_number}`);
  for (const own of alike.values()) {
    const [{ port, binding }] = own as [(typeof own)[number]];
    const changes = { ...binding, generation: port.generation + 1, ...touched(call, port) };
    await reopenBlocks(tx, await tx.ports.update({ id: own.map((one) => one.port.id) }, changes));
  }
}

/**
 * Where the agent says that its host is on the management network; '' where it says nothing (agents of old), or no address,
 * or the tunnels': that is no second way.
 */
function managementIpIn({ configurations, tunnel_ip }: Registration): string {
  const { management_ip: said } = configurations;
  const address = typeof said === 'string' ? canonicalAddress(said) : undefined;
  return address === undefined || address === canonicalAddress(tunnel_ip) ? '' : address;
}

async function updateHost(tx: Transaction, registration: Registration): Promise<void> {
  const [host] = await tx.hosts.lock({ name: registration.host });
  if (!host) throw hostNotFound(registration.host);
  const changed = differing(host, {
    tunnel_ip: registration.tunnel_ip,
    management_ip: managementIpIn(registration),
    physical_networks: [...registration.physical_networks],
  });
  // Only a change is written: it is a hint to every host that floods to this one.
  if (Object.keys(changed).length > 0) await tx.hosts.update({ name: host.name }, changed);
}

/** The zone that the agent says it is in; what is no name of a zone counts as nothing said. */
function zoneOf({ availability_zone: zone }: Readonly<Record<string, unknown>>): string {
  return typeof zone === 'string' && zone !== '' && zone.length <= MAX_ZONE_LENGTH ? zone : DEFAULT_ZONE;
}

/**
 * An agent connected. A new incarnation makes what it had realised unknown (which revokes nothing), an old one that comes
 * late changes nothing. Networks that found no agent when they were made are the background's to give it.
 */
export async function registerAgent(
  tx: Transaction,
  call: Call,
  registration: Registration,
): Promise<AgentRow> {
  const { host, role, incarnation, server_id } = registration;
  await updateHost(tx, registration);
  const now = timestamp(call.clock);
  const seen = {
    heartbeat_at: now,
    server_id,
    configurations: { ...registration.configurations },
    availability_zone: zoneOf(registration.configurations),
  };
  const reset = {
    incarnation,
    counter: 0,
    started_at: now,
    realised_position: null,
    realised_tag: null,
    exceptions: [],
    exception_count: 0,
  };
  const [known] = await tx.agents.lock({ host, role });
  let agent: AgentRow;
  if (known) {
    if (incarnation < known.incarnation) return known;
    // What its role has said stays until it says so again: that comes with each report, and whole.
    const configurations = { ...known.configurations, ...seen.configurations };
    const changes = { ...seen, configurations, ...(incarnation > known.incarnation ? reset : {}) };
    [agent = known] = await tx.agents.update({ id: known.id }, changes);
  } else {
    agent = {
      id: call.random.uuid(),
      host,
      role,
      description: '',
      admin_state_up: true,
      liveness: 'alive',
      deaths: 0,
      created_at: now,
      ...seen,
      ...reset,
    };
    await tx.agents.insert([agent]);
  }
  if (role === 'l2') await bindWaitingPorts(tx, call, host);
  return agent;
}

export async function showAgent(tables: Tables, call: Call, id: string): Promise<AgentView> {
  const agent = await tables.agents.get({ id });
  if (!agent) throw agentNotFound(id);
  return agentView(call, agent);
}

export async function listAgents(
  tables: Tables,
  call: Call,
  query: ListQuery<AgentRow>,
): Promise<AgentView[]> {
  return (await tables.agents.list(query)).map((agent) => agentView(call, agent));
}

/** Only what an operator sets: the rest is the agent's own to say. */
export type AgentChanges = Partial<Pick<AgentRow, 'admin_state_up' | 'description'>>;

/**
 * A DHCP agent that is switched off gets nothing new, and the background gives what it has to others, which serve before it
 * stops (Neutron leaves its networks where they are). Without others it serves on.
 */
export async function updateAgent(
  tx: Transaction,
  call: Call,
  { id, changes }: { readonly id: string; readonly changes: AgentChanges },
): Promise<AgentView> {
  const { admin_state_up, description } = changes;
  const wanted = {
    ...(admin_state_up === undefined ? {} : { admin_state_up }),
    ...(description === undefined ? {} : { description }),
  };
  const [agent] =
    Object.keys(wanted).length > 0 ? await tx.agents.update({ id }, wanted) : await tx.agents.find({ id });
  if (!agent) throw agentNotFound(id);
  return agentView(call, agent);
}

/** Forgets an agent with its DHCP bindings and ports, or its replicas of routers; its networks and routers go to others. It comes back when it connects again. */
export async function deleteAgent(
  tx: Transaction,
  call: Call,
  { id }: { readonly id: string },
): Promise<void> {
  const agent = await tx.agents.get({ id });
  if (!agent) throw agentNotFound(id);
  const { host, role } = agent;
  const routers = role === 'l3' ? await lockHostedRouters(tx, host) : [];
  const networks = role === 'dhcp' ? await lockServedNetworks(tx, host) : [];
  const removed = await tx.agents.remove({ id });
  if (removed.length === 0) throw agentNotFound(id);
  if (role === 'dhcp') await leaveNetworks(tx, call, { host, networks });
  if (role === 'l3') await leaveRouters(tx, call, { host, routers });
}
