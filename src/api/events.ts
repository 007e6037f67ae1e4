/** `/v2.0/deuteron/events`: what happened and what was done about it, the newest first. Admins only. */
import { listEvents } from '../operations/event.ts';
import { missingFault, schemaOf } from '../resources/attribute.ts';
import { eventMap } from '../resources/event-map.ts';
import type { EventRow } from '../resources/event.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { ListFilter, View } from '../store/store.ts';
import type { Api } from './app.ts';
import { type ListRequest, readListQuery } from './list-query.ts';
import { pageLinks } from './paging.ts';
import { adminOnly } from './policy.ts';
import { array, object, query, TEXT } from './route.ts';
import { bodyMaker, type Row } from './view.ts';

/** An endless list is of no use to anybody: how many there are without a limit of the client's own. */
const DEFAULT_LIMIT = 1_000;

const FILTERS = eventMap.attributes.filter((attribute) => attribute.filter);
const SAYS = {
  id: 'list_events',
  summary: 'What happened and what was done about it: remedies, deaths, moves, alerts; the newest first.',
  parameters: [
    ...FILTERS.map(({ name }) => query(name, `Only those with this ${name}; may be repeated.`, array(TEXT))),
    query('fields', 'Show these attributes only.', array(TEXT)),
    query('limit', `At most this many [${DEFAULT_LIMIT}].`, { type: 'integer', minimum: 0 }),
    query('marker', 'The id after which the page begins.', { ...TEXT, format: 'uuid' }),
    query('page_reverse', 'The page before the marker.', { type: 'boolean' }),
  ],
  answer: object({ events: array(schemaOf(eventMap, 'shown')) }),
};

async function readPage(view: View, asked: ListRequest): Promise<EventRow[]> {
  if (asked.impossible) return [];
  const limit = asked.limit === 0 ? DEFAULT_LIMIT : asked.limit;
  let after: EventRow | undefined;
  if (asked.marker !== undefined) {
    const id = canonicalUuid(asked.marker);
    after = id === undefined ? undefined : await view.events.get({ id });
    if (!after) throw missingFault(eventMap, asked.marker);
  }
  const rows = await listEvents(view, {
    filters: asked.filters as unknown as ListFilter<EventRow>[],
    ...(after ? { after } : {}),
    limit,
    isOldestFirst: asked.reverse,
  });
  return asked.reverse ? rows.reverse() : rows;
}

export function addEvents(api: Api): void {
  const url = '/v2.0/deuteron/events';
  api.route({ method: 'GET', url, says: SAYS }, async (request, reply) => {
    const { caller } = api.callOf(request);
    adminOnly(caller, 'get_event');
    const parameters = request.query as URLSearchParams;
    const asked = readListQuery(eventMap, parameters, caller);
    const rows = await api.store.view((view) => readPage(view, asked));
    const toBody = bodyMaker(eventMap, caller, asked.fields);
    const events = rows.map((row) => toBody(row as unknown as Row, () => ({})));
    const { limit, reverse } = asked;
    if (limit === 0) return reply.send(JSON.stringify({ events }));
    const links = pageLinks(
      { url: api.urlOf(request), parameters, limit, reverse },
      rows.map((row) => row.id),
    );
    return reply.send(JSON.stringify({ events, events_links: links }));
  });
}
