/** From the mirror to what this host should have for one network. Pure. */
import type { Shortfall } from '../../reconcile/controller.ts';
import {
  hostGroup,
  type InterfaceBody,
  type NetworkBody,
  networkGroup,
  type PortBody,
  type RouterBody,
  splitKey,
  type SubportBody,
  tapName,
} from '../../resources/agent-view.ts';
import type { World } from '../role.ts';
import { type DesiredUplink, uplinksOf } from './uplinks.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface L2Settings {
  readonly hostName: string;
  /** This host's own VXLAN endpoint; '' for none. */
  readonly tunnelIp: string;
  /** Its address on the management network, for the second way of HA segments; without it they have one. */
  readonly managementIp?: string;
  /** Physical network to link. */
  readonly bridgeMappings: ReadonlyMap<string, string>;
}

export interface DesiredTap {
  /** `port/<id>` */
  readonly object: string;
  readonly link: string;
  readonly up: boolean;
  /** It is a VLAN of this agent's making, on the link of another port. */
  readonly vlan?: { readonly id: number; readonly on: string };
  /** It has port security. */
  readonly filtered: boolean;
  /** Why it must not join its bridge, though it is wanted there; and whether it leaves it, should it be in it. */
  readonly closed?: { readonly reason: string; readonly leaves: boolean };
}

export interface DesiredNetwork {
  readonly bridge: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** A port of it has port security. */
  readonly filtered: boolean;
  /** Those that cannot be said are `shortfalls`. */
  readonly uplinks: readonly DesiredUplink[];
  readonly taps: readonly DesiredTap[];
  /** What no step here can mend. */
  readonly shortfalls: readonly Shortfall[];
}

export const bridgeName = (networkId: string) => `brq${networkId.slice(0, 11)}`;

export const isOurBridge = (name: string) => /^brq[0-9a-f]{8}-[0-9a-f]{2}$/.test(name);
export const isTap = (name: string) => /^tap[0-9a-f]{8}-[0-9a-f]{2}$/.test(name);

/** A port that this host wires. */
export interface WiredPort {
  readonly id: string;
  readonly network_id: string;
  readonly admin_state_up: boolean;
  readonly subport?: SubportBody;
  readonly port_security_enabled?: true;
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
  const uplinks = uplinksOf(group, network, { settings, shortfalls });
  const taps: DesiredTap[] = [];
  for (const port of portsOf(world)) {
    if (port.network_id !== networkId || !UUID.test(port.id)) continue;
    taps.push(tapOf(port));
  }
  return {
    bridge: bridgeName(networkId),
    mac: bridgeMac(networkId),
    // RFC 791's least and the kernel's most: whatever else the server says must not keep the ports apart.
    mtu: Math.min(Math.max(Math.trunc(network.mtu) || 1500, 68), 65535),
    up: network.admin_state_up,
    filtered: taps.some((tap) => tap.filtered),
    uplinks,
    taps: taps.sort((a, b) => (a.object < b.object ? -1 : 1)),
    shortfalls,
  };
}

function tapOf({ id, admin_state_up: up, subport, port_security_enabled }: WiredPort): DesiredTap {
  const tap = { object: `port/${id}`, link: tapName(id), up, filtered: port_security_enabled === true };
  if (subport === undefined) return tap;
  return { ...tap, vlan: { id: subport.segmentation_id, on: tapName(subport.parent) } };
}

/** Locally administered, from the network's id: else it would change with every member that comes or goes. */
function bridgeMac(networkId: string): string {
  const digits = networkId.replaceAll('-', '').slice(0, 10);
  return `0a:${digits.match(/../g)?.join(':')}`;
}
