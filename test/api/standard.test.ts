/** What every resource with standard attributes has, by its attribute map: one sample each is all that this needs to know. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Collection } from '../../src/api/collection.ts';
import { collections } from '../../src/api/collections.ts';
import type { Attribute } from '../../src/resources/attribute.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';
import { makeSamples, type Samples } from './samples.ts';

let api: ApiUnderTest;
let samples: Samples;
before(async () => {
  api = await startApi();
  samples = await makeSamples(api);
});
after(() => api?.close());

const stored = collections.filter(({ table }) => table !== undefined);
/** RBAC policies and rules of security groups have less, and tests of their own. */
const standard = stored.filter(({ map }) => map.byName.has('tags'));

test('there is a sample of each', () => {
  assert.deepEqual(stored.map(({ map }) => map.plural).sort(), Object.keys(samples).sort());
  assert.deepEqual(
    stored.filter((it) => !standard.includes(it)).map(({ map }) => map.plural),
    ['rbac_policies', 'security_group_rules'],
  );
});

const as = 'red';
const RED = { as };
const BLUE = { as: 'blue' };

/** Who may write one of the project red. */
const writerOf = ({ adminWrites }: Collection): string => (adminWrites ? 'admin' : as);

async function make(it: Collection, more: object = {}): Promise<Json> {
  const { singular, plural, path } = it.map;
  const sample = await samples[plural]?.();
  const body = { [singular]: { ...sample, ...more, project_id: as } };
  return (await api.expect(201, 'POST', `/v2.0/${path}`, { as: writerOf(it), body }))[singular];
}

/** A value as a query string has it. */
const written = (value: unknown): string =>
  value === true ? 'True' : value === false ? 'False' : String(value);

const isPlain = (value: unknown): boolean =>
  value !== undefined && (value === null || typeof value !== 'object');

/** Shown of some only, as Neutron does. */
const SOMETIMES = new Set(['trunk_details']);
const namesOf = (attributes: readonly Attribute[]) => attributes.map(({ name }) => name);

/** Attributes that a member sees and lists can ask for by a value that is shown. */
const filtersOf = ({ map }: Collection, row: Json): Attribute[] =>
  map.attributes.filter(
    (it) => it.filter && it.see === undefined && isPlain(row[it.name]) && row[it.name] !== null,
  );

for (const it of standard) {
  const { singular, plural, path, attributes } = it.map;
  const url = `/v2.0/${path}`;
  const ids = async (query: string, who: { as: string } = RED): Promise<string[]> =>
    (await api.expect(200, 'GET', `${url}?${query}`, who))[plural].map((row: Json) => row.id);
  const missing = it.map.missing.type;

  test(`${plural}: what a new one says of itself, and what a change moves`, async () => {
    const row = await make(it);
    const writer = { as: writerOf(it) };
    const shown = attributes.filter(({ see }) => see === undefined || (see === 'admin' && it.adminWrites));
    const names = namesOf(shown).filter((name) => !SOMETIMES.has(name));
    assert.deepEqual(Object.keys(row).sort(), names.sort());
    const { project_id, tenant_id, description, tags } = row;
    assert.deepEqual([project_id, tenant_id, description, tags], [as, as, '', []]);
    assert.match(row.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const body = { [singular]: { description: 'other words' } };
    const headers = { 'if-match': `revision_number=${row.revision_number}` };
    const { [singular]: changed } = await api.expect(200, 'PUT', `${url}/${row.id}`, {
      ...writer,
      body,
      headers,
    });
    assert.deepEqual(
      [changed.description, changed.revision_number > row.revision_number, changed.created_at],
      ['other words', true, row.created_at],
    );
    const stale = 'RevisionNumberConstraintFailed';
    await api.refused([412, stale], 'PUT', `${url}/${row.id}`, { ...writer, body, headers });
    await api.refused([412, stale], 'DELETE', `${url}/${row.id}`, { ...writer, headers });
    assert.deepEqual(await api.expect(200, 'GET', `${url}/${row.id}`, RED), { [singular]: changed });
    assert.ok((await ids(`changed_since=${changed.updated_at}`)).includes(row.id));
    assert.deepEqual(await ids('changed_since=2999-01-01T00:00:00Z'), []);
    await api.expect(204, 'DELETE', `${url}/${row.id}`, writer);
    await api.refused([404, missing], 'GET', `${url}/${row.id}`, RED);
  });

  test(`${plural}: found by each attribute that filters, also by an empty one; by no other`, async () => {
    const row = await make(it);
    const other = await make(it, { description: 'not me' });
    for (const { name } of filtersOf(it, row)) {
      const value = encodeURIComponent(written(row[name]));
      assert.ok((await ids(`${name}=${value}`)).includes(row.id), `${name}=${value}`);
    }
    assert.ok(!(await ids('description=')).includes(other.id));
    assert.deepEqual(await ids(`id=${row.id}&id=${other.id}&description=not+me`), [other.id]);
    for (const name of [...attributes.filter((one) => !one.filter).map((one) => one.name), 'nonsense'])
      await api.refused([400, 'HTTPBadRequest', name], 'GET', `${url}?${name}=1`, RED);
    assert.deepEqual(await ids('id=nonsense'), []);
  });

  test(`${plural}: in the order of each attribute that sorts, in pages, with some fields`, async () => {
    for (let made = 0; made < 3; made++) await make(it, { description: `number ${made % 2}` });
    const all = (await ids('')).sort();
    for (const { name, sort, see } of attributes) {
      if (see !== undefined) continue;
      const query = `sort_key=${name}&sort_dir=desc&sort_key=id&sort_dir=asc`;
      if (sort) assert.deepEqual((await ids(query)).sort(), all);
      else await api.refused([400, 'HTTPBadRequest'], 'GET', `${url}?${query}`, RED);
    }
    const order = 'sort_key=description&sort_dir=desc';
    const expected = await ids(order);
    const paged: string[] = [];
    let next: string | undefined = `${url}?${order}&limit=2`;
    while (next !== undefined && paged.length <= all.length) {
      const page: Json = await api.expect(200, 'GET', next, RED);
      paged.push(...page[plural].map((row: Json) => row.id));
      const link = page[`${plural}_links`].find((one: Json) => one.rel === 'next');
      next = link?.href.slice(api.url.length);
    }
    assert.deepEqual(paged, expected);
    const back = await ids(`${order}&limit=9&page_reverse=True&marker=${expected[2]}`);
    assert.deepEqual(back, expected.slice(0, 2));
    const { [plural]: few } = await api.expect(200, 'GET', `${url}?id=${all[0]}&fields=id`, RED);
    assert.deepEqual(few, [{ id: all[0] }]);
    await api.refused([404, missing], 'GET', `${url}?limit=1&marker=nonsense`, RED);
  });

  test(`${plural}: for another project it is not there, for an admin it is`, async () => {
    const row = await make(it);
    const body = { [singular]: { description: 'mine' } };
    assert.ok(!(await ids('', BLUE)).includes(row.id));
    for (const below of ['', '/tags']) {
      await api.refused([404, missing], 'GET', `${url}/${row.id}${below}`, BLUE);
      await api.refused([404, missing], 'DELETE', `${url}/${row.id}${below}`, BLUE);
    }
    await api.refused([404, missing], 'PUT', `${url}/${row.id}`, { ...BLUE, body });
    await api.expect(401, 'GET', url, { as: '' });
    const foreign = { [singular]: { ...(await samples[plural]?.()), project_id: 'red' } };
    await api.refused([400, 'HTTPBadRequest'], 'POST', url, { ...BLUE, body: foreign });
    assert.ok((await ids('', { as: 'admin' })).includes(row.id));
    await api.expect(200, 'PUT', `${url}/${row.id}`, { body });
  });

  test(`${plural}: what only admins may set is refused to members`, async () => {
    const row = await make(it);
    const limited = attributes.filter(({ put, limitedTo }) => put === 'admin' && !limitedTo);
    for (const { name } of limited) {
      const current = row[name] ?? (await api.expect(200, 'GET', `${url}/${row.id}`))[singular][name];
      const body = { [singular]: { [name]: current } };
      await api.refused([403, 'PolicyNotAuthorized', name], 'PUT', `${url}/${row.id}`, { as, body });
    }
  });

  test(`${plural}: no more than its quota, if it has one`, async () => {
    const before = (await api.expect(200, 'GET', '/v2.0/quotas/red/details', RED)).quota[singular];
    if (before === undefined) return;
    const quota = { [singular]: before.used + 1 };
    const extra = await samples[plural]?.();
    // what samples are made of counts as well
    await api.expect(200, 'PUT', '/v2.0/quotas/red', { body: { quota } });
    const { used } = (await api.expect(200, 'GET', '/v2.0/quotas/red/details', RED)).quota[singular];
    const body = { [plural]: Array(before.used + 2 - used).fill({ ...extra }) };
    await api.refused([409, 'OverQuota', singular], 'POST', url, { as, body });
    await api.expect(204, 'DELETE', '/v2.0/quotas/red');
    assert.equal(used, (await api.expect(200, 'GET', '/v2.0/quotas/red/details', RED)).quota[singular].used);
  });
}
