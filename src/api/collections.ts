/** Each resource's attribute map joined to its operations. */
import { deleteAgent, listAgents, showAgent, updateAgent, type AgentView } from '../operations/agent.ts';
import { agentStandings } from '../operations/convergence.ts';
import { zonesOfNetworks } from '../operations/availability-zone.ts';
import {
  createNetwork,
  deleteNetwork,
  listNetworks,
  showNetwork,
  subnetsOfNetworks,
  updateNetwork,
} from '../operations/network.ts';
import type { Call } from '../operations/operation.ts';
import {
  createPort,
  deletePort,
  listPorts,
  portIdsByFixedIp,
  showPort,
  updatePort,
  type PortCreate,
} from '../operations/port.ts';
import { groupsOfPorts, portIdsInGroups } from '../operations/port-security.ts';
import {
  createSubnet,
  deleteSubnet,
  listSubnets,
  showSubnet,
  updateSubnet,
  type SubnetCreate,
} from '../operations/subnet.ts';
import { trunkDetails } from '../operations/trunk.ts';
import { qosOfPorts } from '../operations/qos-view.ts';
import { addressScopesOf } from '../operations/subnet-from-pool.ts';
import { agentMap, type AgentRow } from '../resources/agent.ts';
import { networkMap, type NetworkRow } from '../resources/network.ts';
import { formatPlace } from '../resources/place.ts';
import { portMap, type PortRow } from '../resources/port.ts';
import { subnetMap, type SubnetRow } from '../resources/subnet.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { ListFilter, ListQuery, Tables } from '../store/store.ts';
import { collection, type Collection } from './collection.ts';
import { floatingIpPoolCollection } from './floating-ip-pools.ts';
import { flavorCollection, serviceProfileCollection } from './flavors.ts';
import { ipAvailabilityCollection } from './ip-availability.ts';
import type { ListRequest } from './list-query.ts';
import { meteringLabelCollection, meteringLabelRuleCollection } from './metering.ts';
import { plainCollections } from './plain-collections.ts';
import { securityGroupCollection, securityGroupRuleCollection } from './security-groups.ts';
import type { Row } from './view.ts';
import { floatingIpCollection, routerCollection } from './router-collections.ts';
import { trunkCollection } from './trunks.ts';

const NOTHING = {};

/** Whether the caller's project owns the network that a subnet or port is in. A Fault if it may not see it. */
async function ownsItsNetwork(tables: Tables, call: Call, row: Record<string, unknown>): Promise<boolean> {
  const network = await showNetwork(tables, call, row['network_id'] as string);
  return network.project_id === call.caller.projectId;
}

const networks = collection<NetworkRow>(networkMap, {
  table: 'networks',
  create: createNetwork,
  update: updateNetwork,
  remove: deleteNetwork,
  show: showNetwork,
  list: listNetworks,
  async compute(tables, _call, rows) {
    const ids = rows.map((row) => row.id);
    const [subnets, zones] = await Promise.all([
      subnetsOfNetworks(tables, ids),
      zonesOfNetworks(tables, ids),
    ]);
    const byNetwork = Map.groupBy(subnets, ({ network_id }) => network_id);
    const scopesOf = await addressScopesOf(tables, subnets);
    return (row) => ({
      subnets: byNetwork.get(row.id)?.map(({ id }) => id) ?? [],
      ...scopesOf(row.id),
      availability_zones: zones.get(row.id) ?? [],
    });
  },
  ownsNetwork: (_tables, call, row) => Promise.resolve(row['project_id'] === call.caller.projectId),
});

const subnets = collection<SubnetRow>(
  subnetMap,
  {
    table: 'subnets',
    create: (tx, call, rows) => createSubnet(tx, call, rows as readonly SubnetCreate[]),
    update: updateSubnet,
    remove: deleteSubnet,
    show: showSubnet,
    list: listSubnets,
    compute: () => Promise.resolve(() => NOTHING),
    ownsNetwork: ownsItsNetwork,
    narrow: narrowSubnets,
  },
  { ofNetworkOwner: true },
);

/** The names of a port's addresses: its own, or one made of the address, in the server's domain (Neutron's way). */
function dnsAssignment(port: PortRow, domain: string): object[] {
  const dot = domain === '' || domain.endsWith('.') ? domain : `${domain}.`;
  return port.fixed_ips.map(({ ip_address }) => {
    const hostname = port.dns_name === '' ? `host-${ip_address.replaceAll(/[.:]/g, '-')}` : port.dns_name;
    return { hostname, ip_address, fqdn: hostname.endsWith('.') ? hostname : `${hostname}.${dot}` };
  });
}

/** By whether every project may use the subnet's network. */
async function narrowSubnets(tables: Tables, { narrowing }: ListRequest): Promise<ListFilter<Row>[]> {
  const shared = narrowing.get('shared') as boolean[] | undefined;
  if (!shared) return [];
  const networks = await tables.networks.find({ shared });
  return [{ column: 'network_id', operator: 'in', values: networks.map(({ id }) => id) }];
}

const by = (ids: readonly string[]): ListFilter<Row>[] => [{ column: 'id', operator: 'in', values: ids }];

async function narrowPorts(tables: Tables, request: ListRequest): Promise<ListFilter<Row>[]> {
  const groups = request.narrowing.get('security_groups') as string[] | undefined;
  const inGroups = groups ? by(await portIdsInGroups(tables, groups)) : [];
  return [...inGroups, ...(await narrowByFixedIps(tables, request))];
}

async function narrowByFixedIps(tables: Tables, request: ListRequest): Promise<ListFilter<Row>[]> {
  if (request.fixedIps.size === 0) return [];
  const subnetIds = request.fixedIps.get('subnet_id')?.map(canonicalUuid);
  const known = subnetIds?.filter((id) => id !== undefined);
  if (known?.length === 0) return by([]);
  const addresses = request.fixedIps.get('ip_address');
  const substrings = request.fixedIps.get('ip_address_substr');
  const ids = await portIdsByFixedIp(tables, {
    ...(known ? { subnetIds: known } : {}),
    ...(addresses ? { addresses: addresses.map((address) => address.toLowerCase()) } : {}),
    ...(substrings ? { substrings: substrings.map((part) => part.toLowerCase()) } : {}),
  });
  return by(ids);
}

const ports = collection<PortRow>(portMap, {
  table: 'ports',
  create: (tx, call, rows) => createPort(tx, call, rows as readonly PortCreate[]),
  update: updatePort,
  remove: deletePort,
  show: showPort,
  list: listPorts,
  async compute(tables, call, rows) {
    const ids = rows.map((row) => row.id);
    const [trunks, groupsOf, qosOf] = await Promise.all([
      trunkDetails(tables, ids),
      groupsOfPorts(tables, ids),
      qosOfPorts(tables, rows),
    ]);
    return (row) => ({
      dns_assignment: dnsAssignment(row, call.settings.dnsDomain),
      trunk_details: trunks.get(row.id),
      ...qosOf(row),
      security_groups: groupsOf(row.id),
    });
  },
  ownsNetwork: ownsItsNetwork,
  narrow: narrowPorts,
});

/** `2026-01-31T12:00:00Z` the way Neutron shows it for agents. */
const agentTime = (time: string): string => time.replace('T', ' ').replace('Z', '');

function shownPlace({ realised_position: position, realised_tag: tag }: AgentRow): string | null {
  return position === null || tag === null ? null : formatPlace({ position, tag });
}

const agents = collection<AgentView>(
  agentMap,
  {
    update: updateAgent,
    remove: deleteAgent,
    show: showAgent,
    list: (tables, call, query) => listAgents(tables, call, query as unknown as ListQuery<AgentRow>),
    async compute(tables, call, rows) {
      const standingOf = await agentStandings(tables, call, rows);
      return (row) => {
        const { synced, lag, pending, overdue } = standingOf(row.id);
        return {
          agent_type: row.agent_type,
          binary: row.binary,
          topic: row.topic,
          alive: row.alive,
          created_at: agentTime(row.created_at),
          started_at: agentTime(row.started_at),
          heartbeat_timestamp: agentTime(row.heartbeat_at),
          resources_synced: synced,
          'deuteron:realised': shownPlace(row),
          'deuteron:lag': lag,
          'deuteron:pending': pending,
          'deuteron:overdue': overdue,
        };
      };
    },
  },
  { adminOnly: true, noCreate: 'Agent creation using API is not supported.' },
);

export const collections: readonly Collection[] = [
  networks,
  subnets,
  ports,
  routerCollection,
  floatingIpCollection,
  floatingIpPoolCollection,
  ...plainCollections,
  trunkCollection,
  securityGroupCollection,
  securityGroupRuleCollection,
  flavorCollection,
  serviceProfileCollection,
  meteringLabelCollection,
  meteringLabelRuleCollection,
  ipAvailabilityCollection,
  agents,
];
/** For the routes that show them below other paths. */
export {
  agents as agentCollection,
  networks as networkCollection,
  ports as portCollection,
  routerCollection,
  floatingIpCollection,
};
