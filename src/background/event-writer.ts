/**
 * Events that nobody waits for: told to the log at once, written soon, and never more than so many a second. Of alerts and
 * their ends each is written, if later; where there are more of others, those of a kind become one row that counts them.
 * While the database does not answer they wait, bounded.
 */
import { eventRow, type NewEvent } from '../operations/event.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import { type Store, UniqueViolation } from '../store/store.ts';

export interface EventWriterOptions {
  readonly store: Pick<Store, 'transact'>;
  readonly call: () => Pick<Call, 'clock' | 'random'>;
  /** The log: each event, with the fields of its row. */
  readonly tell: (event: EventRow) => void;
}

/** Rows in one go, of alerts and of others. */
const MAX_ROWS = 50;
const MAX_WAITING = 5_000;
/** How many hosts and objects a row that stands for many names. */
const MAX_NAMED = 20;
const FLUSH_MS = 1_000;

export class EventWriter {
  readonly #options: EventWriterOptions;
  #waiting: EventRow[] = [];
  #flushedAt = Number.NEGATIVE_INFINITY;
  #dropped = 0;

  constructor(options: EventWriterOptions) {
    this.#options = options;
  }

  /** Events that were never written, for there were too many while the database was away. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The row as it will be written. */
  add(event: NewEvent): EventRow {
    const row = eventRow(this.#options.call(), event);
    this.#options.tell(row);
    this.#waiting.push(row);
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#dropped++;
    }
    return row;
  }

  /** Writes what waits; called more often than once a second it does nothing in between. Rejects if the database does not. */
  async flush(): Promise<void> {
    const { store, call } = this.#options;
    const now = call().clock.now();
    if (this.#waiting.length === 0 || now - this.#flushedAt < FLUSH_MS) return;
    const waiting = this.#waiting.splice(0);
    // Who asks what is open pairs each alert with its end.
    const alerts = waiting.filter(isAlert);
    const others = waiting.filter((row) => !isAlert(row));
    const rows = [...alerts.slice(0, MAX_ROWS), ...inBulk(others, MAX_ROWS)];
    try {
      await store.transact((tx) => tx.events.insert(rows));
      this.#flushedAt = now;
      this.#waiting = [...alerts.slice(MAX_ROWS), ...this.#waiting];
    } catch (error) {
      // They are there: an answer was lost.
      const left = error instanceof UniqueViolation ? alerts.slice(MAX_ROWS) : waiting;
      this.#waiting = [...left, ...this.#waiting];
      if (left === waiting) throw error;
    }
  }
}

const isAlert = ({ kind }: EventRow): boolean => kind === 'alert' || kind === 'alert-ended';

/** At most so many rows: the first as they are, what is left as one row for each kind. */
export function inBulk(rows: readonly EventRow[], most: number): EventRow[] {
  if (rows.length <= most) return [...rows];
  const kinds = Map.groupBy(rows, sortOf).size;
  const kept = Math.max(0, most - kinds);
  const left = Map.groupBy(rows.slice(kept), sortOf);
  return [...rows.slice(0, kept), ...[...left.values()].map(asOne)];
}

const sortOf = ({ kind, severity, data }: EventRow): string =>
  [kind, severity, data['remedy'] ?? '', data['alert'] ?? ''].join(' ');

function asOne(rows: readonly EventRow[]): EventRow {
  const [first] = rows as [EventRow, ...EventRow[]];
  if (rows.length === 1) return first;
  const named = (values: readonly string[]) => [...new Set(values)].filter((one) => one !== '');
  const hosts = named(rows.map((row) => row.host));
  const objects = named(rows.map((row) => row.object));
  const { remedy, alert, step } = first.data;
  return {
    ...{ id: first.id, at: first.at, kind: first.kind, severity: first.severity },
    ...{ host: '', role: '', object: '' },
    message: `${rows.length} events like this one: ${first.message}`,
    data: {
      ...(remedy === undefined ? {} : { remedy }),
      ...(alert === undefined ? {} : { alert }),
      ...(step === undefined ? {} : { step }),
      count: rows.length,
      hosts: hosts.slice(0, MAX_NAMED),
      objects: objects.slice(0, MAX_NAMED),
    },
  };
}
