/** From the mirror to what this host should serve for one network. Pure. */
import {
  dhcpGroup,
  hostGroup,
  networkGroup,
  splitKey,
  tapName,
  type Body,
  type LeaseBody,
  type NetworkBody,
  type PortBody,
  type SubnetBody,
} from '../../resources/agent-view.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import type { World } from '../role.ts';
import { isDomain, isMac, isUuid, isV4, isV4Cidr, isV6, isV6Cidr } from './grammar.ts';
import { entryOf, type PortEntry } from './entry.ts';
import { clientIdOf, isClientId, renderOption } from './options.ts';

/** Neutron's device_owner of a DHCP agent's own port. */
export const DHCP_OWNER = 'network:dhcp';

/** What the operator of this host decides. */
export interface DhcpSettings {
  readonly leaseSeconds: number;
  /** Domain of networks that have none of their own (Neutron's `dns_domain`). */
  readonly dnsDomain: string;
  /** dnsmasq's user; '' leaves it as root, for user namespaces that map no other. */
  readonly user: string;
  /** Where dnsmasq asks about other names; none: it answers only for its own. */
  readonly upstreamDns: readonly string[];
}

export const DEFAULT_SETTINGS: DhcpSettings = {
  leaseSeconds: 86_400,
  dnsDomain: 'openstacklocal',
  user: 'nobody',
  upstreamDns: [],
};

/** A subnet that dnsmasq answers for. */
export interface ServedSubnet {
  readonly id: string;
  readonly tag: string;
  readonly version: 4 | 6;
  /** The network's address. */
  readonly base: string;
  readonly prefix: number;
  /** false: clients only ask for options (DHCPv6 stateless). */
  readonly stateful: boolean;
  readonly gateway: string | null;
  /** In order; empty: say that there are none. */
  readonly dnsServers: readonly string[];
  /** destination, nexthop */
  readonly routes: readonly (readonly [string, string])[];
}

/** A port with options of its own. */
export interface TaggedPort {
  readonly portId: string;
  readonly tag: string;
  readonly mac: string;
}

export interface DesiredNetwork {
  readonly id: string;
  readonly namespace: string;
  readonly processName: string;
  /** Below the agent's state directory; its being there is the mark that the namespace is ours. */
  readonly directory: string;
  readonly tap: string;
  readonly link: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly domain: string;
  /** The DHCP port's id: the replica that takes the port over keeps its DUID. */
  readonly dhcpPortId: string;
  readonly subnets: readonly ServedSubnet[];
  readonly tagged: readonly TaggedPort[];
  /** Lines of the options file that belong to ports, in order. */
  readonly portOptions: readonly { readonly portId: string; readonly line: string }[];
  readonly entries: ReadonlyMap<string, PortEntry>;
}

export type Desired =
  | { readonly kind: 'absent' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'served'; readonly network: DesiredNetwork; readonly shortfalls: readonly Shortfall[] };

export const namespaceOf = (networkId: string): string => `qdhcp-${networkId}`;
export const processNameOf = (networkId: string): string => `dnsmasq-${networkId}`;
export const directoryOf = (networkId: string): string => `dhcp/${networkId}`;
export const innerLinkOf = (portId: string): string => `ns-${portId.slice(0, 11)}`;

/** Objects of one kind in a group, in key order: equal worlds give equal files. */
function bodiesOf<T extends Body>(group: ReadonlyMap<string, Body> | undefined, kind: string): T[] {
  const found: [string, T][] = [];
  for (const [key, body] of group ?? []) if (splitKey(key).kind === kind) found.push([key, body as T]);
  return found.sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, body]) => body);
}

/** What this host should serve for the network. `settings` must have passed their own checks. */
export function desiredOf(world: World, networkId: string, settings: DhcpSettings): Desired {
  const group = world.group(dhcpGroup(networkId));
  if (group === undefined || !isUuid(networkId)) return { kind: 'absent' };
  const subnets = bodiesOf<SubnetBody>(group, 'subnet');
  if (!subnets.some((subnet) => subnet.enable_dhcp)) return { kind: 'absent' };
  const network = world.group(networkGroup(networkId))?.get(`network/${networkId}`) as
    | NetworkBody
    | undefined;
  if (!network) return { kind: 'waiting', reason: 'the network itself is not in the mirror yet' };
  if (!network.admin_state_up) return { kind: 'absent' };
  const dhcpPort = bodiesOf<PortBody>(world.group(hostGroup(world.host)), 'port').find(
    (port) => port.network_id === networkId && port.device_owner === DHCP_OWNER,
  );
  if (!dhcpPort) return { kind: 'waiting', reason: 'this host has no DHCP port on the network yet' };
  if (!isUuid(dhcpPort.id) || !isMac(dhcpPort.mac_address)) {
    return { kind: 'waiting', reason: 'the DHCP port has a malformed id or MAC address' };
  }
  return served({ network, dhcpPort, subnets, leases: bodiesOf<LeaseBody>(group, 'lease'), settings });
}

interface Facts {
  readonly network: NetworkBody;
  readonly dhcpPort: PortBody;
  readonly subnets: readonly SubnetBody[];
  readonly leases: readonly LeaseBody[];
  readonly settings: DhcpSettings;
}

function served(facts: Facts): Desired {
  const { network, dhcpPort, settings } = facts;
  const shortfalls: Shortfall[] = [];
  const fail = (object: string, reason: string) => shortfalls.push({ object, state: 'failed', reason });

  const wished = network.dns_domain.replace(/\.$/, '');
  if (wished !== '' && !isDomain(wished))
    fail(`network/${network.id}`, 'its dns_domain is not a domain name');
  const domain = (isDomain(wished) ? wished : settings.dnsDomain).toLowerCase();
  const subnets = facts.subnets.flatMap((subnet) => {
    const found = servedSubnet(subnet, facts);
    if (found.reason !== null) fail(`subnet/${subnet.id}`, found.reason);
    return found.subnet ? [found.subnet] : [];
  });
  const ports = portsOf(facts, domain, fail);
  return {
    kind: 'served',
    shortfalls,
    network: {
      id: network.id,
      namespace: namespaceOf(network.id),
      processName: processNameOf(network.id),
      directory: directoryOf(network.id),
      tap: tapName(dhcpPort.id),
      link: innerLinkOf(dhcpPort.id),
      mac: dhcpPort.mac_address,
      mtu: network.mtu,
      addresses: addressesOf(dhcpPort, facts.subnets),
      domain,
      dhcpPortId: dhcpPort.id,
      subnets,
      ...ports,
    },
  };
}

function addressesOf(port: PortBody, subnets: readonly SubnetBody[]): string[] {
  return port.fixed_ips.flatMap((ip) => {
    const subnet = subnets.find((s) => s.id === ip.subnet_id);
    return subnet ? [`${ip.ip_address}/${subnet.cidr.split('/')[1]}`] : [];
  });
}

/** Whether clients of an IPv6 subnet ask for addresses (true), for options only (false), or not at all (null): Neutron's rule. */
function asks(subnet: SubnetBody): boolean | null {
  if (subnet.ip_version === 4) return true;
  if (subnet.ipv6_address_mode === 'dhcpv6-stateful') return true;
  if (subnet.ipv6_address_mode === 'dhcpv6-stateless') return false;
  return subnet.ipv6_address_mode === null && subnet.ipv6_ra_mode === null ? true : null;
}

function servedSubnet(
  subnet: SubnetBody,
  facts: Facts,
): { subnet: ServedSubnet | null; reason: string | null } {
  const stateful = asks(subnet);
  if (!subnet.enable_dhcp || stateful === null) return { subnet: null, reason: null };
  const version = subnet.ip_version;
  const isAddress = version === 4 ? isV4 : isV6;
  if (!isUuid(subnet.id) || !(version === 4 ? isV4Cidr : isV6Cidr)(subnet.cidr)) {
    return { subnet: null, reason: 'its CIDR is malformed' };
  }
  const [base = '', prefixText = ''] = subnet.cidr.split('/');
  const prefix = Number(prefixText);
  if (version === 6 && prefix < 64)
    return { subnet: null, reason: 'dnsmasq serves no IPv6 prefix shorter than 64' };

  const reasons: string[] = [];
  const given = subnet.dns_nameservers.filter(isAddress);
  if (given.length < subnet.dns_nameservers.length)
    reasons.push('a name server is not an address of its family');
  // Neutron: "0.0.0.0" or "::" alone means that clients get none.
  const none = given.length === 1 && (given[0] === '0.0.0.0' || given[0] === '::');
  const routes = subnet.host_routes.filter((r) => isV4Cidr(r.destination) && isV4(r.nexthop));
  if (version === 4 && routes.length < subnet.host_routes.length) reasons.push('a host route is malformed');
  const gateway = subnet.gateway_ip !== null && isAddress(subnet.gateway_ip) ? subnet.gateway_ip : null;
  return {
    reason: reasons.length > 0 ? reasons.join('; ') : null,
    subnet: {
      id: subnet.id,
      tag: `subnet-${subnet.id}`,
      version,
      base,
      prefix,
      stateful,
      ...(version === 4 ? routesOf(subnet, gateway, routes, facts.subnets) : { gateway: null, routes: [] }),
      dnsServers: none ? [] : given.length > 0 ? given : replicaAddresses(subnet.id, facts),
    },
  };
}

/**
 * Neutron's rule: other IPv4 subnets of the network are on the same link; a host route to 0.0.0.0/0 stands in for a missing
 * gateway; a client that takes option 121 ignores option 3 (RFC 3442), so the default route is repeated there.
 */
function routesOf(
  subnet: SubnetBody,
  gatewayIp: string | null,
  own: readonly { destination: string; nexthop: string }[],
  all: readonly SubnetBody[],
): Pick<ServedSubnet, 'gateway' | 'routes'> {
  const gateway = gatewayIp ?? own.find((r) => r.destination === '0.0.0.0/0')?.nexthop ?? null;
  const routes: [string, string][] = all
    .filter((other) => other.ip_version === 4 && other.id !== subnet.id && isV4Cidr(other.cidr))
    .map((other) => [other.cidr, '0.0.0.0']);
  routes.push(
    ...own
      .filter((r) => r.destination !== '0.0.0.0/0')
      .map((r) => [r.destination, r.nexthop] as [string, string]),
  );
  if (routes.length > 0 && gateway !== null) routes.push(['0.0.0.0/0', gateway]);
  return { gateway, routes };
}

/** Addresses of all DHCP replicas on the subnet, so that every replica gives the same answer. */
function replicaAddresses(subnetId: string, facts: Facts): string[] {
  const own = facts.dhcpPort.fixed_ips;
  const others = facts.leases
    .filter((lease) => lease.device_owner === DHCP_OWNER)
    .flatMap((lease) => lease.fixed_ips);
  const found = [...own, ...others].filter((ip) => ip.subnet_id === subnetId).map((ip) => ip.ip_address);
  return [...new Set(found)].filter((ip) => isV4(ip) || isV6(ip)).sort();
}

type Ports = Pick<DesiredNetwork, 'tagged' | 'portOptions' | 'entries'>;

/** Every port of the network. What is wrong with one touches that one only (R19). */
function portsOf(facts: Facts, domain: string, fail: (object: string, reason: string) => void): Ports {
  const tagged: TaggedPort[] = [];
  const portOptions: { portId: string; line: string }[] = [];
  const entries = new Map<string, PortEntry>();
  const takenBy = new Map<string, string>();
  const served = new Set(facts.subnets.filter((s) => s.enable_dhcp && asks(s) === true).map((s) => s.id));
  for (const lease of facts.leases) {
    const object = `port/${lease.port_id}`;
    if (!isUuid(lease.port_id) || !isMac(lease.mac_address)) {
      fail(object, 'its id or MAC address is malformed');
      continue;
    }
    const ours = lease.device_owner === DHCP_OWNER;
    const clientId = clientIdOf(lease.extra_dhcp_opts);
    if (clientId.refused !== null) fail(object, clientId.refused);
    const entry = entryOf(lease, { served, domain, clientId: clientId.id, leases: !ours });
    if (entry.refused !== null) fail(object, entry.refused);
    const holder = entry.entry.claims.map((claim) => takenBy.get(claim)).find((id) => id !== undefined);
    if (holder !== undefined) {
      fail(object, `port ${holder} of this network has the same address or MAC address`);
      continue;
    }
    for (const claim of entry.entry.claims) takenBy.set(claim, lease.port_id);
    if (entry.entry.hosts !== '' || entry.entry.names !== '') entries.set(lease.port_id, entry.entry);
    const lines = ours ? [] : optionLines(lease, (reason) => fail(object, reason));
    if (lines.length > 0)
      tagged.push({ portId: lease.port_id, tag: portTag(lease.port_id), mac: lease.mac_address });
    portOptions.push(...lines.map((line) => ({ portId: lease.port_id, line })));
  }
  return { tagged, portOptions, entries };
}

const portTag = (portId: string): string => `port-${portId}`;

function optionLines(lease: LeaseBody, refuse: (reason: string) => void): string[] {
  return lease.extra_dhcp_opts
    .filter((option) => !isClientId(option))
    .flatMap((option) => {
      const rendered = renderOption(portTag(lease.port_id), option);
      if ('line' in rendered) return [rendered.line];
      refuse(rendered.refused);
      return [];
    });
}
