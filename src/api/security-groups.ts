/** Security groups and their rules: their attribute maps joined to their operations. */
import { normalizedCidr } from '../operations/rule-checks.ts';
import {
  ensureDefaultGroups,
  rulesOfGroups,
  securityGroupOperations,
  withoutDefaultGroup,
} from '../operations/security-group.ts';
import {
  createRules,
  listRules,
  removeRule,
  type RuleCreate,
  showRule,
} from '../operations/security-group-rule.ts';
import { securityGroupMap, type SecurityGroupRow } from '../resources/security-group.ts';
import { securityGroupRuleMap, type SecurityGroupRuleRow } from '../resources/security-group-rule.ts';
import { collection, type Operations } from './collection.ts';
import { bodyMaker, type Computed, type Row } from './view.ts';

/** A project finds its default group in the first list already. An admin who asks by project means that one. */
const beforeList: NonNullable<Operations<Row>['beforeList']> = async (tables, call, { filters }) => {
  const named = filters.find(({ column }) => column === 'project_id')?.values[0];
  const project = typeof named === 'string' && named.length <= 255 ? named : call.caller.projectId;
  const lacking = await withoutDefaultGroup(tables, call, [project]);
  return lacking.length === 0 ? undefined : async (tx) => void (await ensureDefaultGroups(tx, call, lacking));
};

const ofRule: Computed = (row) => ({
  normalized_cidr: normalizedCidr(row as unknown as SecurityGroupRuleRow),
});

export const securityGroupCollection = collection<SecurityGroupRow>(securityGroupMap, {
  ...securityGroupOperations,
  beforeList,
  async compute(tables, call, groups) {
    const toBody = bodyMaker(securityGroupRuleMap, call.caller, []);
    const rules = await rulesOfGroups(
      tables,
      groups.map(({ id }) => id),
    );
    return ({ id }) => ({
      security_group_rules: (rules.get(id) ?? []).map((rule) => toBody({ ...rule }, ofRule)),
    });
  },
});

export const securityGroupRuleCollection = collection<SecurityGroupRuleRow>(
  securityGroupRuleMap,
  {
    table: 'securityGroupRules',
    create: (tx, call, rows) => createRules(tx, call, rows as unknown as readonly RuleCreate[]),
    remove: removeRule,
    show: showRule,
    list: listRules,
    beforeList,
    compute: () => Promise.resolve((rule) => ({ normalized_cidr: normalizedCidr(rule) })),
  },
  { wholeOwner: 'sg_owner' },
);
