/**
 * One READ COMMITTED transaction: what it has written so far, laid over what had committed when its statement began.
 * An update, lock or delete waits for the row's holder, then looks at the row again as it is now and leaves it alone if
 * it no longer matches. A statement that fails leaves the transaction fit only for rollback, as in PostgreSQL.
 */
import { assert } from '../../lib/assert.ts';
import { ForeignKeyViolation, StoreUnavailable, UniqueViolation } from '../store.ts';
import type { Holder, LockMode, Locks } from './locks.ts';
import { Deadlock } from './locks.ts';
import type { AnyRow } from './rows.ts';
import { copy, equal, matches } from './rows.ts';
import type { Hints, TableName, TableSchema, UniqueKey } from './table-schema.ts';
import { CHILDREN, keyOf, SCHEMA, uniqueKeyOf } from './schema.ts';
import type { TableState } from './table-state.ts';
import { entriesAt } from './table-state.ts';

/** The committed world, as a transaction sees it. */
export interface Committed {
  readonly tables: Readonly<Record<TableName, TableState>>;
  readonly locks: Locks;
  /** The number of the last commit. */
  lastCommit(): number;
}

export class MemoryTransaction implements Holder {
  readonly waitingFor = new Set<Holder>();
  readonly onEnd: (() => void)[] = [];
  ended = false;
  /** Set while it holds the position lock and nothing but the commit is left. */
  committing = false;
  /** To be run again from the start, whatever its work made of the error. */
  deadlocked = false;
  readonly tag: number;
  readonly refs = new Set<string>();
  readonly hosts = new Set<string>();
  /** By table, then primary key: rows written here; null where deleted. */
  readonly written = new Map<TableName, Map<string, AnyRow | null>>();
  /** Everything that a statement waits on; the scheduler's. */
  readonly pause: (point: string) => Promise<void>;
  readonly #world: Committed;
  /** Its work is done, one way or the other: no statement may follow. */
  finished = false;
  #failure: { readonly error: unknown } | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #snapshot = 0;

  constructor(world: Committed, tag: number, pause: (point: string) => Promise<void>) {
    this.#world = world;
    this.tag = tag;
    this.pause = async (point) => {
      await pause(point);
      if (this.ended) throw new StoreUnavailable('the connection was lost');
    };
  }

  /** Runs a statement after the ones before it. */
  statement<Result>(point: string, work: () => Promise<Result> | Result): Promise<Result> {
    const run = this.#tail.then(async () => {
      assert(!this.finished, 'a transaction was used after its end');
      if (this.#failure) throw this.#failure.error;
      await this.pause(point);
      this.#snapshot = this.#world.lastCommit();
      try {
        return await work();
      } catch (error) {
        this.#failure = { error };
        if (error instanceof Deadlock) this.deadlocked = true;
        throw error;
      }
    });
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Waits for statements that nobody awaited; gives the error of the first that failed. */
  async settled(): Promise<{ readonly error: unknown } | undefined> {
    await this.#tail;
    this.finished = true;
    return this.#failure;
  }

  /** Matching rows as of the statement's start, in primary-key order. Not copies. */
  select(schema: TableSchema, where: AnyRow): AnyRow[] {
    return this.#matching(schema, where, this.#snapshot).map(([, row]) => row);
  }

  async lock(schema: TableSchema, where: AnyRow, mode: LockMode): Promise<AnyRow[]> {
    const found: AnyRow[] = [];
    for (const [key] of this.#matching(schema, where, this.#snapshot)) {
      const row = await this.#hold(schema, key, mode);
      if (row && matches(row, where)) found.push(row);
    }
    return found;
  }

  alone(words: string): Promise<void> {
    return this.#world.locks.acquire(this, `alone ${words}`, 'update');
  }

  async insert(schema: TableSchema, rows: readonly AnyRow[]): Promise<void> {
    for (const given of rows) {
      const row = copy(given);
      for (const unique of schema.uniques) await this.#take(schema, unique, row);
      this.#write(schema, keyOf(schema, row), row);
      this.#hint(schema, row);
    }
    for (const row of rows) await this.#checkParents(schema, row);
  }

  async update(schema: TableSchema, where: AnyRow, changes: AnyRow): Promise<AnyRow[]> {
    const updated: AnyRow[] = [];
    for (const [key, candidate] of this.#matching(schema, where, this.#snapshot)) {
      const stronger = schema.uniques.some((unique) => changesAny(unique.columns, candidate, changes));
      const before = await this.#hold(schema, key, stronger ? 'update' : 'no-key-update');
      if (!before || !matches(before, where)) continue;
      const after = { ...before, ...copy(changes) };
      assert(keyOf(schema, after) === key, `primary key of ${schema.name} is never updated`);
      for (const unique of schema.uniques) {
        if (!changesAny(unique.columns, before, changes)) continue;
        this.#release(unique, before);
        await this.#take(schema, unique, after);
      }
      this.#write(schema, key, after);
      if (changesAny(schema.seen, before, after)) {
        this.#hint(schema, before);
        this.#hint(schema, after);
      }
      for (const { seen, hint } of schema.alone) {
        if (changesAny(seen, before, after)) this.#stage(hint(after, (table, of) => this.#look(table, of)));
      }
      const parentsChanged = schema.foreignKeys.some(({ column }) => before[column] !== after[column]);
      if (parentsChanged) await this.#checkParents(schema, after);
      updated.push(after);
    }
    return updated;
  }

  async remove(schema: TableSchema, where: AnyRow): Promise<AnyRow[]> {
    const removed: AnyRow[] = [];
    for (const [key] of this.#matching(schema, where, this.#snapshot)) {
      const row = await this.#hold(schema, key, 'update');
      if (!row || !matches(row, where)) continue;
      for (const unique of schema.uniques) this.#release(unique, row);
      this.#write(schema, key, null);
      removed.push(row);
    }
    for (const row of removed) await this.#removeChildren(schema, row);
    for (const row of removed) this.#hint(schema, row);
    return removed;
  }

  #matching(schema: TableSchema, where: AnyRow, commit: number): ReturnType<typeof entriesAt> {
    return entriesAt(this.#world.tables[schema.name], where, commit, this.written.get(schema.name));
  }

  /** Locks a row, then reads it as it is now; undefined if it went meanwhile. */
  async #hold(schema: TableSchema, key: string, mode: LockMode): Promise<AnyRow | undefined> {
    await this.#world.locks.acquire(this, `row ${schema.name} ${key}`, mode);
    return this.#current(schema, key);
  }

  #current(schema: TableSchema, key: string): AnyRow | undefined {
    const mine = this.written.get(schema.name)?.get(key);
    return mine === undefined ? this.#world.tables[schema.name].latest(key) : (mine ?? undefined);
  }

  #write(schema: TableSchema, key: string, row: AnyRow | null): void {
    const own = this.written.get(schema.name);
    if (own) own.set(key, row);
    else this.written.set(schema.name, new Map([[key, row]]));
  }

  async #take(schema: TableSchema, unique: UniqueKey, row: AnyRow): Promise<void> {
    const { locks, tables } = this.#world;
    const key = uniqueKeyOf(unique, row);
    if (key === undefined) return;
    for (;;) {
      const claim = locks.claimOf(key);
      if (claim && claim.owner !== this) {
        await locks.waitFor(this, claim.owner);
        continue;
      }
      const taken = claim ? claim.as === 'taken' : tables[schema.name].taken(key);
      if (taken) throw new UniqueViolation(unique.constraint);
      locks.claim(this, key, 'taken');
      return;
    }
  }

  #release(unique: UniqueKey, row: AnyRow): void {
    const key = uniqueKeyOf(unique, row);
    if (key !== undefined) this.#world.locks.claim(this, key, 'released');
  }

  async #checkParents(schema: TableSchema, row: AnyRow): Promise<void> {
    for (const { constraint, column, parent } of schema.foreignKeys) {
      const key = row[column] as string | null;
      if (key === null) continue;
      if (!this.#current(SCHEMA[parent], key) || !(await this.#hold(SCHEMA[parent], key, 'key-share'))) {
        throw new ForeignKeyViolation(constraint);
      }
    }
  }

  /** Children as they are now: a parent held in mode `update` gets no new ones. */
  async #removeChildren(schema: TableSchema, row: AnyRow): Promise<void> {
    const parentKey = keyOf(schema, row);
    for (const { child, key } of CHILDREN[schema.name]) {
      this.#snapshot = this.#world.lastCommit();
      const where = { [key.column]: parentKey };
      if (key.cascade) await this.remove(child, where);
      else if (this.select(child, where).length > 0) throw new ForeignKeyViolation(key.constraint);
    }
  }

  #hint(schema: TableSchema, row: AnyRow): void {
    const hints = schema.hint?.(row, (table, where) => this.#look(table, where));
    if (hints) this.#stage(hints);
  }

  #stage({ refs, hosts }: Hints): void {
    for (const ref of refs) this.refs.add(ref);
    for (const host of hosts) this.hosts.add(host);
  }

  #look(table: TableName, where: AnyRow): AnyRow[] {
    return this.#matching(SCHEMA[table], where, this.#world.lastCommit()).map(([, row]) => row);
  }
}

/** Whether `changes` has another value than `row` for one of the columns. */
function changesAny(columns: readonly string[], row: AnyRow, changes: AnyRow): boolean {
  return columns.some((column) => changes[column] !== undefined && !equal(row[column], changes[column]));
}
