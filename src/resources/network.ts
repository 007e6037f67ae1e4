import { attributeMap } from './attribute.ts';
import { dnsDomain } from './dns-names.ts';
import { qosPolicyId } from './qos-policy.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, SHARED, standardHead, standardTail } from './standard-attributes.ts';
import {
  boolean,
  constant,
  integer,
  listOf,
  name,
  nullable,
  nullIsAbsent,
  oneOf,
  shown,
  text,
} from './values.ts';

export type NetworkType = 'vxlan' | 'flat' | 'vlan';

/** A network as stored. Field names and meanings are the Networking API's; `network_type` etc. are its `provider:` attributes. */
export interface NetworkRow extends StandardAttributes {
  name: string;
  admin_state_up: boolean;
  status: 'ACTIVE' | 'BUILD' | 'DOWN' | 'ERROR';
  shared: boolean;
  /** `router:external` */
  external: boolean;
  mtu: number;
  network_type: NetworkType;
  physical_network: string | null;
  segmentation_id: number | null;
  port_security_enabled: boolean;
  dns_domain: string;
  availability_zone_hints: string[];
  qos_policy_id: string | null;
  /** Of an external network: topologies that are made by themselves go out by it. Of one at most. */
  is_default: boolean;
}

/** What was made of itself for a project: once for each. */
export interface AutoAllocatedTopologyRow {
  readonly project_id: string;
  readonly network_id: string;
  readonly router_id: string;
}

/** The attribute map of networks (Neutron's core attributes and those of the announced extensions). */
export const networkMap = attributeMap<NetworkRow>({
  singular: 'network',
  plural: 'networks',
  missing: { type: 'NetworkNotFound', title: 'Network' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'admin_state_up',
      column: 'admin_state_up',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      sort: true,
      description: 'Whether the network carries traffic.',
    },
    {
      name: 'status',
      column: 'status',
      type: shown({ type: 'string', enum: ['ACTIVE', 'BUILD', 'DOWN', 'ERROR'] }),
      filter: true,
      sort: true,
      description: 'Its state as a whole.',
    },
    SHARED,
    {
      name: 'router:external',
      column: 'external',
      type: boolean,
      post: 'admin',
      put: 'admin',
      default: false,
      filter: true,
      sort: true,
      description: 'Whether routers may have their gateway here.',
    },
    {
      name: 'mtu',
      column: 'mtu',
      type: integer(68, 65535),
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description: 'The largest packet in bytes; by default what the underlay can carry.',
    },
    {
      name: 'provider:network_type',
      column: 'network_type',
      type: nullIsAbsent(oneOf(['vxlan', 'flat', 'vlan'])),
      post: 'admin',
      see: 'admin',
      filter: true,
      sort: true,
      description: 'How hosts carry the network; by default vxlan.',
    },
    {
      name: 'provider:physical_network',
      column: 'physical_network',
      type: nullIsAbsent(name(64)),
      post: 'admin',
      see: 'admin',
      filter: true,
      sort: true,
      description: 'The physical network of a flat or vlan network.',
    },
    {
      name: 'provider:segmentation_id',
      column: 'segmentation_id',
      type: nullIsAbsent(integer(0, 16_777_215)),
      post: 'admin',
      see: 'admin',
      filter: true,
      sort: true,
      description: 'The VXLAN identifier or the VLAN tag; by default a free one.',
    },
    {
      name: 'port_security_enabled',
      column: 'port_security_enabled',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      description: 'What new ports of the network have as their own port_security_enabled.',
    },
    {
      name: 'dns_domain',
      column: 'dns_domain',
      type: dnsDomain,
      post: 'owner',
      put: 'owner',
      default: '',
      filter: true,
      description: 'The domain that DHCP gives out, with its trailing dot.',
    },
    {
      name: 'availability_zone_hints',
      column: 'availability_zone_hints',
      type: listOf(text(255), { max: 32, what: 'availability zone hint', nullIs: [] }),
      post: 'owner',
      default: [],
      description: 'Zones in which its agents should be.',
    },
    {
      name: 'availability_zones',
      column: null,
      type: shown({ type: 'array', items: { type: 'string' } }),
      description: 'Zones of the agents that serve it.',
    },
    {
      name: 'subnets',
      column: null,
      type: shown({ type: 'array', items: { type: 'string', format: 'uuid' } }),
      description: 'The ids of its subnets.',
    },
    {
      name: 'l2_adjacency',
      column: null,
      type: constant(true, 'a network is on one segment'),
      description: 'Always true: a network is one link, wherever its ports are.',
    },
    {
      name: 'ipv4_address_scope',
      column: null,
      type: nullable(shown({ type: 'string', format: 'uuid' })),
      description: 'The address scope of its IPv4 subnets, by the subnet pools that they are taken from.',
    },
    {
      name: 'ipv6_address_scope',
      column: null,
      type: nullable(shown({ type: 'string', format: 'uuid' })),
      description: 'The address scope of its IPv6 subnets, by the subnet pools that they are taken from.',
    },
    {
      name: 'is_default',
      column: 'is_default',
      type: boolean,
      post: 'admin',
      put: 'admin',
      default: false,
      filter: true,
      description: 'Whether topologies that are made by themselves go out by it; of external networks only.',
    },
    qosPolicyId('The QoS policy of its ports that have none of their own; by default that of its project.'),
    ...standardTail,
  ],
});
