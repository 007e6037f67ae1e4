/** Security groups, their members and address groups as agents see them: part of agent-objects.ts. */
import {
  addressGroupBody,
  addressGroupGroup,
  type Body,
  type Group,
  memberBody,
  membersGroup,
  type Ref,
  securityGroupBody,
  securityGroupGroup,
  splitKey,
  splitRef,
} from '../resources/agent-view.ts';
import type { PortRow } from '../resources/port.ts';
import type { PortSecurityGroupRow } from '../resources/security-group.ts';
import type { View } from './store.ts';

type Put = (group: Group, key: string, body: Body) => void;

/** The ids of the security groups that each of these ports is in. */
export async function securityGroupsOf(
  view: View,
  ports: readonly PortRow[],
): Promise<(portId: string) => readonly string[]> {
  const ids = ports.filter((port) => port.port_security_enabled).map((port) => port.id);
  const rows = ids.length === 0 ? [] : await view.portSecurityGroups.find({ port_id: ids });
  const found = Map.groupBy(rows, (row) => row.port_id);
  return (portId) => (found.get(portId) ?? []).map((row) => row.security_group_id);
}

async function putRules(view: View, ids: readonly string[], put: Put): Promise<void> {
  if (ids.length === 0) return;
  const rules = Map.groupBy(
    await view.securityGroupRules.find({ security_group_id: ids }),
    (rule) => rule.security_group_id,
  );
  for (const row of await view.securityGroups.find({ id: ids })) {
    const name = securityGroupGroup(row.id);
    put(name, name, securityGroupBody(row, rules.get(row.id) ?? []));
  }
}

async function putAddresses(view: View, ids: readonly string[], put: Put): Promise<void> {
  if (ids.length === 0) return;
  for (const row of await view.addressGroups.find({ id: ids })) {
    const name = addressGroupGroup(row.id);
    put(name, name, addressGroupBody(row));
  }
}

async function putMembers(view: View, rows: readonly PortSecurityGroupRow[], put: Put): Promise<void> {
  if (rows.length === 0) return;
  const ports = await view.ports.find({ id: [...new Set(rows.map((row) => row.port_id))] });
  const bodies = new Map(ports.map((port) => [port.id, memberBody(port)]));
  for (const { port_id, security_group_id } of rows) {
    const body = bodies.get(port_id);
    if (body) put(membersGroup(security_group_id), `member/${port_id}`, body);
  }
}

const idsOf = (groups: Iterable<Group>, kind: string): string[] =>
  [...new Set(groups)].map(splitKey).flatMap((one) => (one.kind === kind ? [one.id] : []));

/** Whole groups. */
export async function putSecurityGroups(view: View, names: readonly Group[], put: Put): Promise<void> {
  await putRules(view, idsOf(names, 'security-group'), put);
  await putAddresses(view, idsOf(names, 'address-group'), put);
  const security_group_id = idsOf(names, 'members');
  if (security_group_id.length === 0) return;
  await putMembers(view, await view.portSecurityGroups.find({ security_group_id }), put);
}

/** Some objects. */
export async function putSecurityObjects(view: View, refs: readonly Ref[], put: Put): Promise<void> {
  const all = refs.map(splitRef);
  const groups = all.map(({ group }) => group);
  await putRules(view, idsOf(groups, 'security-group'), put);
  await putAddresses(view, idsOf(groups, 'address-group'), put);
  const security_group_id = idsOf(groups, 'members');
  const port_id = idsOf(
    all.map(({ key }) => key),
    'member',
  );
  if (security_group_id.length === 0 || port_id.length === 0) return;
  await putMembers(view, await view.portSecurityGroups.find({ security_group_id, port_id }), put);
}
