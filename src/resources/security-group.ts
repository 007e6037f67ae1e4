import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, SHOWN_SHARED, standardHead, standardTail } from './standard-attributes.ts';
import { boolean, shown } from './values.ts';

/** A security group as stored. */
export interface SecurityGroupRow extends StandardAttributes {
  name: string;
  /** Whether what answers admitted traffic is admitted too. */
  stateful: boolean;
  /** The project whose default group it is, which each has one of; null for any other. */
  default_of: string | null;
  shared: boolean;
}

/** That a port is in a group. */
export interface PortSecurityGroupRow {
  readonly port_id: string;
  readonly security_group_id: string;
}

/** The name of each project's default group, and of no other, however it is written. */
export const DEFAULT_GROUP = 'default';

export const securityGroupMap = attributeMap<SecurityGroupRow>({
  singular: 'security_group',
  plural: 'security_groups',
  missing: { type: 'SecurityGroupNotFound', title: 'Security group' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'stateful',
      column: 'stateful',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      sort: true,
      description:
        'Whether what answers admitted traffic is admitted too. Stays as it is while ports are in it.',
    },
    {
      name: 'security_group_rules',
      column: null,
      type: shown({ type: 'array', items: { type: 'object' } }),
      description: 'What it lets in and out: all that no rule names is dropped.',
    },
    SHOWN_SHARED,
    ...standardTail,
  ],
});
