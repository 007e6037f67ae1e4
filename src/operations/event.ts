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
 * The row of an event. Its time (UTC, milliseconds) is this server's own and only for display: the order of two servers'
 * events is that of their clocks.
 */
export function eventRow(call: Pick<Call, 'clock' | 'random'>, event: NewEvent): EventRow {
  const at = call.clock.wall().toISOString();
  return { id: call.random.uuid(), at, host: '', role: '', object: '', data: {}, ...event };
}

/** Writes an event; returns the row, for the log to say the same. */
export async function record(
  tx: Pick<Transaction, 'events'>,
  call: Pick<Call, 'clock' | 'random'>,
  event: NewEvent,
): Promise<EventRow> {
  const row = eventRow(call, event);
  await tx.events.insert([row]);
  return row;
}

export interface EventQuery extends Pick<ListQuery<EventRow>, 'filters' | 'after' | 'limit'> {
  readonly isOldestFirst?: boolean;
}

/** The events that pass the filters, newest first unless asked otherwise, from after the marker on. */
export async function listEvents(tables: Pick<Tables, 'events'>, query: EventQuery): Promise<EventRow[]> {
  const { isOldestFirst = false, ...rest } = query;
  const descending = !isOldestFirst;
  return tables.events.list({
    ...rest,
    sort: [
      { column: 'at', descending },
      { column: 'id', descending },
    ],
  });
}
