/** The OpenAPI 3.1 document at `/openapi.json`: what each route says of itself, with schemas from the attribute maps. */
import type { JsonSchema } from '../resources/values.ts';
import type { Api } from './app.ts';
import type { Collection } from './collection.ts';
import { schemasOf } from './resource-descriptions.ts';
import { object, ref, type Route, TEXT } from './route.ts';

type Json = Record<string, unknown>;

const content = (schema: JsonSchema): Json => ({ content: { 'application/json': { schema } } });
const FAULT = object({ NeutronError: object({ type: TEXT, message: TEXT, detail: TEXT }) });
/** Path parameters that are ids of resources; the others are names. */
const IDS = new Set(['id', 'network']);

function pathParameters(url: string): Json[] {
  return [...url.matchAll(/:(\w+)/g)].map((match) => {
    const name = match[1] as string;
    return { name, in: 'path', required: true, schema: IDS.has(name) ? { ...TEXT, format: 'uuid' } : TEXT };
  });
}

/** Under which heading a reader finds it: the resource's, or what the first name of the path says. */
function headingOf(url: string): string {
  const [version, first, second] = url.split('/').filter((part) => !part.startsWith(':') && part !== '');
  if (version !== 'v2.0' || first === undefined) return 'server';
  return first === 'qos' && second ? `${first} ${second}` : first;
}

function operation({ url, open, says }: Route): Json {
  if (says === null) return {};
  const { id, summary, body, status = 200, answer } = says;
  const parameters = [...pathParameters(url), ...(says.parameters ?? [])];
  return {
    operationId: id,
    summary,
    tags: [headingOf(url)],
    ...(open ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, ...content(body) } } : {}),
    responses: {
      [status]: { description: summary, ...(answer ? content(answer) : {}) },
      default: { $ref: '#/components/responses/Fault' },
    },
  };
}

/** The document for these routes; `collections` give the schemas that they refer to. */
export function openApiDocument(routes: readonly Route[], collections: readonly Collection[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if (route.says === null) continue;
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Networking API', version: '2.0' },
    security: [{}, { basic: [] }, { keystone: [] }],
    paths,
    components: {
      schemas: Object.assign({ Fault: FAULT }, ...collections.map(schemasOf)) as Json,
      responses: { Fault: { description: 'What was wrong.', ...content(ref('Fault')) } },
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        keystone: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' },
      },
    },
  };
}

/** `routes` are those that there are when it is first asked for. */
export function addOpenApi(
  api: Api,
  { routes, collections }: { routes: readonly Route[]; collections: readonly Collection[] },
): void {
  let text: string | undefined;
  const says = { id: 'show_openapi', summary: 'This document.', answer: { type: 'object' } };
  api.route({ method: 'GET', url: '/openapi.json', open: true, says }, async (_request, reply) => {
    text ??= JSON.stringify(openApiDocument(routes, collections));
    return reply.send(text);
  });
}
