/** `/v2.0/deuteron/convergence`: what is not realised. Admins see agents; members their own resources, without hosts. */
import {
  AGENT_STATES,
  convergence,
  type ConvergenceQuery,
  ownConvergence,
  type ResourceKind,
} from '../operations/convergence.ts';
import type { Caller } from '../operations/operation.ts';
import { AGENT_TYPES, type Role } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import { canonicalUuid, display, type JsonSchema } from '../resources/values.ts';
import type { Api } from './app.ts';
import { readLimit } from './list-query.ts';
import { type Link, pageLinks } from './paging.ts';
import { array, object, query, TEXT } from './route.ts';

const KINDS: readonly ResourceKind[] = ['port', 'network', 'subnet'];
const ROLES = Object.keys(AGENT_TYPES) as Role[];
const ADMIN_FILTERS = ['agent_id', 'host', 'role', 'resource', 'position', 'state'];
const MEMBER_FILTERS = ['role', 'resource', 'position', 'state'];
const CONTROL = ['limit', 'marker', 'page_reverse'];
/** A member's marker: `port/<id>:l2`. */
const OWN_MARKER = /^(port|network|subnet)\/([^/:]+):(l2|dhcp|l3)$/;

const COUNT = { type: 'integer' };
const MAYBE_COUNT = { type: ['integer', 'null'] };
const ROLE = { ...TEXT, enum: ROLES };
const WHY = { ...TEXT, description: 'waiting: for the world; failed: tried; pending: not done yet.' };
const EXCEPTION = { key: TEXT, object: TEXT, state: WHY, since: COUNT, reason: TEXT };
const OWED = {
  ...EXCEPTION,
  kind: TEXT,
  sinceAt: {
    type: ['string', 'null'],
    description:
      'When that was committed; of what no change in the log tells, when a server first heard of it.',
  },
  ageMs: {
    ...MAYBE_COUNT,
    description: "Since the commit, by the database's clock; null where no change in the log tells it.",
  },
  overdue: {
    type: 'boolean',
    description: 'Past its deadline by ageMs; where that is null, by the clock of the server that is asked.',
  },
};
const AGENT = object({
  id: TEXT,
  host: TEXT,
  role: ROLE,
  alive: { type: 'boolean' },
  heard: { type: 'boolean' },
  state: { ...TEXT, enum: AGENT_STATES },
  realised: MAYBE_COUNT,
  reported: MAYBE_COUNT,
  lag: MAYBE_COUNT,
  exceptions: array(object(EXCEPTION)),
  exceptionCount: COUNT,
  owed: array(object(OWED)),
  overdue: COUNT,
  reportedAt: TEXT,
});
const OWN = object({
  resource: TEXT,
  role: ROLE,
  state: WHY,
  since: COUNT,
  sinceAt: OWED.sinceAt,
  overdue: OWED.overdue,
  reason: TEXT,
});
const SAYS = {
  id: 'show_convergence',
  summary: 'What agents have not realised yet; for a member, what of his own is not realised.',
  parameters: [
    query('agent_id', 'This agent (admins only).', { ...TEXT, format: 'uuid' }),
    query('host', "This host's agents (admins only); may be repeated.", array(TEXT)),
    query('role', 'The agents of this role; may be repeated.', array(ROLE)),
    query('resource', '`port/<id>`, `network/<id>` or `subnet/<id>`: what bears on it.', TEXT),
    query('position', 'Only what was asked for up to there: a position, or a whole place.', TEXT),
    query('state', 'Those that stand so; may be repeated.', array({ ...TEXT, enum: AGENT_STATES })),
    query('limit', 'At most this many; 0 for all.', { type: 'integer', minimum: 0 }),
    query('marker', 'The id (for members `resource:role`) after which the page begins.', TEXT),
    query('page_reverse', 'The page before the marker.', { type: 'boolean' }),
  ],
  answer: object({
    convergence: {
      ...object({ head: COUNT, converged: { type: 'boolean' }, agents: array(AGENT) }),
      properties: {
        head: COUNT,
        converged: { type: 'boolean' },
        agents: array(AGENT),
        resources: array(OWN),
        unattended: {
          ...array(OWN),
          description:
            'What nobody is there to realise, of the resource that is asked for, or of all: then the first 100 (admins only).',
        },
        unattendedCount: COUNT,
      },
    } as JsonSchema,
  }),
};

const badInput = (reason: string): Fault =>
  new Fault('InvalidInput', `Invalid input for operation: ${reason}.`);

function readUuid(name: string, given: string): string {
  const id = canonicalUuid(given);
  if (id === undefined) throw badInput(`${name}: '${display(given)}' is not a valid UUID`);
  return id;
}

function readWord<Word extends string>(name: string, given: string, words: readonly Word[]): Word {
  const word = words.find((one) => one === given);
  if (word === undefined) throw badInput(`${name}: '${display(given)}' is not one of ${words.join(', ')}`);
  return word;
}

function readResource(given: string): NonNullable<ConvergenceQuery['resource']> {
  const [word = '', ...rest] = given.split('/');
  return { kind: readWord('resource', word, KINDS), id: readUuid('resource', rest.join('/')) };
}

/** A position, or a whole place as in `X-Deuteron-Position`. */
function readPosition(given: string): Pick<ConvergenceQuery, 'position' | 'tag'> {
  const match = /^(\d{1,15})(?::(\d{1,16}))?$/.exec(given);
  const [position, tag] = [Number(match?.[1]), match?.[2]];
  if (!match || (tag !== undefined && !Number.isSafeInteger(Number(tag))))
    throw badInput(`position: '${display(given)}' is no position`);
  return { position, tag: tag === undefined ? undefined : Number(tag) };
}

function readQuery(parameters: URLSearchParams, caller: Caller): ConvergenceQuery {
  const known = [...(caller.isAdmin ? ADMIN_FILTERS : MEMBER_FILTERS), ...CONTROL];
  const unknown = [...new Set(parameters.keys())].filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const names = unknown.map((name) => `'${name}'`).join(', ');
    throw new Fault('HTTPBadRequest', `[${display(names)}] is invalid attribute for filtering`);
  }
  const one = <Value>(name: string, read: (given: string) => Value): Value | undefined => {
    const given = parameters.get(name);
    return given === null ? undefined : read(given);
  };
  const words = <Word extends string>(name: string, all: readonly Word[]): Word[] =>
    parameters.getAll(name).map((given) => readWord(name, given, all));
  return {
    agentId: one('agent_id', (given) => readUuid('agent_id', given)),
    hosts: parameters.getAll('host'),
    roles: words('role', ROLES),
    resource: one('resource', readResource),
    ...one('position', readPosition),
    states: words('state', AGENT_STATES),
  };
}

interface Page<Item> {
  readonly items: readonly Item[];
  /** undefined: all was asked for. */
  readonly links: readonly Link[] | undefined;
}

function readReverse(parameters: URLSearchParams): boolean {
  const given = parameters.get('page_reverse')?.toLowerCase() || 'false';
  return readWord('page_reverse', given, ['true', 'false']) === 'true';
}

interface PageRequest {
  readonly parameters: URLSearchParams;
  readonly url: string;
  /** Whether it has the form of a marker. */
  readonly isMarker: (given: string) => boolean;
}

/** The page that is asked for, of items in the order of their ids. A marker that is gone still has its place. */
function pageOf<Item>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  { parameters, url, isMarker }: PageRequest,
): Page<Item> {
  const limit = readLimit(parameters);
  const marker = parameters.get('marker') || undefined;
  if (marker !== undefined && !isMarker(marker)) throw badInput(`marker: '${display(marker)}' is no marker`);
  const reverse = readReverse(parameters);
  if (limit === 0) return { items, links: undefined };
  const beyond = (item: Item) =>
    marker === undefined || (reverse ? idOf(item) < marker : idOf(item) > marker);
  const left = items.filter(beyond);
  const page = reverse ? left.slice(-limit) : left.slice(0, limit);
  return { items: page, links: pageLinks({ url, parameters, limit, reverse }, page.map(idOf)) };
}

export function addConvergence(api: Api): void {
  const url = '/v2.0/deuteron/convergence';
  api.route({ method: 'GET', url, says: SAYS }, async (request, reply) => {
    const call = api.callOf(request);
    const parameters = request.query as URLSearchParams;
    const asked = readQuery(parameters, call.caller);
    const at = { parameters, url: api.urlOf(request) };
    if (!call.caller.isAdmin) {
      const { resources, ...rest } = await api.store.view((view) => ownConvergence(view, call, asked));
      const isMarker = (given: string) => canonicalUuid(OWN_MARKER.exec(given)?.[2] ?? '') !== undefined;
      const { items, links } = pageOf(resources, (one) => `${one.resource}:${one.role}`, { ...at, isMarker });
      return reply.send(answer({ ...rest, agents: [], resources: items }, links));
    }
    const found = await api.store.view((view) => convergence(view, call, asked));
    const isMarker = (given: string) => canonicalUuid(given) !== undefined;
    const { items, links } = pageOf(found.agents, (agent) => agent.id, { ...at, isMarker });
    return reply.send(answer({ ...found, agents: items }, links));
  });
}

const answer = (convergence: object, links: readonly Link[] | undefined): string =>
  JSON.stringify({ convergence, ...(links ? { convergence_links: links } : {}) });
