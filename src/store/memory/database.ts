/** What all connections share: committed rows, the log, locks, open transactions. */
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { EventRow } from '../../resources/event.ts';
import type { Place } from '../../resources/place.ts';
import type { Change } from '../store.ts';
import { openLocks } from './locks.ts';
import type { AnyRow } from './rows.ts';
import type { TableName } from './table-schema.ts';
import { SCHEMA, TABLE_NAMES } from './schema.ts';
import type { TableState } from './table-state.ts';
import { openTableState, rowsAt } from './table-state.ts';
import type { MemoryTransaction } from './transaction.ts';

/** What a scheduler may decide. Without hooks nothing is delayed and nothing fails. */
export interface MemoryHooks {
  /** Passed before each statement, after each wait for a lock, and between the position lock and the commit. */
  readonly pause?: (point: string) => Promise<void>;
  /** Passed after a commit, before its client knows: one that stands still learns of it when it goes on. */
  readonly answer?: () => Promise<void> | undefined;
  /** unanswered: it commits, but the answer is lost; lost: it does not commit, and that is not said either. */
  readonly commitFate?: () => 'answered' | 'unanswered' | 'lost';
  /** How a wake-up of `onAppend` travels; `own` when this connection appended. The default calls it soon. */
  readonly carryWake?: (wake: () => void, own: boolean) => void;
}

export interface LogEntry extends Omit<Change, 'ageMs'> {
  readonly commit: number;
  readonly at: number;
  /** The commit number as of which it is forgotten. */
  trimmed: number;
}

export interface Subscriber {
  readonly owner: object;
  readonly wake: () => void;
  readonly hooks: MemoryHooks;
}

/** The committed world, the open transactions and the log. */
export class Database {
  /** Told of each commit as it happens, for those who watch the world from outside. */
  readonly observers = new Set<(written: MemoryTransaction['written'], place: Place | null) => void>();
  readonly tables: Readonly<Record<TableName, TableState>>;
  readonly locks = openLocks((owner) => (owner as MemoryTransaction).pause('lock'));
  readonly open = new Set<MemoryTransaction>();
  readonly subscribers = new Set<Subscriber>();
  readonly clock: Clock;
  readonly random: Random;
  log: LogEntry[] = [];
  commit = 0;
  /** Grows with each promotion: a view that began before it is broken. */
  term = 0;
  /** Each server's beat. They are not rows: no operation asks for them. */
  readonly beats = new Map<string, number>();

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
    this.tables = Object.fromEntries(
      TABLE_NAMES.map((name) => [name, openTableState(SCHEMA[name])]),
    ) as Record<TableName, TableState>;
    this.append(random.tag(), [], []);
  }

  lastCommit(): number {
    return this.commit;
  }

  head(commit = this.commit): LogEntry {
    const entry = this.log.findLast((e) => e.commit <= commit);
    assert(entry, 'the log has a row');
    return entry;
  }

  /** The entries from a position on that a reader of that commit still finds. */
  entriesFrom(position: number, commit: number): LogEntry[] {
    return this.log
      .slice(Math.max(0, position))
      .filter((entry) => entry.commit <= commit && entry.trimmed > commit);
  }

  append(tag: number, refs: string[], hosts: string[]): number {
    const position = this.log.length;
    const trimmed = Number.POSITIVE_INFINITY;
    this.log.push({ position, tag, refs, hosts, commit: this.commit, at: this.clock.now(), trimmed });
    return position;
  }

  /** Makes a transaction's rows and its change visible at once. */
  apply(tx: MemoryTransaction, owner: object): Place | null {
    this.commit += 1;
    let place: Place | null = null;
    if (tx.refs.size > 0) {
      place = { position: this.append(tx.tag, [...tx.refs].sort(), [...tx.hosts].sort()), tag: tx.tag };
      for (const table of ['provisioningBlocks', 'dhcpBindings', 'routerBindings', 'floatingIps'] as const) {
        for (const row of tx.written.get(table)?.values() ?? []) {
          if (row && row.tag === tx.tag && row.position === null) row.position = place.position;
        }
      }
    }
    for (const [name, rows] of tx.written) {
      for (const [key, row] of rows) this.tables[name].write(key, row, this.commit);
    }
    this.end(tx);
    for (const observe of this.observers) observe(tx.written, place);
    if (place) this.wake(owner);
    return place;
  }

  wake(owner: object): void {
    for (const { owner: whose, wake, hooks } of this.subscribers) {
      if (hooks.carryWake) hooks.carryWake(wake, whose === owner);
      else queueMicrotask(wake);
    }
  }

  end(tx: MemoryTransaction): void {
    this.open.delete(tx);
    this.locks.end(tx);
  }

  trim(ageMs: number, keep: number): number {
    const before = this.clock.now() - ageMs;
    const last = this.log.length - Math.max(1, keep);
    this.commit += 1;
    let count = 0;
    for (let i = 0; i < last; i++) {
      const entry = this.log[i] as LogEntry;
      if (entry.trimmed <= this.commit || entry.at >= before) continue;
      entry.trimmed = this.commit;
      count += 1;
    }
    return count;
  }

  beginEpoch(owner: object): Place {
    this.commit += 1;
    for (const entry of this.log) entry.trimmed = Math.min(entry.trimmed, this.commit);
    const tag = this.random.tag();
    const place = { position: this.append(tag, [], []), tag };
    for (const row of rowsAt(this.tables.agents, {}, this.commit)) {
      const unknown = { ...row, realised_position: null, realised_tag: null };
      this.tables.agents.write(row.id as string, unknown, this.commit);
    }
    this.wake(owner);
    return place;
  }

  trimEvents(before: string, keep: number): void {
    const rows = rowsAt(this.tables.events, {}, this.commit).toSorted((a, b) =>
      (a.at as string) < (b.at as string) ? 1 : -1,
    );
    const oldest = rows[keep - 1]?.at as string | undefined;
    const isOld = ({ at }: AnyRow) =>
      (at as string) < before || (oldest !== undefined && (at as string) < oldest);
    const endOf = ({ data }: AnyRow) => (data as EventRow['data'])['ends'];
    const ended = new Set(rows.filter(({ kind }) => kind === 'alert-ended').map(endOf));
    const young = new Set<unknown>(
      rows.filter((row) => row.kind === 'alert' && !isOld(row)).map(({ id }) => id),
    );
    this.commit += 1;
    for (const row of rows.filter(isOld)) {
      const stays =
        row.kind === 'alert' ? !ended.has(row.id) : row.kind === 'alert-ended' && young.has(endOf(row));
      if (!stays) this.tables.events.write(row.id as string, null, this.commit);
    }
  }

  loseTail(n: number): void {
    const kept = this.head().position - n;
    assert(kept >= 0, 'the first row of the log cannot be lost');
    const { commit } = this.log[kept] as LogEntry;
    for (const tx of [...this.open]) this.end(tx);
    this.log.length = kept + 1;
    for (const entry of this.log) if (entry.trimmed > commit) entry.trimmed = Number.POSITIVE_INFINITY;
    for (const name of TABLE_NAMES) this.tables[name].rewind(commit);
    this.term += 1;
  }
}
