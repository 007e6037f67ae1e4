/** Security groups, as schema.ts has the other tables. */
import {
  addressGroupGroup,
  hostGroup,
  membersGroup,
  type Ref,
  securityGroupGroup,
} from '../../resources/agent-view.ts';
import type { AnyRow } from './rows.ts';
import { define, ref } from './table-schema.ts';

export const memberRef = ({ security_group_id, port_id }: AnyRow): Ref =>
  ref(membersGroup(security_group_id as string), 'member', port_id);

export const addressGroups = define('addressGroups', 'address_groups', ['id'], {
  seen: ['addresses'],
  hint: ({ id }) => ({ refs: [ref(addressGroupGroup(id as string), 'address-group', id)], hosts: [] }),
});

export const securityGroups = define('securityGroups', 'security_groups', ['id'], {
  uniques: [{ constraint: 'security_groups_default', columns: ['default_of'] }],
  seen: ['stateful'],
  hint: ({ id }) => ({ refs: [ref(securityGroupGroup(id as string), 'security-group', id)], hosts: [] }),
});

export const securityGroupRules = define('securityGroupRules', 'security_group_rules', ['id'], {
  foreignKeys: [
    {
      constraint: 'security_group_rules_group',
      column: 'security_group_id',
      parent: 'securityGroups',
      cascade: true,
    },
    {
      constraint: 'security_group_rules_remote',
      column: 'remote_group_id',
      parent: 'securityGroups',
      cascade: true,
    },
    {
      constraint: 'security_group_rules_address_group',
      column: 'remote_address_group_id',
      parent: 'addressGroups',
      cascade: false,
    },
  ],
  seen: [
    ...['security_group_id', 'direction', 'ethertype', 'protocol', 'port_range_min', 'port_range_max'],
    ...['remote_ip_prefix', 'remote_group_id', 'remote_address_group_id'],
  ],
  hint: ({ security_group_id, remote_group_id, remote_address_group_id }) => {
    const group = securityGroupGroup(security_group_id as string);
    const hasRemote = remote_group_id !== null || remote_address_group_id !== null;
    return { refs: [ref(group, 'security-group', security_group_id)], hosts: hasRemote ? [group] : [] };
  },
});

export const portSecurityGroups = define(
  'portSecurityGroups',
  'port_security_groups',
  ['port_id', 'security_group_id'],
  {
    foreignKeys: [
      { constraint: 'port_security_groups_port', column: 'port_id', parent: 'ports', cascade: true },
      {
        constraint: 'port_security_groups_group',
        column: 'security_group_id',
        parent: 'securityGroups',
        cascade: false,
      },
    ],
    hint: (row, look) => {
      const bound = look('ports', { id: row.port_id }).filter(({ host }) => host !== '');
      return {
        refs: [memberRef(row), ...bound.map(({ id, host }) => ref(hostGroup(host as string), 'port', id))],
        hosts: bound.map(({ host }) => host as string),
      };
    },
  },
);
