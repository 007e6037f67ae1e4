/**
 * `store.ts`'s contract in memory, for the simulation: same errors, same waits, same log. One object is the database;
 * each server of a simulation has a connection of its own that can be cut.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Place } from '../../resources/place.ts';
import type { Store, Tables, Transaction } from '../store.ts';
import { RunAgain, StoreUnavailable } from '../store.ts';
import type { MemoryHooks, Subscriber } from './database.ts';
import { Database } from './database.ts';
import { Deadlock } from './locks.ts';
import type { TableName } from './table-schema.ts';
import { rowsAt } from './table-state.ts';
import { openTransaction, openView } from './tables.ts';
import { MemoryTransaction } from './transaction.ts';

export interface MemoryConnection extends Store {
  /**
   * The client died: its transactions roll back. One that was at its COMMIT goes through if `finishCommits`.
   * Nothing can be done with the connection afterwards.
   */
  cut(finishCommits: boolean): void;
  /** The database ends what this client has open and does not go on with, as its session timeouts have it. */
  timeOut(): void;
}

export interface MemoryStore extends Store {
  connect(hooks: MemoryHooks): MemoryConnection;
  /** A standby without the last `n` positions is promoted: they never were, connections break. A restored backup is the same. */
  loseTail(n: number): void;
  /** The committed state right now, for those who watch the world from outside. Not to be changed. */
  rows<Name extends TableName>(table: Name): RowOf<Name>[];
  /** As of a place in the log, forgotten ones included; undefined if the log does not hold it. */
  rowsAt<Name extends TableName>(table: Name, place: Place): RowOf<Name>[] | undefined;
  /** As of a position that the log has had. */
  rowsAtPosition<Name extends TableName>(table: Name, position: number): RowOf<Name>[];
  holds(place: Place): boolean;
  head(): Place;
  /** Calls with what each commit wrote (null: deleted), by table and key. */
  observe(onCommit: (written: Written, place: Place | null) => void): void;
}

export type Written = ReadonlyMap<TableName, ReadonlyMap<string, object | null>>;

export type RowOf<Name extends TableName> = Parameters<Tables[Name]['insert']>[0][number];

const MAX_ATTEMPTS = 100;

/** An empty database whose log has its first row. */
export function openMemoryStore(options: { clock: Clock; random: Random }): MemoryStore {
  const db = new Database(options.clock, options.random);
  const connect = (hooks: MemoryHooks) => openConnection(db, hooks);
  const at = <Name extends TableName>(table: Name, commit: number) =>
    rowsAt(db.tables[table], {}, commit) as unknown as RowOf<Name>[];
  return {
    ...connect({}),
    connect,
    loseTail: (n) => db.loseTail(n),
    rows: (table) => at(table, db.commit),
    rowsAt(table, place) {
      const entry = db.log[place.position];
      return entry?.tag === place.tag ? at(table, entry.commit) : undefined;
    },
    rowsAtPosition: (table, position) => at(table, db.log[position]?.commit ?? 0),
    holds: (place) => db.log[place.position]?.tag === place.tag,
    observe: (onCommit) => void db.observers.add(onCommit),
    head() {
      const { position, tag } = db.head();
      return { position, tag };
    },
  };
}

function openConnection(db: Database, hooks: MemoryHooks): MemoryConnection {
  const own = new Set<MemoryTransaction>();
  const subscriptions = new Set<Subscriber>();
  const identity = {};
  let isCut = false;
  const pause = async (point: string) => {
    if (hooks.pause) await hooks.pause(point);
    if (isCut) throw new StoreUnavailable('the connection was cut');
  };

  const begin = (): MemoryTransaction => {
    if (isCut) throw new StoreUnavailable('the connection was cut');
    const tx = new MemoryTransaction(db, db.random.tag(), pause);
    own.add(tx);
    db.open.add(tx);
    return tx;
  };
  const rollBack = (tx: MemoryTransaction) => {
    own.delete(tx);
    db.end(tx);
  };
  const commit = async (tx: MemoryTransaction): Promise<Place | null> => {
    const failure = await tx.settled();
    if (tx.ended) throw new StoreUnavailable('the connection was lost');
    if (failure) throw failure.error;
    if (tx.refs.size > 0) await db.locks.acquire(tx, 'position', 'update');
    tx.committing = true;
    await tx.pause('commit');
    const fate = hooks.commitFate?.() ?? 'answered';
    if (fate === 'lost') throw new StoreUnavailable('no answer to COMMIT, and it did not happen');
    const place = db.apply(tx, identity);
    own.delete(tx);
    await hooks.answer?.();
    if (fate === 'answered') return place;
    await pause('resolve');
    if (place && db.log[place.position]?.tag === place.tag) return place;
    throw new StoreUnavailable('no answer to COMMIT');
  };

  return {
    async transact<Result>(work: (tx: Transaction) => Promise<Result>) {
      for (let attempt = 1; ; attempt++) {
        const tx = begin();
        try {
          const result = await work(openTransaction(tx, db));
          return { result, place: await commit(tx) };
        } catch (error) {
          rollBack(tx);
          const again = tx.deadlocked || error instanceof Deadlock || error instanceof RunAgain;
          if (!again || attempt === MAX_ATTEMPTS) throw error;
        }
        await pause('retry');
      }
    },
    view: (work) => work(openView(db, pause)),
    onAppend(wake) {
      const subscriber = { owner: identity, wake, hooks };
      subscriptions.add(subscriber);
      db.subscribers.add(subscriber);
      return () => {
        subscriptions.delete(subscriber);
        db.subscribers.delete(subscriber);
      };
    },
    async trim({ ageMs, keep }) {
      await pause('trim');
      return db.trim(ageMs, keep);
    },
    async trimEvents({ before, keep }) {
      await pause('trim');
      db.trimEvents(before, keep);
    },
    async beginEpoch() {
      await pause('epoch');
      return db.beginEpoch(identity);
    },
    async beat(serverId) {
      await pause('beat');
      db.beats.set(serverId, (db.beats.get(serverId) ?? 0) + 1);
      return [...db.beats].sort().map(([id, beat]) => ({ id, beat }));
    },
    timeOut() {
      for (const tx of [...own]) if (!tx.committing) rollBack(tx);
    },
    cut(finishCommits) {
      isCut = true;
      for (const subscriber of subscriptions) db.subscribers.delete(subscriber);
      for (const tx of own) {
        if (tx.committing && finishCommits && !tx.ended) db.apply(tx, identity);
        else db.end(tx);
      }
      own.clear();
    },
  };
}
