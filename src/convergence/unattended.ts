/**
 * What nobody is there to realise: no agent owes it, so that what agents owe says nothing of it. A port that could be bound
 * nowhere or whose host's agent nobody hears, a router's port without a replica, DHCP that no agent serves. Pure.
 */
import type { AgentRow, Role } from '../resources/agent.ts';
import type { PortRow } from '../resources/port.ts';
import { ROUTER_HA_OWNER, ROUTER_PORT_OWNERS } from '../resources/router.ts';
import { type OwnOwed, ownOrder } from './own.ts';

const DHCP_OWNER = 'network:dhcp';

export type AskedPort = Pick<
  PortRow,
  'id' | 'network_id' | 'device_id' | 'device_owner' | 'host' | 'vif_type' | 'fixed_ips'
>;

/** The resources of which it is asked. */
export interface Asked {
  readonly ports: readonly AskedPort[];
  readonly subnets: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
}

export interface AttendanceFacts {
  /** The agents of these roles only are spoken of. */
  readonly roles: readonly Role[];
  readonly agents: readonly Pick<AgentRow, 'id' | 'host' | 'role' | 'heartbeat_at'>[];
  readonly isHeard: (agentId: string) => boolean;
  /** Subnets that ask for DHCP, of networks that are up. */
  readonly dhcpSubnets: readonly { readonly id: string; readonly network_id: string }[];
  readonly dhcpBindings: readonly { readonly network_id: string; readonly agent_id: string }[];
  /** Of routers that are up. */
  readonly routers: ReadonlySet<string>;
  readonly routerBindings: readonly { readonly router_id: string; readonly agent_id: string }[];
}

/** Whether the port is connected by its host alone: DHCP and routers have replicas, and are judged by these. */
export function isOfOneHost({ device_owner }: Pick<AskedPort, 'device_owner'>): boolean {
  return device_owner !== DHCP_OWNER && !ROUTER_PORT_OWNERS.includes(device_owner);
}

/** Whether the port lives as long as any replica of its router does. */
export function isOfReplicas({ device_owner }: Pick<AskedPort, 'device_owner'>): boolean {
  return ROUTER_PORT_OWNERS.includes(device_owner) && device_owner !== ROUTER_HA_OWNER;
}

interface Missing {
  readonly resource: string;
  readonly role: Role;
  readonly reason: string;
  /** Since when nobody has been heard (UTC), if anybody ever was. */
  readonly sinceAt: string | null;
}

const UNBOUND = 'it could not be bound to the host that was asked for';
const NO_AGENT = 'its host has no agent to connect it';
const NOT_HEARD = 'no server hears the agent of its host';
const NO_DHCP = 'no agent that any server hears has its DHCP';
const NO_ROUTER = 'no agent that any server hears has its router';

/** Each resource once for each role, in order; all of it has failed, and none of it is the fault of any change. */
export function unattended(asked: Asked, facts: AttendanceFacts): OwnOwed[] {
  const byRole: Readonly<Record<Role, () => Missing[]>> = {
    l2: () => unconnected(asked, facts),
    dhcp: () => withoutDhcp(asked, facts),
    l3: () => unrouted(asked, facts),
  };
  const entry = (one: Missing): OwnOwed => ({ ...one, state: 'failed', since: 0, overdue: false });
  return facts.roles.flatMap((role) => byRole[role]().map(entry)).sort(ownOrder);
}

function unconnected({ ports }: Asked, { agents, isHeard }: AttendanceFacts): Missing[] {
  const byHost = new Map(agents.filter(({ role }) => role === 'l2').map((agent) => [agent.host, agent]));
  return ports.filter(isOfOneHost).flatMap(({ id, host, vif_type }): Missing[] => {
    if (host === '') return [];
    const missing = (reason: string, sinceAt: string | null): Missing[] => [
      { resource: `port/${id}`, role: 'l2', reason, sinceAt },
    ];
    if (vif_type === 'binding_failed') return missing(UNBOUND, null);
    const agent = byHost.get(host);
    if (!agent) return missing(NO_AGENT, null);
    return isHeard(agent.id) ? [] : missing(NOT_HEARD, agent.heartbeat_at || null);
  });
}

/** Which of the things have an agent that is heard, and since when the others have none. */
function attendance(
  bindings: readonly { readonly thing: string; readonly agent_id: string }[],
  { agents, isHeard }: AttendanceFacts,
): { readonly isAttended: (thing: string) => boolean; readonly since: (thing: string) => string | null } {
  const attended = new Set<string>();
  const since = new Map<string, string>();
  const heartbeats = new Map(agents.map((agent) => [agent.id, agent.heartbeat_at]));
  for (const { thing, agent_id } of bindings) {
    if (isHeard(agent_id)) attended.add(thing);
    const heardAt = heartbeats.get(agent_id) ?? '';
    if (heardAt > (since.get(thing) ?? '')) since.set(thing, heardAt);
  }
  return { isAttended: (thing) => attended.has(thing), since: (thing) => since.get(thing) ?? null };
}

function withoutDhcp(asked: Asked, facts: AttendanceFacts): Missing[] {
  const bindings = facts.dhcpBindings.map(({ network_id, agent_id }) => ({ thing: network_id, agent_id }));
  const { isAttended, since } = attendance(bindings, facts);
  const unserved = facts.dhcpSubnets.filter((subnet) => !isAttended(subnet.network_id));
  const ids = new Set(unserved.map((subnet) => subnet.id));
  const missing = (resource: string, networkId: string): Missing => ({
    ...{ resource, role: 'dhcp', reason: NO_DHCP, sinceAt: since(networkId) },
  });
  const networks = new Set(unserved.map((subnet) => subnet.network_id));
  const clients = asked.ports.filter(
    (port) =>
      port.host !== '' && isOfOneHost(port) && port.fixed_ips.some(({ subnet_id }) => ids.has(subnet_id)),
  );
  return [
    ...[...networks].filter((id) => asked.networks.has(id)).map((id) => missing(`network/${id}`, id)),
    ...unserved
      .filter(({ id }) => asked.subnets.has(id))
      .map(({ id, network_id }) => missing(`subnet/${id}`, network_id)),
    ...clients.map((port) => missing(`port/${port.id}`, port.network_id)),
  ];
}

function unrouted({ ports }: Asked, facts: AttendanceFacts): Missing[] {
  const bindings = facts.routerBindings.map(({ router_id, agent_id }) => ({ thing: router_id, agent_id }));
  const { isAttended, since } = attendance(bindings, facts);
  return ports
    .filter((port) => isOfReplicas(port) && facts.routers.has(port.device_id) && !isAttended(port.device_id))
    .map(({ id, device_id }) => ({
      ...{ resource: `port/${id}`, role: 'l3', reason: NO_ROUTER, sinceAt: since(device_id) },
    }));
}
