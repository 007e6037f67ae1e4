/** The rules of QoS policies: which types there are, what each says, and what of it hosts carry out. */
import { type AttributeMap, type AttributeOf, attributeMap } from './attribute.ts';
import { integer, type JsonSchema, oneOf, oneOfNumbers, uuid } from './values.ts';

export const QOS_RULE_TYPES = [
  'bandwidth_limit',
  'dscp_marking',
  'minimum_bandwidth',
  'packet_rate_limit',
  'minimum_packet_rate',
] as const;
export type QosRuleType = (typeof QOS_RULE_TYPES)[number];

/** Seen from the machine: what it sends is egress. */
export type QosDirection = 'ingress' | 'egress' | 'any';

/** Neutron's names for what rules say; kbps are 1,000 bits a second, kpps 1,000 packets a second. */
export interface QosParameters {
  readonly max_kbps?: number;
  readonly max_burst_kbps?: number;
  readonly min_kbps?: number;
  readonly dscp_mark?: number;
  readonly max_kpps?: number;
  readonly max_burst_kpps?: number;
  readonly min_kpps?: number;
}

/** A rule as stored. */
export interface QosRuleRow {
  readonly id: string;
  readonly qos_policy_id: string;
  readonly type: QosRuleType;
  /** null: it has none (DSCP marking). */
  direction: QosDirection | null;
  parameters: QosParameters;
}

/** A rule as one of its own type's collection. */
export type QosRuleView = QosParameters & { readonly id: string; readonly direction?: QosDirection };

export const viewOfRule = ({ id, direction, parameters }: QosRuleRow): QosRuleView => ({
  id,
  ...parameters,
  ...(direction === null ? {} : { direction }),
});

/** As its policy shows it. */
export const ruleOfPolicy = (row: QosRuleRow): object => ({
  ...viewOfRule(row),
  type: row.type,
  qos_policy_id: row.qos_policy_id,
});

/** What a packet may be marked with (neutron_lib's VALID_DSCP_MARKS). */
const DSCP_MARKS = [0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56];

/** The greatest number that Neutron's columns hold. */
const MAX = 2 ** 31 - 1;

type Own = AttributeOf<QosRuleView>;

const ID: Own = {
  name: 'id',
  column: 'id',
  type: uuid,
  filter: true,
  sort: true,
  description: 'The id, chosen by the server.',
};

const amount = (name: keyof QosParameters, description: string, otherwise?: number): Own => ({
  ...{ name, column: name, type: integer(0, MAX), post: 'owner', put: 'owner' },
  ...(otherwise === undefined ? { required: true } : { default: otherwise }),
  ...{ filter: true, sort: true, description },
});

const direction = (words: readonly QosDirection[]): Own => ({
  name: 'direction',
  column: 'direction',
  type: oneOf(words),
  post: 'owner',
  put: 'owner',
  default: 'egress',
  filter: true,
  sort: true,
  description: 'Which way: egress is what the machine sends.',
});

const BOTH = direction(['egress', 'ingress']);

const OWN: Readonly<Record<QosRuleType, readonly Own[]>> = {
  bandwidth_limit: [
    amount('max_kbps', 'The most, in 1,000 bits a second.'),
    amount('max_burst_kbps', 'How much more at once, in 1,000 bits; 0 for 80 % of a second of it.', 0),
    BOTH,
  ],
  dscp_marking: [
    {
      name: 'dscp_mark',
      column: 'dscp_mark',
      type: oneOfNumbers(DSCP_MARKS),
      post: 'owner',
      put: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'What the packets of the machine are marked with.',
    },
  ],
  minimum_bandwidth: [amount('min_kbps', 'The least, in 1,000 bits a second.'), BOTH],
  packet_rate_limit: [
    amount('max_kpps', 'The most, in 1,000 packets a second.'),
    amount('max_burst_kpps', 'How many more at once, in 1,000 packets; 0 for 80 % of a second of it.', 0),
    BOTH,
  ],
  minimum_packet_rate: [
    amount('min_kpps', 'The least, in 1,000 packets a second.'),
    direction(['egress', 'ingress', 'any']),
  ],
};

const mapOf = (type: QosRuleType, alias: '' | 'alias_'): AttributeMap =>
  attributeMap<QosRuleView>({
    singular: `${alias}${type}_rule`,
    plural: `${alias}${type}_rules`,
    path: alias === '' ? `${type}_rules` : `qos/alias-${type.replaceAll('_', '-')}-rules`,
    missing: { type: 'QosRuleNotFound', title: 'QoS rule' },
    attributes: [ID, ...OWN[type]],
  });

const maps = (alias: '' | 'alias_') =>
  Object.fromEntries(QOS_RULE_TYPES.map((type) => [type, mapOf(type, alias)])) as Record<
    QosRuleType,
    AttributeMap
  >;

/** As a collection below its policy, and (Neutron's alias) on its own. */
export const qosRuleMaps: Readonly<Record<QosRuleType, AttributeMap>> = maps('');
export const qosAliasMaps: Readonly<Record<QosRuleType, AttributeMap>> = maps('alias_');

/** The types of which Neutron has aliases. */
export const ALIASED: readonly QosRuleType[] = [
  'bandwidth_limit',
  'dscp_marking',
  'minimum_bandwidth',
  'minimum_packet_rate',
];

/** What the columns of a rule's view come to in the row. */
export function storedRule(
  values: Readonly<Record<string, unknown>>,
): Pick<QosRuleRow, 'direction' | 'parameters'> {
  const { direction: way = null, ...parameters } = values;
  return { direction: way as QosDirection | null, parameters };
}

/** The types that hosts carry out; of the others only what a policy asks for is told (`resource_request` of ports). */
export const ENFORCED: readonly QosRuleType[] = ['bandwidth_limit', 'dscp_marking', 'packet_rate_limit'];

/** Whether a port is the network's own (DHCP, routers), to which the policy of its network does not apply. */
export const isOfNetwork = (deviceOwner: string): boolean =>
  deviceOwner.startsWith('network:') || deviceOwner.startsWith('neutron:');

/** What a type's rules may say, as Neutron's details of rule types have it. */
export function parametersOf(type: QosRuleType): object[] {
  return OWN[type].map(({ name, type: { schema } }) => {
    const { enum: words, minimum: start, maximum: end } = schema as JsonSchema;
    return {
      parameter_name: name,
      ...(words === undefined
        ? { parameter_type: 'range', parameter_values: { start, end } }
        : { parameter_type: 'choices', parameter_values: words }),
    };
  });
}
