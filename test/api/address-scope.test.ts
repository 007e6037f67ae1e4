/** Address scopes: sharing them, which is the only thing that they have beside what every resource has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

test('a shared one is seen by all, changed by its owner, and stays shared', async () => {
  const url = '/v2.0/address-scopes';
  const body = { address_scope: { ip_version: 4, name: 'all', shared: true } };
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', url, { as: 'red', body });
  const { id } = (await api.expect(201, 'POST', url, { body })).address_scope;
  const seen = await api.expect(200, 'GET', `${url}?name=all`, { as: 'blue' });
  assert.deepEqual([seen.address_scopes[0].id, seen.address_scopes[0].shared], [id, true]);
  await api.expect(200, 'GET', `${url}/${id}`, { as: 'blue' });
  const renamed = { address_scope: { name: 'mine' } };
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', `${url}/${id}`, { as: 'blue', body: renamed });
  await api.refused([403, 'PolicyNotAuthorized'], 'DELETE', `${url}/${id}`, { as: 'blue' });
  const unshared = { address_scope: { shared: false } };
  await api.refused([400, 'AddressScopeUpdateError'], 'PUT', `${url}/${id}`, { body: unshared });
  await api.expect(204, 'DELETE', `${url}/${id}`);
});

test('its version is 4 or 6, and stays', async () => {
  const url = '/v2.0/address-scopes';
  for (const ip_version of [5, undefined])
    await api.refused([400, 'HTTPBadRequest'], 'POST', url, { body: { address_scope: { ip_version } } });
  const made = await api.expect(201, 'POST', url, { body: { address_scope: { ip_version: '6' } } });
  const path = `${url}/${made.address_scope.id}`;
  assert.equal(made.address_scope.ip_version, 6);
  await api.refused([400, 'HTTPBadRequest'], 'PUT', path, { body: { address_scope: { ip_version: 4 } } });
});
