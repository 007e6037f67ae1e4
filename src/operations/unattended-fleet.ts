/**
 * What nobody in the whole fleet is there to realise, for admins. What is read of ports is bounded by what is shown, however
 * many have nobody: in a silent fleet all have.
 */
import { type OwnOwed, ownOrder } from '../convergence/own.ts';
import { type AttendanceFacts, isOfOneHost, isOfReplicas, unattended } from '../convergence/unattended.ts';
import type { AgentRow, Role } from '../resources/agent.ts';
import type { PortRow } from '../resources/port.ts';
import { ROUTER_HA_OWNER, ROUTER_PORT_OWNERS } from '../resources/router.ts';
import type { ListQuery, Tables, Where } from '../store/store.ts';

/** So many entries are shown; the others are counted. */
export const SHOWN = 100;
const PAGE = 500;
const NONE = new Set<string>();
const OF_MANY_HOSTS: readonly string[] = ['network:dhcp', ...ROUTER_PORT_OWNERS];
const OF_REPLICAS = ROUTER_PORT_OWNERS.filter((owner) => owner !== ROUTER_HA_OWNER);

export interface FleetQuery {
  readonly roles: readonly Role[];
  /** All of these roles. */
  readonly agents: readonly AgentRow[];
  readonly isHeard: (agent: AgentRow) => boolean;
}

export interface FleetUnattended {
  /** At most SHOWN, in order. */
  readonly entries: readonly OwnOwed[];
  readonly count: number;
}

/** Ports that no host or router serves, and networks without DHCP: their ports and subnets are not told one by one. */
export async function readFleetUnattended(tables: Tables, query: FleetQuery): Promise<FleetUnattended> {
  const heard = new Set(query.agents.filter(query.isHeard).map((agent) => agent.id));
  const readers = { l2: unconnected, dhcp: withoutDhcp, l3: unrouted };
  const found: FleetUnattended[] = [];
  for (const role of query.roles) {
    const facts: AttendanceFacts = {
      ...{ roles: [role], agents: query.agents, isHeard: (id) => heard.has(id) },
      ...{ dhcpSubnets: [], dhcpBindings: [], routers: NONE, routerBindings: [] },
    };
    found.push(await readers[role](tables, facts));
  }
  const entries = found.flatMap((one) => one.entries).sort(ownOrder);
  return { entries: entries.slice(0, SHOWN), count: found.reduce((sum, one) => sum + one.count, 0) };
}

async function unconnected({ hosts, ports }: Tables, facts: AttendanceFacts): Promise<FleetUnattended> {
  const isThere = ({ id, role }: { id: string; role: Role }) => role === 'l2' && facts.isHeard(id);
  const attended = new Set(facts.agents.filter(isThere).map((agent) => agent.host));
  const alone = (await hosts.find({})).map((host) => host.name).filter((name) => !attended.has(name));
  const count = async (where: Where<PortRow>) =>
    (await ports.count(where)) - (await ports.count({ ...where, device_owner: OF_MANY_HOSTS }));
  const vif_type = 'binding_failed';
  // Those that are both are counted once.
  const total =
    (await count({ vif_type })) + (await count({ host: alone })) - (await count({ host: alone, vif_type }));
  if (total === 0) return { entries: [], count: 0 };
  const anyOf: ListQuery<PortRow>['anyOf'] = [
    { column: 'vif_type', operator: 'in', values: [vif_type] },
    { column: 'host', operator: 'in', values: alone },
  ];
  const found: PortRow[] = [];
  for (let after: PortRow | undefined; found.length < SHOWN; ) {
    const page = await ports.list({ filters: [], anyOf, sort: [], limit: PAGE, ...(after ? { after } : {}) });
    found.push(...page.filter(isOfOneHost));
    after = page.at(-1);
    if (page.length < PAGE) break;
  }
  const asked = { ports: found.slice(0, SHOWN), subnets: NONE, networks: NONE };
  return { entries: unattended(asked, facts), count: total };
}

async function withoutDhcp(tables: Tables, facts: AttendanceFacts): Promise<FleetUnattended> {
  const up = await tables.networks.find({ admin_state_up: true });
  const networks = new Set(up.map((network) => network.id));
  const subnets = await tables.subnets.find({ enable_dhcp: true });
  const dhcpSubnets = subnets.filter((subnet) => networks.has(subnet.network_id));
  const dhcpBindings = await tables.dhcpBindings.find({});
  const asked = { ports: [], subnets: NONE, networks };
  const entries = unattended(asked, { ...facts, dhcpSubnets, dhcpBindings });
  return { entries: entries.slice(0, SHOWN), count: entries.length };
}

async function unrouted(tables: Tables, facts: AttendanceFacts): Promise<FleetUnattended> {
  const up = await tables.routers.find({ admin_state_up: true });
  const routerBindings = await tables.routerBindings.find({});
  const attended = new Set(
    routerBindings.filter((binding) => facts.isHeard(binding.agent_id)).map((binding) => binding.router_id),
  );
  const alone = up.map((router) => router.id).filter((id) => !attended.has(id));
  const ports = await tables.ports.list({
    filters: [
      { column: 'device_id', operator: 'in', values: alone },
      { column: 'device_owner', operator: 'in', values: OF_REPLICAS },
    ],
    ...{ sort: [], limit: SHOWN },
  });
  const asked = { ports: ports.filter(isOfReplicas), subnets: NONE, networks: NONE };
  const count = await tables.ports.count({ device_id: alone, device_owner: OF_REPLICAS });
  return { entries: unattended(asked, { ...facts, routers: new Set(alone), routerBindings }), count };
}
