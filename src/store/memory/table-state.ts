/** One table as committed: the versions of each row, oldest first, and who holds each unique key now. */
import type { AnyRow } from './rows.ts';
import { matches } from './rows.ts';
import type { TableSchema } from './table-schema.ts';
import { keyOf, uniqueKeyOf } from './schema.ts';

interface Version {
  /** The number of the commit that wrote it. */
  readonly commit: number;
  /** null: deleted. */
  readonly row: AnyRow | null;
}

type Entry = [key: string, row: AnyRow];

interface Newest {
  readonly entries: readonly Entry[];
  readonly rows: readonly AnyRow[];
}

export interface TableState {
  readonly schema: TableSchema;
  /** Primary keys that have, or had, a row. */
  keys(): Iterable<string>;
  /** Every row as of a commit, in primary-key order, if nothing was written since; always the same one until then. */
  newest(commit: number): Newest | undefined;
  /** Primary keys among which all matching rows are, whatever the commit; undefined: no index helps. */
  candidates(where: AnyRow): ReadonlySet<string> | undefined;
  has(key: string): boolean;
  /** The row as of a commit, undefined where there was none. Not to be changed by the caller. */
  at(key: string, commit: number): AnyRow | undefined;
  latest(key: string): AnyRow | undefined;
  /** Whether a unique key is taken in the latest committed state. */
  taken(uniqueKey: string): boolean;
  write(key: string, row: AnyRow | null, commit: number): void;
  /** Forgets every version written after `commit`. */
  rewind(commit: number): void;
}

export function openTableState(schema: TableSchema): TableState {
  const versions = new Map<string, Version[]>();
  const holders = new Set<string>();
  const lookups = openLookups(schema);

  const index = (row: AnyRow | undefined, change: 'add' | 'delete') => {
    if (!row) return;
    for (const unique of schema.uniques) {
      const key = uniqueKeyOf(unique, row);
      if (key !== undefined) holders[change](key);
    }
  };
  const at = (key: string, commit: number): AnyRow | undefined => {
    const chain = versions.get(key);
    if (!chain) return undefined;
    for (let i = chain.length - 1; i >= 0; i--) {
      const version = chain[i] as Version;
      if (version.commit <= commit) return version.row ?? undefined;
    }
    return undefined;
  };
  const latest = (key: string) => versions.get(key)?.at(-1)?.row ?? undefined;
  let writtenAt = 0;
  let newest: Newest | undefined;
  const readNewest = (): Newest => {
    const entries: Entry[] = [];
    for (const [key, chain] of versions) {
      const row = chain.at(-1)?.row;
      if (row) entries.push([key, row]);
    }
    entries.sort(byKey);
    return { entries, rows: entries.map(([, row]) => row) };
  };

  return {
    schema,
    keys: () => versions.keys(),
    newest(commit) {
      if (commit < writtenAt) return undefined;
      newest ??= readNewest();
      return newest;
    },
    candidates: (where) => lookups.candidates(where),
    has: (key) => versions.has(key),
    at,
    latest,
    taken: (uniqueKey) => holders.has(uniqueKey),
    write(key, row, commit) {
      writtenAt = commit;
      newest = undefined;
      index(latest(key), 'delete');
      const chain = versions.get(key);
      if (chain) chain.push({ commit, row });
      else versions.set(key, [{ commit, row }]);
      index(row ?? undefined, 'add');
      if (row) lookups.add(key, row);
    },
    rewind(commit) {
      newest = undefined;
      holders.clear();
      for (const [key, chain] of versions) {
        while (chain.length > 0 && (chain.at(-1) as Version).commit > commit) chain.pop();
        if (chain.length === 0) versions.delete(key);
        else index(latest(key), 'add');
      }
    },
  };
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Which keys ever had a row with that value, for the columns that rows are looked up by. Never forgets: whoever asks
 * looks at the rows themselves.
 */
function openLookups(schema: TableSchema) {
  const columns = new Set([
    ...schema.uniques.flatMap((unique) => unique.columns.slice(0, 1)),
    ...schema.foreignKeys.map((key) => key.column),
  ]);
  const keys = new Map([...columns].map((column) => [column, new Map<unknown, Set<string>>()]));
  return {
    add(key: string, row: AnyRow): void {
      for (const [column, values] of keys) {
        const known = values.get(row[column]);
        if (known) known.add(key);
        else values.set(row[column], new Set([key]));
      }
    },
    candidates(where: AnyRow): ReadonlySet<string> | undefined {
      for (const [column, values] of keys) {
        const wanted = where[column];
        const only = Array.isArray(wanted) && wanted.length === 1 ? wanted[0] : wanted;
        if (typeof only === 'string') return values.get(only) ?? NONE;
        if (Array.isArray(wanted)) return new Set(wanted.flatMap((value) => [...(values.get(value) ?? [])]));
      }
      return undefined;
    },
  };
}

/** Own writes of a transaction: null where it deleted. */
export type Written = ReadonlyMap<string, AnyRow | null>;

const byKey = ([a]: Entry, [b]: Entry) => (a < b ? -1 : 1);

/** Matching rows with their keys, in primary-key order, as of a commit, with `own` laid over. Not copies. */
export function entriesAt(state: TableState, where: AnyRow, commit: number, own?: Written): readonly Entry[] {
  const found: Entry[] = [];
  const consider = (key: string) => {
    const mine = own?.get(key);
    const row = mine === undefined ? state.at(key, commit) : mine;
    if (row && matches(row, where)) found.push([key, row]);
  };
  if (state.schema.primaryKey.every((column) => typeof where[column] === 'string')) {
    consider(keyOf(state.schema, where));
    return found;
  }
  const looked = state.candidates(where);
  const newest = looked || own ? undefined : state.newest(commit);
  if (newest) return newest.entries.filter(([, row]) => matches(row, where));
  for (const key of looked ?? state.keys()) consider(key);
  for (const key of own?.keys() ?? []) if (looked ? !looked.has(key) : !state.has(key)) consider(key);
  return found.length > 1 ? found.sort(byKey) : found;
}

/** The same without their keys. */
export function rowsAt(state: TableState, where: AnyRow, commit: number): readonly AnyRow[] {
  const newest = isAll(where) ? state.newest(commit) : undefined;
  return newest?.rows ?? entriesAt(state, where, commit).map(([, row]) => row);
}

function isAll(where: AnyRow): boolean {
  for (const _column in where) return false;
  return true;
}
