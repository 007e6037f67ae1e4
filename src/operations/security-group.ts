/**
 * Security groups. Each project has a default group, made when it is first needed: when groups or rules are listed, and
 * before its networks, ports and other groups. A unique key of the row sees to it that there is one.
 */
import { Fault } from '../resources/errors.ts';
import { DEFAULT_GROUP, securityGroupMap, type SecurityGroupRow } from '../resources/security-group.ts';
import type { SecurityGroupRuleRow } from '../resources/security-group-rule.ts';
import { RunAgain, type Tables, type Transaction, UniqueViolation } from '../store/store.ts';
import type { Call } from './operation.ts';
import { type Change, changeRow, createRows, type Plain, plainOperations } from './plain.ts';
import { checkQuota } from './quota.ts';
import { newAttributes, type UpdateRequest } from './standard.ts';

const ETHERTYPES = ['IPv4', 'IPv6'] as const;

export const groupInUse = (id: string): Fault =>
  new Fault('SecurityGroupInUse', `Security Group ${id} in use.`);

const isDefaultName = (name: string): boolean => name.toLowerCase() === DEFAULT_GROUP;

const hasPorts = async (tables: Tables, id: string): Promise<boolean> =>
  (await tables.portSecurityGroups.count({ security_group_id: id })) > 0;

async function check(tx: Transaction, { before, after }: Change<SecurityGroupRow>): Promise<void> {
  if (after.name !== before?.name && after.default_of === null && isDefaultName(after.name))
    throw new Fault('SecurityGroupDefaultAlreadyExists', 'Default security group already exists.');
  if (before && before.stateful !== after.stateful && (await hasPorts(tx, after.id)))
    throw groupInUse(after.id);
}

async function checkUnused(tx: Transaction, call: Call, group: SecurityGroupRow): Promise<void> {
  if (await hasPorts(tx, group.id)) throw groupInUse(group.id);
  if (group.default_of === null || call.caller.isAdmin) return;
  throw new Fault(
    'SecurityGroupCannotRemoveDefault',
    'Insufficient rights for removing default security group.',
  );
}

export const securityGroups: Plain<SecurityGroupRow> = {
  map: securityGroupMap,
  table: 'securityGroups',
  quota: 'security_group',
  shared: 'shared',
  complete: (row) => ({ ...row, default_of: row.default_of ?? null }),
  check: (tx, _call, change) => check(tx, change),
  checkUnused,
};

/** What every new group lets through: all that goes out, and into a default one all that comes from ports in it. */
function firstRules(call: Call, group: SecurityGroupRow): SecurityGroupRuleRow[] {
  const rule = (ethertype: 'IPv4' | 'IPv6', rest: Partial<SecurityGroupRuleRow>): SecurityGroupRuleRow => ({
    ...newAttributes(call, { project_id: group.project_id }),
    ...{ security_group_id: group.id, direction: 'egress', ethertype, protocol: null },
    ...{ port_range_min: null, port_range_max: null },
    ...{ remote_ip_prefix: null, remote_group_id: null, remote_address_group_id: null },
    ...rest,
  });
  const out = ETHERTYPES.map((ethertype) => rule(ethertype, {}));
  if (group.default_of === null) return out;
  const inward = { direction: 'ingress', remote_group_id: group.id } as const;
  return [...ETHERTYPES.map((ethertype) => rule(ethertype, inward)), ...out];
}

const defaultGroup = (call: Call, project_id: string): SecurityGroupRow => ({
  ...newAttributes(call, { project_id, description: 'Default security group' }),
  ...{ name: DEFAULT_GROUP, stateful: true, default_of: project_id, shared: false },
});

/** Those of these projects whose default group the caller may have made, and which have none. */
export async function withoutDefaultGroup(
  tables: Tables,
  call: Call,
  projectIds: readonly string[],
): Promise<string[]> {
  return (await defaultGroups(tables, call, projectIds)).lacking;
}

async function defaultGroups(
  tables: Tables,
  call: Call,
  projectIds: readonly string[],
): Promise<{ present: SecurityGroupRow[]; lacking: string[] }> {
  const { isAdmin, projectId } = call.caller;
  const own = new Set(projectIds.filter((id) => id !== '' && (isAdmin || id === projectId)));
  const present = own.size === 0 ? [] : await tables.securityGroups.find({ default_of: [...own] });
  for (const { default_of } of present) own.delete(default_of as string);
  return { present, lacking: [...own] };
}

/** The ids of default groups, by project. */
export type DefaultGroups = ReadonlyMap<string | null, string>;

const byProject = (groups: readonly SecurityGroupRow[]): DefaultGroups =>
  new Map(groups.map(({ default_of, id }) => [default_of, id]));

/** Makes the default groups that these projects lack, and gives those of all of them; quotas do not hinder it. */
export async function ensureDefaultGroups(
  tx: Transaction,
  call: Call,
  projectIds: readonly string[],
): Promise<DefaultGroups> {
  const { present, lacking } = await defaultGroups(tx, call, projectIds);
  if (lacking.length === 0) return byProject(present);
  const groups = lacking.map((project) => defaultGroup(call, project));
  try {
    await tx.securityGroups.insert(groups);
  } catch (error) {
    // Another made one at the same moment: the next run finds it.
    if (error instanceof UniqueViolation && error.constraint === 'security_groups_default')
      throw new RunAgain();
    throw error;
  }
  await tx.securityGroupRules.insert(groups.flatMap((group) => firstRules(call, group)));
  return byProject([...present, ...groups]);
}

async function create(
  tx: Transaction,
  call: Call,
  asked: readonly Record<string, unknown>[],
): Promise<SecurityGroupRow[]> {
  await ensureDefaultGroups(
    tx,
    call,
    asked.map((one) => String(one['project_id'] ?? call.caller.projectId)),
  );
  const groups = await createRows(tx, { it: securityGroups, call }, asked);
  const rules = groups.flatMap((group) => firstRules(call, group));
  await checkQuota(tx, call, { resource: 'security_group_rule', rows: rules });
  await tx.securityGroupRules.insert(rules);
  return groups;
}

/** A default group keeps its name, also where a request says it anew. */
function update(
  tx: Transaction,
  call: Call,
  { changes, ...named }: UpdateRequest<Record<string, unknown>>,
): Promise<SecurityGroupRow> {
  const change = (group: SecurityGroupRow) => {
    if (group.default_of !== null && 'name' in changes)
      throw new Fault('SecurityGroupCannotUpdateDefault', 'Updating default security group not allowed.');
    return changes as Partial<SecurityGroupRow>;
  };
  return changeRow(tx, { it: securityGroups, call }, { ...named, change });
}

export const securityGroupOperations = { ...plainOperations(securityGroups), create, update };

/** The projects that have ports in the group. */
export async function projectsInGroup(tables: Tables, id: string): Promise<Set<string>> {
  const members = await tables.portSecurityGroups.find({ security_group_id: id });
  if (members.length === 0) return new Set();
  const ports = await tables.ports.find({ id: members.map(({ port_id }) => port_id) });
  return new Set(ports.map(({ project_id }) => project_id));
}

/** The rules of groups, by group. */
export async function rulesOfGroups(
  tables: Tables,
  ids: readonly string[],
): Promise<Map<string, SecurityGroupRuleRow[]>> {
  const rules = ids.length === 0 ? [] : await tables.securityGroupRules.find({ security_group_id: ids });
  return Map.groupBy(rules, ({ security_group_id }) => security_group_id);
}
