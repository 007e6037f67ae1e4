/**
 * The ways by which a network leaves this host. Pure. A VXLAN network has one, over the tunnel network. The segment on which
 * replicas of HA routers talk has a second one, over the management network, so that no single cut makes each of them
 * believe that the others are dead (Launchpad bug 1375625).
 */
import { isIP } from 'node:net';
import type { Link } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import {
  type Body,
  type EndpointBody,
  type NetworkBody,
  networkGroup,
  splitKey,
} from '../../resources/agent-view.ts';
import type { World } from '../role.ts';
import type { L2Settings } from './desired.ts';

/** The port that IANA assigned to VXLAN (RFC 7348). */
export const VXLAN_PORT = 4789;
/** Of the second way: the kernel takes a VNI once a port only. All hosts must agree. */
export const HEARTBEAT_PORT = 14_789;

export type DesiredUplink =
  | {
      readonly kind: 'vxlan';
      readonly link: string;
      readonly id: number;
      readonly local: string;
      readonly port: number;
      /** Addresses to flood to, in order. */
      readonly flood: readonly string[];
      /** false: one of several ways at once. Nothing passes from one to another, and all that is sent goes by each of them. */
      readonly learning: boolean;
    }
  | { readonly kind: 'physical'; readonly link: string }
  /** A VLAN of this agent's making, on the physical network's link. */
  | { readonly kind: 'vlan'; readonly link: string; readonly on: string; readonly id: number };

export const vxlanName = (vni: number) => `vxlan-${vni}`;
export const heartbeatName = (vni: number) => `vxlan-${vni}m`;
export const isVxlan = (name: string) => /^vxlan-\d{1,8}m?$/.test(name);

/** As people name them, within the 15 characters of a link's name. */
export const vlanName = (on: string, id: number) => `${on.slice(-(14 - `${id}`.length))}.${id}`;
/** Whether a network's agent made it, by its name. */
export const isVlanUplink = ({ name, vlan }: Pick<Link, 'name' | 'vlan'>): boolean =>
  vlan !== undefined && name === vlanName(vlan.on, vlan.id);

/** One of the networks that VXLAN goes over. */
interface Way {
  readonly name: 'tunnel' | 'management';
  readonly port: number;
  /** This host's own address there. */
  readonly local: string;
  readonly linkOf: (vni: number) => string;
  readonly addressOf: (endpoint: EndpointBody) => string;
}

const tunnelWay = (settings: L2Settings): Way => ({
  ...{ name: 'tunnel', port: VXLAN_PORT, local: settings.tunnelIp, linkOf: vxlanName },
  addressOf: (endpoint) => endpoint.tunnel_ip,
});

/** null: this host has no second address. */
function managementWay({ managementIp = '', tunnelIp }: L2Settings): Way | null {
  if (isIP(managementIp) === 0 || managementIp === tunnelIp) return null;
  return {
    ...{ name: 'management', port: HEARTBEAT_PORT, local: managementIp, linkOf: heartbeatName },
    addressOf: (endpoint) => endpoint.management_ip ?? '',
  };
}

/** Those that this host has for the network. */
function waysOf(network: NetworkBody, settings: L2Settings): Way[] {
  if (network.network_type !== 'vxlan') return [];
  const ways = isIP(settings.tunnelIp) === 0 ? [] : [tunnelWay(settings)];
  const second = network.ha ? managementWay(settings) : null;
  return second === null ? ways : [...ways, second];
}

/** What keeps the network from leaving the host is added to `shortfalls`. */
export function uplinksOf(
  group: ReadonlyMap<string, Body>,
  network: NetworkBody,
  { settings, shortfalls }: { readonly settings: L2Settings; readonly shortfalls: Shortfall[] },
): DesiredUplink[] {
  const cannot = (reason: string) => void shortfalls.push({ object: '', state: 'waiting', reason });
  switch (network.network_type) {
    case 'vxlan': {
      const id = network.segmentation_id;
      if (id === null || !Number.isInteger(id) || id < 1 || id >= 2 ** 24) {
        cannot(`${id} is not a VNI`);
        return [];
      }
      if (isIP(settings.tunnelIp) === 0) cannot('this host has no tunnel address');
      return waysOf(network, settings).map((way) => ({
        ...{ kind: 'vxlan', link: way.linkOf(id), id, local: way.local, port: way.port },
        flood: floodOf(group, way, { settings, shortfalls }),
        learning: network.ha !== true,
      }));
    }
    case 'flat':
    case 'vlan': {
      const link = settings.bridgeMappings.get(network.physical_network ?? '');
      if (link === undefined) {
        cannot(`no link of this host leads to "${network.physical_network}"`);
        return [];
      }
      if (network.network_type === 'flat') return [{ kind: 'physical', link }];
      const id = network.segmentation_id;
      if (id !== null && Number.isInteger(id) && id >= 1 && id <= 4094)
        return [{ kind: 'vlan', link: vlanName(link, id), on: link, id }];
      cannot(`${id} is not a VLAN's tag`);
      return [];
    }
  }
}

function floodOf(
  group: ReadonlyMap<string, Body>,
  way: Way,
  { settings, shortfalls }: { readonly settings: L2Settings; readonly shortfalls?: Shortfall[] },
): string[] {
  const destinations = new Set<string>();
  for (const [key, body] of group) {
    if (splitKey(key).kind !== 'endpoint' || !('tunnel_ip' in body) || !('host' in body)) continue;
    const address = way.addressOf(body);
    // '' until the host's agent first said where it is: a change will tell.
    if (body.host === settings.hostName || address === '' || address === way.local) continue;
    if (isIP(address) === 0) {
      const reason = `the ${way.name} address of ${body.host} is not an IP address`;
      shortfalls?.push({ object: key, state: 'waiting', reason });
    } else destinations.add(address);
  }
  return [...destinations].sort();
}

function* vxlanNetworks(world: World): Iterable<[ReadonlyMap<string, Body>, NetworkBody]> {
  for (const name of world.groups()) {
    const { kind, id } = splitKey(name);
    const group = kind === 'network' ? world.group(networkGroup(id)) : undefined;
    const network = group?.get(name) as NetworkBody | undefined;
    if (group !== undefined && network?.network_type === 'vxlan') yield [group, network];
  }
}

/** The hosts that share HA segments with this one. */
export interface HaPeers {
  /** This host's own address of the way. */
  readonly local: string;
  readonly port: number;
  readonly mtu: number;
  /** The others' ends, in order. */
  readonly flood: readonly string[];
}

/** null: it has no such segment, or none that goes by that way. */
export function haPeers(world: World, settings: L2Settings, by: Way['name'] = 'tunnel'): HaPeers | null {
  const way = by === 'tunnel' ? tunnelWay(settings) : managementWay(settings);
  if (way === null || isIP(way.local) === 0) return null;
  const segments = [...vxlanNetworks(world)].filter(([, network]) => network.ha);
  if (segments.length === 0) return null;
  const flood = segments.flatMap(([group]) => floodOf(group, way, { settings }));
  const mtu = Math.min(...segments.map(([, network]) => Math.trunc(network.mtu) || 1500));
  return { local: way.local, port: way.port, mtu, flood: [...new Set(flood)].sort() };
}

/** Where VXLAN comes in, and from whom. */
export interface Door {
  readonly name: Way['name'];
  readonly port: number;
  readonly local: string;
  readonly endpoints: readonly string[];
}

/** One for each way that any network here has. */
export function doorsOf(world: World, settings: L2Settings): Door[] {
  const doors = new Map<Way['name'], Door & { readonly all: Set<string> }>();
  for (const [group, network] of vxlanNetworks(world)) {
    for (const way of waysOf(network, settings)) {
      const { name, port, local } = way;
      const door = doors.get(name) ?? { name, port, local, endpoints: [], all: new Set() };
      doors.set(name, door);
      for (const address of floodOf(group, way, { settings })) door.all.add(address);
    }
  }
  return [...doors.values()]
    .map(({ all, ...door }) => ({ ...door, endpoints: [...all].sort() }))
    .sort((a, b) => a.port - b.port);
}
