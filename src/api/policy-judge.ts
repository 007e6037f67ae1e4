/**
 * Where a policy file says something of a verb: what it says of the row that is asked about. As in Neutron, what the caller may not get
 * is not there (404, and not in lists), and what it may get and not change is forbidden (403). A file gives nobody sight of
 * what its project does not own and nobody shares with it.
 */
import type { Call, Caller } from '../operations/operation.ts';
import { missingFault, type ReadBody } from '../resources/attribute.ts';
import type { Tables } from '../store/store.ts';
import type { Collection } from './collection.ts';
import { forbidden, mayPass } from './policy.ts';
import { type AboutRow, type Read, targetFor } from './policy-target.ts';
import type { Row } from './view.ts';

const getRule = ({ map }: Collection): string => `get_${map.singular}`;

const changes = (caller: Caller, ...rules: string[]): boolean =>
  !caller.isAdmin && rules.some((rule) => caller.overrides?.changes(rule));

/** Whether it is hidden from the caller as a whole, being for admins, and no file lets the caller pass this rule. */
export const isHidden = (it: Collection, caller: Caller, rule = getRule(it)): boolean =>
  it.adminOnly && !caller.isAdmin && !mayPass(caller, rule);

/** Whether single rows may be hidden from the caller by a file. */
export const mayHideRows = (it: Collection, caller: Caller): boolean => changes(caller, getRule(it));

/** Those of the rows, which the caller sees, that it may get. */
export async function readableRows<AnyRow extends Row>(
  tables: Tables,
  call: Call,
  { it, rows }: { readonly it: Collection; readonly rows: readonly AnyRow[] },
): Promise<readonly AnyRow[]> {
  if (!mayHideRows(it, call.caller)) return rows;
  const read: Read = new Map();
  const kept: AnyRow[] = [];
  for (const row of rows)
    if (await allows(tables, call, { rule: getRule(it), map: it.map, row, read })) kept.push(row);
  return kept;
}

async function allows(
  tables: Tables,
  call: Call,
  asked: AboutRow & { readonly rule: string },
): Promise<boolean> {
  return call.caller.overrides?.allows(asked.rule, await targetFor(tables, call, asked)) ?? false;
}

/** Throws the fault of one that is not there, unless the caller may get the row, which it sees. */
export async function mustGet(
  tables: Tables,
  call: Call,
  { it, row }: { readonly it: Collection; readonly row: Row },
): Promise<void> {
  if ((await readableRows(tables, call, { it, rows: [row] })).length === 0)
    throw missingFault(it.map, row.id);
}

/** Throws the fault of one that is not there, unless the caller sees one of that id and may get it. */
export async function mustGetById(
  tables: Tables,
  call: Call,
  { it, id }: { readonly it: Collection; readonly id: string },
): Promise<void> {
  if (mayHideRows(it, call.caller)) await mustGet(tables, call, { it, row: await it.show(tables, call, id) });
}

export interface Permission {
  readonly it: Collection;
  readonly id: string;
  readonly rule: string;
  /** What it is to have then, by column. */
  readonly changed?: Readonly<Record<string, unknown>>;
}

/** The call by which the operation may be done to what has that id. Throws Fault where it may not be asked for. */
export async function permit(tables: Tables, call: Call, asked: Permission): Promise<Call> {
  const { it, id, rule, changed = {} } = asked;
  if (!changes(call.caller, rule, getRule(it))) return call;
  const row = await it.show(tables, call, id);
  const about = { map: it.map, read: new Map() };
  if (await allows(tables, call, { ...about, rule, row: { ...row, ...changed } }))
    return { ...call, permitted: true };
  throw (await allows(tables, call, { ...about, rule: getRule(it), row }))
    ? forbidden(rule)
    : missingFault(it.map, id);
}

/** The call by which these may be created. Throws Fault PolicyNotAuthorized where one of them may not be. */
export async function permitCreate(
  tables: Tables,
  call: Call,
  { it, bodies }: { readonly it: Collection; readonly bodies: readonly ReadBody[] },
): Promise<Call> {
  const rule = `create_${it.map.singular}`;
  if (!changes(call.caller, rule)) return call;
  const read: Read = new Map();
  for (const { values: row } of bodies) {
    // a network that the caller does not see is not there, whatever the rule says of its owner
    if (call.caller.overrides?.beside(rule).has('network')) await it.ownsNetwork?.(tables, call, row);
    if (!(await allows(tables, call, { rule, map: it.map, row, read }))) throw forbidden(rule);
  }
  return { ...call, permitted: true };
}
