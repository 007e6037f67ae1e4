/** Plain rows: copying, matching and sorting, as PostgreSQL would with the "C" collation. */
import type { TagOperator } from '../../resources/tags.ts';
import type { ListFilter, ListQuery } from '../store.ts';

export type AnyRow = Record<string, unknown>;

/** A copy that shares nothing, of what JSON can say; undefined properties fall out. */
export function copy<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copy) as Value;
  if (value === null || typeof value !== 'object') return value;
  const result: AnyRow = {};
  for (const name of Object.keys(value)) {
    const inner = (value as AnyRow)[name];
    if (inner !== undefined) result[name] = copy(inner);
  }
  return result as Value;
}

/** Equality of column values, objects by content whatever the order of their keys (jsonb). */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && equal((a as AnyRow)[name], (b as AnyRow)[name]));
}

/** Whether `row` satisfies a Where. */
export function matches(row: AnyRow, where: AnyRow): boolean {
  for (const column in where) {
    const wanted = where[column];
    if (wanted === undefined) continue;
    const value = row[column];
    if (Array.isArray(wanted)) {
      if (!wanted.some((one) => equal(value, one))) return false;
    } else if (!equal(value, wanted)) return false;
  }
  return true;
}

/** A filter's values may be text for a column of any type: they are read as the column's type. */
function sameAsColumn(value: unknown, given: unknown): boolean {
  if (equal(value, given)) return true;
  if (given === null || value === null) return false;
  if (typeof value === 'object') return JSON.stringify(value) === given;
  return String(value) === String(given);
}

/** What each operator of tags asks. */
const TAG_TESTS: Readonly<
  Record<TagOperator, (has: (word: unknown) => boolean, words: readonly unknown[]) => boolean>
> = {
  'has all': (has, words) => words.every(has),
  'has any': (has, words) => words.some(has),
  'lacks some': (has, words) => !words.every(has),
  'lacks all': (has, words) => !words.some(has),
};

export function passes(row: AnyRow, filter: ListFilter<AnyRow>): boolean {
  const value = row[filter.column];
  if (filter.operator in TAG_TESTS) {
    const has = (word: unknown) => (value as unknown[]).includes(word);
    return TAG_TESTS[filter.operator as TagOperator](has, filter.values);
  }
  if (filter.operator === 'not in') return !filter.values.some((given) => sameAsColumn(value, given));
  return filter.values.some((given) => {
    if (filter.operator === 'in') return sameAsColumn(value, given);
    if (value === null) return false;
    if (filter.operator === 'from') return String(value) >= String(given);
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return filter.operator === 'contains' ? text.includes(String(given)) : text.startsWith(String(given));
  });
}

/** Ascending puts nulls last, as PostgreSQL does. */
function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  if (typeof a === 'object' || typeof b === 'object') {
    return compareValues(JSON.stringify(a), JSON.stringify(b));
  }
  return (a as string) < (b as string) ? -1 : 1;
}

/** The order of `sort`, ties broken by the primary key. */
export function compareRows(
  sort: ListQuery<AnyRow>['sort'],
  primaryKey: readonly string[],
): (a: AnyRow, b: AnyRow) => number {
  const named = new Set(sort.map((s) => s.column));
  const columns = [
    ...sort,
    ...primaryKey.filter((column) => !named.has(column)).map((column) => ({ column, descending: false })),
  ];
  return (a, b) => {
    for (const { column, descending } of columns) {
      const order = compareValues(a[column], b[column]);
      if (order !== 0) return descending ? -order : order;
    }
    return 0;
  };
}

/** Filters, sorts and pages. */
export function listRows(
  rows: readonly AnyRow[],
  query: ListQuery<AnyRow>,
  primaryKey: readonly string[],
): AnyRow[] {
  const order = compareRows(query.sort, primaryKey);
  const { after, anyOf } = query;
  const kept = rows
    .filter((row) => query.filters.every((filter) => passes(row, filter)))
    .filter((row) => anyOf === undefined || anyOf.some((filter) => passes(row, filter)))
    .filter((row) => after === undefined || order(row, after) > 0)
    .sort(order);
  return query.limit === undefined ? kept : kept.slice(0, query.limit);
}
