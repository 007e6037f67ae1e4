import { addressPairs } from './address-pairs.ts';
import { fixedIps, macAddress } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import { extraDhcpOpts } from './dhcp-options.ts';
import { dnsDomain, dnsName } from './dns-names.ts';
import { portExtras, type PortExtras } from './port-extras.ts';
import { qosPolicyId } from './qos-policy.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, NETWORK_ID, standardHead, standardTailTaggedAtOnce } from './standard-attributes.ts';
import {
  boolean,
  jsonObject,
  listOf,
  matching,
  nullable,
  oneOf,
  shown,
  text,
  uuid,
  type ValueType,
} from './values.ts';

export interface FixedIp {
  readonly subnet_id: string;
  readonly ip_address: string;
}

export interface ExtraDhcpOpt {
  readonly opt_name: string;
  readonly opt_value: string;
  readonly ip_version: 4 | 6;
}

/** Addresses beside its own that a port may send from. */
export interface AddressPair {
  /** An address or a CIDR. */
  readonly ip_address: string;
  readonly mac_address: string;
}

export type PortStatus = 'ACTIVE' | 'DOWN' | 'BUILD' | 'ERROR';

/** A port as stored. `host`, `vnic_type`, `profile`, `vif_type`, `vif_details` are the API's `binding:` attributes. */
export interface PortRow extends StandardAttributes, PortExtras {
  name: string;
  network_id: string;
  admin_state_up: boolean;
  status: PortStatus;
  mac_address: string;
  /** Kept equal to the port's rows in `ip_allocations`, which carry the uniqueness. */
  fixed_ips: FixedIp[];
  device_id: string;
  device_owner: string;
  /** `binding:host_id`; '' while unbound. */
  host: string;
  vnic_type: string;
  profile: Record<string, unknown>;
  vif_type: 'unbound' | 'bridge' | 'binding_failed';
  vif_details: Record<string, unknown>;
  /** Grows with every change of host: an outcome of an older generation says nothing of this binding. */
  generation: number;
  port_security_enabled: boolean;
  allowed_address_pairs: AddressPair[];
  extra_dhcp_opts: ExtraDhcpOpt[];
  dns_name: string;
  /** For an external DNS service; its network's domain is what DHCP says. */
  dns_domain: string;
  /** Its own; without one its network's holds. */
  qos_policy_id: string | null;
}

/** One address of one port: unique in its network. */
export interface IpAllocationRow {
  readonly subnet_id: string;
  readonly ip_address: string;
  readonly port_id: string;
  readonly network_id: string;
}

/**
 * What still has to be reported before a port may be ACTIVE. `tag` is the opening transaction's; `position` becomes
 * its position at commit. Any outcome at or above it, of this generation, lifts the block.
 */
export interface ProvisioningBlockRow {
  readonly port_id: string;
  readonly entity: 'L2' | 'DHCP' | 'L3';
  readonly tag: number;
  readonly position: number | null;
  readonly generation: number;
}

const VNIC_TYPES = [
  'normal',
  'direct',
  'macvtap',
  'baremetal',
  'direct-physical',
  'virtio-forwarder',
  'smart-nic',
  'vdpa',
  'accelerator-direct',
  'accelerator-direct-physical',
  'remote-managed',
];

// A host's name becomes part of keys (`host/<name>`) and of lines of hints: no separators, no blanks.
const HOST_NAME_OR_NONE = /^([A-Za-z0-9][A-Za-z0-9._:@-]*)?$/;

const groupIds: ValueType = {
  ...listOf(uuid, { max: 1000, what: 'security group', nullIs: [] }),
  filter: uuid.filter,
};

/** The attribute map of ports. */
export const portMap = attributeMap<PortRow>({
  singular: 'port',
  plural: 'ports',
  missing: { type: 'PortNotFound', title: 'Port' },
  attributes: [
    ...standardHead,
    NAME,
    NETWORK_ID,
    {
      name: 'admin_state_up',
      column: 'admin_state_up',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      sort: true,
      description: 'Whether it carries traffic.',
    },
    {
      name: 'status',
      column: 'status',
      type: shown({ type: 'string', enum: ['ACTIVE', 'DOWN', 'BUILD', 'ERROR'] }),
      filter: true,
      sort: true,
      description: 'ACTIVE once it is wired on its host and its addresses are served.',
    },
    {
      name: 'mac_address',
      column: 'mac_address',
      type: nullable(macAddress),
      post: 'network owner',
      put: 'admin',
      filter: true,
      sort: true,
      description: 'By default a free one; null for another free one.',
    },
    {
      name: 'fixed_ips',
      column: 'fixed_ips',
      type: fixedIps,
      post: 'network owner',
      put: 'network owner',
      limitedTo: ['ip_address'],
      filter: true,
      description: 'Its addresses: by default one of each IP version; [] for none.',
    },
    {
      name: 'device_id',
      column: 'device_id',
      type: text(255),
      post: 'owner',
      put: 'owner',
      default: '',
      filter: true,
      sort: true,
      description: 'What uses the port.',
    },
    {
      name: 'device_owner',
      column: 'device_owner',
      type: text(255),
      post: 'network owner',
      put: 'network owner',
      limitedTo: /^network:/,
      default: '',
      filter: true,
      sort: true,
      description: 'What kind of thing uses the port, e.g. compute:nova.',
    },
    {
      name: 'binding:host_id',
      column: 'host',
      type: nullable(matching(HOST_NAME_OR_NONE, 255, 'a valid host name'), ''),
      post: 'admin',
      put: 'admin',
      see: 'admin',
      default: '',
      filter: true,
      sort: true,
      description: 'The host on which it is wired; empty for none.',
    },
    {
      name: 'binding:vnic_type',
      column: 'vnic_type',
      type: oneOf(VNIC_TYPES),
      post: 'owner',
      put: 'owner',
      default: 'normal',
      filter: true,
      description: 'How the machine is attached.',
    },
    {
      name: 'binding:profile',
      column: 'profile',
      type: nullable(jsonObject(4095), {}),
      post: 'admin',
      put: 'admin',
      see: 'admin',
      default: {},
      description: 'What the hypervisor wants to keep with the binding.',
    },
    {
      name: 'binding:vif_type',
      column: 'vif_type',
      type: shown({ type: 'string', enum: ['unbound', 'bridge', 'binding_failed'] }),
      see: 'admin',
      description: 'How the host wires it.',
    },
    {
      name: 'binding:vif_details',
      column: 'vif_details',
      type: shown({ type: 'object' }),
      see: 'admin',
      description: 'What the hypervisor needs to know of the wiring.',
    },
    {
      name: 'port_security_enabled',
      column: 'port_security_enabled',
      type: boolean,
      post: 'network owner',
      put: 'network owner',
      filter: true,
      description: "By default its network's.",
    },
    {
      name: 'extra_dhcp_opts',
      column: 'extra_dhcp_opts',
      type: extraDhcpOpts,
      post: 'owner',
      put: 'owner',
      default: [],
      description: 'Further DHCP options; in an update each names one, a null value takes it away.',
    },
    {
      name: 'dns_name',
      column: 'dns_name',
      type: dnsName,
      post: 'owner',
      put: 'owner',
      default: '',
      filter: true,
      description: 'Its name in the DNS of its network.',
    },
    {
      name: 'dns_domain',
      column: 'dns_domain',
      type: dnsDomain,
      post: 'owner',
      put: 'owner',
      default: '',
      description: 'Its domain, with its trailing dot, in an external DNS service; kept only.',
    },
    {
      name: 'dns_assignment',
      column: null,
      type: shown({ type: 'array', items: { type: 'object' } }),
      description: 'The names under which its addresses are known.',
    },
    ...portExtras,
    {
      name: 'trunk_details',
      column: null,
      type: shown({ type: 'object' }),
      description: 'Of the parent of a trunk: the trunk and its subports.',
    },
    {
      name: 'security_groups',
      column: null,
      type: groupIds,
      post: 'owner',
      put: 'owner',
      filter: true,
      narrows: true,
      description: "The ids of its security groups: by default its project's default group.",
    },
    {
      name: 'allowed_address_pairs',
      column: 'allowed_address_pairs',
      type: addressPairs,
      post: 'network owner',
      put: 'network owner',
      default: [],
      description: 'Addresses beside its own that it may send from; by default with its own MAC address.',
    },
    qosPolicyId("Its own QoS policy; without one its network's holds."),
    {
      name: 'qos_network_policy_id',
      column: null,
      type: nullable(shown({ type: 'string', format: 'uuid' })),
      description: 'The QoS policy of its network.',
    },
    {
      name: 'resource_request',
      column: null,
      type: shown({ type: ['object', 'null'] }),
      see: 'admin',
      description: 'What its QoS policy asks of the host on which it is placed (Nova and Placement).',
    },
    ...standardTailTaggedAtOnce,
  ],
});
