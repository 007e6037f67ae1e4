import { ipAddress } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import { display, integer, oneOf, text, uuid, type ValueType } from './values.ts';

/** Some ports of a floating IP that are led to a port, as stored. */
export interface PortForwardingRow {
  readonly id: string;
  readonly floating_ip_id: string;
  /** The router that translates: its floating IP's. */
  router_id: string;
  internal_port_id: string;
  internal_ip_address: string;
  protocol: string;
  external_port_first: number;
  external_port_last: number;
  internal_port_first: number;
  internal_port_last: number;
  description: string;
}

/** As the API shows it; of several ports there is only the range. */
export interface PortForwardingView {
  readonly id: string;
  readonly floating_ip_id: string;
  readonly internal_port_id: string;
  readonly internal_ip_address: string;
  readonly protocol: string;
  readonly internal_port?: number;
  readonly internal_port_range: string;
  readonly external_port?: number;
  readonly external_port_range: string;
  readonly description: string;
}

export function shownForwarding(row: PortForwardingRow): PortForwardingView {
  const { external_port_first, external_port_last, internal_port_first, internal_port_last } = row;
  return {
    id: row.id,
    floating_ip_id: row.floating_ip_id,
    protocol: row.protocol,
    internal_ip_address: row.internal_ip_address,
    internal_port_id: row.internal_port_id,
    ...(internal_port_first === internal_port_last ? { internal_port: internal_port_first } : {}),
    internal_port_range: `${internal_port_first}:${internal_port_last}`,
    ...(external_port_first === external_port_last ? { external_port: external_port_first } : {}),
    external_port_range: `${external_port_first}:${external_port_last}`,
    description: row.description,
  };
}

/** Protocols that have ports. */
const PROTOCOLS = ['tcp', 'udp', 'sctp', 'dccp'];

const protocol: ValueType = {
  ...oneOf(PROTOCOLS),
  read: (value) => oneOf(PROTOCOLS).read(typeof value === 'string' ? value.toLowerCase() : value),
};

/** `80:90`, or one port. */
const portRange: ValueType = {
  schema: { type: 'string', examples: ['8080:8090'] },
  read(value) {
    const [first, last = first, ...more] = String(value).split(':');
    const ports = [first, last].map((one) => (/^\d{1,5}$/.test(one ?? '') ? Number(one) : 0));
    const [low = 0, high = 0] = ports;
    if (more.length > 0 || low < 1 || high > 65_535 || low > high)
      return { reason: `Invalid port range: '${display(value)}'` };
    return { value: `${low}:${high}` };
  },
  filter: (given) => ({ value: given }),
};

/** The attribute map of port forwardings. */
export const portForwardingMap = attributeMap<PortForwardingView>({
  singular: 'port_forwarding',
  plural: 'port_forwardings',
  missing: { type: 'PortForwardingNotFound', title: 'Port Forwarding' },
  attributes: [
    { name: 'id', column: 'id', type: uuid, filter: true, sort: true, description: 'Chosen by the server.' },
    {
      name: 'protocol',
      column: 'protocol',
      type: protocol,
      post: 'owner',
      put: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'Of which protocol.',
    },
    {
      name: 'external_port',
      column: 'external_port',
      type: integer(1, 65_535),
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description: 'The port of the floating IP.',
    },
    {
      name: 'external_port_range',
      column: 'external_port_range',
      type: portRange,
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description: 'Several: the first and the last.',
    },
    {
      name: 'internal_port',
      column: 'internal_port',
      type: integer(1, 65_535),
      post: 'owner',
      put: 'owner',
      description: 'The port to which it is led.',
    },
    {
      name: 'internal_port_range',
      column: 'internal_port_range',
      type: portRange,
      post: 'owner',
      put: 'owner',
      description: 'As many as external ones, or one.',
    },
    {
      name: 'internal_ip_address',
      column: 'internal_ip_address',
      type: ipAddress,
      post: 'owner',
      put: 'owner',
      description: 'Which address of the port; by default its first IPv4 address.',
    },
    {
      name: 'internal_port_id',
      column: 'internal_port_id',
      type: uuid,
      post: 'owner',
      put: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'The port (of a network) to which it is led.',
    },
    {
      name: 'description',
      column: 'description',
      type: text(255),
      post: 'owner',
      put: 'owner',
      default: '',
      filter: true,
      description: 'For humans.',
    },
  ],
});
