/** The rules of QoS policies. Whoever sees the policy sees them; admins write them, under the policy's lock. */
import { missingFault } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { type QosPolicyRow, qosPolicyMap } from '../resources/qos-policy.ts';
import {
  QOS_RULE_TYPES,
  type QosRuleRow,
  type QosRuleType,
  type QosRuleView,
  storedRule,
  viewOfRule,
} from '../resources/qos-rule.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { forbidden } from './faults.ts';
import type { Call } from './operation.ts';
import { showRow } from './plain.ts';
import { checkSupported, qosPolicies } from './qos-policy.ts';
import { touched } from './standard.ts';

export interface RulesRequest {
  readonly type: QosRuleType;
  readonly policyId: string;
}

/** `policyId` absent: by the alias, whatever its policy is. */
export interface RuleRequest {
  readonly type: QosRuleType;
  readonly policyId?: string;
  readonly id: string;
}

const ruleNotFound = ({ id, policyId }: RuleRequest): Fault =>
  new Fault('QosRuleNotFound', `QoS rule ${id} for policy ${policyId ?? 'None'} could not be found.`);

/** The rules of one type, of a policy that the caller sees. */
export async function listRules(
  tables: Tables,
  call: Call,
  { type, policyId }: RulesRequest,
): Promise<QosRuleView[]> {
  await showRow(tables, { it: qosPolicies, call }, policyId);
  return (await tables.qosRules.find({ qos_policy_id: policyId, type })).map(viewOfRule);
}

async function findRule(tables: Tables, call: Call, asked: RuleRequest): Promise<QosRuleRow> {
  const { id, type, policyId } = asked;
  if (policyId !== undefined) await showRow(tables, { it: qosPolicies, call }, policyId);
  const found = await tables.qosRules.get({ id, type });
  if (!found || (policyId !== undefined && found.qos_policy_id !== policyId)) throw ruleNotFound(asked);
  if (policyId === undefined) await showRow(tables, { it: qosPolicies, call }, found.qos_policy_id);
  return found;
}

export async function showRule(tables: Tables, call: Call, asked: RuleRequest): Promise<QosRuleView> {
  return viewOfRule(await findRule(tables, call, asked));
}

/** Two rules of one type where one of them leaves no room for the other: the same direction, or one for both. */
function excludes(one: QosRuleRow, other: QosRuleRow): boolean {
  if (one.type !== other.type || one.id === other.id) return false;
  return one.direction === other.direction || one.direction === 'any' || other.direction === 'any';
}

/** A rule that asks for more than another lets through. */
function contradicts(rule: QosRuleRow, other: QosRuleRow): boolean {
  if (rule.direction !== other.direction) return false;
  const [{ min_kbps, max_kbps }, its] = [rule.parameters, other.parameters];
  if (min_kbps !== undefined && its.max_kbps !== undefined) return its.max_kbps < min_kbps;
  return max_kbps !== undefined && its.min_kbps !== undefined && its.min_kbps > max_kbps;
}

/** The ports and networks that have the policy take a rule that asks for bandwidth only on physical networks. */
async function checkHolders(tx: Transaction, { type, qos_policy_id }: QosRuleRow): Promise<void> {
  if (type !== 'minimum_bandwidth') return;
  const own = await tx.networks.find({ qos_policy_id });
  const byNetwork = own.length === 0 ? [] : await tx.ports.find({ network_id: own.map(({ id }) => id) });
  const ports = [...(await tx.ports.find({ qos_policy_id })), ...byNetwork];
  if (ports.length === 0) return;
  const networks = await tx.networks.find({ id: [...new Set(ports.map((port) => port.network_id))] });
  const portsOf = Map.groupBy(ports, (port) => port.network_id);
  for (const network of networks) await checkSupported(tx, network, portsOf.get(network.id) ?? []);
}

async function checkBeside(tx: Transaction, rule: QosRuleRow): Promise<void> {
  for (const other of await tx.qosRules.find({ qos_policy_id: rule.qos_policy_id })) {
    if (excludes(rule, other)) {
      const which = `rule ${other.id} which already exists in QoS Policy ${rule.qos_policy_id}`;
      throw new Fault('QoSRulesConflict', `Rule ${rule.type} conflicts with ${which}.`);
    }
    if (!contradicts(rule, other)) continue;
    const value = rule.parameters.max_kbps ?? rule.parameters.min_kbps;
    const has = other.parameters.max_kbps ?? other.parameters.min_kbps;
    const why = `as the existing rule of type ${other.type} has value ${has}`;
    const message = `Unable to add the rule with value ${value} to the policy ${rule.qos_policy_id} ${why}.`;
    throw new Fault('QoSRuleParameterConflict', message);
  }
}

async function lockPolicy(tx: Transaction, id: string): Promise<QosPolicyRow> {
  const [policy] = await tx.qosPolicies.lock({ id });
  if (!policy) throw missingFault(qosPolicyMap, id);
  return policy;
}

/** A changed rule is a changed policy. */
async function touchPolicy(tx: Transaction, call: Call, policy: QosPolicyRow): Promise<void> {
  await tx.qosPolicies.update({ id: policy.id }, touched(call, policy));
}

/** Throws a Fault for who is no admin. */
export function mayCreateRule(call: Call, type: QosRuleType): void {
  if (!call.caller.isAdmin && !call.permitted) throw forbidden(`create_policy_${type}_rule`);
}

export async function createRule(
  tx: Transaction,
  call: Call,
  { type, policyId, values }: RulesRequest & { readonly values: Readonly<Record<string, unknown>> },
): Promise<QosRuleView> {
  mayCreateRule(call, type);
  const policy = await lockPolicy(tx, policyId);
  const rule = { id: call.random.uuid(), qos_policy_id: policyId, type, ...storedRule(values) };
  await checkBeside(tx, rule);
  await tx.qosRules.insert([rule]);
  // looks at what the policy then says
  await checkHolders(tx, rule);
  await touchPolicy(tx, call, policy);
  return viewOfRule(rule);
}

/** The rule for a change, with its policy locked. */
async function lockRule(
  tx: Transaction,
  call: Call,
  { verb, ...asked }: RuleRequest & { readonly verb: 'update' | 'delete' },
): Promise<{ policy: QosPolicyRow; rule: QosRuleRow }> {
  const found = await findRule(tx, call, asked);
  const of = asked.policyId === undefined ? 'alias' : 'policy';
  if (!call.caller.isAdmin && !call.permitted) throw forbidden(`${verb}_${of}_${asked.type}_rule`);
  const policy = await lockPolicy(tx, found.qos_policy_id);
  const rule = await tx.qosRules.get({ id: asked.id });
  if (!rule) throw ruleNotFound(asked);
  return { policy, rule };
}

export async function updateRule(
  tx: Transaction,
  call: Call,
  { changes, ...asked }: RuleRequest & { readonly changes: Readonly<Record<string, unknown>> },
): Promise<QosRuleView> {
  const { policy, rule } = await lockRule(tx, call, { ...asked, verb: 'update' });
  const { id: _id, ...is } = viewOfRule(rule);
  const after: QosRuleRow = { ...rule, ...storedRule({ ...is, ...changes }) };
  await checkBeside(tx, after);
  await tx.qosRules.update({ id: rule.id }, { direction: after.direction, parameters: after.parameters });
  await touchPolicy(tx, call, policy);
  return viewOfRule(after);
}

export async function deleteRule(tx: Transaction, call: Call, asked: RuleRequest): Promise<void> {
  const { policy, rule } = await lockRule(tx, call, { ...asked, verb: 'delete' });
  await tx.qosRules.remove({ id: rule.id });
  await touchPolicy(tx, call, policy);
}

/** The rules of policies, each policy's by type. */
export async function rulesOf(
  tables: Tables,
  policyIds: readonly string[],
): Promise<Map<string, QosRuleRow[]>> {
  const ids = [...new Set(policyIds)];
  const rows = ids.length === 0 ? [] : await tables.qosRules.find({ qos_policy_id: ids });
  const place = (row: QosRuleRow) => QOS_RULE_TYPES.indexOf(row.type);
  rows.sort((a, b) => place(a) - place(b));
  return Map.groupBy(rows, (row) => row.qos_policy_id);
}
