/** Arbitrary requests made of the OpenAPI document: right by its schemas, and then bent. What they name is filled in when they are sent. */
import fc from 'fast-check';
import type { Json } from './api-under-test.ts';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly as: string;
}

/** An admin, and members of projects. What quotas are set for is mostly the last. */
export const CALLERS = ['admin', 'red', 'blue', 'green'] as const;
export const HOSTS = ['host-1', 'host-2'] as const;
export const PHYSICAL_NETWORK = 'physnet1';

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

/** Stands for the id of one of the objects of a kind that are known when the request is sent. */
const idOf = (kind: string): fc.Arbitrary<unknown> => fc.nat(500).map((pick) => `@${kind}:${pick}@`);

const few = fc.integer({ min: 0, max: 5 });
const address = fc.oneof(
  fc.tuple(few, fc.integer({ min: 1, max: 30 })).map(([net, host]) => `10.${net}.0.${host}`),
  fc.tuple(few, fc.integer({ min: 1, max: 30 })).map(([net, host]) => `fd00:${net}::${host}`),
);
const cidr = fc.oneof(
  fc.tuple(few, fc.constantFrom(16, 24, 24, 28)).map(([net, length]) => `10.${net}.0.0/${length}`),
  fc.tuple(few, fc.constantFrom(48, 64, 64)).map(([net, length]) => `fd00:${net}::/${length}`),
);
const project = idOf('project');

/** What attributes of these names usually are, where the schema only says text. */
const USUAL: readonly (readonly [name: RegExp, arbitrary: fc.Arbitrary<unknown>])[] = [
  [/^(cidr|prefixes|addresses|remote_ip_prefix|destination)$/, cidr],
  [/(ip_address|gateway_ip|nexthop|start|end|nameservers)$/, address],
  [/^(project_id|tenant_id)$/, project],
  [/^target_tenant$/, fc.constantFrom<unknown>(...CALLERS, '*')],
  [/^binding:host_id$|^host$/, fc.constantFrom(...HOSTS, '')],
  [/physical_network$/, fc.constant(PHYSICAL_NETWORK)],
  [/^device_id$/, fc.oneof(fc.constant(''), fc.constant('machine'), idOf('router'))],
  [
    /^device_owner$/,
    fc.constantFrom('', 'compute:nova', 'network:router_interface', 'network:router_gateway', 'network:dhcp'),
  ],
];

function textOf(schema: Json, name: string): fc.Arbitrary<unknown> {
  if (schema.format === 'uuid') return idOf(name);
  const known = USUAL.find(([pattern]) => pattern.test(name));
  const usual = fc.constantFrom(...(schema.examples ?? []), '10.0.0.0/24', '10.0.0.7', 'red', 'network:x');
  const bent = fc.oneof(usual, fc.constantFrom(...WORDS), fc.string({ maxLength: 20 }));
  return known ? fc.oneof({ weight: 12, arbitrary: known[1] }, { weight: 1, arbitrary: bent }) : bent;
}

const small = (minimum: number): fc.Arbitrary<number> => fc.integer({ min: minimum, max: minimum + 40 });

/** One of the two is what an interface of a router is made of. */
const EITHER = ['subnet_id', 'port_id'];

/** No schema requires them, and little is accepted without. */
const MOSTLY = [
  ...['cidr', 'internal_port', 'external_port', 'segmentation_type', 'segmentation_id'],
  ...['external_gateway_info', 'driver'],
];

/** The parts of a document from which requests are made. */
class Maker {
  readonly #document: Json;
  constructor(document: Json) {
    this.#document = document;
  }

  /** What is required, and a few of the others. */
  #objectOf(schema: Json): fc.Arbitrary<unknown> {
    const properties = Object.entries(schema.properties ?? {});
    const entries = new Map(properties.map(([name, one]) => [name, this.valueBy(one, name)]));
    const required: string[] = (schema.required ?? []).filter((name: string) => entries.has(name));
    const either = EITHER.filter((name) => !required.includes(name) && entries.has(name));
    if (either.length === EITHER.length && entries.size === either.length)
      return fc.constantFrom(...either).chain((name) => fc.record({ [name]: entries.get(name)! }));
    const mostly = MOSTLY.filter((name) => !required.includes(name) && entries.has(name));
    const others = [...entries.keys()].filter((name) => !required.includes(name) && !mostly.includes(name));
    const usual = fc.oneof(
      { weight: 9, arbitrary: fc.constant(mostly) },
      { weight: 1, arbitrary: fc.constant([]) },
    );
    return fc
      .tuple(fc.subarray(others, { maxLength: Math.min(3, others.length) }), usual)
      .chain(([some, most]) =>
        fc.record(
          Object.fromEntries([...required, ...some, ...most].map((name) => [name, entries.get(name)!])),
        ),
      );
  }

  /** A value that the schema allows, mostly. */
  valueBy(given: Json, name: string): fc.Arbitrary<unknown> {
    const schema = given.$ref ? this.#document.components.schemas[given.$ref.split('/').at(-1)] : given;
    return fc.oneof({ weight: 80, arbitrary: this.#rightBy(schema, name) }, { weight: 1, arbitrary: odd });
  }

  #rightBy(schema: Json, name: string): fc.Arbitrary<unknown> {
    const either = schema.oneOf ?? schema.anyOf;
    if ('const' in schema) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    if (either && schema.type === undefined)
      return fc.oneof(...either.map((one: Json) => this.valueBy(one, name)));
    if (schema.type === 'boolean') return fc.boolean();
    if (schema.type === 'integer') {
      const least = schema.minimum ?? -5;
      const any = fc.integer({ min: least, max: Math.max(least, 4000) });
      return fc.oneof(small(least), any, odd);
    }
    if (schema.type === 'array') {
      const items = this.valueBy(schema.items ?? {}, name);
      const some = fc.array(items, { minLength: 1, maxLength: 3 });
      return fc.oneof({ weight: 9, arbitrary: some }, { weight: 1, arbitrary: fc.constant([]) });
    }
    if (schema.type === 'object') return this.#objectOf(schema);
    return textOf(schema, name);
  }

  requestOf(path: string, method: string, says: Json): fc.Arbitrary<Request> {
    const inPath: Json[] = (says.parameters ?? []).filter((one: Json) => one.in === 'path');
    const inQuery: Json[] = (says.parameters ?? []).filter((one: Json) => one.in === 'query');
    const parts = inPath.map(({ name }) => partOf(path, name));
    const asked = fc.subarray(
      inQuery.map((one) => one.name as string),
      { maxLength: Math.min(3, inQuery.length) },
    );
    const word = fc.oneof(idOf('object'), fc.constantFrom(...WORDS));
    const schema = says.requestBody?.content['application/json'].schema;
    return fc
      .record({
        parts: fc.tuple(...parts),
        query: asked.chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), word)))),
        body: schema ? this.valueBy(schema, '') : fc.constant(undefined),
        as: fc.constantFrom('admin', 'admin', ...CALLERS),
      })
      .map(({ parts: filled, query, body, as }) => {
        const text = query.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&');
        const url = inPath.reduce(
          (so: string, { name }, at) => so.replace(`{${name}}`, encodeURIComponent(String(filled[at]))),
          path,
        );
        return { method: method.toUpperCase(), path: text === '' ? url : `${url}?${text}`, body, as };
      });
  }
}

/** What stands in the path for `{name}`: the id of one of the collection before it. */
function partOf(path: string, name: string): fc.Arbitrary<unknown> {
  const collection = path.split('/').at(path.split('/').indexOf(`{${name}}`) - 1) ?? '';
  const kind = collection.replaceAll('-', '_').replace(/ies$/, 'y').replace(/s$/, '');
  const right =
    name === 'project'
      ? fc.constantFrom<unknown>('red', 'green', 'green', 'green')
      : name === 'tag'
        ? fc.constantFrom<unknown>('red', 'blue')
        : kind === 'host'
          ? fc.constantFrom<unknown>(...HOSTS)
          : idOf(kind);
  return fc.oneof({ weight: 19, arbitrary: right }, { weight: 1, arbitrary: fc.constantFrom(...WORDS) });
}

/** So many more of these are asked for: more is made than taken away, or nothing would ever be found. */
const WEIGHTS: Readonly<Record<string, number>> = { post: 8, put: 4, get: 2, delete: 1 };

/** What most depends on what else there is. */
const CORE =
  /v2.0.(networks|subnets|ports|routers|floatingips|subnetpools|trunks|security-group|rbac)[^/]*(.{id}(.*interface|.*subports|.*prefixes|.onboard.*)?)?$|forwardings/;

const weightOf = (path: string, method: string): number => (WEIGHTS[method] ?? 1) * (CORE.test(path) ? 5 : 1);

/** The requests of all that the document has under /v2.0. */
export function allRequests(document: Json): fc.Arbitrary<Request> {
  const maker = new Maker(document);
  const all = Object.entries<Json>(document.paths)
    .filter(([path]) => path.startsWith('/v2.0'))
    .flatMap(([path, item]) =>
      Object.entries<Json>(item).map(([method, says]) => ({
        weight: weightOf(path, method),
        arbitrary: maker.requestOf(path, method, says),
      })),
    );
  return fc.oneof(...all);
}

const NONE = '00000000-0000-4000-8000-000000000000';

interface Seen {
  readonly id: string;
  readonly project: string;
  readonly isForAll: boolean;
}

/** Objects that answers told of, by kind: what a request may mean. */
export class Known {
  readonly #kinds = new Map<string, Seen[]>();

  /** Takes what an answer shows, one or many. */
  learn(body: Json): void {
    for (const [name, one] of Object.entries<Json>(body ?? {}))
      for (const it of Array.isArray(one) ? one : [one]) {
        if (typeof it?.id !== 'string') continue;
        const kind = Array.isArray(one) ? name.replace(/ies$/, 'y').replace(/s$/, '') : name;
        const isForAll = it.shared === true || it['router:external'] === true || it.project_id === undefined;
        const seen = { id: it.id, project: it.project_id ?? '', isForAll };
        const also = kind === 'policy' ? 'qos_policy' : it['router:external'] ? 'floating_network' : kind;
        for (const as of new Set([kind, also, 'object']))
          this.#kinds.set(as, [...(this.#kinds.get(as) ?? []), seen].slice(-60));
      }
  }

  forget(id: string): void {
    for (const [kind, all] of this.#kinds)
      this.#kinds.set(
        kind,
        all.filter((one) => one.id !== id),
      );
  }

  /** `remote_address_group_id` is one of the kind with the longest name that it ends with. */
  #ofName(name: string): readonly Seen[] {
    const words = name.replace(/_ids?$|s$/, '').split('_');
    for (let at = 0; at < words.length; at++) {
      const all = this.#kinds.get(words.slice(at).join('_'));
      if (all) return all;
    }
    return this.#kinds.get(name) ?? [];
  }

  /** Fills in ids, mostly of what the caller may use. */
  #resolved(text: string, as: string): string {
    return text.replaceAll(/@(\w+):(\d+)@/g, (_, name: string, digits: string) => {
      const pick = Number(digits);
      if (name === 'project') return as === 'admin' ? (CALLERS[pick % CALLERS.length] ?? as) : as;
      const all = this.#ofName(name);
      const own =
        as === 'admin' || pick % 8 === 0 ? all : all.filter((one) => one.isForAll || one.project === as);
      return own[pick % Math.max(own.length, 1)]?.id ?? NONE;
    });
  }

  /** The request with what is known now. */
  filled({ method, path, body, as }: Request): Request {
    const url = path.replaceAll('%40', '@').replaceAll('%3A', ':');
    const type = (body as Json)?.rbac_policy?.object_type;
    const text = JSON.stringify(body)?.replace('@object_id:', `@${type}:`);
    const filled = body === undefined ? undefined : JSON.parse(this.#resolved(text ?? '', as));
    return { method, path: this.#resolved(url, as), body: filled, as };
  }
}
