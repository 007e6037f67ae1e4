import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, SHARED, standardHead, standardTail } from './standard-attributes.ts';
import { boolean, nullable, shown, uuid } from './values.ts';

/** A QoS policy as stored: a name for rules of quality of service; `qos-rule.ts` has its rules. */
export interface QosPolicyRow extends StandardAttributes {
  name: string;
  is_default: boolean;
  /** Its project, if it is that project's default, else null: a unique key. */
  default_of: string | null;
  readonly shared: boolean;
}

export const qosPolicyMap = attributeMap<QosPolicyRow>({
  singular: 'policy',
  plural: 'policies',
  path: 'qos/policies',
  missing: { type: 'QosPolicyNotFound', title: 'QoS policy' },
  attributes: [
    ...standardHead,
    NAME,
    SHARED,
    {
      name: 'is_default',
      column: 'is_default',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: false,
      filter: true,
      description: 'Whether new networks of its project that name none have it.',
    },
    {
      name: 'rules',
      column: null,
      type: shown({ type: 'array', items: { type: 'object' } }),
      description: 'Its rules, each with its type.',
    },
    ...standardTail,
  ],
});

/** `qos_policy_id` of what can have a policy. */
export const qosPolicyId = (description: string) =>
  ({
    name: 'qos_policy_id',
    column: 'qos_policy_id',
    type: nullable(uuid),
    post: 'owner',
    put: 'owner',
    default: null,
    description,
  }) as const;
