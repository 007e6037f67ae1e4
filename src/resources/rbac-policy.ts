import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { identityHead } from './standard-attributes.ts';
import { oneOf, text, uuid, type ValueType } from './values.ts';

/** The target that stands for every project. */
export const EVERY_PROJECT = '*';

/** Another project's, or every project's, access to one object of its owner. */
export interface RbacPolicyRow extends StandardAttributes {
  /** The singular of the object's attribute map. */
  readonly object_type: string;
  readonly object_id: string;
  readonly action: 'access_as_shared' | 'access_as_external';
  target_tenant: string;
}

/** What can be shared with single projects, by `object_type`. */
export const SHAREABLE = [
  'address_group',
  'address_scope',
  'network',
  'qos_policy',
  'security_group',
  'subnetpool',
] as const;
export type Shareable = (typeof SHAREABLE)[number];

const project = text(255);
const target: ValueType = {
  ...project,
  read: (value) => (value === '' ? { reason: "'' is not the id of a project" } : project.read(value)),
};

/** Without description, revision, times and tags, as Neutron shows it. */
export const rbacPolicyMap = attributeMap<RbacPolicyRow>({
  singular: 'rbac_policy',
  plural: 'rbac_policies',
  missing: { type: 'RbacPolicyNotFound', title: 'RBAC policy' },
  attributes: [
    ...identityHead,
    {
      name: 'object_type',
      column: 'object_type',
      type: oneOf(SHAREABLE),
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'What kind of object is shared.',
    },
    {
      name: 'object_id',
      column: 'object_id',
      type: uuid,
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'The object.',
    },
    {
      name: 'action',
      column: 'action',
      type: oneOf(['access_as_shared', 'access_as_external']),
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'What the target may do with it: use it, or go out by it (a network).',
    },
    {
      name: 'target_tenant',
      column: 'target_tenant',
      type: target,
      post: 'admin',
      put: 'admin',
      limitedTo: /^\*$/,
      required: true,
      filter: true,
      sort: true,
      description: 'The project that it is shared with; * for every project, which only an admin may say.',
    },
  ],
});
