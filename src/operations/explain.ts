/** Why a port, a network, a router or an agent is not as it should be: the facts, as of one consistent view. */
import {
  type Explanation,
  explainAgent,
  explainNetwork,
  explainPort,
  type FleetFacts,
} from '../convergence/explain.ts';
import { explainRouter } from '../convergence/explain-router.ts';
import type { AgentFacts, Audience, EventFacts } from '../convergence/findings.ts';
import type { AgentRow, Role } from '../resources/agent.ts';
import { AGENT_TYPES } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { View } from '../store/store.ts';
import { isHeard, readLags, readSubject } from './convergence.ts';
import { listEvents } from './event.ts';
import { dhcpFactsOf, readDhcp, readHoldings, readTakers, type Takers } from './explain-dhcp.ts';
import { agentNotFound, networkNotFound, portNotFound } from './faults.ts';
import type { Call } from './operation.ts';
import { owns, visibleNetwork } from './standard.ts';
import { openMasses } from './liveness.ts';
import { showRouter } from './router.ts';
import { showRoles } from './router-view.ts';

export type { Explanation } from '../convergence/explain.ts';

const MOST_EVENTS = 20;
/** A network may span the whole fleet: of more hosts so many are looked at, and that is said. */
const MOST_AGENTS = 2_000;

/** The agents as they stand, by id. */
async function readAgents(
  view: View,
  call: Call,
  agents: readonly AgentRow[],
): Promise<Map<string, AgentFacts>> {
  const { lags } = await readLags(view, call, agents);
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
    },
  ]);
  return new Map(facts);
}

/** What happened lately about these objects and at these hosts; the newest first. */
async function readAudience(
  view: View,
  call: Call,
  { objects, hosts }: { readonly objects: readonly string[]; readonly hosts: readonly string[] },
): Promise<Audience> {
  const { isAdmin } = call.caller;
  if (!isAdmin) return { isAdmin, events: [] };
  const list = (column: 'object' | 'host', values: readonly string[], kinds?: readonly EventRow['kind'][]) =>
    values.length === 0
      ? Promise.resolve([])
      : listEvents(view, {
          filters: [
            { column, operator: 'in', values },
            ...(kinds ? [{ column: 'kind', operator: 'in', values: kinds } as const] : []),
          ],
          limit: MOST_EVENTS,
        });
  const found = [
    ...(await list('object', objects)),
    ...(await list('host', hosts, ['agent-died', 'agent-returned', 'move-begun', 'move-done', 'alert'])),
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
  const silent = (await openMasses(view))
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
  const hosts = [...new Set([port.host, ...dhcp.bindings.map((binding) => binding.host)])].filter(
    (host) => host !== '',
  );
  const l2 = hosts.length === 0 ? [] : await view.agents.find({ host: hosts, role: 'l2' });
  const agents = await readAgents(view, call, [...l2, ...dhcp.agents]);
  const factsOf = (row: AgentRow | undefined) => row && agents.get(row.id);
  const withDhcp = new Set(dhcp.subnets.map((subnet) => subnet.id));
  const { fleet, takers } = await readFleet(view, call, hosts);
  const [served] = await dhcpFactsOf(view, call, { rows: dhcp, agents, takers });
  if (!served) throw portNotFound(id);
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
      floods: l2.filter((row) => row.host !== port.host).flatMap((row) => factsOf(row) ?? []),
      dhcp: served,
      fleet,
    },
    await readAudience(view, call, { objects, hosts }),
  );
}

/** A network that the caller may see. */
export async function explainNetworkById(view: View, call: Call, id: string): Promise<Explanation> {
  await visibleNetwork(view, call, id);
  const subject = await readSubject(view, { kind: 'network', id });
  const dhcp = await readDhcp(view, [id]);
  const hosts = [...subject.hosts.l2];
  const all = hosts.length === 0 ? [] : await view.agents.find({ host: hosts, role: 'l2' });
  const l2 = suspectsFirst(all).slice(0, MOST_AGENTS);
  const agents = await readAgents(view, call, [...dhcp.agents, ...l2]);
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
  const agents = await readAgents(view, call, ids.length === 0 ? [] : await view.agents.find({ id: ids }));
  const { fleet } = await readFleet(view, call, hosts);
  const replicas = roles.replicas.map((replica) => ({ ...replica, agent: agents.get(replica.agent_id) }));
  const { state, summary } = roles;
  return explainRouter(
    { id, adminStateUp, ha, state, summary, replicas, fleet },
    await readAudience(view, call, { objects: [`router/${id}`], hosts }),
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
    await readAudience(view, call, { objects: [], hosts: [first.host] }),
  );
}
