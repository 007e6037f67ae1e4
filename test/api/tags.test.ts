/** Tags, on every resource that has them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
let network: Json;
before(async () => {
  api = await startApi();
  network = await api.make('networks', { shared: true, 'router:external': true }, 'admin');
});
after(() => api?.close());

/** One of each kind, of the project `red`. */
async function oneOfEach(): Promise<Map<string, string>> {
  const cidr = { cidr: '203.0.113.0/24', ip_version: 4 };
  await api.make('subnets', { network_id: network.id, ...cidr }, 'admin');
  const own = await api.make('networks', {}, 'red');
  const made = new Map([['networks', own.id]]);
  const subnet = { network_id: own.id, cidr: '10.0.0.0/24', ip_version: 4 };
  made.set('subnets', (await api.make('subnets', subnet, 'red')).id);
  made.set('ports', (await api.make('ports', { network_id: own.id }, 'red')).id);
  made.set('routers', (await api.make('routers', {}, 'red')).id);
  made.set('floatingips', (await api.make('floatingips', { floating_network_id: network.id }, 'red')).id);
  return made;
}

test('of each resource: set, added, checked, taken away; each a new revision, but what changes nothing', async () => {
  for (const [plural, id] of await oneOfEach()) {
    const path = `/v2.0/${plural}/${id}`;
    const singular = plural.slice(0, -1);
    const shown = async () => (await api.expect(200, 'GET', path, { as: 'red' }))[singular];
    const as = 'red';
    const before = await shown();
    assert.deepEqual(before.tags, []);
    const body = { tags: ['red', 'blue'] };
    assert.deepEqual(await api.expect(200, 'PUT', `${path}/tags`, { as, body }), { tags: ['blue', 'red'] });
    const set = await shown();
    assert.deepEqual([set.tags, set.revision_number], [['blue', 'red'], before.revision_number + 1]);
    await api.expect(201, 'PUT', `${path}/tags/a%20%2F%C3%BC`, { as });
    await api.expect(201, 'PUT', `${path}/tags/red`, { as });
    assert.deepEqual(await api.expect(200, 'GET', `${path}/tags`, { as }), { tags: ['a /ü', 'blue', 'red'] });
    assert.equal((await shown()).revision_number, before.revision_number + 2);
    await api.expect(204, 'GET', `${path}/tags/red`, { as });
    await api.expect(204, 'DELETE', `${path}/tags/red`, { as });
    await api.refused([404, 'TagNotFound'], 'GET', `${path}/tags/red`, { as });
    await api.refused([404, 'TagNotFound'], 'DELETE', `${path}/tags/red`, { as });
    await api.expect(204, 'DELETE', `${path}/tags`, { as });
    assert.deepEqual((await shown()).tags, []);
  }
});

test('lists by tags: all, any, not all, none of them', async () => {
  const sets = ['red', 'red,blue', 'blue', '', 'green'];
  for (const [at, tags] of sets.entries()) {
    const { id } = await api.make('networks', { name: String(at) }, 'filters');
    const body = { tags: tags.split(',').filter((one) => one !== '') };
    await api.expect(200, 'PUT', `/v2.0/networks/${id}/tags`, { as: 'filters', body });
  }
  const found = async (query: string): Promise<string> => {
    const path = `/v2.0/networks?project_id=filters&sort_key=name&sort_dir=asc&${query}`;
    const { networks } = await api.expect(200, 'GET', path, { as: 'filters' });
    return networks.map((it: Json) => it.name).join('');
  };
  assert.equal(await found('tags=red'), '01');
  assert.equal(await found('tags=red,blue'), '1');
  assert.equal(await found('tags=red&tags=blue'), '1');
  assert.equal(await found('tags-any=red,green'), '014');
  assert.equal(await found('not-tags=red,blue'), '0234');
  assert.equal(await found('not-tags-any=red,blue'), '34');
  assert.equal(await found('tags=blue&not-tags-any=red'), '2');
  assert.equal(await found('tags=blue&limit=1'), '1');
  await api.expect(400, 'GET', '/v2.0/agents?tags=x');
});

test('who may: the owner; who only sees it reads; for others it is not there', async () => {
  const path = `/v2.0/networks/${network.id}/tags`;
  assert.deepEqual(await api.expect(200, 'GET', path, { as: 'blue' }), { tags: [] });
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', `${path}/x`, { as: 'blue' });
  const { id } = await api.make('routers', {}, 'red');
  for (const method of ['GET', 'DELETE'])
    await api.refused([404, 'RouterNotFound'], method, `/v2.0/routers/${id}/tags`, { as: 'blue' });
  await api.refused([404, 'RouterNotFound'], 'PUT', '/v2.0/routers/nonsense/tags/x', {});
});

test('refuses what is no tag, and a revision that is not the one', async () => {
  const path = `/v2.0/networks/${network.id}/tags`;
  for (const body of [undefined, [], {}, { tags: 'x' }, { tags: [1] }, { tags: [''] }, { tags: ['x', 'x'] }])
    await api.refused([400, 'InvalidInput'], 'PUT', path, { body });
  await api.refused([400, 'InvalidInput'], 'PUT', `${path}/${'x'.repeat(256)}`, {});
  const headers = { 'if-match': 'revision_number=77' };
  await api.refused([412, 'RevisionNumberConstraintFailed'], 'PUT', `${path}/x`, { headers });
});

test('ports may be tagged when they are created, others not', async () => {
  const { id } = await api.make('networks', {}, 'red');
  const ports = ['b', 'a'].map((name) => ({ network_id: id, tags: [name, 'all'] }));
  const made = await api.expect(201, 'POST', '/v2.0/ports', { as: 'red', body: { ports } });
  assert.deepEqual(
    made.ports.map((port: Json) => port.tags),
    [
      ['all', 'b'],
      ['a', 'all'],
    ],
  );
  await api.expect(400, 'POST', '/v2.0/networks', { body: { network: { tags: ['x'] } } });
  await api.expect(400, 'PUT', `/v2.0/ports/${made.ports[0].id}`, { body: { port: { tags: ['x'] } } });
});
