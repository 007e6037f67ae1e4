/** Why a port, a network, a router or an agent is not as it should be: the facts, as of one consistent view. */
import {
  type Explanation,
  explainAgent,
  explainNetwork,
  explainPort,
  type FleetFacts,
  type HomelessPort,
} from '../convergence/explain.ts';
import { explainRouter } from '../convergence/explain-router.ts';
import type { AgentFacts, Audience, EventFacts } from '../convergence/findings.ts';
import { isOfOneHost } from '../convergence/unattended.ts';
import type { AgentRow, Role } from '../resources/agent.ts';
import { AGENT_TYPES } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import { ROUTER_PORT_OWNERS } from '../resources/router.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { View } from '../store/store.ts';
import { isHeard, readLags, readSubject } from './convergence.ts';
import { listEvents } from './event.ts';
import { dhcpFactsOf, readDhcp, readHoldings, readTakers, type Takers } from './explain-dhcp.ts';
import { agentNotFound, networkNotFound, portNotFound } from './faults.ts';
import { visibleNetwork } from './network-sharing.ts';
import type { Call } from './operation.ts';
import { owns } from './standard.ts';
import { openMasses } from './liveness.ts';
import { showRouter } from './router.ts';
import { readUnattended } from './unattended.ts';
import { showRoles } from './router-view.ts';

export type { Explanation } from '../convergence/explain.ts';

const MOST_EVENTS = 20;
/** Each of its keys may have been through the ladder. */
const MOST_EVENTS_OF_HOST = 100;
const OF_AGENTS: readonly EventRow['kind'][] = ['agent-died', 'agent-returned', 'move-begun', 'move-done'];
const OF_REMEDIES: readonly EventRow['kind'][] = ['remedy', 'alert', 'alert-ended'];
/** A network may span the whole fleet: of more hosts so many are looked at, and that is said. */
const MOST_AGENTS = 2_000;

/** The agents as they stand, by id. */
async function readAgents(
  view: View,
  call: Call,
  agents: readonly AgentRow[],
): Promise<Map<string, AgentFacts>> {
  const { lags } = await readLags(view, call, agents);
  const holds = await readHolds(view, agents);
  const facts = agents.map((agent, at): [string, AgentFacts] => [
    agent.id,
    {
      id: agent.id,
      host: agent.host,
      role: agent.role,
      liveness: agent.liveness,
      adminStateUp: agent.admin_state_up,
      heardAt: agent.heartbeat_at,
      lag: lags[at]!,
      ...(holds.has(agent.host) ? { hold: holds.get(agent.host)! } : {}),
    },
  ]);
  return new Map(facts);
}

/** Since when, and until when, hosts are held down: by what was written when they came back. */
async function readHolds(
  view: View,
  agents: readonly AgentRow[],
): Promise<Map<string, NonNullable<AgentFacts['hold']>>> {
  const held = new Set(agents.filter((agent) => agent.liveness === 'held').map((agent) => agent.host));
  const found = new Map<string, NonNullable<AgentFacts['hold']>>();
  for (const host of held) {
    const filters = [
      { column: 'host', operator: 'in', values: [host] },
      { column: 'kind', operator: 'in', values: ['agent-returned'] },
    ] as const;
    const [back] = await listEvents(view, { filters, limit: 1 });
    const seconds = Number(back?.data['hold_seconds'] ?? 0);
    if (!back || !(seconds > 0)) continue;
    const until = new Date(Date.parse(back.at) + seconds * 1_000).toISOString();
    found.set(host, { since: back.at, until });
  }
  return found;
}

/** What happened lately about these objects and at these hosts; the newest first. */
async function readAudience(
  view: View,
  call: Call,
  {
    objects,
    hosts,
    isOfHosts = false,
  }: {
    readonly objects: readonly string[];
    readonly hosts: readonly string[];
    /** Also what was done there about anything else. */
    readonly isOfHosts?: boolean;
  },
): Promise<Audience> {
  const { isAdmin } = call.caller;
  if (!isAdmin) return { isAdmin, events: [] };
  const among = (column: 'object' | 'host' | 'kind', values: readonly string[]) =>
    ({ column, operator: 'in', values }) as const;
  const list = (...filters: readonly ReturnType<typeof among>[]) =>
    filters.some(({ values }) => values.length === 0)
      ? Promise.resolve([])
      : listEvents(view, { filters, limit: isOfHosts ? MOST_EVENTS_OF_HOST : MOST_EVENTS });
  // An end without its alert says nothing, an alert without its end what is not so.
  const about = isOfHosts ? [] : [among('object', ['', ...objects])];
  const found = [
    ...(await list(among('object', objects))),
    ...(await list(among('host', hosts), among('kind', OF_AGENTS))),
    ...(await list(among('host', hosts), among('kind', OF_REMEDIES), ...about)),
  ];
  const byId = new Map(found.map((event): [string, EventFacts] => [event.id, event]));
  const events = [...byId.values()].sort((a, b) => (a.at > b.at ? -1 : 1));
  return { isAdmin, events };
}

/** `hosts`: those that the matter is about. */
async function readFleet(
  view: View,
  call: Call,
  about: readonly string[],
): Promise<{ fleet: FleetFacts; takers: Takers }> {
  const agents = await view.agents.find({});
  const takers = await readTakers(view, call);
  const hosts = new Set(about);
  const zones = new Set(agents.filter(({ host }) => hosts.has(host)).map((agent) => agent.availability_zone));
  // A mass is no matter of what has all its agents.
  const isConcerned = agents.some((agent) => hosts.has(agent.host) && !isHeard(call, agent));
  const silent = (isConcerned ? await openMasses(view) : [])
    .filter(({ object }) => object === 'fleet' || zones.has(object.replace(/^zone\//, '')))
    .sort((a, b) => (a.object < b.object ? -1 : 1));
  const fleet = {
    agents: agents.length,
    heard: agents.filter((agent) => isHeard(call, agent)).length,
    hosts: new Set(agents.map((agent) => agent.host)).size,
    takers: takers.length,
    silent: silent.map(({ object, at }) => ({ area: object, since: at })),
  };
  return { fleet, takers };
}

/** Those first that seem to have a matter: they are looked at also where there are too many. */
function suspectsFirst(agents: readonly AgentRow[]): AgentRow[] {
  const isSuspect = (agent: AgentRow) =>
    agent.liveness !== 'alive' || agent.server_id === '' || agent.exception_count > 0;
  return [...agents].sort(
    (a, b) =>
      Number(isSuspect(b)) - Number(isSuspect(a)) || (a.realised_position ?? 0) - (b.realised_position ?? 0),
  );
}

/** The caller's own port, or any for an admin. */
export async function explainPortById(view: View, call: Call, id: string): Promise<Explanation> {
  const port = await view.ports.get({ id });
  if (!port || !owns(call, port)) throw portNotFound(id);
  const subject = await readSubject(view, { kind: 'port', id });
  const dhcp = await readDhcp(view, [port.network_id]);
  const replicas = [...subject.hosts.l3];
  const served = dhcp.bindings.map((binding) => binding.host);
  const hosts = [...new Set([port.host, ...served, ...replicas])].filter((host) => host !== '');
  const l2 = hosts.length === 0 ? [] : await view.agents.find({ host: hosts, role: 'l2' });
  const l3 = replicas.length === 0 ? [] : await view.agents.find({ host: replicas, role: 'l3' });
  const agents = await readAgents(view, call, [...l2, ...l3, ...dhcp.agents]);
  const factsOf = (row: AgentRow | undefined) => row && agents.get(row.id);
  const withDhcp = new Set(dhcp.subnets.map((subnet) => subnet.id));
  const { fleet, takers } = await readFleet(view, call, hosts);
  const [dhcpFacts] = await dhcpFactsOf(view, call, { rows: dhcp, agents, takers });
  if (!dhcpFacts) throw portNotFound(id);
  const isWiring = ({ host }: AgentRow) => host !== port.host && subject.hosts.l3.has(host);
  const objects = [`port/${id}`, `network/${port.network_id}`];
  return explainPort(
    {
      subject,
      status: port.status,
      adminStateUp: port.admin_state_up,
      vifType: port.vif_type,
      wantsDhcp:
        port.device_owner !== 'network:dhcp' && port.fixed_ips.some((ip) => withDhcp.has(ip.subnet_id)),
      isHostKnown: port.host !== '' && (await view.hosts.count({ name: port.host })) > 0,
      l2: factsOf(l2.find((row) => row.host === port.host)),
      floods: l2
        .filter((row) => row.host !== port.host && served.includes(row.host))
        .flatMap((row) => factsOf(row) ?? []),
      replicas: [...l2.filter(isWiring), ...l3].flatMap((row) => factsOf(row) ?? []),
      dhcp: dhcpFacts,
      fleet,
    },
    await readAudience(view, call, { objects, hosts }),
  );
}

/** The network's ports, for a member his own, that no host could take. */
async function readHomeless(view: View, call: Call, networkId: string): Promise<HomelessPort[]> {
  const ports = (await view.ports.find({ network_id: networkId })).filter((port) => owns(call, port));
  const asked = { ports: ports.filter(isOfOneHost), subnets: new Set<string>(), networks: new Set<string>() };
  const hosts = [...new Set(asked.ports.map((port) => port.host))];
  const agents = hosts.length === 0 ? [] : await view.agents.find({ host: hosts, role: 'l2' });
  // That an agent is not heard is told of the agent.
  const entries = await readUnattended(view, { asked, agents, roles: ['l2'], isHeard: () => true });
  const hostOf = new Map(asked.ports.map((port) => [`port/${port.id}`, port.host]));
  return entries.map(({ resource, reason }) => ({ resource, reason, host: hostOf.get(resource) ?? '' }));
}

/** A network that the caller may see. */
export async function explainNetworkById(view: View, call: Call, id: string): Promise<Explanation> {
  await visibleNetwork(view, call, id);
  const subject = await readSubject(view, { kind: 'network', id });
  const dhcp = await readDhcp(view, [id]);
  const hosts = [...subject.hosts.l2];
  const all = hosts.length === 0 ? [] : await view.agents.find({ host: hosts, role: 'l2' });
  const l2 = suspectsFirst(all).slice(0, MOST_AGENTS);
  const replicas = [...subject.hosts.l3];
  const l3 = replicas.length === 0 ? [] : await view.agents.find({ host: replicas, role: 'l3' });
  const agents = await readAgents(view, call, [...dhcp.agents, ...l2, ...l3]);
  const { fleet, takers } = await readFleet(view, call, [
    ...dhcp.bindings.map((binding) => binding.host),
    ...l2.map((row) => row.host),
  ]);
  const [served] = await dhcpFactsOf(view, call, { rows: dhcp, agents, takers });
  if (!served) throw networkNotFound(id);
  return explainNetwork(
    {
      subject,
      dhcp: served,
      unlooked: all.length - l2.length,
      l2: l2.flatMap((row) => agents.get(row.id) ?? []),
      l3: l3.flatMap((row) => agents.get(row.id) ?? []),
      homeless: await readHomeless(view, call, id),
      fleet,
    },
    await readAudience(view, call, {
      objects: [`network/${id}`],
      hosts: dhcp.bindings.map((binding) => binding.host),
    }),
  );
}

/** The caller's own router, or any for an admin. */
export async function explainRouterById(view: View, call: Call, id: string): Promise<Explanation> {
  const { ha, admin_state_up: adminStateUp } = await showRouter(view, call, id);
  const roles = await showRoles(view, call, id);
  const hosts = roles.replicas.map((replica) => replica.host);
  const ids = roles.replicas.map((replica) => replica.agent_id);
  const l3 = ids.length === 0 ? [] : await view.agents.find({ id: ids });
  const l2 = hosts.length === 0 ? [] : await view.agents.find({ host: hosts, role: 'l2' });
  const agents = await readAgents(view, call, [...l3, ...l2]);
  const ports = await view.ports.find({ device_id: id, device_owner: ROUTER_PORT_OWNERS });
  const wiring = {
    agents: l2.flatMap((row) => agents.get(row.id) ?? []),
    networks: new Set(ports.map((port) => `network/${port.network_id}`)),
    ports: new Set(ports.map((port) => `port/${port.id}`)),
  };
  const { fleet } = await readFleet(view, call, hosts);
  const replicas = roles.replicas.map((replica) => ({ ...replica, agent: agents.get(replica.agent_id) }));
  const { state, summary } = roles;
  return explainRouter(
    { id, adminStateUp, ha, state, summary, replicas, wiring, fleet },
    await readAudience(view, call, { objects: [`router/${id}`, ...wiring.networks], hosts }),
  );
}

/** By an agent's id, `HOST` (all its roles) or `HOST/ROLE`. */
async function findAgents(view: View, name: string): Promise<AgentRow[]> {
  const id = canonicalUuid(name);
  const byId = id === undefined ? undefined : await view.agents.get({ id });
  if (byId) return [byId];
  const byHost = await view.agents.find({ host: name });
  if (byHost.length > 0) return byHost;
  const slash = name.lastIndexOf('/');
  const role = name.slice(slash + 1);
  if (slash < 1 || !Object.hasOwn(AGENT_TYPES, role)) return [];
  return view.agents.find({ host: name.slice(0, slash), role: role as Role });
}

/** An agent, or all of a host's. For admins. */
export async function explainAgentByName(view: View, call: Call, name: string): Promise<Explanation> {
  const rows = await findAgents(view, name);
  const [first] = rows;
  if (!first) throw agentNotFound(name);
  const agents = [...(await readAgents(view, call, rows)).values()];
  const { fleet, takers } = await readFleet(view, call, [first.host]);
  const standings = (found: readonly AgentRow[]) => readAgents(view, call, found);
  const holdings = await readHoldings(view, call, { agents, takers, standings });
  const shown = rows.length === 1 ? `${first.host}/${first.role}` : first.host;
  return explainAgent(
    { name: shown, agents, holdings, fleet },
    await readAudience(view, call, { objects: [], hosts: [first.host], isOfHosts: true }),
  );
}
