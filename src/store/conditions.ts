/** The WHERE and ORDER BY of the generic table. Column names come from descriptions only, values always as parameters. */
import { assert } from '../lib/assert.ts';
import type { ListFilter, Where } from './store.ts';
import type { Kind, Row, TableDescription } from './table.ts';

export const quote = (name: string): string => `"${name}"`;

/** Collects a statement's values, giving each its `$n`. */
export class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

export interface SortKey<R extends Row> {
  readonly column: keyof R & string;
  readonly descending: boolean;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a column of that kind can hold the value at all; what it cannot hold equals nothing in it. */
function canHold(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case 'uuid':
      return typeof value === 'string' && UUID.test(value);
    case 'text':
      return typeof value === 'string' && !value.includes('\0');
    case 'boolean':
      return typeof value === 'boolean';
    case 'integer':
      return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31;
    case 'bigint':
      return Number.isSafeInteger(value);
    case 'jsonb':
      return false;
  }
}

/** A value of a query string as the column's type, where it says one. */
function readAs(kind: Kind, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (kind === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  if ((kind === 'integer' || kind === 'bigint') && /^-?\d{1,16}$/.test(value)) return Number(value);
  return value;
}

/** JSON text of a value; text that is JSON already stays. */
function jsonText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  try {
    JSON.parse(value);
    return value;
  } catch {
    return JSON.stringify(value); // a plain string
  }
}

/** The conjunction, or null where nothing can match. */
export function condition<R extends Row>(
  description: TableDescription<R>,
  where: Where<R>,
  parameters: Parameters,
): string | null {
  const parts: string[] = [];
  for (const column of Object.keys(where) as (keyof R & string)[]) {
    const part = membership(description, column, where[column], parameters);
    if (part === null) return null;
    parts.push(part);
  }
  return parts.length > 0 ? parts.join(' and ') : 'true';
}

/** `column` equals the value, or one of the values. */
function membership<R extends Row>(
  description: TableDescription<R>,
  column: keyof R & string,
  given: unknown,
  parameters: Parameters,
): string | null {
  const kind: Kind | undefined = description.columns[column];
  assert(kind !== undefined, `${description.name} has no column ${column}`);
  assert(given !== undefined, `undefined as a value of ${description.name}.${column}`);
  assert(kind !== 'jsonb', `${description.name}.${column} is jsonb, which is not compared`);
  const name = quote(column);
  if (!Array.isArray(given)) {
    if (given === null) return `${name} is null`;
    return canHold(kind, given) ? `${name} = ${parameters.add(given)}` : null;
  }
  const values = given.filter((value) => canHold(kind, value));
  const either: string[] = [];
  if (values.length > 0) either.push(`${name} = any(${parameters.add(values)}::${kind}[])`);
  if (given.includes(null)) either.push(`${name} is null`);
  if (either.length === 0) return null;
  return either.length === 1 ? (either[0] as string) : `(${either.join(' or ')})`;
}

/** One filter of a list, or null where nothing can match. */
export function filterCondition<R extends Row>(
  description: TableDescription<R>,
  filter: ListFilter<R>,
  parameters: Parameters,
): string | null {
  if (filter.operator === 'in') {
    const kind: Kind | undefined = description.columns[filter.column];
    assert(kind !== undefined, `${description.name} has no column ${filter.column}`);
    if (kind === 'jsonb') {
      return `${quote(filter.column)} = any(${parameters.add(filter.values.map(jsonText))}::jsonb[])`;
    }
    const values = filter.values.map((value) => readAs(kind, value));
    return membership(description, filter.column, values, parameters);
  }
  const held = filter.values.filter((value) => canHold('text', value));
  const list = () => `${parameters.add(held)}::text[]`;
  const name = quote(filter.column);
  switch (filter.operator) {
    case 'not in': {
      const kind = description.columns[filter.column];
      const values = filter.values.filter((value) => canHold(kind, value));
      return `(${name} is null or ${name} <> all(${parameters.add(values)}::${kind}[]))`;
    }
    case 'from':
      return held.length === 0 ? null : `${name} >= any(${list()})`;
    case 'has all':
      return held.length < filter.values.length ? null : `${name} ?& ${list()}`;
    case 'has any':
      return `${name} ?| ${list()}`;
    case 'lacks some':
      return held.length < filter.values.length ? 'true' : `not (${name} ?& ${list()})`;
    case 'lacks all':
      return `not (${name} ?| ${list()})`;
    case 'contains':
      return likeCondition(name, { start: '%', values: held }, parameters);
    case 'prefix':
      return likeCondition(name, { start: '', values: held }, parameters);
  }
}

function likeCondition(
  column: string,
  { start, values }: { readonly start: string; readonly values: readonly unknown[] },
  parameters: Parameters,
): string | null {
  const patterns = values.map((value) => `${start}${(value as string).replace(/[\\%_]/g, '\\$&')}%`);
  if (patterns.length === 0) return null;
  return `${column}::text like any(${parameters.add(patterns)}::text[])`;
}

export function ascending<R extends Row>(columns: readonly (keyof R & string)[]): SortKey<R>[] {
  return columns.map((column) => ({ column, descending: false }));
}

export function orderBy<R extends Row>(order: readonly SortKey<R>[]): string {
  return order.map(({ column, descending }) => `${quote(column)}${descending ? ' desc' : ''}`).join(', ');
}

/**
 * Rows that come after `marker` in `order`: past it in the first column, or equal there and past it in the rest.
 * To PostgreSQL a null is greater than every value: last when ascending, first when descending.
 */
export function afterRow<R extends Row>(
  description: TableDescription<R>,
  order: readonly SortKey<R>[],
  marker: R,
  parameters: Parameters,
): string {
  const [first, ...rest] = order;
  if (first === undefined) return 'false';
  const name = quote(first.column);
  const kind = description.columns[first.column];
  const value: unknown = marker[first.column];
  const remaining = () => afterRow(description, rest, marker, parameters);
  if (value === null) {
    return first.descending
      ? `(${name} is not null or (${name} is null and ${remaining()}))`
      : `(${name} is null and ${remaining()})`;
  }
  const at = `${parameters.add(kind === 'jsonb' ? JSON.stringify(value) : value)}::${kind}`;
  const past = first.descending ? `${name} < ${at}` : `(${name} > ${at} or ${name} is null)`;
  return `(${past} or (${name} = ${at} and ${remaining()}))`;
}
