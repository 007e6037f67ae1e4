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
  /** Only alerts: those that are open, or those that are not. */
  readonly isOpen?: boolean;
}

/** So many rows are read in one go. */
const PAGE = 1_000;

/** The alerts that some end names, as the ends say: whatever servers' clocks said, an end names its alert. */
export function endedAmong(events: Iterable<Pick<EventRow, 'kind' | 'data'>>): Set<unknown> {
  const ended = new Set<unknown>();
  for (const { kind, data } of events) if (kind === 'alert-ended') ended.add(data['ends']);
  return ended;
}

/** The events that pass the filters, newest first unless asked otherwise, from after the marker on. */
export async function listEvents(tables: Pick<Tables, 'events'>, query: EventQuery): Promise<EventRow[]> {
  const { isOldestFirst = false, isOpen, ...rest } = query;
  if (isOpen !== undefined) return listAlerts(tables, { ...query, isOpen });
  const descending = !isOldestFirst;
  return tables.events.list({
    ...rest,
    sort: [
      { column: 'at', descending },
      { column: 'id', descending },
    ],
  });
}

/** Looks at all alerts and ends that are kept, some at a time. */
async function listAlerts(
  tables: Pick<Tables, 'events'>,
  { isOpen, limit = Number.POSITIVE_INFINITY, ...query }: EventQuery & { readonly isOpen: boolean },
): Promise<EventRow[]> {
  const ended = new Set<unknown>();
  const ends = { filters: [ofKind('alert-ended')] };
  for await (const rows of inPages(tables, ends)) for (const id of endedAmong(rows)) ended.add(id);
  const found: EventRow[] = [];
  for await (const rows of inPages(tables, { ...query, filters: [...query.filters, ofKind('alert')] })) {
    found.push(...rows.filter(({ id }) => ended.has(id) !== isOpen));
    if (found.length >= limit) return found.slice(0, limit);
  }
  return found;
}

const ofKind = (kind: EventRow['kind']) => ({ column: 'kind', operator: 'in', values: [kind] }) as const;

async function* inPages(
  tables: Pick<Tables, 'events'>,
  query: Omit<EventQuery, 'isOpen' | 'limit'>,
): AsyncGenerator<EventRow[]> {
  let after = query.after;
  for (;;) {
    const rows = await listEvents(tables, { ...query, ...(after ? { after } : {}), limit: PAGE });
    yield rows;
    after = rows.at(-1);
    if (rows.length < PAGE) return;
  }
}
