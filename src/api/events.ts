/** `/v2.0/deuteron/events`: what happened and what was done about it, the newest first. Admins only. */
import { listEvents } from '../operations/event.ts';
import type { Caller } from '../operations/operation.ts';
import { missingFault, schemaOf } from '../resources/attribute.ts';
import { eventMap } from '../resources/event-map.ts';
import type { EventRow } from '../resources/event.ts';
import { Fault } from '../resources/errors.ts';
import { canonicalUuid, display } from '../resources/values.ts';
import type { ListFilter, View } from '../store/store.ts';
import type { Api } from './app.ts';
import { type ListRequest, readLimit, readListQuery } from './list-query.ts';
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
    query('open', 'Only alerts: those that no end names yet (true), or those that have ended (false).', {
      type: 'boolean',
    }),
    query('fields', 'Show these attributes only.', array(TEXT)),
    query('limit', `At most this many [${DEFAULT_LIMIT}].`, { type: 'integer', minimum: 0 }),
    query('marker', 'The id after which the page begins.', { ...TEXT, format: 'uuid' }),
    query('page_reverse', 'The page before the marker.', { type: 'boolean' }),
  ],
  answer: object({ events: array(schemaOf(eventMap, 'shown')) }),
};

interface PageRequest extends ListRequest {
  readonly isOpen: boolean | undefined;
}

const badInput = (reason: string): Fault =>
  new Fault('InvalidInput', `Invalid input for operation: ${reason}.`);

function readOpen(given: string | null): boolean | undefined {
  const word = given?.toLowerCase();
  if (word === undefined) return undefined;
  if (word !== 'true' && word !== 'false')
    throw badInput(`open: '${display(word)}' is not one of true, false`);
  return word === 'true';
}

function readRequest(parameters: URLSearchParams, caller: Caller): PageRequest {
  const others = new URLSearchParams(parameters);
  others.delete('open');
  const asked = readListQuery(eventMap, others, caller);
  const unknown = asked.fields.find((name) => !eventMap.byName.has(name));
  if (unknown !== undefined) throw badInput(`fields: events have no '${display(unknown)}'`);
  const limit = asked.limit === 0 ? DEFAULT_LIMIT : asked.limit;
  return { ...asked, limit, isOpen: readOpen(parameters.get('open')) };
}

async function readPage(view: View, asked: PageRequest): Promise<EventRow[]> {
  if (asked.impossible) return [];
  const { limit, isOpen } = asked;
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
    ...(isOpen === undefined ? {} : { isOpen }),
    isOldestFirst: asked.reverse,
  });
  return asked.reverse ? rows.reverse() : rows;
}

export function addEvents(api: Api): void {
  const url = '/v2.0/deuteron/events';
  api.route({ method: 'GET', url, rule: 'get_event', says: SAYS }, async (request, reply) => {
    const { caller } = api.callOf(request);
    adminOnly(caller, 'get_event');
    const parameters = request.query as URLSearchParams;
    const asked = readRequest(parameters, caller);
    const rows = await api.store.view((view) => readPage(view, asked));
    const toBody = bodyMaker(eventMap, caller, asked.fields);
    const events = rows.map((row) => toBody(row as unknown as Row, () => ({})));
    const { limit, reverse } = asked;
    // Who asked for no pages gets them only where there may be more.
    const isWhole = readLimit(parameters) === 0 && rows.length < limit;
    if (isWhole) return reply.send(JSON.stringify({ events }));
    const links = pageLinks(
      { url: api.urlOf(request), parameters, limit, reverse },
      rows.map((row) => row.id),
    );
    return reply.send(JSON.stringify({ events, events_links: links }));
  });
}
