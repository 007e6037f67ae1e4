/** What happened and what was done about it, for operators: written beside what it tells of, in the same transaction. */
import type { EventKind, EventRow } from '../resources/event.ts';
import type { ListQuery, Tables, Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';

export interface NewEvent {
  readonly kind: EventKind;
  readonly severity: EventRow['severity'];
  readonly host?: string;
  readonly role?: string;
  /** What it is about, e.g. `network/<id>`. */
  readonly object?: string;
  /** One sentence for humans. */
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * Writes an event; returns the row, for the log to say the same. Its time (UTC, milliseconds) is this server's own and
 * only for display: the order of two servers' events is that of their clocks.
 */
export async function record(
  tx: Pick<Transaction, 'events'>,
  call: Pick<Call, 'clock' | 'random'>,
  event: NewEvent,
): Promise<EventRow> {
  const row: EventRow = {
    id: call.random.uuid(),
    at: call.clock.wall().toISOString(),
    host: '',
    role: '',
    object: '',
    data: {},
    ...event,
  };
  await tx.events.insert([row]);
  return row;
}

/** The events that pass the query's filters, newest first, from after its marker on. */
export async function listEvents(
  tables: Pick<Tables, 'events'>,
  query: Pick<ListQuery<EventRow>, 'filters' | 'after' | 'limit'>,
): Promise<EventRow[]> {
  return tables.events.list({ ...query, sort: [{ column: 'at', descending: true }] });
}
