/** From the mirror: whom this host should hear, and by which links its routers reach out. Pure. */
import { isIPv4 } from 'node:net';
import {
  type Body,
  type EndpointBody,
  type InterfaceBody,
  type NetworkBody,
  type ReplicaBody,
  type RouterBody,
  networkGroup,
  routerGroup,
  splitKey,
} from '../../resources/agent-view.ts';
import { healthAddress } from '../../resources/health-address.ts';
import type { World } from '../role.ts';
import type { Target } from './reachability.ts';

/** Hosts that share HA routers with this one are asked first. */
const MOST_PEERS = 16;
/** And so many others, so that the end of one peer can be told from a cut of one's own. */
const MOST_OTHERS = 4;
/** Ethernet, IPv6, UDP and VXLAN around a tenant's packet (RFC 7348, 5), less the outer Ethernet header. */
const OVERHEAD = { 4: 50, 6: 70 } as const;

/** The HA routers that have a replica here, by id. */
export function haRouters(world: World): Map<string, ReadonlyMap<string, Body>> {
  const found = new Map<string, ReadonlyMap<string, Body>>();
  for (const group of world.groups()) {
    const { kind, id } = splitKey(group);
    if (kind !== 'router') continue;
    const objects = world.group(group);
    const router = objects?.get(`router/${id}`) as RouterBody | undefined;
    if (objects !== undefined && router?.ha && objects.has(`replica/${world.host}`)) found.set(id, objects);
  }
  return found;
}

function replicasOf(objects: ReadonlyMap<string, Body>): ReplicaBody[] {
  return [...objects]
    .filter(([key]) => splitKey(key).kind === 'replica')
    .map(([, body]) => body as ReplicaBody);
}

/** A different choice on each host, the same on each look. */
function spread(host: string, names: readonly string[]): string[] {
  const after = names.filter((name) => name > host).sort();
  return [...after, ...names.filter((name) => name < host).sort()];
}

/** Not with large packets: heartbeats are small, and tenants' do not go by it. */
function management(name: string, address: string): Target[] {
  if (address === '') return [];
  return [{ path: 'management', name, address, bytes: null, inside: healthAddress(address, 'management') }];
}

export function targetsOf(world: World): Target[] {
  const peers = new Map<string, ReplicaBody>();
  for (const objects of haRouters(world).values())
    for (const replica of replicasOf(objects))
      if (replica.host !== world.host) peers.set(replica.host, replica);
  if (peers.size === 0) return [];
  const others = new Map<string, string>();
  let mtu = 0;
  for (const group of world.groups()) {
    const { kind, id } = splitKey(group);
    if (kind !== 'network') continue;
    for (const [key, body] of world.group(group) ?? []) {
      if (key === `network/${id}` && (body as NetworkBody).network_type === 'vxlan')
        mtu = Math.max(mtu, (body as NetworkBody).mtu);
      const { host, tunnel_ip: address } = body as EndpointBody;
      if (splitKey(key).kind === 'endpoint' && host !== world.host && !peers.has(host) && address !== '')
        others.set(host, address);
    }
  }
  const tunnel = (name: string, address: string): Target[] => {
    if (address === '') return [];
    const bytes = mtu === 0 ? null : mtu + OVERHEAD[address.includes(':') ? 6 : 4];
    return [{ path: 'tunnel', name, address, bytes }];
  };
  return [
    ...spread(world.host, [...peers.keys()])
      .slice(0, MOST_PEERS)
      .flatMap((name): Target[] => {
        const { tunnel_ip, management_ip } = peers.get(name) as ReplicaBody;
        return [
          // Others than those who share HA segments have nothing inside.
          ...tunnel(name, tunnel_ip).map((target) => ({ ...target, inside: healthAddress(tunnel_ip) })),
          ...management(name, management_ip),
        ];
      }),
    ...spread(world.host, [...others.keys()])
      .slice(0, MOST_OTHERS)
      .flatMap((name) => tunnel(name, others.get(name) ?? '')),
  ];
}

export const witnessTargets = (addresses: readonly string[]): Target[] =>
  addresses.map((address) => ({ path: 'witness', name: address, address, bytes: null }));

export interface Outside {
  readonly networkId: string;
  /** null: a tunnel leads there. */
  readonly physicalNetwork: string | null;
  /** The router's first IPv4 address there; null: it has none. */
  readonly address: string | null;
}

/** Where a router's gateway is; null: it has none. */
export function outsideOf(world: World, routerId: string): Outside | null {
  for (const [key, body] of world.group(routerGroup(routerId)) ?? []) {
    if (splitKey(key).kind !== 'interface') continue;
    const { owner, network_id: id, fixed_ips } = body as InterfaceBody;
    if (owner !== 'network:router_gateway') continue;
    const network = world.group(networkGroup(id))?.get(`network/${id}`) as NetworkBody | undefined;
    const address = fixed_ips.map(({ ip_address }) => ip_address).find((one) => isIPv4(one));
    return { networkId: id, physicalNetwork: network?.physical_network ?? null, address: address ?? null };
  }
  return null;
}

/** The hosts of a router's other replicas, in order. */
export const peersOf = (world: World, objects: ReadonlyMap<string, Body> = new Map()): string[] =>
  replicasOf(objects)
    .map(({ host }) => host)
    .filter((host) => host !== world.host)
    .sort();

/** Of this host's replica among those of the router, by rank, from 0. */
export function placeOf(world: World, objects: ReadonlyMap<string, Body>): number {
  const replicas = replicasOf(objects);
  const own = replicas.find(({ host }) => host === world.host);
  return own === undefined ? 0 : replicas.filter(({ rank }) => rank < own.rank).length;
}
