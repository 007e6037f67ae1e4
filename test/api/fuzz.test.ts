/**
 * Requests made from the OpenAPI document: right by the schemas, and then bent. None may be answered as a bug, every refusal
 * is a NeutronError, and what was accepted can be shown. FUZZ_REQUESTS says how many, FUZZ_SEED from which seed.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { startApi, type Answer, type ApiUnderTest, type Json } from './api-under-test.ts';

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 1500);
const SEED = Number(process.env['FUZZ_SEED'] ?? 7);

let api: ApiUnderTest;
let document: Json;
before(async () => {
  api = await startApi();
  document = await api.expect(200, 'GET', '/openapi.json');
  for (const as of ['admin', 'red', 'blue'])
    for (let made = 0; made < 3; made++) {
      const attributes = as === 'admin' ? { 'router:external': true } : {};
      const network = await api.make('networks', attributes, as);
      const cidr = { cidr: `10.${made}.0.0/24`, ip_version: 4 };
      learn({ network, subnet: await api.make('subnets', { network_id: network.id, ...cidr }, as) });
      learn({
        router: await api.make('routers', {}, as),
        port: await api.make('ports', { network_id: network.id }, as),
      });
    }
});
after(() => api?.close());

/** Ids that were seen in answers, by kind: what a request may mean. */
const known = new Map<string, string[]>();
const NONE = '00000000-0000-4000-8000-000000000000';

/** Stands for one of the known ids of a kind until the request is sent. */
const ID = /@(\w+):(\d+)@/g;
const resolved = (text: string): string =>
  text.replaceAll(ID, (_, kind: string, pick: string) => {
    const ids = known.get(kind) ?? [];
    return ids[Number(pick) % Math.max(ids.length, 1)] ?? NONE;
  });

/** `floating_network_id` is the id of a network, whatever comes before. */
const kindOf = (name: string): string => /([a-z]+)_id$/.exec(name)?.[1] ?? name;

const WORDS = [
  '',
  ' ',
  'a',
  'None',
  '-1',
  '*',
  '10.0.0.0/24',
  '10.0.0.9',
  'fd00::/64',
  'é😀',
  "';--",
  '\u0000',
  'x'.repeat(300),
];
const ODD: readonly unknown[] = [null, true, 0, -1, 1.5, 2 ** 40, [], {}, [null], { a: [{}] }, ...WORDS];

const odd = fc.constantFrom(...ODD);
const idOf = (kind: string): fc.Arbitrary<unknown> => fc.nat(500).map((pick) => `@${kind}:${pick}@`);

function textOf(schema: Json, name: string): fc.Arbitrary<unknown> {
  if (schema.format === 'uuid') return idOf(kindOf(name));
  const usual = fc.constantFrom(...(schema.examples ?? []), '10.0.0.0/24', '10.0.0.7', 'red', 'network:x');
  return fc.oneof(usual, fc.constantFrom(...WORDS), fc.string({ maxLength: 20 }));
}

/** What is required, and a few of the others. */
function objectOf(schema: Json): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {});
  const entries = new Map(properties.map(([name, one]) => [name, valueBy(one, name)]));
  const required: string[] = (schema.required ?? []).filter((name: string) => entries.has(name));
  const others = [...entries.keys()].filter((name) => !required.includes(name));
  return fc
    .subarray(others, { maxLength: Math.min(3, others.length) })
    .chain((some) =>
      fc.record(Object.fromEntries([...required, ...some].map((name) => [name, entries.get(name)!]))),
    );
}

/** A value that the schema allows, mostly. */
function valueBy(given: Json, name: string): fc.Arbitrary<unknown> {
  const schema = given.$ref ? document.components.schemas[given.$ref.split('/').at(-1)] : given;
  const either = schema.oneOf ?? schema.anyOf;
  const right = (): fc.Arbitrary<unknown> => {
    if ('const' in schema) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    if (either && schema.type === undefined)
      return fc.oneof(...either.map((one: Json) => valueBy(one, name)));
    if (schema.type === 'boolean') return fc.boolean();
    if (schema.type === 'integer')
      return fc.oneof(
        fc.integer({ min: schema.minimum ?? -5, max: Math.max(schema.minimum ?? 0, 4000) }),
        odd,
      );
    if (schema.type === 'array') return fc.array(valueBy(schema.items ?? {}, name), { maxLength: 3 });
    if (schema.type === 'object') return objectOf(schema);
    return textOf(schema, name);
  };
  return fc.oneof({ weight: 80, arbitrary: right() }, { weight: 1, arbitrary: odd });
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly as: string;
}

function requestOf(path: string, method: string, says: Json): fc.Arbitrary<Request> {
  const inPath = (says.parameters ?? []).filter((one: Json) => one.in === 'path');
  const inQuery = (says.parameters ?? []).filter((one: Json) => one.in === 'query');
  const kind = /([a-z_]+?)s?\/\{/.exec(path.replaceAll('-', '_'))?.[1] ?? '';
  const word = fc.constantFrom(...WORDS);
  const part = fc.oneof({ weight: 9, arbitrary: idOf(kind) }, { weight: 1, arbitrary: word });
  const asked = fc.subarray(inQuery.map((one: Json) => one.name) as string[], {
    maxLength: Math.min(3, inQuery.length),
  });
  const schema = says.requestBody?.content['application/json'].schema;
  return fc
    .record({
      parts: fc.array(part, { minLength: inPath.length, maxLength: inPath.length }),
      query: asked.chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), part)))),
      body: schema ? valueBy(schema, '') : fc.constant(undefined),
      as: fc.constantFrom('admin', 'admin', 'red', 'blue'),
    })
    .map(({ parts, query, body, as }) => {
      const text = query.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&');
      const filled = inPath.reduce(
        (url: string, one: Json, at: number) =>
          url.replace(`{${one.name}}`, encodeURIComponent(String(parts[at]))),
        path,
      );
      return { method: method.toUpperCase(), path: text === '' ? filled : `${filled}?${text}`, body, as };
    });
}

function allRequests(): fc.Arbitrary<Request> {
  const all = Object.entries<Json>(document.paths)
    .filter(([path]) => path.startsWith('/v2.0'))
    .flatMap(([path, item]) =>
      Object.entries<Json>(item).map(([method, says]) => ({
        // more is made than taken away, or nothing would ever be found
        weight: method === 'post' ? 6 : method === 'delete' ? 1 : 3,
        arbitrary: requestOf(path, method, says),
      })),
    );
  return fc.oneof(...all);
}

function learn(body: Json): void {
  for (const [name, one] of Object.entries<Json>(body ?? {}))
    for (const it of Array.isArray(one) ? one : [one]) {
      if (typeof it?.id !== 'string') continue;
      const kind = kindOf(name).replace(Array.isArray(one) ? /s$/ : /$^/, '');
      for (const as of new Set([kind, kind.split('_').at(-1) as string, 'object']))
        known.set(as, [...(known.get(as) ?? []), it.id].slice(-200));
    }
}

function wrong(request: Request, { status, body, text }: Answer): string | undefined {
  const at = `${request.method} ${request.path} ${JSON.stringify(request.body)} as ${request.as}`;
  if (status >= 500) return `${at}: ${status} ${text}`;
  if (status < 400) return undefined;
  const { type, message } = body?.NeutronError ?? {};
  return typeof type === 'string' && typeof message === 'string' ? undefined : `${at}: ${status} ${text}`;
}

test('no request that can be made of the document is answered as a bug', { timeout: 900_000 }, async (t) => {
  const counts = new Map<number, number>();
  const failures: string[] = [];
  const requests = fc.sample(allRequests(), { seed: SEED, numRuns: REQUESTS });
  for (const request of requests) {
    const { method, as } = request;
    const path = request.path.replaceAll('%40', '@').replaceAll('%3A', ':');
    const body = request.body === undefined ? undefined : JSON.parse(resolved(JSON.stringify(request.body)));
    const answer = await api.ask(method, resolved(path), { as, ...(body === undefined ? {} : { body }) });
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    if (answer.status === 201) learn(answer.body);
    const complaint = wrong(request, answer);
    if (complaint !== undefined) failures.push(complaint);
  }
  t.diagnostic(
    [...counts]
      .sort()
      .map((one) => one.join(': '))
      .join(', '),
  );
  assert.deepEqual(
    failures.slice(0, 5),
    [],
    `${failures.length} of ${REQUESTS}\n${api.bugs.slice(0, 3).join('\n')}`,
  );
  assert.deepEqual(api.bugs, []);
  const made = counts.get(201) ?? 0;
  assert.ok(made > REQUESTS / 100, `of ${REQUESTS} requests ${made} made something`);
});
