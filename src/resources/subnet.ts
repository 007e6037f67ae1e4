import { allocationPools, cidr, hostRoutes, ipAddress, nameservers } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { IP_VERSION, NAME, NETWORK_ID, standardHead, standardTail } from './standard-attributes.ts';
import { boolean, constant, integer, listOf, matching, nullable, oneOf, uuid } from './values.ts';

export interface AllocationPool {
  readonly start: string;
  readonly end: string;
}

export interface HostRoute {
  readonly destination: string;
  readonly nexthop: string;
}

export type Ipv6Mode = 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless';

/** A subnet as stored. Addresses and CIDRs are canonical text (RFC 5952 for IPv6). */
export interface SubnetRow extends StandardAttributes {
  name: string;
  network_id: string;
  ip_version: 4 | 6;
  cidr: string;
  gateway_ip: string | null;
  enable_dhcp: boolean;
  ipv6_ra_mode: Ipv6Mode | null;
  ipv6_address_mode: Ipv6Mode | null;
  allocation_pools: AllocationPool[];
  dns_nameservers: string[];
  host_routes: HostRoute[];
  service_types: string[];
  dns_publish_fixed_ip: boolean;
  /** The pool that it was taken from. */
  subnetpool_id: string | null;
}

/** What a create may ask for beside the row's own: how it is taken from which pool. */
export interface PoolRequest {
  readonly prefixlen?: number | null | undefined;
  readonly use_default_subnetpool?: boolean | null | undefined;
}

const IPV6_MODE = nullable(oneOf(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']));

/** The attribute map of subnets. */
export const subnetMap = attributeMap<SubnetRow & PoolRequest>({
  singular: 'subnet',
  plural: 'subnets',
  missing: { type: 'SubnetNotFound', title: 'Subnet' },
  attributes: [
    ...standardHead,
    NAME,
    NETWORK_ID,
    IP_VERSION,
    {
      name: 'cidr',
      column: 'cidr',
      type: nullable(cidr),
      post: 'owner',
      filter: true,
      sort: true,
      description: 'Its addresses; may be left to a subnet pool.',
    },
    {
      name: 'prefixlen',
      column: 'prefixlen',
      type: nullable(integer(0, 128)),
      post: 'owner',
      see: 'nobody',
      description:
        'How long a prefix to take from the subnet pool, instead of a cidr; by default what the pool says.',
    },
    {
      name: 'gateway_ip',
      column: 'gateway_ip',
      type: nullable(ipAddress),
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description: 'The router that DHCP names; null for none, by default the first address.',
    },
    {
      name: 'enable_dhcp',
      column: 'enable_dhcp',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      sort: true,
      description: 'Whether DHCP is served.',
    },
    {
      name: 'ipv6_ra_mode',
      column: 'ipv6_ra_mode',
      type: IPV6_MODE,
      post: 'owner',
      filter: true,
      sort: true,
      description: 'Who sends router advertisements, and of which kind.',
    },
    {
      name: 'ipv6_address_mode',
      column: 'ipv6_address_mode',
      type: IPV6_MODE,
      post: 'owner',
      filter: true,
      sort: true,
      description: 'How machines get their IPv6 address.',
    },
    {
      name: 'allocation_pools',
      column: 'allocation_pools',
      type: allocationPools,
      post: 'owner',
      put: 'owner',
      description: 'The addresses from which ports get theirs.',
    },
    {
      name: 'dns_nameservers',
      column: 'dns_nameservers',
      type: nameservers,
      post: 'owner',
      put: 'owner',
      default: [],
      description: 'The resolvers that DHCP names.',
    },
    {
      name: 'host_routes',
      column: 'host_routes',
      type: hostRoutes,
      post: 'owner',
      put: 'owner',
      default: [],
      description: 'The routes that DHCP gives out.',
    },
    {
      name: 'service_types',
      column: 'service_types',
      type: listOf(matching(/^(network|compute|baremetal|trunk):[\w.:-]*$/, 255, 'a valid device owner'), {
        max: 64,
        what: 'service type',
        nullIs: [],
      }),
      post: 'owner',
      put: 'owner',
      default: [],
      description: 'The device owners whose ports get addresses here; empty for all.',
    },
    {
      name: 'dns_publish_fixed_ip',
      column: 'dns_publish_fixed_ip',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: false,
      description: 'Kept for an external DNS service; nothing reads it yet.',
    },
    {
      name: 'shared',
      column: null,
      type: boolean,
      see: 'nobody',
      filter: true,
      narrows: true,
      description: 'Whether every project may use its network.',
    },
    {
      name: 'subnetpool_id',
      column: 'subnetpool_id',
      type: nullable(uuid),
      post: 'owner',
      filter: true,
      sort: true,
      description: 'The subnet pool that it is taken from; null for none.',
    },
    {
      name: 'use_default_subnetpool',
      column: 'use_default_subnetpool',
      type: boolean,
      post: 'owner',
      default: false,
      see: 'nobody',
      description: 'Whether to take it from the default subnet pool of its version.',
    },
    {
      name: 'segment_id',
      column: null,
      type: constant(null, 'routed networks are not there yet'),
      post: 'owner',
      description: 'Always null: routed networks are not there yet.',
    },
    ...standardTail,
  ],
});
