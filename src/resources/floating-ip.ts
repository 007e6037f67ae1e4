import { ipAddress } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import { dnsDomain, floatingDnsName } from './dns-names.ts';
import { qosPolicyId } from './qos-policy.ts';
import type { StandardAttributes } from './standard.ts';
import { standardHead, standardTail } from './standard-attributes.ts';
import { nullable, shown, uuid } from './values.ts';

/** A floating IP as stored: an address of an external network, and what it stands for. */
export interface FloatingIpRow extends StandardAttributes {
  readonly floating_network_id: string;
  readonly floating_ip_address: string;
  /** The port that holds the address in its network. */
  readonly floating_port_id: string;
  /** The port and the address that it stands for; null while it is not associated. */
  port_id: string | null;
  fixed_ip_address: string | null;
  /** The router that translates, also where only ports are forwarded. */
  router_id: string | null;
  status: 'ACTIVE' | 'DOWN' | 'ERROR';
  /** The transaction that associated it, and its position (null until that has committed). */
  tag: number;
  position: number | null;
  qos_policy_id: string | null;
  /** For an external DNS service: both, or neither (''). */
  readonly dns_name: string;
  readonly dns_domain: string;
}

/** The attribute map of floating IPs. */
export const floatingIpMap = attributeMap<FloatingIpRow & { subnet_id?: string | null }>({
  singular: 'floatingip',
  plural: 'floatingips',
  missing: { type: 'FloatingIPNotFound', title: 'Floating IP', end: '' },
  attributes: [
    ...standardHead,
    {
      name: 'floating_network_id',
      column: 'floating_network_id',
      type: uuid,
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'The external network that it is of.',
    },
    {
      name: 'subnet_id',
      column: 'subnet_id',
      type: nullable(uuid),
      post: 'owner',
      see: 'nobody',
      description: 'The subnet that its address is to be of.',
    },
    {
      name: 'floating_ip_address',
      column: 'floating_ip_address',
      type: nullable(ipAddress),
      post: 'admin',
      default: null,
      filter: true,
      sort: true,
      description: 'By default a free one.',
    },
    {
      name: 'port_id',
      column: 'port_id',
      type: nullable(uuid),
      post: 'owner',
      put: 'owner',
      filter: true,
      description: 'The port that it stands for.',
    },
    {
      name: 'fixed_ip_address',
      column: 'fixed_ip_address',
      type: nullable(ipAddress),
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description: "Which of the port's addresses; needed where it has several.",
    },
    {
      name: 'router_id',
      column: 'router_id',
      type: nullable(uuid),
      filter: true,
      sort: true,
      description: 'The router that translates.',
    },
    {
      name: 'status',
      column: 'status',
      type: shown({ type: 'string', enum: ['ACTIVE', 'DOWN', 'ERROR'] }),
      filter: true,
      sort: true,
      description: 'ACTIVE once a host of the router has it in effect.',
    },
    {
      name: 'dns_name',
      column: 'dns_name',
      type: floatingDnsName,
      post: 'owner',
      default: '',
      description: 'Its name in an external DNS service, with `dns_domain`; kept only.',
    },
    {
      name: 'dns_domain',
      column: 'dns_domain',
      type: dnsDomain,
      post: 'owner',
      default: '',
      description: 'The domain of that name, with its trailing dot.',
    },
    {
      name: 'port_details',
      column: null,
      type: shown({ type: ['object', 'null'] }),
      description: 'What there is to know of the port that it stands for.',
    },
    {
      name: 'port_forwardings',
      column: null,
      type: shown({ type: 'array', items: { type: 'object' } }),
      description: 'Its port forwardings.',
    },
    qosPolicyId('The QoS policy of what goes by it.'),
    ...standardTail,
  ],
});
