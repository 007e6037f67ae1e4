/**
 * What agents see. Objects live in groups; a host's scope is a set of groups:
 *
 *   host/<name>      host/<name>        the host's own settings
 *                    port/<id>          each port that is bound to the host
 *   network/<id>     network/<id>       for every host with a port of the network, or serving its DHCP
 *                    endpoint/<host>    each host to which the network's floods go
 *   dhcp/<id>        subnet/<id>        for every host that serves the network's DHCP
 *                    lease/<port id>    MAC, addresses, options of each port of the network
 *
 * A port thus is two objects, the binding (host group) and the lease (dhcp group): a host learns of remote ports only
 * if it serves their DHCP. An object is named by a Ref `group|key`, e.g. `dhcp/<network id>|lease/<port id>`.
 * Bodies are plain JSON, made from rows by the functions below and nowhere else; two equal states give equal bodies.
 */
import type { HostRow } from './agent.ts';
import type { NetworkRow, NetworkType } from './network.ts';
import type { ExtraDhcpOpt, FixedIp, PortRow } from './port.ts';
import type { HostRoute, Ipv6Mode, SubnetRow } from './subnet.ts';

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
}

export interface EndpointBody {
  readonly host: string;
  readonly tunnel_ip: string;
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

export type Body = HostBody | NetworkBody | EndpointBody | PortBody | SubnetBody | LeaseBody;

export const hostGroup = (host: string): Group => `host/${host}`;
export const networkGroup = (networkId: string): Group => `network/${networkId}`;
export const dhcpGroup = (networkId: string): Group => `dhcp/${networkId}`;

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

export function networkBody(row: NetworkRow): NetworkBody {
  return {
    id: row.id,
    name: row.name,
    admin_state_up: row.admin_state_up,
    network_type: row.network_type,
    physical_network: row.physical_network,
    segmentation_id: row.segmentation_id,
    mtu: row.mtu,
    dns_domain: row.dns_domain,
  };
}

export function endpointBody(row: HostRow): EndpointBody {
  return { host: row.name, tunnel_ip: row.tunnel_ip };
}

export function portBody(row: PortRow): PortBody {
  return {
    id: row.id,
    network_id: row.network_id,
    admin_state_up: row.admin_state_up,
    mac_address: row.mac_address,
    device_owner: row.device_owner,
    device_id: row.device_id,
    fixed_ips: row.fixed_ips.map((ip) => ({ subnet_id: ip.subnet_id, ip_address: ip.ip_address })),
    generation: row.generation,
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
