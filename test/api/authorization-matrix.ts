/**
 * Who may do what: resources by verbs by callers, from the table of collections and the OpenAPI document, with tokens of a
 * Keystone. How many cells there are is printed. Policy files must leave all of it as it is, but for what they say.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Collection } from '../../src/api/collection.ts';
import { collections } from '../../src/api/collections.ts';
import { CHALLENGE, type KeystoneUnderTest, startKeystone } from '../support/keystone-under-test.ts';
import { policyOf, startApi, type ApiUnderTest, type Json } from './api-under-test.ts';
import { makeSamples, type Samples } from './samples.ts';

/** By the names of their tokens; `blue` is a member of another project, the last two are nobody. */
export const CALLERS = ['admin', 'red', 'red-reader', 'blue', 'blue-reader', 'expired', ''] as const;
export type As = (typeof CALLERS)[number];

const NOWHERE = '00000000-0000-4000-8000-000000000000';

export interface Matrix {
  /** The text of a policy file. */
  readonly policy?: string;
  /** Other answers than by default: `PLURAL VERB CALLER` (of VERBS, and `create`, `list`) to the status; 404 for a list hides the row. */
  readonly changed?: Readonly<Record<string, number>>;
  /** The writes (`put /v2.0/routers/{id}/tags`) at whose door readers are not refused any more. */
  readonly readersWrite?: RegExp;
}

let keystone: KeystoneUnderTest;
let api: ApiUnderTest;
let samples: Samples;
let cells = 0;
let changed: NonNullable<Matrix['changed']> = {};

async function start(matrix: Matrix): Promise<void> {
  keystone = await startKeystone();
  keystone.issue('admin', { roles: ['admin', 'member', 'reader'] });
  for (const project of ['red', 'blue']) {
    keystone.issue(project);
    keystone.issue(`${project}-reader`, { project, roles: ['reader'] });
  }
  keystone.issue('expired', { project: 'red', forMs: 0 });
  api = await startApi({
    ...{ identify: keystone.identify, challenge: CHALLENGE },
    ...(matrix.policy === undefined ? {} : { policy: policyOf(matrix.policy) }),
  });
  changed = matrix.changed ?? changed;
  samples = await makeSamples(api);
}

async function stop(): Promise<void> {
  await api?.close();
  await keystone?.fake.close();
}

interface Verb {
  readonly name: string;
  readonly method: string;
  /** Below the collection's. */
  readonly path: (id: string) => string;
  readonly body?: (it: Collection) => object | Promise<object>;
  /** What whoever owns it, or an admin, is answered; whoever may not see it gets 404. */
  readonly status: number;
}

const ofOne = (below: string) => (id: string) => `/${id}${below}`;

const VERBS: readonly Verb[] = [
  { name: 'show', method: 'GET', path: ofOne(''), status: 200 },
  {
    name: 'update',
    method: 'PUT',
    path: ofOne(''),
    body: ({ map }) => ({
      [map.singular]: map.byName.has('description') ? { description: 'other words' } : {},
    }),
    status: 200,
  },
  { name: 'add a tag', method: 'PUT', path: ofOne('/tags/one'), status: 201 },
  { name: 'list tags', method: 'GET', path: ofOne('/tags'), status: 200 },
  { name: 'check a tag', method: 'GET', path: ofOne('/tags/one'), status: 204 },
  { name: 'remove a tag', method: 'DELETE', path: ofOne('/tags/one'), status: 204 },
  { name: 'set tags', method: 'PUT', path: ofOne('/tags'), body: () => ({ tags: ['two'] }), status: 200 },
  { name: 'remove tags', method: 'DELETE', path: ofOne('/tags'), status: 204 },
  { name: 'delete', method: 'DELETE', path: ofOne(''), status: 204 },
];

/** What there is of them for a resource: some have no tags, and rules of groups are not changed. */
const verbsOf = ({ map, update }: Collection): readonly Verb[] =>
  VERBS.filter(
    ({ name, path }) =>
      (name !== 'update' || update) && (map.byName.has('tags') || !path('').includes('/tags')),
  );

/** Whether the verb is one that only admins have. */
const isForAdmins = ({ adminWrites }: Collection, { name }: Verb): boolean =>
  adminWrites === true && (name === 'update' || name === 'delete');

const isNobody = (as: As): boolean => as === '' || as === 'expired';
const isReader = (as: As): boolean => as.endsWith('-reader');

/** What anybody is answered who asks for that of something of the project red. */
function expectedOf(it: Collection, verb: Verb, as: As): number {
  const { method, status } = verb;
  if (isNobody(as)) return 401;
  if (isReader(as) && method !== 'GET') return 403;
  if (as.startsWith('blue')) return 404;
  return as === 'red' && isForAdmins(it, verb) ? 403 : status;
}

async function look(as: As, method: string, path: string, body?: object): Promise<Json> {
  const answer = await api.ask(method, path, { as, ...(body ? { body } : {}) });
  cells++;
  if (answer.status === 401) assert.equal(answer.headers.get('www-authenticate'), CHALLENGE);
  return answer;
}

async function makeOne({ map }: Collection): Promise<Json> {
  const body = { [map.singular]: { ...(await samples[map.plural]?.()), project_id: 'red' } };
  return (await api.expect(201, 'POST', `/v2.0/${map.path}`, { as: 'admin', body }))[map.singular];
}

const owned = collections.filter(({ table }) => table !== undefined);

/** Routes that are for admins alone, beside the verbs of resources. */
const ADMIN_ROUTES =
  /^\/v2\.0\/(deuteron\/(hosts|routers|events|explain\/agent)|agents|network-ip-availabilities|quotas$|(networks|routers)\/[^/]+\/(dhcp|l3)-agents)/;

/** Registers the tests of the whole matrix. */
export function testMatrix(matrix: Matrix): void {
  before(() => start(matrix));
  after(stop);
  for (const it of owned) {
    const { singular, plural, path } = it.map;
    const url = `/v2.0/${path}`;

    for (const as of CALLERS)
      test(`${plural}: what ${as || 'nobody'} may do with one of the project red`, async () => {
        const { id } = await makeOne(it);
        if (it.map.byName.has('tags')) await api.expect(201, 'PUT', `${url}/${id}/tags/one`, { as: 'admin' });
        const before = await api.expect(200, 'GET', `${url}/${id}`, { as: 'admin' });
        let wasWritten = false;
        for (const verb of verbsOf(it)) {
          const expected = changed[`${plural} ${verb.name} ${as}`] ?? expectedOf(it, verb, as);
          wasWritten ||= verb.method !== 'GET' && expected < 300;
          const answer = await look(as, verb.method, url + verb.path(id), await verb.body?.(it));
          assert.equal(answer.status, expected, `${verb.name}: ${answer.text}`);
        }
        const { status, body } = await api.ask('GET', `${url}/${id}`, { as: 'admin' });
        const isOwner = as === 'admin' || (as === 'red' && !it.adminWrites);
        const isGone = (changed[`${plural} delete ${as}`] ?? 204) === 204 && isOwner;
        assert.equal(status, isGone ? 404 : 200);
        // what was refused has left no trace
        if (!wasWritten) assert.deepEqual(body, before);
      });

    test(`${plural}: who finds one of the project red in a list, and who may create`, async () => {
      const row = await makeOne(it);
      for (const as of CALLERS) {
        const list = await look(as, 'GET', `${url}?id=${row.id}`);
        assert.equal(list.status, isNobody(as) ? 401 : 200, as);
        if (!isNobody(as))
          assert.deepEqual(
            list.body[plural].map(({ id }: Json) => id),
            as.startsWith('blue') || changed[`${plural} list ${as}`] === 404 ? [] : [row.id],
            as,
          );
        const sample = await samples[plural]?.();
        const created = await look(as, 'POST', url, { [singular]: { ...sample, project_id: 'red' } });
        const isRefused = it.adminWrites && as === 'red';
        const usual = isRefused ? 403 : isNobody(as) ? 401 : isReader(as) ? 403 : as === 'blue' ? 400 : 201;
        const expected = changed[`${plural} create ${as}`] ?? usual;
        assert.equal(created.status, expected, `${as}: ${created.text}`);
      }
    });

    test(`${plural}: a reader sees what a member sees`, async () => {
      const { id } = await makeOne(it);
      const shown = await look('red', 'GET', `${url}/${id}`);
      assert.equal(shown.status, changed[`${plural} show red`] ?? 200);
      // what is not there is told alike, but for the number of the request
      const seen = await look('red-reader', 'GET', `${url}/${id}`);
      assert.deepEqual(seen.body, shown.body);
    });
  }

  test('every route there is: nobody gets 401, readers 403 for all that is not reading', async () => {
    const { paths } = await api.expect(200, 'GET', '/openapi.json', { as: '' });
    for (const [template, operations] of Object.entries<Json>(paths))
      for (const [method, { security }] of Object.entries<Json>(operations)) {
        if (security?.length === 0) continue;
        const path = template.replace(/\{\w+\}/g, NOWHERE);
        const body = method === 'post' || method === 'put' ? {} : undefined;
        for (const as of ['', 'expired', 'red-reader', 'blue-reader'] as const) {
          const { status, text } = await look(as, method.toUpperCase(), path, body);
          const said = `${method} ${template} by ${as || 'nobody'}: ${status} ${text}`;
          if (isNobody(as)) assert.equal(status, 401, said);
          else if (matrix.readersWrite?.test(`${method} ${template}`)) assert.ok(status >= 400, said);
          else if (method !== 'get') assert.equal(status, 403, said);
          else assert.ok(status < 500 && status !== 401, said);
        }
      }
  });

  test('what only admins may ask is refused to members, or is not there for them', async () => {
    const { paths } = await api.expect(200, 'GET', '/openapi.json', { as: '' });
    const templates = Object.keys(paths).filter((template) => ADMIN_ROUTES.test(template));
    assert.ok(templates.length > 15);
    for (const template of templates)
      for (const method of Object.keys(paths[template])) {
        const path = template.replace(/\{\w+\}/g, NOWHERE);
        const body = method === 'post' || method === 'put' ? {} : undefined;
        for (const as of ['red', 'red-reader'] as const) {
          const { status, text, body: found } = await look(as, method.toUpperCase(), path, body);
          const isEmptyList = status === 200 && Object.values<Json>(found).every((rows) => rows.length === 0);
          assert.ok(
            status === 403 || status === 404 || isEmptyList,
            `${method} ${template} by ${as}: ${text}`,
          );
        }
      }
  });

  test('how many cells there were', (t) => {
    const verbs = owned.reduce((sum, it) => sum + verbsOf(it).length, 0);
    assert.ok(cells > verbs * CALLERS.length);
    t.diagnostic(
      `${cells} answers: resources x verbs x (${CALLERS.map((as) => as || 'no token').join(', ')})`,
    );
    assert.deepEqual(api.bugs, []);
  });
}
