/**
 * What agents see. Objects live in groups; a host's scope is a set of groups:
 *
 *   host/<name>      host/<name>        the host's own settings
 *                    port/<id>          each port that is bound to the host
 *   network/<id>     network/<id>       for every host with a port of the network, serving its DHCP, or with a replica of
 *                                       a router on the network
 *                    endpoint/<host>    each host to which the network's floods go: all of those
 *   dhcp/<id>        subnet/<id>        for every host that serves the network's DHCP
 *                    lease/<port id>    MAC, addresses, options of each port of the network
 *   router/<id>      router/<id>        for every host with a replica of the router
 *                    replica/<host>     each host that has one
 *                    interface/<port>   each port of the router: its interfaces, its gateway, its replicas' HA ports
 *                    floating-ip/<id>   each floating IP that is associated through the router
 *                    forwarding/<id>    each port forwarding of a floating IP through the router
 *   security-group/<id>  security-group/<id>  for every host with a port in it, with its rules
 *   members/<id>     member/<port id>   each port of the security group, bound or not: for every host with a port in a group
 *                                       that has a rule whose remote is this group
 *   address-group/<id>  address-group/<id>  for every host with a port in a group that has a rule which names it
 *
 * A router's interface is wired on every host that has a replica, as `tap<id>` on its network's bridge, whether or not the
 * port is bound there (an HA router's ports are bound to one host at a time, all replicas have them); an HA port only on
 * the host that it names.
 *
 * A port thus is two objects, the binding (host group) and the lease (dhcp group): a host learns of remote ports only
 * if it serves their DHCP. An object is named by a Ref `group|key`, e.g. `dhcp/<network id>|lease/<port id>`.
 * Bodies are plain JSON, made from rows by the functions below and nowhere else; two equal states give equal bodies.
 */
import type { AddressGroupRow } from './address-group.ts';
import type { HostRow } from './agent.ts';
import type { FloatingIpRow } from './floating-ip.ts';
import type { NetworkRow, NetworkType } from './network.ts';
import type { AddressPair, ExtraDhcpOpt, FixedIp, PortRow } from './port.ts';
import type { PortForwardingRow } from './port-forwarding.ts';
import type { QosBody } from './qos-body.ts';
import {
  type ReplicaOrder,
  ROUTER_GATEWAY_OWNER,
  ROUTER_HA_OWNER,
  type RouterBindingRow,
  type RouterPortOwner,
  type RouterRow,
} from './router.ts';
import type { SecurityGroupRow } from './security-group.ts';
import type { SecurityGroupRuleRow } from './security-group-rule.ts';
import type { HostRoute, Ipv6Mode, SubnetRow } from './subnet.ts';

export type { AddressPair } from './port.ts';

export type Group = string;
/** `group|key` */
export type Ref = string;

export interface HostBody {
  readonly name: string;
  readonly tunnel_ip: string;
}

export interface NetworkBody {
  readonly id: string;
  readonly name: string;
  readonly admin_state_up: boolean;
  readonly network_type: NetworkType;
  readonly physical_network: string | null;
  readonly segmentation_id: number | null;
  readonly mtu: number;
  readonly dns_domain: string;
  /** Only on a segment on which replicas of HA routers talk: it is carried on two ways, see EndpointBody. */
  readonly ha?: true;
}

export interface EndpointBody {
  readonly host: string;
  readonly tunnel_ip: string;
  /** Only on an HA segment: the other end of its second way, over the management network; '' for none. */
  readonly management_ip?: string;
}

export interface PortBody {
  readonly id: string;
  readonly network_id: string;
  readonly admin_state_up: boolean;
  readonly mac_address: string;
  readonly device_owner: string;
  readonly device_id: string;
  readonly fixed_ips: readonly FixedIp[];
  readonly generation: number;
  /** Only of a subport of a trunk. */
  readonly subport?: SubportBody;
  /** Absent: nothing is enforced, and the port is in no group and has no pairs. */
  readonly port_security_enabled?: true;
  /** Ids, sorted; absent as above. */
  readonly security_groups?: readonly string[];
  /** What else it may send from, and receive; absent as above. */
  readonly allowed_address_pairs?: readonly AddressPair[];
  /** Absent: no rule holds for it. */
  readonly qos?: QosBody;
}

/** Its link is a VLAN on that of another port of the host, the trunk's parent. */
export interface SubportBody {
  readonly parent: string;
  readonly segmentation_id: number;
}

export interface SecurityGroupBody {
  readonly id: string;
  /** false: its rules are to hold packet by packet, with no memory of connections. */
  readonly stateful: boolean;
  /** By id. */
  readonly rules: readonly SecurityRuleBody[];
}

export interface SecurityRuleBody {
  readonly id: string;
  readonly direction: 'ingress' | 'egress';
  readonly ethertype: 'IPv4' | 'IPv6';
  /** A name or number as the API has it; null for any. */
  readonly protocol: string | null;
  readonly port_range_min: number | null;
  readonly port_range_max: number | null;
  /** At most one of the three. */
  readonly remote_ip_prefix: string | null;
  readonly remote_group_id: string | null;
  readonly remote_address_group_id: string | null;
}

/** A port as the remote of rules. */
export interface MemberBody {
  readonly port_id: string;
  /** Its fixed addresses, and those and CIDRs of its allowed address pairs: each once, sorted. */
  readonly addresses: readonly string[];
}

export interface AddressGroupBody {
  readonly id: string;
  /** CIDRs, sorted. */
  readonly addresses: readonly string[];
}

export interface SubnetBody {
  readonly id: string;
  readonly ip_version: 4 | 6;
  readonly cidr: string;
  readonly gateway_ip: string | null;
  readonly enable_dhcp: boolean;
  readonly ipv6_ra_mode: Ipv6Mode | null;
  readonly ipv6_address_mode: Ipv6Mode | null;
  readonly dns_nameservers: readonly string[];
  readonly host_routes: readonly HostRoute[];
}

export interface LeaseBody {
  readonly port_id: string;
  readonly mac_address: string;
  readonly fixed_ips: readonly FixedIp[];
  readonly device_owner: string;
  readonly dns_name: string;
  readonly extra_dhcp_opts: readonly ExtraDhcpOpt[];
}

export interface RouterBody {
  readonly id: string;
  readonly name: string;
  readonly admin_state_up: boolean;
  readonly ha: boolean;
  /** VRRP's virtual router id, 1 to 255; null where there is one replica only. */
  readonly ha_vr_id: number | null;
  /** Whether what has no floating IP leaves under the gateway's address. */
  readonly enable_snat: boolean;
  readonly routes: readonly HostRoute[];
  /** Of what goes by its gateway under the gateway's own address; absent: no rule. */
  readonly qos?: QosBody;
}

export interface ReplicaBody {
  readonly host: string;
  /** 0 is preferred; of one router no two are equal. */
  readonly rank: number;
  /** '': not known yet. */
  readonly tunnel_ip: string;
  readonly management_ip: string;
  /** What it is told about its role in an HA router; null: nothing, and nothing that it was told before holds. */
  readonly order: ReplicaOrder | null;
}

export interface InterfaceSubnet {
  readonly id: string;
  readonly ip_version: 4 | 6;
  readonly cidr: string;
  readonly gateway_ip: string | null;
  readonly enable_dhcp: boolean;
  readonly ipv6_ra_mode: Ipv6Mode | null;
  readonly ipv6_address_mode: Ipv6Mode | null;
  readonly dns_nameservers: readonly string[];
}

export interface InterfaceBody {
  readonly port_id: string;
  readonly network_id: string;
  readonly owner: RouterPortOwner;
  /** '' for what every replica has; an HA port is of one host only. */
  readonly host: string;
  readonly mac_address: string;
  readonly mtu: number;
  readonly admin_state_up: boolean;
  /** With the length of the subnet's prefix. */
  readonly fixed_ips: readonly (FixedIp & { readonly prefix: number })[];
  /** Those in which it has an address, by id. */
  readonly subnets: readonly InterfaceSubnet[];
  /** Of a gateway: the CIDRs of its network's other subnets, whose machines are on the same link. */
  readonly on_link?: readonly string[];
}

export interface FloatingIpBody {
  readonly id: string;
  readonly floating_ip_address: string;
  readonly fixed_ip_address: string;
  readonly port_id: string;
  /** Of the fixed address. */
  readonly network_id: string;
  /** Of what goes by it; absent: no rule. */
  readonly qos?: QosBody;
}

export interface ForwardingBody {
  readonly id: string;
  readonly floating_ip_address: string;
  readonly protocol: string;
  /** First and last, both included; as many as there are internal ones. */
  readonly external_port: readonly [number, number];
  readonly internal_ip_address: string;
  readonly internal_port: readonly [number, number];
}

export type Body =
  | HostBody
  | NetworkBody
  | EndpointBody
  | PortBody
  | SubnetBody
  | LeaseBody
  | RouterBody
  | ReplicaBody
  | InterfaceBody
  | FloatingIpBody
  | ForwardingBody
  | SecurityGroupBody
  | MemberBody
  | AddressGroupBody;

export const hostGroup = (host: string): Group => `host/${host}`;
export const networkGroup = (networkId: string): Group => `network/${networkId}`;
export const dhcpGroup = (networkId: string): Group => `dhcp/${networkId}`;
export const routerGroup = (routerId: string): Group => `router/${routerId}`;
export const securityGroupGroup = (securityGroupId: string): Group => `security-group/${securityGroupId}`;
/** The ports of a security group, as the remote of others' rules. */
export const membersGroup = (securityGroupId: string): Group => `members/${securityGroupId}`;
export const addressGroupGroup = (addressGroupId: string): Group => `address-group/${addressGroupId}`;

const FIREWALL_KINDS = ['security-group', 'members', 'address-group'];

/** Whether the group is of what firewalls are made of: rules, members, addresses. The L2 agent's key of it is its name. */
export const isFirewallGroup = (group: Group): boolean => FIREWALL_KINDS.includes(splitKey(group).kind);

/** The link that is a port on its host, as Neutron and Nova name it; in view of both roles: dhcp makes some, l2 wires all. */
export const tapName = (portId: string): string => `tap${portId.slice(0, 11)}`;

/** Splits `dhcp/<id>|lease/<port>` into group and key. */
export function splitRef(ref: Ref): { group: Group; key: string } {
  const bar = ref.indexOf('|');
  return { group: ref.slice(0, bar), key: ref.slice(bar + 1) };
}

/** Splits `lease/<port>` or `host/<name>` at its first slash. */
export function splitKey(key: string): { kind: string; id: string } {
  const slash = key.indexOf('/');
  return { kind: key.slice(0, slash), id: key.slice(slash + 1) };
}

export function hostBody(row: HostRow): HostBody {
  return { name: row.name, tunnel_ip: row.tunnel_ip };
}

export function networkBody(row: NetworkRow, isHa = false): NetworkBody {
  return {
    id: row.id,
    name: row.name,
    admin_state_up: row.admin_state_up,
    network_type: row.network_type,
    physical_network: row.physical_network,
    segmentation_id: row.segmentation_id,
    mtu: row.mtu,
    dns_domain: row.dns_domain,
    ...(isHa ? { ha: true } : {}),
  };
}

/** `isHa`: the network is an HA segment. */
export function endpointBody(row: HostRow, isHa = false): EndpointBody {
  const { name: host, tunnel_ip, management_ip } = row;
  return isHa ? { host, tunnel_ip, management_ip } : { host, tunnel_ip };
}

/** `securityGroups`: the ids of those that it is in. */
export function portBody(row: PortRow, securityGroups: readonly string[] = []): PortBody {
  return {
    id: row.id,
    network_id: row.network_id,
    admin_state_up: row.admin_state_up,
    mac_address: row.mac_address,
    device_owner: row.device_owner,
    device_id: row.device_id,
    fixed_ips: row.fixed_ips.map((ip) => ({ subnet_id: ip.subnet_id, ip_address: ip.ip_address })),
    generation: row.generation,
    ...(row.port_security_enabled ? securityOf(row, securityGroups) : {}),
  };
}

function securityOf(row: PortRow, securityGroups: readonly string[]): Partial<PortBody> {
  return {
    port_security_enabled: true,
    security_groups: [...securityGroups].sort(),
    allowed_address_pairs: row.allowed_address_pairs.map((pair) => ({
      ip_address: pair.ip_address,
      mac_address: pair.mac_address,
    })),
  };
}

export function subnetBody(row: SubnetRow): SubnetBody {
  return {
    id: row.id,
    ip_version: row.ip_version,
    cidr: row.cidr,
    gateway_ip: row.gateway_ip,
    enable_dhcp: row.enable_dhcp,
    ipv6_ra_mode: row.ipv6_ra_mode,
    ipv6_address_mode: row.ipv6_address_mode,
    dns_nameservers: row.dns_nameservers,
    host_routes: row.host_routes.map((r) => ({ destination: r.destination, nexthop: r.nexthop })),
  };
}

export function leaseBody(row: PortRow): LeaseBody {
  return {
    port_id: row.id,
    mac_address: row.mac_address,
    fixed_ips: row.fixed_ips.map((ip) => ({ subnet_id: ip.subnet_id, ip_address: ip.ip_address })),
    device_owner: row.device_owner,
    dns_name: row.dns_name,
    extra_dhcp_opts: row.extra_dhcp_opts.map((o) => ({
      opt_name: o.opt_name,
      opt_value: o.opt_value,
      ip_version: o.ip_version,
    })),
  };
}

export function routerBody(row: RouterRow): RouterBody {
  return {
    id: row.id,
    name: row.name,
    admin_state_up: row.admin_state_up,
    ha: row.ha,
    ha_vr_id: row.ha_vr_id,
    enable_snat: row.enable_snat,
    routes: row.routes.map((r) => ({ destination: r.destination, nexthop: r.nexthop })),
  };
}

export function replicaBody({ host, rank, order }: RouterBindingRow, row: HostRow): ReplicaBody {
  return {
    ...{ host, rank, tunnel_ip: row.tunnel_ip, management_ip: row.management_ip },
    order: order && {
      ...{ epoch: order.epoch, do: order.do, incarnation: order.incarnation, seq: order.seq, why: order.why },
      ...(order.forgives === undefined ? {} : { forgives: order.forgives }),
    },
  };
}

/** `subnets`: at least those in which the port has addresses, and of a gateway's network all. */
export function interfaceBody(
  port: PortRow,
  network: NetworkRow,
  subnets: ReadonlyMap<string, SubnetRow>,
): InterfaceBody {
  const ids = [...new Set(port.fixed_ips.map((ip) => ip.subnet_id))].sort();
  const own = ids.flatMap((id) => subnets.get(id) ?? []);
  const others = [...subnets.values()].filter(
    (one) => one.network_id === port.network_id && !ids.includes(one.id),
  );
  const isGateway = port.device_owner === ROUTER_GATEWAY_OWNER;
  return {
    port_id: port.id,
    network_id: port.network_id,
    owner: port.device_owner as RouterPortOwner,
    host: port.device_owner === ROUTER_HA_OWNER ? port.host : '',
    mac_address: port.mac_address,
    mtu: network.mtu,
    admin_state_up: port.admin_state_up,
    fixed_ips: port.fixed_ips.map((ip) => ({
      subnet_id: ip.subnet_id,
      ip_address: ip.ip_address,
      prefix: Number(subnets.get(ip.subnet_id)?.cidr.split('/')[1] ?? 0),
    })),
    subnets: own.map((subnet) => ({
      id: subnet.id,
      ip_version: subnet.ip_version,
      cidr: subnet.cidr,
      gateway_ip: subnet.gateway_ip,
      enable_dhcp: subnet.enable_dhcp,
      ipv6_ra_mode: subnet.ipv6_ra_mode,
      ipv6_address_mode: subnet.ipv6_address_mode,
      dns_nameservers: subnet.dns_nameservers,
    })),
    ...(isGateway ? { on_link: others.map(({ cidr }) => cidr).sort() } : {}),
  };
}

/** `port`: that of the fixed address; null while the floating IP is not associated. */
export function floatingIpBody(row: FloatingIpRow, port: PortRow | undefined): FloatingIpBody | null {
  if (!port || row.router_id === null || row.fixed_ip_address === null) return null;
  return {
    id: row.id,
    floating_ip_address: row.floating_ip_address,
    fixed_ip_address: row.fixed_ip_address,
    port_id: port.id,
    network_id: port.network_id,
  };
}

export function forwardingBody(row: PortForwardingRow, floating: FloatingIpRow): ForwardingBody {
  return {
    id: row.id,
    floating_ip_address: floating.floating_ip_address,
    protocol: row.protocol,
    external_port: [row.external_port_first, row.external_port_last],
    internal_ip_address: row.internal_ip_address,
    internal_port: [row.internal_port_first, row.internal_port_last],
  };
}

const byId = (one: { readonly id: string }, other: { readonly id: string }) => (one.id < other.id ? -1 : 1);

/** `rules`: all of the group's. */
export function securityGroupBody(
  row: SecurityGroupRow,
  rules: readonly SecurityGroupRuleRow[],
): SecurityGroupBody {
  return { id: row.id, stateful: row.stateful, rules: rules.map(securityRuleBody).sort(byId) };
}

function securityRuleBody(row: SecurityGroupRuleRow): SecurityRuleBody {
  return {
    id: row.id,
    direction: row.direction,
    ethertype: row.ethertype,
    protocol: row.protocol,
    port_range_min: row.port_range_min,
    port_range_max: row.port_range_max,
    remote_ip_prefix: row.remote_ip_prefix,
    remote_group_id: row.remote_group_id,
    remote_address_group_id: row.remote_address_group_id,
  };
}

export function memberBody(row: PortRow): MemberBody {
  const all = [...row.fixed_ips, ...row.allowed_address_pairs].map((one) => one.ip_address);
  return { port_id: row.id, addresses: [...new Set(all)].sort() };
}

export function addressGroupBody(row: AddressGroupRow): AddressGroupBody {
  return { id: row.id, addresses: [...row.addresses].sort() };
}
