import { cidrOrAddress } from './address-values.ts';
import { attributeMap, type AttributeOf } from './attribute.ts';
import { protocol } from './ip-protocols.ts';
import type { StandardAttributes } from './standard.ts';
import { REVISION_AND_TIMES, standardHead } from './standard-attributes.ts';
import { canonicalUuid, display, nullable, oneOf, shown, text, uuid, type ValueType } from './values.ts';

/** What a group lets in or out. At most one of the three remotes is not null; without any it is every address. */
export interface SecurityGroupRuleRow extends StandardAttributes {
  readonly security_group_id: string;
  readonly direction: 'ingress' | 'egress';
  readonly ethertype: 'IPv4' | 'IPv6';
  /** A name as the API knows it, or a number in digits; null for all. */
  readonly protocol: string | null;
  /** Of ICMP the type, and the maximum the code. */
  readonly port_range_min: number | null;
  readonly port_range_max: number | null;
  /** A CIDR with the bits after its prefix as the client wrote them. */
  readonly remote_ip_prefix: string | null;
  readonly remote_group_id: string | null;
  readonly remote_address_group_id: string | null;
}

/** A port's number, or a type or code of ICMP. */
const portNumber: ValueType = {
  schema: { type: 'integer', minimum: 0, maximum: 65_535 },
  read(value) {
    const isWhole = typeof value === 'number' || (typeof value === 'string' && /^\s*\d+\s*$/.test(value));
    const found = isWhole ? Number(value) : Number.NaN;
    return Number.isInteger(found) && found >= 0 && found <= 65_535
      ? { value: found }
      : { fault: 'SecurityGroupInvalidPortValue', reason: `Invalid value for port ${display(value)}.` };
  },
  filter: (given) => portNumber.read(given),
};

const ETHERTYPES = ['IPv4', 'IPv6'];

const ethertype: ValueType = {
  ...oneOf(ETHERTYPES),
  read(value) {
    const found = ETHERTYPES.find((one) => one.toLowerCase() === String(value).toLowerCase());
    if (found !== undefined) return { value: found };
    return {
      fault: 'SecurityGroupRuleInvalidEtherType',
      reason: `Security group rule for ethertype '${display(value)}' not supported. Allowed values are ['IPv4', 'IPv6'].`,
    };
  },
  filter: (given) => ethertype.read(given),
};

/** The id of something; what is none is not there (404), as in Neutron. */
const anyId: ValueType = {
  ...text(255),
  schema: uuid.schema,
  read(value) {
    const reading = text(255).read(value);
    return 'value' in reading ? { value: canonicalUuid(value) ?? value } : reading;
  },
  filter: uuid.filter,
};

/** The same; null and '' are none. */
const anyIdOrNone: ValueType = {
  ...nullable(anyId),
  read: (value) => (value === null || value === '' ? { value: null } : anyId.read(value)),
};

const prefixOrNone: ValueType = {
  ...nullable(cidrOrAddress),
  read(value) {
    if (value === null || value === '') return { value: null };
    const reading = cidrOrAddress.read(value);
    if ('value' in reading) return reading;
    return { fault: 'InvalidCIDR', reason: `Invalid CIDR ${display(value)} given as IP prefix.` };
  },
};

type Rule = AttributeOf<SecurityGroupRuleRow>;

const range = (name: 'port_range_min' | 'port_range_max', description: string): Rule => ({
  name,
  column: name,
  type: nullable(portNumber),
  post: 'owner',
  default: null,
  filter: true,
  sort: true,
  description,
});

const remote = (name: 'remote_group_id' | 'remote_address_group_id', description: string): Rule => ({
  name,
  column: name,
  type: anyIdOrNone,
  post: 'owner',
  default: null,
  filter: true,
  sort: true,
  description,
});

/** The rows of a rule's attributes that are what it lets through, in the order of Neutron's. */
const MATCH: readonly Rule[] = [
  {
    name: 'direction',
    column: 'direction',
    type: oneOf(['ingress', 'egress']),
    post: 'owner',
    required: true,
    filter: true,
    sort: true,
    description: 'Towards the port, or from it.',
  },
  {
    name: 'ethertype',
    column: 'ethertype',
    type: ethertype,
    post: 'owner',
    default: 'IPv4',
    filter: true,
    sort: true,
    description: 'IPv4 or IPv6.',
  },
  {
    name: 'protocol',
    column: 'protocol',
    type: protocol,
    post: 'owner',
    default: null,
    filter: true,
    sort: true,
    description: 'A name or a number; null for all.',
  },
  range('port_range_min', 'The first port; of ICMP the type.'),
  range('port_range_max', 'The last port; of ICMP the code.'),
  {
    name: 'remote_ip_prefix',
    column: 'remote_ip_prefix',
    type: prefixOrNone,
    post: 'owner',
    default: null,
    filter: true,
    sort: true,
    description: 'The addresses at the other end. At most one of the remotes may be given.',
  },
  {
    name: 'normalized_cidr',
    column: null,
    type: nullable(shown({ type: 'string' })),
    filter: true,
    description: 'The same without bits after the prefix.',
  },
  remote('remote_group_id', 'The other end is a port in this group.'),
  remote('remote_address_group_id', 'The other end has an address of this address group.'),
];

export const securityGroupRuleMap = attributeMap<SecurityGroupRuleRow>({
  singular: 'security_group_rule',
  plural: 'security_group_rules',
  missing: { type: 'SecurityGroupRuleNotFound', title: 'Security group rule' },
  attributes: [
    ...standardHead,
    {
      name: 'security_group_id',
      column: 'security_group_id',
      type: anyId,
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'The group that it is of.',
    },
    ...MATCH,
    ...REVISION_AND_TIMES,
  ],
});
