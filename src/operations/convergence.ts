/** What agents owe against the head of the log, as of one consistent view. */
import { type AgentLag, type AgentState, type Convergence, isConverged, lagOf } from '../convergence/lag.ts';
import { narrow, type Subject } from '../convergence/narrow.ts';
import { LogEnd } from '../convergence/owed.ts';
import {
  type OwnOwed,
  type OwnPort,
  type OwnResources,
  ownOwed,
  withUnattended,
} from '../convergence/own.ts';
import type { Asked } from '../convergence/unattended.ts';
import { splitKey } from '../resources/agent-view.ts';
import { AGENT_TYPES, type AgentRow, type Role } from '../resources/agent.ts';
import type { PortRow } from '../resources/port.ts';
import { ROUTER_HA_OWNER, ROUTER_PORT_OWNERS } from '../resources/router.ts';
import { canonicalUuid, display } from '../resources/values.ts';
import type { Tables, View } from '../store/store.ts';
import {
  agentNotFound,
  hostNotFound,
  networkNotFound,
  portNotFound,
  positionNotFound,
  subnetNotFound,
} from './faults.ts';
import { firewallKeysOf } from './firewall-keys.ts';
import type { Call } from './operation.ts';
import { type FleetUnattended, readFleetUnattended } from './unattended-fleet.ts';
import { readUnattended } from './unattended.ts';

export { AGENT_STATES, type AgentLag, type AgentState, type Convergence } from '../convergence/lag.ts';
export type { OwnOwed } from '../convergence/own.ts';

/** An agent that is further behind owes "everything from there on": what is read stays bounded, however long it was away. */
const MAX_CHANGES = 1_000;

/** The kinds of resources that one may ask for. */
export type ResourceKind = Subject['kind'];

export interface ConvergenceQuery {
  readonly agentId?: string | undefined;
  /** Empty or not given: any; so with roles and states. */
  readonly hosts?: readonly string[] | undefined;
  readonly roles?: readonly Role[] | undefined;
  readonly resource?: { readonly kind: ResourceKind; readonly id: string } | undefined;
  readonly position?: number | undefined;
  /** Of the position: what is meant is the change that was written there with this tag. */
  readonly tag?: number | undefined;
  readonly states?: readonly AgentState[] | undefined;
}

/** The end of the log, as far back as these agents need it. */
async function readLogEnd(view: View, call: Call, agents: readonly AgentRow[]): Promise<LogEnd> {
  const { position: head } = await view.head();
  const oldest = head - MAX_CHANGES;
  const isNear = (at: number | null): at is number => at !== null && at <= head && at >= oldest;
  // The changes that exceptions are of tell their age.
  const needed = agents.flatMap(({ realised_position, exceptions }) => [
    realised_position,
    ...exceptions.filter((one) => one.state !== 'waiting' && one.since > 0).map((one) => one.since - 1),
  ]);
  const from = needed.filter(isNear).reduce((least, at) => Math.min(least, at), head);
  const wallMs = call.clock.wall().getTime();
  const changes = await view.changesFrom(from, MAX_CHANGES + 1);
  return new LogEnd(
    head,
    changes.map((change) => ({
      ...change,
      at: new Date(wallMs - change.ageMs).toISOString(),
      ageMs: Math.round(change.ageMs),
    })),
  );
}

/** Whether some living server hears the agent, whatever is made of it. */
export function isHeard(call: Call, agent: AgentRow): boolean {
  if (agent.server_id === '') return false;
  return agent.liveness === 'alive' ? call.isEligible(agent) : call.isAlive(agent);
}

/** How each of these agents stands, in their order. */
export async function readLags(
  view: View,
  call: Call,
  agents: readonly AgentRow[],
): Promise<{ head: number; lags: AgentLag[] }> {
  const log = await readLogEnd(view, call, agents);
  const behind = agents.filter(
    ({ realised_position: at }) => at !== null && at < log.head && at + 1 >= log.from,
  );
  const hosts = [...new Set(behind.map((agent) => agent.host))];
  const scopes = hosts.length === 0 ? new Map<string, string[]>() : await view.scopes(hosts);
  const facts = {
    isAlive: call.isAlive,
    isHeard: (agent: AgentRow) => isHeard(call, agent),
    scopeOf: (host: string) => new Set(scopes.get(host)),
    wallMs: call.clock.wall().getTime(),
    ...(call.settings.deadlines ? { deadlines: call.settings.deadlines } : {}),
  };
  return { head: log.head, lags: agents.map((agent) => lagOf(agent, log, facts)) };
}

/** What `/v2.0/agents` shows of an agent's standing. */
export interface AgentStanding {
  /** Whether it has realised everything, but for what waits for the world; null: unknown. */
  readonly synced: boolean | null;
  /** Positions between what it has realised and the head; null: unknown. */
  readonly lag: number | null;
  readonly pending: number | null;
  readonly overdue: number | null;
}

const UNKNOWN: AgentStanding = { synced: null, lag: null, pending: null, overdue: null };

/** How agents stand, by id. That is read in views only: in a transaction that writes, everything is unknown. */
export async function agentStandings(
  tables: Tables | View,
  call: Call,
  agents: readonly AgentRow[],
): Promise<(id: string) => AgentStanding> {
  if (!('scopes' in tables) || agents.length === 0) return () => UNKNOWN;
  const { lags } = await readLags(tables, call, agents);
  const standings = lags.map((lag): [string, AgentStanding] => {
    const pending = lag.owed.filter((one) => one.state !== 'waiting').length;
    const synced = lag.state === 'unknown' ? null : isConverged(lag);
    return [lag.id, { synced, lag: lag.lag, pending, overdue: lag.overdue }];
  });
  const byId = new Map(standings);
  return (id) => byId.get(id) ?? UNKNOWN;
}

/** Which agents have to do with a resource. Throws the Fault of one that is not there. */
export async function readSubject(
  tables: Tables,
  { kind, id }: { readonly kind: ResourceKind; readonly id: string },
): Promise<Subject> {
  if (kind === 'port') {
    const port = await tables.ports.get({ id });
    if (!port) throw portNotFound(id);
    const serving = await servingHosts(tables, port.network_id);
    const { hosts: l3, routers } = await replicasOf(tables, [port]);
    // All replicas have the interface wired, whichever the port is bound to.
    const l2 = new Set([...serving, ...l3, ...(port.host === '' ? [] : [port.host])]);
    return {
      kind,
      id,
      networkId: port.network_id,
      boundHost: port.host,
      hosts: { l2, dhcp: serving, l3 },
      firewall: (await firewallKeysOf(tables, [port]))(id),
      ...(l3.size > 0 ? { routers } : {}),
    };
  }
  if (kind === 'subnet') {
    const subnet = await tables.subnets.get({ id });
    if (!subnet) throw subnetNotFound(id);
    const dhcp = await servingHosts(tables, subnet.network_id);
    return {
      kind,
      id,
      networkId: subnet.network_id,
      boundHost: '',
      hosts: { l2: new Set(), dhcp, l3: new Set() },
    };
  }
  if (!(await tables.networks.get({ id }))) throw networkNotFound(id);
  const dhcp = await servingHosts(tables, id);
  const ports = await tables.ports.find({ network_id: id });
  const bound = ports.map((port) => port.host).filter((host) => host !== '');
  const { hosts: l3, routers } = await replicasOf(tables, ports);
  const l2 = new Set([...dhcp, ...bound, ...l3]);
  const routed = ports.filter((port) => routers.has(routerOf(port) ?? ''));
  const routerPorts = new Set(routed.map((port) => `port/${port.id}`));
  return { kind, id, networkId: id, boundHost: '', hosts: { l2, dhcp, l3 }, routers, routerPorts };
}

const routerOf = ({ device_id, device_owner }: PortRow): string | undefined =>
  ROUTER_PORT_OWNERS.includes(device_owner) ? canonicalUuid(device_id) : undefined;

/** Which routers have these ports, and where these have replicas; an HA port is on its own host only. */
async function replicasOf(
  tables: Tables,
  ports: readonly PortRow[],
): Promise<{ hosts: ReadonlySet<string>; routers: ReadonlySet<string> }> {
  const portsOf = Map.groupBy(ports, (port) => routerOf(port) ?? '');
  portsOf.delete('');
  const ids = [...portsOf.keys()];
  const bindings = ids.length === 0 ? [] : await tables.routerBindings.find({ router_id: ids });
  const isOn = ({ router_id, host }: { router_id: string; host: string }) =>
    (portsOf.get(router_id) ?? []).some(
      (port) => port.device_owner !== ROUTER_HA_OWNER || host === port.host,
    );
  return { hosts: new Set(bindings.filter(isOn).map((binding) => binding.host)), routers: new Set(ids) };
}

async function servingHosts(tables: Tables, networkId: string): Promise<Set<string>> {
  return new Set((await tables.dhcpBindings.find({ network_id: networkId })).map((binding) => binding.host));
}

const ROLES = Object.keys(AGENT_TYPES) as Role[];
/** The values asked for, as a condition; nothing where any will do. */
const anyOf = <Value>(values: readonly Value[] | undefined): readonly Value[] | undefined =>
  values && values.length > 0 ? values : undefined;

/** What is not realised, of the agents that are asked for and of what no agent is there for. */
export interface AskedConvergence extends Convergence {
  /** What nobody is there to realise: of the resource that is asked for, or of all; then not all of it is shown. */
  readonly unattended: readonly OwnOwed[];
  readonly unattendedCount: number;
}

/** The agents that are asked for, by id, each with what is asked for of it; and whether that is all realised. */
export async function convergence(
  view: View,
  call: Call,
  query: ConvergenceQuery = {},
): Promise<AskedConvergence> {
  const { agentId, position, states = [], resource } = query;
  const hosts = anyOf(query.hosts);
  const roles = anyOf(query.roles);
  await checkThere(view, query);
  await checkHeld(view, query);
  const subject = resource && (await readSubject(view, resource));
  const agents = await view.agents.find({
    ...(agentId === undefined ? {} : { id: agentId }),
    ...(hosts ? { host: hosts } : {}),
    ...(roles ? { role: roles } : {}),
  });
  const { head, lags } = await readLags(view, call, agents);
  const asked = narrow(lags, { subject, position });
  const alone = await unattendedOf(view, call, { query, agents });
  // What has not been committed yet nobody has realised.
  const isThere = position === undefined || position <= head;
  const isDone = asked.every((lag) => !lag.alive || isConverged(lag)) && alone.count === 0;
  // States say what is shown, not what has to be realised.
  const shown = states.length === 0 ? asked : asked.filter((lag) => states.includes(lag.state));
  const { entries, count } = states.length === 0 || states.includes('failing') ? alone : NOTHING;
  const converged = isThere && isDone;
  return { head, converged, agents: shown, unattended: entries, unattendedCount: count };
}

/** Throws the Fault of an agent or a host that is not there: that owes nothing, and nothing is realised by it. */
async function checkThere(view: View, { agentId, hosts = [] }: ConvergenceQuery): Promise<void> {
  if (agentId !== undefined && !(await view.agents.get({ id: agentId }))) throw agentNotFound(agentId);
  if (hosts.length === 0) return;
  const known = new Set((await view.hosts.find({ name: hosts })).map((host) => host.name));
  const unknown = hosts.find((name) => !known.has(name));
  if (unknown !== undefined) throw hostNotFound(display(unknown));
}

/** Throws the Fault of a position that was lost. One that is trimmed away, or not there yet, is none. */
async function checkHeld(view: View, { position, tag }: ConvergenceQuery): Promise<void> {
  if (position === undefined || tag === undefined) return;
  const [change] = await view.changesFrom(position, 1);
  if (change?.position === position && change.tag !== tag) throw positionNotFound({ position, tag });
}

const NOTHING: FleetUnattended = { entries: [], count: 0 };

/** Of single agents or hosts it is asked what these owe; of a position, what was asked of agents up to there. */
async function unattendedOf(
  view: View,
  call: Call,
  { query, agents }: { readonly query: ConvergenceQuery; readonly agents: readonly AgentRow[] },
): Promise<FleetUnattended> {
  const { agentId, resource, position } = query;
  if (agentId !== undefined || anyOf(query.hosts)) return NOTHING;
  const roles = anyOf(query.roles) ?? ROLES;
  const attendance = { roles, agents, isHeard: (agent: AgentRow) => isHeard(call, agent) };
  if (!resource) return position === undefined ? readFleetUnattended(view, attendance) : NOTHING;
  const entries = await readUnattended(view, { asked: await readAsked(view, resource), ...attendance });
  return { entries, count: entries.length };
}

/** A resource, and for a network its ports, as those whose attendance is asked for. */
async function readAsked(
  tables: Tables,
  { kind, id }: { readonly kind: ResourceKind; readonly id: string },
): Promise<Asked> {
  const none = new Set<string>();
  if (kind === 'port') return { ports: await tables.ports.find({ id }), subnets: none, networks: none };
  if (kind === 'subnet') return { ports: [], subnets: new Set([id]), networks: none };
  const ports = await tables.ports.find({ network_id: id });
  return { ports, subnets: none, networks: new Set([id]) };
}

export type OwnQuery = Pick<ConvergenceQuery, 'roles' | 'resource' | 'position' | 'tag' | 'states'>;

/** What is not realised of the caller's own ports, subnets and networks, wherever they are. */
export async function ownConvergence(
  view: View,
  call: Call,
  query: OwnQuery = {},
): Promise<{ head: number; converged: boolean; resources: OwnOwed[] }> {
  const { resource, position, states = [] } = query;
  const roles = anyOf(query.roles);
  const { projectId: project_id } = call.caller;
  const ports = await view.ports.find({ project_id });
  const subnets = await view.subnets.find({ project_id });
  const networks = await view.networks.find({ project_id });
  const firewallOf = await firewallKeysOf(view, ports);
  const ownPort = ({ id, network_id, host }: PortRow): OwnPort => ({
    ...{ networkId: network_id, host, firewall: firewallOf(id) },
  });
  const own = {
    ports: new Map(ports.map((port) => [port.id, ownPort(port)])),
    subnets: new Set(subnets.map((subnet) => subnet.id)),
    networks: new Set(networks.map((network) => network.id)),
  };
  if (resource) checkOwn(own, resource);
  await checkHeld(view, query);
  const agents = await view.agents.find(roles ? { role: roles } : {});
  const { head, lags } = await readLags(view, call, agents);
  const attendance = { roles: roles ?? ROLES, agents, isHeard: (agent: AgentRow) => isHeard(call, agent) };
  // Of a position, as for admins: what living agents were asked for up to there.
  const isOfAgents = position !== undefined && !resource;
  const asked =
    position === undefined
      ? lags
      : narrow(lags, { position }).filter((lag) => resource !== undefined || lag.alive);
  const alone = isOfAgents ? [] : await readUnattended(view, { asked: { ...own, ports }, ...attendance });
  const isAsked = isPartOf(resource, [...ports, ...subnets]);
  const found = withUnattended(ownOwed(asked, own), alone).filter((one) => isAsked(one.resource));
  const isThere = position === undefined || position <= head;
  const converged = isThere && found.every((one) => one.state === 'waiting');
  const resources = found.filter((one) => states.length === 0 || states.includes(STATE_OF[one.state]));
  return { head, converged, resources };
}

/** Whether something, as `port/<id>`, is the resource, or is on it: a network is realised if what is on it is. */
function isPartOf(
  resource: OwnQuery['resource'],
  rows: readonly { readonly id: string; readonly network_id: string }[],
): (name: string) => boolean {
  if (!resource) return () => true;
  const { kind, id } = resource;
  const within = rows.filter((row) => kind === 'network' && row.network_id === id).map((row) => row.id);
  const parts = new Set(within);
  return (name) => name === `${kind}/${id}` || parts.has(splitKey(name).id);
}

function checkOwn(own: OwnResources, { kind, id }: { kind: ResourceKind; id: string }): void {
  if (kind === 'port' && !own.ports.has(id)) throw portNotFound(id);
  if (kind === 'subnet' && !own.subnets.has(id)) throw subnetNotFound(id);
  if (kind === 'network' && !own.networks.has(id)) throw networkNotFound(id);
}

const STATE_OF = { failed: 'failing', pending: 'pending', waiting: 'waiting' } as const;
