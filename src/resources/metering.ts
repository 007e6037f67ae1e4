/** Metering labels: names under which a project's traffic through its routers is counted, by rules (Neutron's extension metering). */
import { networkCidr } from './address-values.ts';
import { type AttributeOf, attributeMap } from './attribute.ts';
import { NAME, PROJECT, TENANT } from './standard-attributes.ts';
import { boolean, nullable, oneOf, text, uuid } from './values.ts';

export interface MeteringLabelRow {
  readonly id: string;
  readonly project_id: string;
  readonly name: string;
  readonly description: string;
  /** Of every project's routers. */
  readonly shared: boolean;
}

/** Traffic that counts under a label, or does not though another rule of it says so. */
export interface MeteringLabelRuleRow {
  readonly id: string;
  readonly metering_label_id: string;
  /** As the router sees it at its gateway: ingress comes in from outside. */
  readonly direction: 'ingress' | 'egress';
  readonly excluded: boolean;
  /** Outside; an older way to say it, which comes alone. */
  readonly remote_ip_prefix: string | null;
  readonly source_ip_prefix: string | null;
  readonly destination_ip_prefix: string | null;
}

const ID: AttributeOf<{ readonly id: string }> = {
  name: 'id',
  column: 'id',
  type: uuid,
  filter: true,
  sort: true,
  description: 'The id, chosen by the server.',
};

export const meteringLabelMap = attributeMap<MeteringLabelRow>({
  singular: 'metering_label',
  plural: 'metering_labels',
  path: 'metering/metering-labels',
  missing: { type: 'MeteringLabelNotFound', title: 'Metering label' },
  attributes: [
    ID,
    PROJECT,
    TENANT,
    {
      ...{ name: NAME.name, column: NAME.column, type: text(255), post: NAME.post, default: '' },
      ...{ filter: true, sort: true, description: NAME.description },
    },
    {
      name: 'description',
      column: 'description',
      type: text(1024),
      post: 'owner',
      default: '',
      filter: true,
      sort: true,
      description: 'For humans.',
    },
    {
      name: 'shared',
      column: 'shared',
      type: boolean,
      post: 'owner',
      default: false,
      filter: true,
      sort: true,
      description: "Whether it is of every project's routers.",
    },
  ],
});

const prefix = (
  name: 'remote_ip_prefix' | 'source_ip_prefix' | 'destination_ip_prefix',
  description: string,
): AttributeOf<MeteringLabelRuleRow> => ({
  ...{ name, column: name, type: nullable(networkCidr), description },
  ...{ post: 'owner', default: null, filter: true, sort: true },
});

export const meteringLabelRuleMap = attributeMap<MeteringLabelRuleRow>({
  singular: 'metering_label_rule',
  plural: 'metering_label_rules',
  path: 'metering/metering-label-rules',
  missing: { type: 'MeteringLabelRuleNotFound', title: 'Metering label rule' },
  attributes: [
    ID,
    // some clients name the project; it is the label's
    {
      ...{ name: PROJECT.name, column: null, type: PROJECT.type, post: PROJECT.post },
      see: 'nobody',
      description: 'Not kept: it is of its label.',
    },
    {
      name: 'metering_label_id',
      column: 'metering_label_id',
      type: uuid,
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'The label.',
    },
    {
      name: 'direction',
      column: 'direction',
      type: oneOf(['ingress', 'egress']),
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'Which traffic: what comes in from outside, or goes out.',
    },
    {
      name: 'excluded',
      column: 'excluded',
      type: boolean,
      post: 'owner',
      default: false,
      filter: true,
      sort: true,
      description: 'Whether such traffic does not count.',
    },
    prefix('remote_ip_prefix', 'Outside; it comes alone.'),
    prefix('source_ip_prefix', 'From where.'),
    prefix('destination_ip_prefix', 'To where.'),
  ],
});
