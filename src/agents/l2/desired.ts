/** From the mirror to what this host should have for one network. Pure. */
import { isIP } from 'node:net';
import type { Shortfall } from '../../reconcile/controller.ts';
import {
  type Body,
  hostGroup,
  type InterfaceBody,
  type NetworkBody,
  networkGroup,
  type PortBody,
  type RouterBody,
  splitKey,
  tapName,
} from '../../resources/agent-view.ts';
import type { World } from '../role.ts';

/** The port that IANA assigned to VXLAN (RFC 7348). */
export const VXLAN_PORT = 4789;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface L2Settings {
  readonly hostName: string;
  /** This host's own VXLAN endpoint; '' for none. */
  readonly tunnelIp: string;
  /** Physical network to link. */
  readonly bridgeMappings: ReadonlyMap<string, string>;
}

export interface DesiredTap {
  /** `port/<id>` */
  readonly object: string;
  readonly link: string;
  readonly up: boolean;
}

export type DesiredUplink =
  | { readonly kind: 'vxlan'; readonly link: string; readonly id: number; readonly local: string }
  | { readonly kind: 'physical'; readonly link: string };

export interface DesiredNetwork {
  readonly bridge: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** null: cannot be said, see `shortfalls`. */
  readonly uplink: DesiredUplink | null;
  /** Tunnel addresses to flood to, in order. */
  readonly flood: readonly string[];
  readonly taps: readonly DesiredTap[];
  /** What no step here can mend. */
  readonly shortfalls: readonly Shortfall[];
}

export const bridgeName = (networkId: string) => `brq${networkId.slice(0, 11)}`;
export const vxlanName = (vni: number) => `vxlan-${vni}`;

export const isOurBridge = (name: string) => /^brq[0-9a-f]{8}-[0-9a-f]{2}$/.test(name);
export const isTap = (name: string) => /^tap[0-9a-f]{8}-[0-9a-f]{2}$/.test(name);
export const isVxlan = (name: string) => /^vxlan-\d{1,8}$/.test(name);

/** A port that this host wires. */
export interface WiredPort {
  readonly id: string;
  readonly network_id: string;
  readonly admin_state_up: boolean;
}

/** Ports that are bound to this host, whatever their network, and those of the routers that it has replicas of. */
export function* portsOf(world: World): Iterable<WiredPort> {
  const bound = world.group(hostGroup(world.host));
  for (const [key, body] of bound ?? []) {
    if (splitKey(key).kind === 'port') yield body as PortBody;
  }
  for (const group of world.groups()) {
    if (splitKey(group).kind !== 'router') continue;
    for (const port of routerPortsOf(world, group))
      if (bound?.get(`port/${port.id}`) === undefined) yield port;
  }
}

/** Ports of the router that is this group, as far as they are on this host: none while it is administratively down. */
export function* routerPortsOf(world: World, group: string): Iterable<WiredPort> {
  const objects = world.group(group);
  const router = objects?.get(group) as RouterBody | undefined;
  if (objects === undefined || !router?.admin_state_up) return;
  for (const [key, body] of objects) {
    if (splitKey(key).kind !== 'interface') continue;
    const { port_id: id, network_id, admin_state_up, host } = body as InterfaceBody;
    if (host === '' || host === world.host) yield { id, network_id, admin_state_up };
  }
}

/** null: the network is not in this host's scope. */
export function desiredNetwork(world: World, networkId: string, settings: L2Settings): DesiredNetwork | null {
  const group = world.group(networkGroup(networkId));
  const network = group?.get(`network/${networkId}`) as NetworkBody | undefined;
  if (group === undefined || network === undefined || !UUID.test(networkId)) return null;
  const shortfalls: Shortfall[] = [];
  const uplink = uplinkOf(network, settings, shortfalls);
  const taps: DesiredTap[] = [];
  for (const port of portsOf(world)) {
    if (port.network_id !== networkId || !UUID.test(port.id)) continue;
    taps.push({ object: `port/${port.id}`, link: tapName(port.id), up: port.admin_state_up });
  }
  return {
    bridge: bridgeName(networkId),
    mac: bridgeMac(networkId),
    // RFC 791's least and the kernel's most: whatever else the server says must not keep the ports apart.
    mtu: Math.min(Math.max(Math.trunc(network.mtu) || 1500, 68), 65535),
    up: network.admin_state_up,
    uplink,
    flood: uplink?.kind === 'vxlan' ? floodOf(group, settings, shortfalls) : [],
    taps: taps.sort((a, b) => (a.object < b.object ? -1 : 1)),
    shortfalls,
  };
}

/** Locally administered, from the network's id: else it would change with every member that comes or goes. */
function bridgeMac(networkId: string): string {
  const digits = networkId.replaceAll('-', '').slice(0, 10);
  return `0a:${digits.match(/../g)?.join(':')}`;
}

function uplinkOf(network: NetworkBody, settings: L2Settings, shortfalls: Shortfall[]): DesiredUplink | null {
  const cannot = (reason: string) => {
    shortfalls.push({ object: '', state: 'waiting', reason });
    return null;
  };
  switch (network.network_type) {
    case 'vxlan': {
      const id = network.segmentation_id;
      if (id === null || !Number.isInteger(id) || id < 1 || id >= 2 ** 24)
        return cannot(`${id} is not a VNI`);
      if (isIP(settings.tunnelIp) === 0) return cannot('this host has no tunnel address');
      return { kind: 'vxlan', link: vxlanName(id), id, local: settings.tunnelIp };
    }
    case 'flat': {
      const link = settings.bridgeMappings.get(network.physical_network ?? '');
      if (link === undefined) return cannot(`no link of this host leads to "${network.physical_network}"`);
      return { kind: 'physical', link };
    }
    case 'vlan':
      return cannot('this agent does not wire VLAN networks');
  }
}

function floodOf(group: ReadonlyMap<string, Body>, settings: L2Settings, shortfalls: Shortfall[]): string[] {
  const destinations = new Set<string>();
  for (const [key, body] of group) {
    if (splitKey(key).kind !== 'endpoint' || !('tunnel_ip' in body) || !('host' in body)) continue;
    // '' until the host's agent first said where it is: a change will tell.
    if (body.host === settings.hostName || body.tunnel_ip === '' || body.tunnel_ip === settings.tunnelIp)
      continue;
    if (isIP(body.tunnel_ip) === 0) {
      const reason = `the tunnel address of ${body.host} is not an IP address`;
      shortfalls.push({ object: key, state: 'waiting', reason });
    } else destinations.add(body.tunnel_ip);
  }
  return [...destinations].sort();
}

/** Every tunnel address that any VXLAN network here floods to; null: there is no such network. */
export function allEndpoints(world: World, settings: L2Settings): string[] | null {
  const all = new Set<string>();
  let tunnels = false;
  for (const groupName of world.groups()) {
    const { kind, id } = splitKey(groupName);
    const group = kind === 'network' ? world.group(groupName) : undefined;
    const network = group?.get(`network/${id}`) as NetworkBody | undefined;
    if (group === undefined || network?.network_type !== 'vxlan') continue;
    tunnels = true;
    for (const address of floodOf(group, settings, [])) all.add(address);
  }
  return tunnels ? [...all].sort() : null;
}
