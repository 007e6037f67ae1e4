/** What the firewall of a port is made of, as the L2 agent of its host names it in reports: the groups that hosts hear of it. */
import { addressGroupGroup, type Group, membersGroup, securityGroupGroup } from '../resources/agent-view.ts';
import type { PortRow } from '../resources/port.ts';
import type { SecurityGroupRuleRow } from '../resources/security-group-rule.ts';
import type { Tables } from '../store/store.ts';

const NOTHING: ReadonlySet<Group> = new Set();

/** By port: its security groups, and the remotes that their rules name. */
export async function firewallKeysOf(
  tables: Tables,
  ports: readonly PortRow[],
): Promise<(portId: string) => ReadonlySet<Group>> {
  const secured = ports.filter((port) => port.port_security_enabled).map((port) => port.id);
  const rows = secured.length === 0 ? [] : await tables.portSecurityGroups.find({ port_id: secured });
  if (rows.length === 0) return () => NOTHING;
  const ids = [...new Set(rows.map((row) => row.security_group_id))];
  const rules = Map.groupBy(
    await tables.securityGroupRules.find({ security_group_id: ids }),
    (rule) => rule.security_group_id,
  );
  const keys = new Map(
    ids.map((id) => [id, [securityGroupGroup(id), ...(rules.get(id) ?? []).flatMap(remotesOf)]]),
  );
  const groups = Map.groupBy(rows, (row) => row.port_id);
  return (portId) =>
    new Set((groups.get(portId) ?? []).flatMap(({ security_group_id: id }) => keys.get(id) ?? []));
}

function remotesOf({ remote_group_id, remote_address_group_id }: SecurityGroupRuleRow): Group[] {
  if (remote_group_id !== null) return [membersGroup(remote_group_id)];
  return remote_address_group_id === null ? [] : [addressGroupGroup(remote_address_group_id)];
}
