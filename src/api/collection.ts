/** What the generic routes need of a resource: its attribute map and its operations, whatever its row's type. */
import type { Call, IfMatch } from '../operations/operation.ts';
import type { AttributeMap } from '../resources/attribute.ts';
import type { ListQuery, StandardTable, Tables, Transaction } from '../store/store.ts';
import type { ListRequest } from './list-query.ts';
import type { Computed, Row } from './view.ts';

export interface Write {
  readonly id: string;
  readonly ifMatch: IfMatch;
}

export interface Operations<AnyRow> {
  /** Where its rows are, if they have the standard attributes. */
  readonly table?: StandardTable;
  /** Absent: cannot be created through the API; `noCreate` says so. */
  create?(tx: Transaction, call: Call, rows: readonly Record<string, unknown>[]): Promise<AnyRow[]>;
  update(tx: Transaction, call: Call, write: Write & { changes: Record<string, unknown> }): Promise<AnyRow>;
  remove(tx: Transaction, call: Call, write: Write): Promise<void>;
  show(tables: Tables, call: Call, id: string): Promise<AnyRow>;
  list(tables: Tables, call: Call, query: ListQuery<AnyRow>): Promise<AnyRow[]>;
  /** The attributes that are no columns, read for all rows at once. */
  compute(
    tables: Tables,
    call: Call,
    rows: readonly AnyRow[],
  ): Promise<(row: AnyRow) => Record<string, unknown>>;
  /** Whether the caller's project owns the network that the row is, or is in; a Fault if it may not see it. */
  ownsNetwork?(tables: Tables, call: Call, row: Record<string, unknown>): Promise<boolean>;
  /** Ids to which a list is narrowed by filters that no single column answers; undefined: not narrowed. */
  narrow?(tables: Tables, request: ListRequest): Promise<string[] | undefined>;
}

export interface Collection extends Omit<Operations<Row>, 'compute'> {
  readonly map: AttributeMap;
  /** Only admins may read it. */
  readonly adminOnly: boolean;
  /** Why it cannot be created. */
  readonly noCreate?: string;
  compute(tables: Tables, call: Call, rows: readonly Row[]): Promise<Computed>;
}

/** Joins a map to its operations. The row's type ends here: the map's columns are checked against it where it is made. */
export function collection<AnyRow extends { readonly id: string }>(
  map: AttributeMap,
  operations: Operations<AnyRow>,
  extra: { adminOnly?: true; noCreate?: string } = {},
): Collection {
  return { map, adminOnly: false, ...extra, ...(operations as unknown as Operations<Row>) };
}
