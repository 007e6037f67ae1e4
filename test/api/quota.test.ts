import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi({ settings: { quotas: { network: 2, subnet: 10, port: -1 } } });
});
after(() => api?.close());

const DEFAULTS = {
  network: 2,
  subnet: 10,
  port: -1,
  router: -1,
  floatingip: -1,
  rbac_policy: -1,
  subnetpool: -1,
  trunk: -1,
  security_group: -1,
  security_group_rule: -1,
};
const names = (project: string) => ({ project_id: project, tenant_id: project });

test('a project has the defaults until it is given its own', async () => {
  const path = '/v2.0/quotas/red';
  assert.deepEqual((await api.expect(200, 'GET', path)).quota, { ...DEFAULTS, ...names('red') });
  const own = { ...DEFAULTS, network: 5 };
  const { quota } = await api.expect(200, 'PUT', path, { body: { quota: { network: '5', force: true } } });
  assert.deepEqual(quota, { ...own, ...names('red') });
  assert.deepEqual((await api.expect(200, 'GET', `${path}/default`)).quota, DEFAULTS);
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/quotas')).quotas, [{ ...own, ...names('red') }]);
  await api.expect(204, 'DELETE', path);
  assert.deepEqual((await api.expect(200, 'GET', path)).quota, { ...DEFAULTS, ...names('red') });
});

test('details say what is used', async () => {
  await api.expect(201, 'POST', '/v2.0/networks', { as: 'blue', body: { network: {} } });
  const { quota } = await api.expect(200, 'GET', '/v2.0/quotas/blue/details.json', { as: 'blue' });
  assert.deepEqual(quota.network, { limit: 2, used: 1, reserved: 0 });
});

test('more than the limit is refused, a bulk as a whole', async () => {
  const body = { networks: [{}, {}, {}] };
  const refused = await api.expect(409, 'POST', '/v2.0/networks', { as: 'green', body });
  assert.deepEqual(refused.NeutronError, {
    type: 'OverQuota',
    message: "Quota exceeded for resources: ['network'].",
    detail: '',
  });
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/networks', { as: 'green' })).networks, []);
});

test('members read their own and set none', async () => {
  await api.expect(200, 'GET', '/v2.0/quotas/red', { as: 'red' });
  await api.expect(403, 'GET', '/v2.0/quotas/blue', { as: 'red' });
  await api.expect(403, 'GET', '/v2.0/quotas', { as: 'red' });
  await api.expect(403, 'PUT', '/v2.0/quotas/red', { as: 'red', body: { quota: { network: 9 } } });
  await api.expect(403, 'DELETE', '/v2.0/quotas/red', { as: 'red' });
  assert.deepEqual(await api.expect(200, 'GET', '/v2.0/quotas/tenant.json', { as: 'red' }), {
    tenant: { tenant_id: 'red' },
  });
});

test('a limit below what is used is refused to who asks for that check, and to nobody else', async () => {
  const path = '/v2.0/quotas/checked';
  for (const name of ['a', 'b']) await api.make('networks', { name }, 'checked');
  const set = (quota: object) => ({ body: { quota } });
  const words = 'Quota limit 1 for network must be greater than or equal to already used 2';
  const tooLow = set({ network: 1, check_limit: true });
  await api.refused([400, 'HTTPBadRequest', words], 'PUT', path, tooLow);
  await api.expect(200, 'PUT', path, set({ network: 2, subnet: -1, check_limit: 'True' }));
  await api.expect(200, 'PUT', path, set({ network: 1 }));
  await api.refused([400, 'HTTPBadRequest'], 'PUT', path, set({ network: 9, check_limit: 'x' }));
});

test('the limit holds for requests at the same moment, by default and a limit of its own', async () => {
  await api.expect(200, 'PUT', '/v2.0/quotas/busy', { body: { quota: { router: 3 } } });
  for (const [plural, singular, limit] of [
    ['networks', 'network', 2],
    ['routers', 'router', 3],
  ] as const) {
    const asked = { as: 'busy', body: { [singular]: {} } };
    const make = () => api.ask('POST', `/v2.0/${plural}`, asked);
    const answers = await Promise.all(Array.from({ length: 10 }, make));
    assert.equal(answers.filter(({ status }) => status === 201).length, limit);
    assert.equal((await api.expect(200, 'GET', `/v2.0/${plural}`, { as: 'busy' }))[plural].length, limit);
  }
});
