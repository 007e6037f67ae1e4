/**
 * What each verb does of a resource that is rows of one table and little more: all of it comes from the attribute map and
 * a few words of the resource's own (`Plain`). A resource that needs more than these words writes its operations itself.
 */
import { type AttributeMap, missingFault } from '../resources/attribute.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { ListQuery, StandardTable, Table, Tables, Transaction } from '../store/store.ts';
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
  /** The column that says whether every project sees it. */
  readonly shared?: keyof Row & string;
  /** Looks at a row that is about to be written; `before` is null where it is new. Throws a Fault for what may not be. */
  readonly check?: (tx: Transaction, call: Call, change: Change<Row>) => Promise<void> | void;
  /** Throws a Fault while something needs the row, which is locked and about to go. */
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

const sees = <Row extends StandardAttributes>({ it, call }: Asked<Row>, row: Row): boolean =>
  owns(call, row) || (it.shared !== undefined && row[it.shared] === true);

/** A new row: what the client named, else the map's defaults, else null. */
function newRow<Row extends StandardAttributes>(
  { it, call }: Asked<Row>,
  asked: Readonly<Record<string, unknown>>,
): Row {
  const columns = it.map.attributes.flatMap(({ column, default: value = null }): [string, unknown][] =>
    column === null ? [] : [[column, structuredClone(value)]],
  );
  const standard = newAttributes(call, asked as StandardCreate);
  return { ...Object.fromEntries(columns), ...given(asked), ...standard } as Row;
}

/** Creates all or none. */
export async function createRows<Row extends StandardAttributes>(
  tx: Transaction,
  asked: Asked<Row>,
  values: readonly Readonly<Record<string, unknown>>[],
): Promise<Row[]> {
  const { it, call } = asked;
  const rows = values.map((one) => newRow(asked, one));
  if (it.quota) await checkQuota(tx, call, { resource: it.quota, rows });
  for (const after of rows) await it.check?.(tx, call, { before: null, after });
  await tableOf(tx, it).insert(rows);
  return rows;
}

export async function showRow<Row extends StandardAttributes>(
  tables: Tables,
  asked: Asked<Row>,
  id: string,
): Promise<Row> {
  const [row] = await tableOf(tables, asked.it).find({ id } as object);
  if (!row || !sees(asked, row)) throw missingFault(asked.it.map, id);
  return row;
}

/** A page of what the caller sees: their own and what is shared; an admin sees all. */
export function listRows<Row extends StandardAttributes>(
  tables: Tables,
  { it, call }: Asked<Row>,
  query: ListQuery<Row>,
): Promise<Row[]> {
  const table = tableOf(tables, it);
  if (call.caller.isAdmin) return table.list(query);
  const own = { column: 'project_id', operator: 'in', values: [call.caller.projectId] } as const;
  const all = it.shared ? [{ column: it.shared, operator: 'in', values: [true] } as const] : [];
  return table.list({ ...query, anyOf: [own, ...all] });
}

async function lockRow<Row extends StandardAttributes>(
  tx: Transaction,
  asked: Asked<Row>,
  { id, ifMatch, rule }: DeleteRequest & { readonly rule: string },
): Promise<Row> {
  const [row] = await tableOf(tx, asked.it).lock({ id } as object);
  if (!row || !sees(asked, row)) throw missingFault(asked.it.map, id);
  if (!owns(asked.call, row)) throw forbidden(rule);
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
  const changed = differing<Row>(before, change(before));
  await it.check?.(tx, call, { before, after: { ...before, ...changed } });
  const [after = before] = await tableOf(tx, it).update({ id: before.id } as object, {
    ...changed,
    ...touched(call, before),
  });
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
  await tableOf(tx, it).remove({ id: row.id } as object);
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
