/** What the generic routes need of a resource: its attribute map and its operations, whatever its row's type. */
import type { Call, IfMatch } from '../operations/operation.ts';
import { type Plain, plainOperations } from '../operations/plain.ts';
import type { AttributeMap } from '../resources/attribute.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { JsonSchema, ValueType } from '../resources/values.ts';
import type { ListFilter, ListQuery, StandardTable, Tables, Transaction } from '../store/store.ts';
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
  /** Absent: it cannot be changed. */
  update?(tx: Transaction, call: Call, write: Write & { changes: Record<string, unknown> }): Promise<AnyRow>;
  /** Absent: it cannot be deleted. */
  remove?(tx: Transaction, call: Call, write: Write): Promise<void>;
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
  /** What has to be made before a list can be answered; undefined: nothing. */
  beforeList?(
    tables: Tables,
    call: Call,
    request: ListRequest,
  ): Promise<((tx: Transaction) => Promise<void>) | undefined>;
  /** What a list is asked by instead of filters that no column answers (attributes that it `narrows`, `fixed_ips`). */
  narrow?(tables: Tables, request: ListRequest): Promise<readonly ListFilter<Row>[]>;
}

/** What a `PUT` below one of them does beside the update of attributes: `/v2.0/routers/ID/add_extraroutes`. */
export interface Action<AnyRow> {
  /** The end of its path, and its name in the OpenAPI document. */
  readonly name: string;
  readonly summary: string;
  /** What its body has, all of it. */
  readonly body: Readonly<Record<string, ValueType>>;
  /** Whether the body has that as one of the resource: `{"router": {"routes": ...}}`. */
  readonly wrapped?: true;
  /** Whether the answer is the resource without its name around it. */
  readonly isBare?: true;
  /** What of the row is answered, instead of the resource: its schema, and what it is. */
  readonly answer?: { readonly schema: JsonSchema; readonly of: (row: AnyRow) => unknown };
  run(
    tx: Transaction,
    call: Call,
    asked: Write & { readonly values: Record<string, unknown> },
  ): Promise<AnyRow>;
}

interface Extra<AnyRow> {
  /** Only admins may read it. */
  readonly adminOnly?: true;
  /** It is the network's owner who creates it; else whoever sees what it is to be in. */
  readonly ofNetworkOwner?: true;
  /** The rule for who owns what it is a part of, who alone creates and deletes it. */
  readonly wholeOwner?: string;
  /** Why it cannot be created. */
  readonly noCreate?: string;
  /** Only admins may create, change and delete one. */
  readonly adminWrites?: true;
  /** Everybody sees all of them. */
  readonly seenByAll?: true;
  /** Whoever sees one may change its tags (as in Neutron). */
  readonly taggedBySeers?: true;
  readonly actions?: readonly Action<AnyRow>[];
}

export interface Collection extends Omit<Operations<Row>, 'compute'> {
  readonly map: AttributeMap;
  /** Only admins may read it. */
  readonly adminOnly: boolean;
  readonly ofNetworkOwner?: true;
  readonly wholeOwner?: string;
  /** Why it cannot be created. */
  readonly noCreate?: string;
  readonly adminWrites?: true;
  readonly seenByAll?: true;
  readonly taggedBySeers?: true;
  readonly actions: readonly Action<Row>[];
  compute(tables: Tables, call: Call, rows: readonly Row[]): Promise<Computed>;
}

/** Joins a map to its operations. The row's type ends here: the map's columns are checked against it where it is made. */
export function collection<AnyRow extends { readonly id: string }>(
  map: AttributeMap,
  operations: Operations<AnyRow>,
  extra: Extra<AnyRow> = {},
): Collection {
  const erased = { ...operations, ...extra } as unknown as Operations<Row> & Extra<Row>;
  return { map, adminOnly: false, actions: [], ...erased };
}

/** A resource that is rows of one table and little more. */
export function plainCollection<AnyRow extends StandardAttributes>(
  it: Plain<AnyRow>,
  extra: Extra<AnyRow> & Partial<Pick<Operations<AnyRow>, 'compute'>> = {},
): Collection {
  const compute = () => Promise.resolve(() => ({}));
  const writers = it.adminWrites ? { adminWrites: it.adminWrites } : {};
  return collection<AnyRow>(it.map, { compute, ...plainOperations(it) }, { ...writers, ...extra });
}
