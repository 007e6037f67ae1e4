/**
 * What each verb does of a resource that is rows of one table and little more: all of it comes from the attribute map and
 * a few words of the resource's own (`Plain`). A resource that needs more than these words writes its operations itself.
 */
import { type AttributeMap, missingFault } from '../resources/attribute.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { Fault } from '../resources/errors.ts';
import type { Shareable } from '../resources/rbac-policy.ts';
import { followColumn, forgetSharing, sharedWithCaller } from './sharing.ts';
import {
  ForeignKeyViolation,
  type ListFilter,
  type ListQuery,
  RunAgain,
  type StandardTable,
  type Table,
  type Tables,
  type Transaction,
  UniqueViolation,
} from '../store/store.ts';
import { forbidden } from './faults.ts';
import type { Call } from './operation.ts';
import { checkQuota, type CountedResource } from './quota.ts';
import {
  checkRevision,
  type DeleteRequest,
  differing,
  given,
  newAttributes,
  owns,
  type StandardCreate,
  touched,
  type UpdateRequest,
} from './standard.ts';

export interface Plain<Row extends StandardAttributes> {
  readonly map: AttributeMap;
  readonly table: StandardTable;
  /** The quota in which its rows count. */
  readonly quota?: CountedResource;
  /** The column that says whether every project sees it. Policies may share it with single ones (resources/rbac-policy.ts). */
  readonly shared?: keyof Row & string;
  /** What RBAC policies call it, where that is not its singular. */
  readonly sharedAs?: Shareable;
  /** Only admins create, change and delete them (Neutron's default). */
  readonly adminWrites?: true;
  /** What whoever it is only shared with is told who changes it: 403, or (as of Neutron's address groups) that it is not there. */
  readonly changedBySeers?: 'missing';
  /** The fault for a row that a unique key refuses. */
  readonly taken?: (row: Row) => Fault;
  /** What follows from what was asked for, before it is checked and written. Throws a Fault for what cannot be. */
  readonly complete?: (row: Row) => Row;
  /** Looks at a row that is about to be written; `before` is null where it is new. Throws a Fault for what may not be. */
  readonly check?: (tx: Transaction, call: Call, change: Change<Row>) => Promise<void> | void;
  /** Throws a Fault while something needs the row, which is locked and about to go, or takes away what goes with it. */
  readonly checkUnused?: (tx: Transaction, call: Call, row: Row) => Promise<void>;
}

export interface Change<Row> {
  readonly before: Row | null;
  readonly after: Row;
}

/** A kind of resource, and who asks for it. */
export interface Asked<Row extends StandardAttributes> {
  readonly it: Plain<Row>;
  readonly call: Call;
}

const tableOf = <Row extends StandardAttributes>(tables: Tables, it: Plain<Row>): Table<Row> =>
  tables[it.table] as unknown as Table<Row>;

/** What RBAC policies call it. */
const shareName = <Row extends StandardAttributes>({ sharedAs, map }: Plain<Row>): string =>
  sharedAs ?? map.singular;

const isShared = <Row extends StandardAttributes>({ shared }: Plain<Row>, row: Row): boolean =>
  shared !== undefined && row[shared] === true;

/** Whether the caller may see the row. */
export async function seesRow<Row extends StandardAttributes>(
  tables: Tables,
  { it, call }: Asked<Row>,
  row: Row,
): Promise<boolean> {
  if (owns(call, row) || isShared(it, row)) return true;
  return it.shared !== undefined && (await sharedIds(tables, { it, call }, row.id)).length > 0;
}

const sharedIds = <Row extends StandardAttributes>(
  tables: Tables,
  { it, call }: Asked<Row>,
  id?: string,
): Promise<string[]> =>
  sharedWithCaller(tables, call, { type: shareName(it), ...(id === undefined ? {} : { id }) });

/** A new row: what the client named, else the map's defaults, else null. */
function newRow<Row extends StandardAttributes>(
  { it, call }: Asked<Row>,
  asked: Readonly<Record<string, unknown>>,
): Row {
  const columns = it.map.attributes.flatMap(({ column, default: value = null }): [string, unknown][] =>
    column === null ? [] : [[column, structuredClone(value)]],
  );
  const standard = newAttributes(call, asked as StandardCreate);
  const row = { ...Object.fromEntries(columns), ...given(asked), ...standard } as Row;
  return it.complete?.(row) ?? row;
}

/** Creates all or none. */
export async function createRows<Row extends StandardAttributes>(
  tx: Transaction,
  asked: Asked<Row>,
  values: readonly Readonly<Record<string, unknown>>[],
): Promise<Row[]> {
  const { it, call } = asked;
  if (it.adminWrites && !call.caller.isAdmin && !call.permitted) throw forbidden(`create_${it.map.singular}`);
  const rows = values.map((one) => newRow(asked, one));
  if (it.quota) await checkQuota(tx, call, { resource: it.quota, rows });
  const table = tableOf(tx, it);
  // a check may look at what is there already: each is to see those before it
  for (const group of it.check ? rows.map((row) => [row]) : [rows]) {
    for (const after of group) await it.check?.(tx, call, { before: null, after });
    await orTaken(it, group[0], table.insert(group));
  }
  for (const row of rows.filter((one) => isShared(it, one)))
    await followColumn(tx, call, { type: shareName(it), object: row, withAll: true });
  return rows;
}

async function orTaken<Row extends StandardAttributes, Result>(
  { taken }: Plain<Row>,
  row: Row | undefined,
  write: Promise<Result>,
): Promise<Result> {
  try {
    return await write;
  } catch (error) {
    throw taken && row && error instanceof UniqueViolation ? taken(row) : error;
  }
}

export async function showRow<Row extends StandardAttributes>(
  tables: Tables,
  asked: Asked<Row>,
  id: string,
): Promise<Row> {
  const { it, call } = asked;
  const [row] = await tableOf(tables, it).find({ id } as object);
  if (!row || !(await seesRow(tables, asked, row))) throw missingFault(it.map, id);
  // what is shown to whom it is shared with says so
  return it.shared && !owns(call, row) ? { ...row, [it.shared]: true } : row;
}

/** What a filter by the shared column means to someone with whom these ids are shared as well. */
async function sharedFilter<Row extends StandardAttributes>(
  tables: Tables,
  { it, ids }: { readonly it: Plain<Row>; readonly ids: readonly string[] },
  filter: ListFilter<Row>,
): Promise<ListFilter<Row>[]> {
  if (filter.column !== it.shared || ids.length === 0) return [filter];
  if (filter.values.length > 1) return [];
  if (filter.values[0] === false) return [filter, { column: 'id', operator: 'not in', values: ids }];
  const withAll = await tableOf(tables, it).find({ [it.shared]: true } as object);
  return [{ column: 'id', operator: 'in', values: [...ids, ...withAll.map(({ id }) => id)] }];
}

/** A page of what the caller sees: their own and what is shared; an admin sees all. */
export async function listRows<Row extends StandardAttributes>(
  tables: Tables,
  { it, call }: Asked<Row>,
  query: ListQuery<Row>,
): Promise<Row[]> {
  const table = tableOf(tables, it);
  if (call.caller.isAdmin) return table.list(query);
  const own = { column: 'project_id', operator: 'in', values: [call.caller.projectId] } as const;
  const { shared } = it;
  if (!shared) return table.list({ ...query, anyOf: [own] });
  const ids = await sharedIds(tables, { it, call });
  const filters = await Promise.all(query.filters.map((filter) => sharedFilter(tables, { it, ids }, filter)));
  const rows = await table.list({
    ...query,
    filters: filters.flat(),
    anyOf: [
      own,
      { column: shared, operator: 'in', values: [true] },
      { column: 'id', operator: 'in', values: ids },
    ],
  });
  return rows.map((row) => (owns(call, row) ? row : { ...row, [shared]: true }));
}

async function lockRow<Row extends StandardAttributes>(
  tx: Transaction,
  asked: Asked<Row>,
  { id, ifMatch, rule }: DeleteRequest & { readonly rule: string },
): Promise<Row> {
  const [row] = await tableOf(tx, asked.it).lock({ id } as object);
  if (!row || !(await seesRow(tx, asked, row))) throw missingFault(asked.it.map, id);
  const isTheirs = owns(asked.call, row) && (!asked.it.adminWrites || asked.call.caller.isAdmin);
  if (!isTheirs && !asked.call.permitted)
    throw asked.it.changedBySeers === 'missing' ? missingFault(asked.it.map, id) : forbidden(rule);
  checkRevision(row, ifMatch);
  return row;
}

/** What changes of a row, from what it is; `rule` names the change in policies, if it is not `update_x`. */
export interface ChangeRequest<Row> extends DeleteRequest {
  readonly rule?: string;
  readonly change: (row: Row) => Partial<Row>;
}

/** Changes the row under its lock. */
export async function changeRow<Row extends StandardAttributes>(
  tx: Transaction,
  asked: Asked<Row>,
  { change, rule, ...named }: ChangeRequest<Row>,
): Promise<Row> {
  const { it, call } = asked;
  const before = await lockRow(tx, asked, { ...named, rule: rule ?? `update_${it.map.singular}` });
  const whole = { ...before, ...given(change(before)) };
  const changed = differing<Row>(before, it.complete?.(whole) ?? whole);
  await it.check?.(tx, call, { before, after: { ...before, ...changed } });
  const columns = { ...changed, ...touched(call, before) };
  const write = tableOf(tx, it).update({ id: before.id } as object, columns);
  const [after = before] = await orTaken(it, { ...before, ...columns }, write);
  const withAll = isShared(it, after);
  if (withAll !== isShared(it, before))
    await followColumn(tx, call, { type: shareName(it), object: after, withAll });
  return after;
}

async function removeRow<Row extends StandardAttributes>(
  tx: Transaction,
  asked: Asked<Row>,
  named: DeleteRequest,
): Promise<void> {
  const { it, call } = asked;
  const row = await lockRow(tx, asked, { ...named, rule: `delete_${it.map.singular}` });
  await it.checkUnused?.(tx, call, row);
  await forgetSharing(tx, shareName(it), row.id);
  try {
    await tableOf(tx, it).remove({ id: row.id } as object);
  } catch (error) {
    // somebody has begun to use it meanwhile: the next run says so
    throw error instanceof ForeignKeyViolation ? new RunAgain() : error;
  }
}

/** The operations, as the other resources have them. */
export function plainOperations<Row extends StandardAttributes>(it: Plain<Row>) {
  return {
    table: it.table,
    create: (tx: Transaction, call: Call, rows: readonly Record<string, unknown>[]) =>
      createRows(tx, { it, call }, rows),
    update: (tx: Transaction, call: Call, { changes, ...named }: UpdateRequest<Record<string, unknown>>) =>
      changeRow(tx, { it, call }, { ...named, change: () => changes as Partial<Row> }),
    remove: (tx: Transaction, call: Call, named: DeleteRequest) => removeRow(tx, { it, call }, named),
    show: (tables: Tables, call: Call, id: string) => showRow(tables, { it, call }, id),
    list: (tables: Tables, call: Call, query: ListQuery<Row>) => listRows(tables, { it, call }, query),
  };
}
