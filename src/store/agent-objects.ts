/**
 * The rows as agents see them: bodies by ref, whole groups, and the log, all of one view. Uses the tables only, so it
 * serves both stores. `resources/agent-view.ts` says what the groups and bodies are.
 */
import {
  type Body,
  dhcpGroup,
  endpointBody,
  type Group,
  hostBody,
  hostGroup,
  isFirewallGroup,
  leaseBody,
  networkBody,
  networkGroup,
  type PortBody,
  portBody,
  type Ref,
  splitKey,
  splitRef,
  type SubportBody,
  subnetBody,
} from '../resources/agent-view.ts';
import type { HostRow } from '../resources/agent.ts';
import type { PortRow } from '../resources/port.ts';
import { SUBPORT_OWNER } from '../resources/trunk.ts';
import { qosOfPorts } from './qos-objects.ts';
import { putRouterObjects, putRouters, replicaEndpoints } from './router-objects.ts';
import { putSecurityGroups, putSecurityObjects, securityGroupsOf } from './security-objects.ts';
import type { Store, View } from './store.ts';

/** One consistent state, as agents see it. */
export interface AgentObjects extends Pick<View, 'head' | 'changesFrom' | 'scopes'> {
  /** The body of each ref; null where there is no such object, or not in that group. */
  objects(refs: Iterable<Ref>): Promise<Map<Ref, Body | null>>;
  /** Each group whole, key to body; empty where there is none. */
  groups(names: Iterable<Group>): Promise<Map<Group, Map<string, Body>>>;
}

/** What a feed reads from: the store, seen so. */
export interface AgentObjectsSource {
  view<Result>(work: (view: AgentObjects) => Promise<Result>): Promise<Result>;
  onAppend(wake: () => void): () => void;
}

export function agentObjectsSource(store: Store): AgentObjectsSource {
  return {
    view: (work) => store.view((view) => work(agentObjects(view))),
    onAppend: (wake) => store.onAppend(wake),
  };
}

export function agentObjects(view: View): AgentObjects {
  return {
    head: () => view.head(),
    changesFrom: (position, limit) => view.changesFrom(position, limit),
    scopes: (hosts) => view.scopes(hosts),
    objects: (refs) => readObjects(view, refs),
    groups: (names) => readGroups(view, names),
  };
}

interface Wanted {
  readonly ref: Ref;
  /** What the group is of: the host's name, the network's id. */
  readonly owner: string;
  readonly kind: string;
  readonly id: string;
}

async function readObjects(view: View, refs: Iterable<Ref>): Promise<Map<Ref, Body | null>> {
  const wanted: Wanted[] = [];
  const ofRouters: Ref[] = [];
  const ofSecurity: Ref[] = [];
  const routers = new Set<string>();
  const ids = new Map<string, Set<string>>();
  for (const ref of refs) {
    const { group, key } = splitRef(ref);
    const { kind, id } = splitKey(key);
    const owner = splitKey(group).id;
    if (group.startsWith('router/')) {
      ofRouters.push(ref);
      routers.add(owner);
    } else if (isFirewallGroup(group)) {
      ofSecurity.push(ref);
      continue;
    } else wanted.push({ ref, owner, kind, id });
    // endpoints are made of hosts, leases of ports
    const table = kind === 'endpoint' ? 'host' : kind === 'lease' ? 'port' : kind;
    for (const set of kind === 'endpoint' ? [table, kind] : [table]) {
      ids.set(set, (ids.get(set) ?? new Set()).add(id));
    }
  }
  const of = (kind: string) => [...(ids.get(kind) ?? [])];
  const networks = indexed(
    await findMany(of('network'), (id) => view.networks.find({ id })),
    (row) => row.id,
  );
  const subnets = indexed(await findMany(of('subnet'), (id) => view.subnets.find({ id })), (row) => row.id);
  const ports = indexed(await findMany(of('port'), (id) => view.ports.find({ id })), (row) => row.id);
  const hosts = indexed(await findMany(of('host'), (name) => view.hosts.find({ name })), (row) => row.name);
  const bound = wanted.flatMap(({ kind, id }) => (kind === 'port' ? (ports.get(id) ?? []) : []));
  const portOf = await portBodies(view, bound);
  const isHa = await haAmong(view, [
    ...of('network'),
    ...wanted.flatMap((one) => (one.kind === 'endpoint' ? [one.owner] : [])),
  ]);
  const scopes = ids.has('endpoint') ? await view.scopes(of('endpoint')) : new Map<string, string[]>();
  const bodyOf = ({ owner, kind, id }: Wanted): Body | null => {
    const port = ports.get(id);
    const host = hosts.get(id);
    const subnet = subnets.get(id);
    const network = networks.get(id);
    switch (kind) {
      case 'host':
        return host ? hostBody(host) : null;
      case 'port':
        return port?.host === owner ? portOf(port) : null;
      case 'network':
        return network ? networkBody(network, isHa(network.id)) : null;
      case 'endpoint':
        // a network floods to the hosts that have it in scope, and to no other
        return host && scopes.get(id)?.includes(networkGroup(owner)) ? endpointBody(host, isHa(owner)) : null;
      case 'subnet':
        return subnet?.network_id === owner ? subnetBody(subnet) : null;
      case 'lease':
        return port?.network_id === owner ? leaseBody(port) : null;
      default:
        return null;
    }
  };
  const found = new Map(wanted.map((one) => [one.ref, bodyOf(one)]));
  for (const ref of [...ofRouters, ...ofSecurity]) found.set(ref, null);
  const put = (group: Group, key: string, body: Body) => {
    const ref = `${group}|${key}`;
    if (found.has(ref)) found.set(ref, body);
  };
  if (ofRouters.length > 0) await putRouterObjects(view, { routers: [...routers], ids }, put);
  if (ofSecurity.length > 0) await putSecurityObjects(view, ofSecurity, put);
  return found;
}

function indexed<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row> {
  return new Map(rows.map((row) => [keyOf(row), row]));
}

async function readGroups(view: View, names: Iterable<Group>): Promise<Map<Group, Map<string, Body>>> {
  const found = new Map<Group, Map<string, Body>>();
  const owners: Record<string, string[]> = { host: [], network: [], dhcp: [], router: [] };
  const ofSecurity: Group[] = [];
  for (const name of names) {
    const { kind, id } = splitKey(name);
    if (!found.has(name)) {
      if (isFirewallGroup(name)) ofSecurity.push(name);
      else owners[kind]?.push(id);
    }
    found.set(name, new Map());
  }
  const { host = [], network = [], dhcp = [], router = [] } = owners;
  const put = (group: Group, key: string, body: Body) => void found.get(group)?.set(key, body);

  const portsOfNetworks = await findMany([...new Set([...network, ...dhcp])], (network_id) =>
    view.ports.find({ network_id }),
  );
  for (const port of portsOfNetworks) put(dhcpGroup(port.network_id), `lease/${port.id}`, leaseBody(port));
  for (const row of await findMany(dhcp, (network_id) => view.subnets.find({ network_id }))) {
    put(dhcpGroup(row.network_id), `subnet/${row.id}`, subnetBody(row));
  }
  const isHa = await haAmong(view, network);
  for (const row of await findMany(network, (id) => view.networks.find({ id }))) {
    put(networkGroup(row.id), `network/${row.id}`, networkBody(row, isHa(row.id)));
  }
  const bindings = await findMany(network, (network_id) => view.dhcpBindings.find({ network_id }));
  const endpoints = endpointsOf([
    ...portsOfNetworks,
    ...bindings,
    ...(await replicaEndpoints(view, portsOfNetworks)),
  ]);
  const hostNames = [...new Set([...host, ...endpoints.map((it) => it.host)])];
  const hosts = indexed(await findMany(hostNames, (name) => view.hosts.find({ name })), (row) => row.name);
  for (const it of endpoints) {
    const row = hosts.get(it.host);
    if (row) put(networkGroup(it.networkId), `endpoint/${it.host}`, endpointBody(row, isHa(it.networkId)));
  }
  putHosts(host, hosts, put);
  const bound = await findMany(host, (name) => view.ports.find({ host: name }));
  const portOf = await portBodies(view, bound);
  for (const port of bound) put(hostGroup(port.host), `port/${port.id}`, portOf(port));
  await putRouters(view, router, put);
  await putSecurityGroups(view, ofSecurity, put);
  return found;
}

/** What hosts see of these ports, which are bound to them. */
async function portBodies(view: View, ports: readonly PortRow[]): Promise<(port: PortRow) => PortBody> {
  const groupsOf = await securityGroupsOf(view, ports);
  const qosOf = await qosOfPorts(view, ports);
  const ids = ports.flatMap(({ id, device_owner }) => (device_owner === SUBPORT_OWNER ? [id] : []));
  const subports = await findMany(ids, (port_id) => view.subports.find({ port_id }));
  const trunks = await findMany([...new Set(subports.map((one) => one.trunk_id))], (id) =>
    view.trunks.find({ id }),
  );
  const parents = new Map(trunks.map(({ id, port_id }) => [id, port_id]));
  const places = new Map<string, SubportBody>();
  for (const { port_id, trunk_id, segmentation_id } of subports) {
    const parent = parents.get(trunk_id);
    if (parent !== undefined) places.set(port_id, { parent, segmentation_id });
  }
  return (port) => {
    const subport = places.get(port.id);
    return { ...portBody(port, groupsOf(port.id)), ...(subport ? { subport } : {}), ...qosOf(port) };
  };
}

/** Which of these networks are HA segments: a network is one from when it is made, or never. */
async function haAmong(view: View, networkIds: readonly string[]): Promise<(id: string) => boolean> {
  const found = await findMany([...new Set(networkIds)], (network_id) =>
    view.haNetworks.find({ network_id }),
  );
  const ha = new Set(found.map((row) => row.network_id));
  return (id) => ha.has(id);
}

function putHosts(
  names: readonly string[],
  hosts: ReadonlyMap<string, HostRow>,
  put: (group: Group, key: string, body: Body) => void,
): void {
  for (const name of names) {
    const row = hosts.get(name);
    if (row) put(hostGroup(name), `host/${name}`, hostBody(row));
  }
}

function endpointsOf(
  present: readonly { readonly network_id: string; readonly host: string }[],
): { networkId: string; host: string }[] {
  const seen = new Set<string>();
  const endpoints: { networkId: string; host: string }[] = [];
  for (const { network_id, host } of present) {
    const name = `${network_id} ${host}`;
    if (host === '' || seen.has(name)) continue;
    seen.add(name);
    endpoints.push({ networkId: network_id, host });
  }
  return endpoints;
}

/** Asks nothing for no keys: an empty list would match no row at the price of a round trip. */
async function findMany<Row>(
  keys: readonly string[],
  find: (keys: readonly string[]) => Promise<Row[]>,
): Promise<Row[]> {
  return keys.length === 0 ? [] : await find(keys);
}
