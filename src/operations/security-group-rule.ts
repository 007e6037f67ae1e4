/** Rules of security groups. Who owns the group makes and deletes them, under its lock; each moves the group's revision. */
import { missingFault } from '../resources/attribute.ts';
import { addressGroupMap } from '../resources/address-group.ts';
import { Fault } from '../resources/errors.ts';
import { securityGroupMap, type SecurityGroupRow } from '../resources/security-group.ts';
import { securityGroupRuleMap, type SecurityGroupRuleRow } from '../resources/security-group-rule.ts';
import {
  ForeignKeyViolation,
  type ListQuery,
  RunAgain,
  type Tables,
  type Transaction,
} from '../store/store.ts';
import { addressGroups } from './address-group.ts';
import { forbidden } from './faults.ts';
import type { Call } from './operation.ts';
import { seesRow } from './plain.ts';
import { checkQuota } from './quota.ts';
import { completeRule, ruleKey, type RuleMatch } from './rule-checks.ts';
import { securityGroups } from './security-group.ts';
import {
  checkRevision,
  type DeleteRequest,
  mayChange,
  newAttributes,
  owns,
  type StandardCreate,
  touched,
} from './standard.ts';

/** As a client names one: the attribute map has filled in what it left out. */
export type RuleCreate = RuleMatch & StandardCreate & { readonly security_group_id: string };

const ruleRow = (call: Call, asked: RuleCreate): SecurityGroupRuleRow =>
  completeRule({
    ...newAttributes(call, asked),
    security_group_id: asked.security_group_id,
    direction: asked.direction,
    ethertype: asked.ethertype,
    protocol: asked.protocol,
    port_range_min: asked.port_range_min,
    port_range_max: asked.port_range_max,
    remote_ip_prefix: asked.remote_ip_prefix,
    remote_group_id: asked.remote_group_id,
    remote_address_group_id: asked.remote_address_group_id,
  });

/** The one group of all these rules. */
function groupIdOf(rules: readonly SecurityGroupRuleRow[]): string {
  const [first = '', ...others] = new Set(rules.map(({ security_group_id }) => security_group_id));
  if (others.length > 0)
    throw new Fault(
      'SecurityGroupNotSingleGroupRules',
      'Only allowed to update rules for one security profile at a time',
    );
  if (new Set(rules.map(({ project_id }) => project_id)).size > 1)
    throw new Fault(
      'SecurityGroupRulesNotSingleProject',
      'Multiple tenant_ids in bulk security group rule create not allowed',
    );
  return first;
}

/** Refuses remote groups that are not there for the caller. */
async function checkRemotes(
  tx: Transaction,
  call: Call,
  rules: readonly SecurityGroupRuleRow[],
): Promise<void> {
  for (const id of new Set(rules.map(({ remote_group_id }) => remote_group_id))) {
    if (id === null) continue;
    const group = await tx.securityGroups.get({ id });
    if (!group || !(await seesRow(tx, { it: securityGroups, call }, group)))
      throw missingFault(securityGroupMap, id);
  }
  for (const id of new Set(rules.map(({ remote_address_group_id }) => remote_address_group_id))) {
    if (id === null) continue;
    const group = await tx.addressGroups.get({ id });
    if (!group || !(await seesRow(tx, { it: addressGroups, call }, group)))
      throw missingFault(addressGroupMap, id);
  }
}

/** The group, locked for a change of its rules by the caller. */
async function lockGroup(
  tx: Transaction,
  call: Call,
  { id, rule }: { readonly id: string; readonly rule: string },
): Promise<SecurityGroupRow> {
  const [group] = await tx.securityGroups.lock({ id });
  if (!group || !(await seesRow(tx, { it: securityGroups, call }, group)))
    throw missingFault(securityGroupMap, id);
  if (!mayChange(call, group)) throw forbidden(rule);
  return group;
}

async function checkNew(
  tx: Transaction,
  group: SecurityGroupRow,
  rules: readonly SecurityGroupRuleRow[],
): Promise<void> {
  const keys = new Set(rules.map(ruleKey));
  if (keys.size < rules.length)
    throw new Fault('DuplicateSecurityGroupRuleInPost', 'Duplicate Security Group Rule in POST.');
  const present = await tx.securityGroupRules.find({ security_group_id: group.id });
  const same = present.find((rule) => keys.has(ruleKey(rule)));
  if (!same) return;
  const message = `Security group rule already exists. Rule id is ${same.id}.`;
  throw new Fault('SecurityGroupRuleExists', message);
}

/** Creates all or none, all of them of one group. */
export async function createRules(
  tx: Transaction,
  call: Call,
  asked: readonly RuleCreate[],
): Promise<SecurityGroupRuleRow[]> {
  const rules = asked.map((one) => ruleRow(call, one));
  const id = groupIdOf(rules);
  await checkQuota(tx, call, { resource: 'security_group_rule', rows: rules });
  await checkRemotes(tx, call, rules);
  const group = await lockGroup(tx, call, { id, rule: 'create_security_group_rule' });
  await checkNew(tx, group, rules);
  try {
    await tx.securityGroupRules.insert(rules);
  } catch (error) {
    // A remote one went meanwhile: the next run does not find it.
    if (error instanceof ForeignKeyViolation) throw new RunAgain();
    throw error;
  }
  await tx.securityGroups.update({ id }, touched(call, group));
  return rules;
}

const ownGroupIds = async (tables: Tables, call: Call): Promise<string[]> =>
  (await tables.securityGroups.find({ project_id: call.caller.projectId })).map(({ id }) => id);

/** The rule, if it is the caller's own or of a group of theirs. */
export async function showRule(tables: Tables, call: Call, id: string): Promise<SecurityGroupRuleRow> {
  const rule = await tables.securityGroupRules.get({ id });
  if (!rule) throw missingFault(securityGroupRuleMap, id);
  if (owns(call, rule)) return rule;
  const group = await tables.securityGroups.get({ id: rule.security_group_id });
  if (!group || !owns(call, group)) throw missingFault(securityGroupRuleMap, id);
  return rule;
}

export async function listRules(
  tables: Tables,
  call: Call,
  query: ListQuery<SecurityGroupRuleRow>,
): Promise<SecurityGroupRuleRow[]> {
  if (call.caller.isAdmin) return tables.securityGroupRules.list(query);
  return tables.securityGroupRules.list({
    ...query,
    anyOf: [
      { column: 'project_id', operator: 'in', values: [call.caller.projectId] },
      { column: 'security_group_id', operator: 'in', values: await ownGroupIds(tables, call) },
    ],
  });
}

export async function removeRule(tx: Transaction, call: Call, { id, ifMatch }: DeleteRequest): Promise<void> {
  const found = await showRule(tx, call, id);
  const group = await lockGroup(tx, call, {
    id: found.security_group_id,
    rule: 'delete_security_group_rule',
  });
  checkRevision(found, ifMatch);
  const removed = await tx.securityGroupRules.remove({ id });
  if (removed.length === 0) throw missingFault(securityGroupRuleMap, id);
  await tx.securityGroups.update({ id: group.id }, touched(call, group));
}
