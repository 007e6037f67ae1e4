/** Metering labels and their rules: an admin's. */
import { overlaps, parseCidr } from '../ipam/address.ts';
import { Fault } from '../resources/errors.ts';
import type { MeteringLabelRow, MeteringLabelRuleRow } from '../resources/metering.ts';
import type { ListQuery, Tables, Transaction } from '../store/store.ts';
import { invalidInput } from './faults.ts';
import type { Call } from './operation.ts';
import type { DeleteRequest } from './standard.ts';

const labelNotFound = (id: string): Fault =>
  new Fault('MeteringLabelNotFound', `Metering label '${id}' does not exist.`);
const ruleNotFound = (id: string): Fault =>
  new Fault('MeteringLabelRuleNotFound', `Metering label rule '${id}' does not exist.`);

export async function createLabels(
  tx: Transaction,
  call: Call,
  asked: readonly Partial<MeteringLabelRow>[],
): Promise<MeteringLabelRow[]> {
  const rows = asked.map(({ project_id, name = '', description = '', shared = false }) => ({
    id: call.random.uuid(),
    project_id: project_id ?? call.caller.projectId,
    ...{ name, description, shared },
  }));
  await tx.meteringLabels.insert(rows);
  return rows;
}

export async function removeLabel(tx: Transaction, _call: Call, { id }: DeleteRequest): Promise<void> {
  if ((await tx.meteringLabels.remove({ id })).length === 0) throw labelNotFound(id);
}

export async function showLabel(tables: Tables, _call: Call, id: string): Promise<MeteringLabelRow> {
  const row = await tables.meteringLabels.get({ id });
  if (!row) throw labelNotFound(id);
  return row;
}

export const listLabels = (
  tables: Tables,
  _call: Call,
  query: ListQuery<MeteringLabelRow>,
): Promise<MeteringLabelRow[]> => tables.meteringLabels.list(query);

/** A rule says outside of the router, or from where to where: not both, not nothing. */
function checkPrefixes(rule: MeteringLabelRuleRow): void {
  const { remote_ip_prefix: remote, source_ip_prefix: source, destination_ip_prefix: destination } = rule;
  const both = source !== null || destination !== null;
  if (remote !== null && both)
    throw invalidInput('remote_ip_prefix cannot come with source_ip_prefix or destination_ip_prefix');
  if (remote === null && !both)
    throw invalidInput('one of remote_ip_prefix, source_ip_prefix and destination_ip_prefix is needed');
  const [one, other] = [source, destination].map((text) => (text === null ? undefined : parseCidr(text)));
  if (one && other && one.version !== other.version)
    throw invalidInput('source_ip_prefix and destination_ip_prefix are of different IP versions');
}

/** Of one label, direction and kind no two remote prefixes overlap, as in Neutron. */
function checkOverlap(rule: MeteringLabelRuleRow, others: readonly MeteringLabelRuleRow[]): void {
  const own = rule.remote_ip_prefix === null ? undefined : parseCidr(rule.remote_ip_prefix);
  const hit = others.some(({ direction, excluded, remote_ip_prefix }) => {
    const other = remote_ip_prefix === null ? undefined : parseCidr(remote_ip_prefix);
    const isAlike = direction === rule.direction && excluded === rule.excluded;
    return isAlike && own !== undefined && other?.version === own.version && overlaps(own, other);
  });
  if (!hit) return;
  const message = `Metering label rule with remote_ip_prefix '${rule.remote_ip_prefix}' overlaps another.`;
  throw new Fault('MeteringLabelRuleOverlaps', message);
}

export async function createLabelRules(
  tx: Transaction,
  call: Call,
  asked: readonly Partial<MeteringLabelRuleRow>[],
): Promise<MeteringLabelRuleRow[]> {
  const rows = asked.map(
    (one): MeteringLabelRuleRow => ({
      id: call.random.uuid(),
      metering_label_id: one.metering_label_id ?? '',
      direction: one.direction ?? 'ingress',
      excluded: one.excluded ?? false,
      remote_ip_prefix: one.remote_ip_prefix ?? null,
      source_ip_prefix: one.source_ip_prefix ?? null,
      destination_ip_prefix: one.destination_ip_prefix ?? null,
    }),
  );
  const labels = await tx.meteringLabels.lock({ id: [...new Set(rows.map((row) => row.metering_label_id))] });
  for (const row of rows) {
    const { metering_label_id: id } = row;
    if (!labels.some((label) => label.id === id)) throw labelNotFound(id);
    checkPrefixes(row);
    checkOverlap(row, await tx.meteringLabelRules.find({ metering_label_id: id }));
    await tx.meteringLabelRules.insert([row]);
  }
  return rows;
}

export async function removeLabelRule(tx: Transaction, _call: Call, { id }: DeleteRequest): Promise<void> {
  if ((await tx.meteringLabelRules.remove({ id })).length === 0) throw ruleNotFound(id);
}

export async function showLabelRule(tables: Tables, _call: Call, id: string): Promise<MeteringLabelRuleRow> {
  const row = await tables.meteringLabelRules.get({ id });
  if (!row) throw ruleNotFound(id);
  return row;
}

export const listLabelRules = (
  tables: Tables,
  _call: Call,
  query: ListQuery<MeteringLabelRuleRow>,
): Promise<MeteringLabelRuleRow[]> => tables.meteringLabelRules.list(query);
