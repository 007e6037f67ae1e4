/** A network by itself: made once for each project, behind a router to the default external network. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const as = 'red';
const ask = (project = 'None'): string => `/v2.0/auto-allocated-topology/${project}`;
const listed = async (plural: string): Promise<Json[]> =>
  (await api.expect(200, 'GET', `/v2.0/${plural}?project_id=red`, { as }))[plural];
const counts = async (): Promise<number[]> =>
  Promise.all(['networks', 'subnets', 'routers', 'ports'].map(async (all) => (await listed(all)).length));

test('needs a default external network, of which there is one, and default subnet pools', async () => {
  const refused = (words: string) => [409, 'AutoAllocationFailure', words] as const;
  await api.refused(refused('external network'), 'GET', ask(), { as });
  const out = await api.make('networks', { 'router:external': true, is_default: true }, 'admin');
  await api.make('subnets', { network_id: out.id, cidr: '203.0.113.0/24', ip_version: 4 }, 'admin');
  assert.equal(out.is_default, true);
  const second = { network: { 'router:external': true, is_default: true } };
  const exists = [409, 'DefaultExternalNetworkExists', out.id] as const;
  await api.refused(exists, 'POST', '/v2.0/networks', { body: second });
  const other = await api.make('networks', { is_default: true }, 'admin');
  assert.equal(other.is_default, false, 'it is not external');
  const path = `/v2.0/networks/${other.id}`;
  await api.refused(exists, 'PUT', path, { body: second });
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', '/v2.0/networks', {
    ...{ as, body: { network: { is_default: true } } },
  });
  for (const query of ['', '?fields=dry-run']) {
    await api.refused(refused('subnetpools'), 'GET', ask() + query, { as });
  }
  assert.deepEqual(await counts(), [0, 0, 0, 0], 'nothing is left of the try');
});

test('is made once, whole, and taken away whole', async () => {
  const pool = { is_default: true, shared: true };
  await api.make(
    'subnetpools',
    { ...pool, name: 'four', prefixes: ['10.0.0.0/8'], default_prefixlen: 26 },
    'admin',
  );
  await api.make(
    'subnetpools',
    { ...pool, name: 'six', prefixes: ['fd00::/48'], default_prefixlen: 64 },
    'admin',
  );
  const dry = await api.expect(200, 'GET', `${ask()}?fields=dry-run`, { as });
  assert.equal(dry.auto_allocated_topology.id, 'dry-run=pass');
  const { auto_allocated_topology: made } = await api.expect(200, 'GET', ask(), { as });
  assert.deepEqual([made.tenant_id, made.project_id], [as, as]);
  const own = (await listed('networks')).find(({ id }) => id === made.id);
  assert.deepEqual([own.name, own.admin_state_up], ['auto_allocated_network', true]);
  const subnets = await listed('subnets');
  assert.deepEqual(subnets.map(({ name, network_id }) => [name, network_id]).sort(), [
    ['auto_allocated_subnet_v4', made.id],
    ['auto_allocated_subnet_v6', made.id],
  ]);
  const [router] = await listed('routers');
  assert.equal(router.name, 'auto_allocated_router');
  assert.ok(router.external_gateway_info.network_id);
  const before = await counts();
  const again = await api.expect(200, 'GET', ask(as), { as });
  assert.deepEqual([again.auto_allocated_topology.id, await counts()], [made.id, before]);
  const never = [403, 'PolicyNotAuthorized'] as const;
  await api.refused(never, 'GET', ask(as), { as: 'blue' });
  await api.refused(never, 'DELETE', ask(as), { as: 'blue' });
  await api.expect(204, 'DELETE', ask(), { as });
  await api.expect(204, 'DELETE', ask(), { as });
  assert.deepEqual(await counts(), [0, 0, 0, 0]);
  assert.notEqual((await api.expect(200, 'GET', ask(), { as })).auto_allocated_topology.id, made.id);
});

test('many who ask at the same moment get one', async () => {
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => api.expect(200, 'GET', ask(), { as: 'green' })),
  );
  assert.equal(new Set(answers.map((one) => one.auto_allocated_topology.id)).size, 1);
});
