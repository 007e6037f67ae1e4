/** What a table of the memory store is: its keys, what its rows hint. */
import type { Group, Ref } from '../../resources/agent-view.ts';
import type { Tables } from '../store.ts';
import type { AnyRow } from './rows.ts';

export type TableName = keyof Tables;

export interface UniqueKey {
  readonly constraint: string;
  readonly columns: readonly string[];
  /** Two nulls are equal; otherwise a null is never taken. */
  readonly nullsEqual: boolean;
}

export interface ForeignKey {
  readonly constraint: string;
  readonly column: string;
  readonly parent: TableName;
  readonly cascade: boolean;
}

/** The rows of a table as a trigger would find them. */
export type Look = (table: TableName, where: AnyRow) => readonly AnyRow[];

/** Hints staged by one changed row. */
export interface Hints {
  readonly refs: readonly Ref[];
  readonly hosts: readonly string[];
}

export interface TableSchema {
  readonly name: TableName;
  readonly primaryKey: readonly string[];
  readonly uniques: readonly UniqueKey[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Columns whose change is hinted. */
  readonly seen: readonly string[];
  /** The refs of one row, before or after. */
  readonly hint?: (row: AnyRow, look: Look) => Hints;
  /** Columns whose change is hinted by less than the whole row's, or beside it: of the row as it is then. */
  readonly alone: readonly Alone[];
}

export interface Alone {
  readonly seen: readonly string[];
  readonly hint: (row: AnyRow, look: Look) => Hints;
}

export const ref = (group: Group, kind: string, id: unknown): Ref => `${group}|${kind}/${id as string}`;

/** The table of that name in SQL. */
export function define(
  name: TableName,
  sqlName: string,
  primaryKey: readonly string[],
  rest: {
    uniques?: readonly { constraint: string; columns: readonly string[]; nullsEqual?: boolean }[];
    foreignKeys?: readonly ForeignKey[];
    seen?: readonly string[];
    hint?: TableSchema['hint'];
    alone?: TableSchema['alone'];
  } = {},
): TableSchema {
  return {
    name,
    primaryKey,
    uniques: [
      { constraint: `${sqlName}_pkey`, columns: primaryKey, nullsEqual: false },
      ...(rest.uniques ?? []).map((u) => ({ nullsEqual: false, ...u })),
    ],
    foreignKeys: rest.foreignKeys ?? [],
    seen: rest.seen ?? [],
    ...(rest.hint ? { hint: rest.hint } : {}),
    alone: rest.alone ?? [],
  };
}

/** The primary key as one string, in which rows also sort. */
export function keyOf(schema: TableSchema, row: AnyRow): string {
  const [only] = schema.primaryKey;
  if (schema.primaryKey.length === 1) return row[only as string] as string;
  return schema.primaryKey.map((column) => row[column] as string).join('\u0000');
}

/** `constraint` and values as one string; undefined where a null makes the key never taken. */
export function uniqueKeyOf(unique: UniqueKey, row: AnyRow): string | undefined {
  const values = unique.columns.map((column) => row[column] ?? null);
  if (!unique.nullsEqual && values.includes(null)) return undefined;
  return `${unique.constraint}\u0000${JSON.stringify(values)}`;
}
