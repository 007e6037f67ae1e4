/** The OpenAPI 3.1 document at `/openapi.json`, from the same attribute maps that requests are checked against. */
import { schemaOf, type AttributeMap } from '../resources/attribute.ts';
import type { Api } from './app.ts';
import type { Collection } from './collection.ts';

type Json = Record<string, unknown>;

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const content = (schema: Json): Json => ({ content: { 'application/json': { schema } } });
const wrapped = (name: string, schema: Json): Json => ({
  type: 'object',
  properties: { [name]: schema },
  required: [name],
});
const listed = (name: string, schema: Json): Json => wrapped(name, { type: 'array', items: schema });
const FAULTS: Json = { default: { $ref: '#/components/responses/Fault' } };
const ID: Json = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };
const IF_MATCH: Json = {
  name: 'If-Match',
  in: 'header',
  description: '`revision_number=N`: 412 if the resource has another revision.',
  schema: { type: 'string' },
};

function query(name: string, description: string, schema: Json): Json {
  return { name, in: 'query', description, schema, explode: true };
}

function listParameters(map: AttributeMap): Json[] {
  const filters = map.attributes
    .filter((attribute) => attribute.filter)
    .map((attribute) =>
      query(attribute.name, `Only those with this ${attribute.name}; may be repeated.`, {
        type: 'array',
        items: { type: 'string' },
      }),
    );
  const names = (which: readonly { name: string }[]) => ({
    type: 'array',
    items: { type: 'string', enum: which.map((attribute) => attribute.name) },
  });
  return [
    ...filters,
    query('fields', 'Show these attributes only.', names(map.attributes)),
    query('sort_key', 'Sort by this attribute.', names(map.attributes.filter((attribute) => attribute.sort))),
    query('sort_dir', 'One for each sort_key.', {
      type: 'array',
      items: { type: 'string', enum: ['asc', 'desc'] },
    }),
    query('limit', 'At most this many; 0 for all.', { type: 'integer', minimum: 0 }),
    query('marker', 'The id after which the page begins.', { type: 'string', format: 'uuid' }),
    query('page_reverse', 'The page before the marker.', { type: 'boolean' }),
  ];
}

function paths({ map, noCreate }: Collection): Json {
  const { singular, plural } = map;
  const name = capital(singular);
  const one = content(wrapped(singular, ref(name)));
  const create: Json = {
    operationId: `create_${singular}`,
    requestBody: {
      required: true,
      ...content({
        oneOf: [wrapped(singular, ref(`${name}Create`)), listed(plural, ref(`${name}Create`))],
      }),
    },
    responses: {
      201: {
        description: 'Created; of several, all or none.',
        ...content({ oneOf: [wrapped(singular, ref(name)), listed(plural, ref(name))] }),
      },
      ...FAULTS,
    },
  };
  const update: Json = {
    operationId: `update_${singular}`,
    parameters: [IF_MATCH],
    requestBody: { required: true, ...content(wrapped(singular, ref(`${name}Update`))) },
    responses: { 200: { description: 'As it is now.', ...one }, ...FAULTS },
  };
  return {
    [`/v2.0/${plural}`]: {
      get: {
        operationId: `list_${plural}`,
        parameters: listParameters(map),
        responses: { 200: { description: 'A page.', ...content(listed(plural, ref(name))) }, ...FAULTS },
      },
      ...(noCreate === undefined ? { post: create } : {}),
    },
    [`/v2.0/${plural}/{id}`]: {
      parameters: [ID],
      get: {
        operationId: `show_${singular}`,
        responses: { 200: { description: 'Found.', ...one }, ...FAULTS },
      },
      put: update,
      delete: {
        operationId: `delete_${singular}`,
        parameters: [IF_MATCH],
        responses: { 204: { description: 'Gone.' }, ...FAULTS },
      },
    },
  };
}

function schemas({ map, noCreate }: Collection): Json {
  const name = capital(map.singular);
  return {
    [name]: schemaOf(map, 'shown'),
    ...(noCreate === undefined ? { [`${name}Create`]: schemaOf(map, 'post') } : {}),
    [`${name}Update`]: schemaOf(map, 'put'),
  };
}

const FAULT: Json = wrapped('NeutronError', {
  type: 'object',
  properties: { type: { type: 'string' }, message: { type: 'string' }, detail: { type: 'string' } },
  required: ['type', 'message', 'detail'],
});

/** The document for these collections. */
export function openApiDocument(collections: readonly Collection[]): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Networking API', version: '2.0' },
    security: [{}, { basic: [] }],
    paths: Object.assign({}, ...collections.map(paths)) as Json,
    components: {
      schemas: Object.assign({ Fault: FAULT }, ...collections.map(schemas)) as Json,
      responses: { Fault: { description: 'What was wrong.', ...content(ref('Fault')) } },
      securitySchemes: { basic: { type: 'http', scheme: 'basic' } },
    },
  };
}

export function addOpenApi(api: Api, collections: readonly Collection[]): void {
  const text = JSON.stringify(openApiDocument(collections));
  api.route('GET', '/openapi.json', async (_request, reply) => reply.send(text), 'open');
}
