/** What all resources share: identity, revision, timestamps, who may see. */
import { timestamp } from '../lib/clock.ts';
import { Fault } from '../resources/errors.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { StandardTable, Table, Tables } from '../store/store.ts';
import type { Call, IfMatch } from './operation.ts';

/** What a client asks to change, and at which revision. */
export interface UpdateRequest<Changes> {
  readonly id: string;
  readonly changes: Changes;
  readonly ifMatch?: IfMatch;
}

export interface DeleteRequest {
  readonly id: string;
  readonly ifMatch?: IfMatch;
}

/** The standard attributes that a create may name. */
export type StandardCreate = {
  readonly [K in 'id' | 'project_id' | 'description' | 'tags']?: StandardAttributes[K] | null | undefined;
};

/** The attributes of a new row, with what the client named. */
export function newAttributes(call: Call, given: StandardCreate): StandardAttributes {
  const now = timestamp(call.clock);
  return {
    id: given.id || call.random.uuid(),
    project_id: given.project_id ?? call.caller.projectId,
    description: given.description ?? '',
    revision_number: 1,
    created_at: now,
    updated_at: now,
    tags: given.tags ?? [],
  };
}

/** The columns that every update moves. */
export function touched(
  call: Call,
  row: { readonly revision_number: number },
): { revision_number: number; updated_at: string } {
  return { revision_number: row.revision_number + 1, updated_at: timestamp(call.clock) };
}

/** Refuses a change whose client has seen another revision. */
export function checkRevision(row: { readonly revision_number: number }, ifMatch: IfMatch): void {
  if (ifMatch !== undefined && ifMatch !== row.revision_number) {
    throw new Fault(
      'RevisionNumberConstraintFailed',
      `Constrained to ${ifMatch}, but current revision is ${row.revision_number}`,
    );
  }
}

/** A table by its name, as one of rows that have the standard attributes. */
export const standardTable = (tables: Tables, name: StandardTable): Table<StandardAttributes> =>
  tables[name] as unknown as Table<StandardAttributes>;

/** Whether the row is the caller's own to change. */
export const owns = (call: Call, row: { readonly project_id: string }): boolean =>
  call.caller.isAdmin || row.project_id === call.caller.projectId;

/** Whether the caller may change the row, which it sees. */
export const mayChange = (call: Call, row: { readonly project_id: string }): boolean =>
  call.permitted === true || owns(call, row);

/** Leaves out what was not given (or is undefined), so that spreading it over defaults keeps them. */
export function given<Values extends object>(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values;
}

/** Those of `changes` that differ from the row. */
export function differing<Row extends object>(row: Row, changes: Partial<Row>): Partial<Row> {
  const changed = Object.entries(given(changes)).filter(
    ([column, value]) => JSON.stringify(value) !== JSON.stringify(row[column as keyof Row]),
  );
  return Object.fromEntries(changed) as Partial<Row>;
}

/** Groups rows by one of their columns, in first-seen order. */
export function groupBy<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  return Map.groupBy(rows, keyOf);
}
