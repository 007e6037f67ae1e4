/** Sharing single objects with single projects, or with all. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const RED = { as: 'red' };
const BLUE = { as: 'blue' };

const group = (): Promise<Json> => api.make('address_groups', { name: 'mine' }, 'red');

const asked = (object_id: string, target_tenant: string, object_type = 'address_group'): object => ({
  ...{ object_type, object_id, action: 'access_as_shared', target_tenant },
});

const share = (object_id: string, target: string, as = 'red'): Promise<Json> =>
  api.make('rbac_policies', asked(object_id, target), as);

const shown = async (id: string, who: { as: string }): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/address-groups/${id}`, who)).address_group;

const listed = async (query: string, who: { as: string }): Promise<string[]> =>
  (await api.expect(200, 'GET', `/v2.0/address-groups?${query}`, who)).address_groups.map(
    (one: Json) => one.id,
  );

test('the target sees the object and cannot change it; without the policy it is gone for the target', async () => {
  const own = await group();
  const path = `/v2.0/address-groups/${own.id}`;
  await api.refused([404, 'AddressGroupNotFound'], 'GET', path, BLUE);
  const policy = await share(own.id, 'blue');
  assert.equal((await shown(own.id, BLUE)).shared, true);
  assert.equal((await shown(own.id, RED)).shared, false);
  assert.equal((await shown(own.id, RED)).revision_number, own.revision_number + 1);
  assert.deepEqual(await listed('shared=True', BLUE), [own.id]);
  assert.ok(!(await listed('shared=False', BLUE)).includes(own.id));
  assert.deepEqual(await listed('shared=True&shared=False', BLUE), [own.id]);
  assert.deepEqual(await listed('', { as: 'green' }), []);
  const body = { address_group: { name: 'yours' } };
  await api.refused([404, 'AddressGroupNotFound'], 'PUT', path, { ...BLUE, body });
  await api.refused([404, 'AddressGroupNotFound'], 'DELETE', path, BLUE);
  const addresses = { addresses: ['10.0.0.0/24'] };
  await api.refused([404, 'AddressGroupNotFound'], 'PUT', `${path}/add_addresses`, {
    ...BLUE,
    body: addresses,
  });
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', `${path}/tags/x`, BLUE);
  await api.refused([404, 'RbacPolicyNotFound'], 'GET', `/v2.0/rbac-policies/${policy.id}`, BLUE);
  const moved = { rbac_policy: { target_tenant: 'green' } };
  await api.expect(200, 'PUT', `/v2.0/rbac-policies/${policy.id}`, { ...RED, body: moved });
  await api.refused([404, 'AddressGroupNotFound'], 'GET', path, BLUE);
  await shown(own.id, { as: 'green' });
  await api.expect(204, 'DELETE', `/v2.0/rbac-policies/${policy.id}`, RED);
  await api.refused([404, 'AddressGroupNotFound'], 'GET', path, { as: 'green' });
});

test('with all by an admin, who says so by a policy or by the object: they are the same', async () => {
  const own = await group();
  const url = '/v2.0/rbac-policies';
  const all = { body: { rbac_policy: asked(own.id, '*') } };
  await api.refused([403, 'PolicyNotAuthorized', 'target_tenant'], 'POST', url, { ...RED, ...all });
  const policy = await share(own.id, '*', 'admin');
  assert.equal((await shown(own.id, BLUE)).shared, true);
  const narrower = { rbac_policy: { target_tenant: 'green' } };
  await api.expect(200, 'PUT', `${url}/${policy.id}`, { body: narrower });
  assert.equal((await shown(own.id, RED)).shared, false);
  await api.refused([404, 'AddressGroupNotFound'], 'GET', `/v2.0/address-groups/${own.id}`, BLUE);

  const scope = await api.make('address_scopes', { ip_version: 4, shared: true }, 'admin');
  const policies = async (): Promise<Json[]> =>
    (await api.expect(200, 'GET', `${url}?object_id=${scope.id}`)).rbac_policies;
  const [only, ...others] = await policies();
  assert.deepEqual([only.target_tenant, only.object_type, others], ['*', 'address_scope', []]);
  await api.expect(204, 'DELETE', `${url}/${only.id}`);
  await api.refused([404, 'AddressScopeNotFound'], 'GET', `/v2.0/address-scopes/${scope.id}`, BLUE);
  const body = { address_scope: { shared: true } };
  await api.expect(200, 'PUT', `/v2.0/address-scopes/${scope.id}`, { body });
  assert.equal((await policies()).length, 1);
  await api.expect(204, 'DELETE', `/v2.0/address-scopes/${scope.id}`);
  assert.deepEqual(await policies(), []);
});

test('several at once are as one after another', async () => {
  const own = await group();
  const rbac_policies = ['*', 'blue'].map((target) => asked(own.id, target));
  await api.expect(201, 'POST', '/v2.0/rbac-policies', { body: { rbac_policies } });
  assert.equal((await shown(own.id, { as: 'green' })).shared, true);
});

test('one whose object is gone can be removed', async () => {
  const own = await group();
  const { id } = await share(own.id, 'blue');
  await api.store.transact((tx) => tx.addressGroups.remove({ id: own.id }));
  await api.expect(204, 'DELETE', `/v2.0/rbac-policies/${id}`, RED);
});

test('refuses the same policy twice, and to share what is not there, not theirs or of no such kind', async () => {
  const own = await group();
  const url = '/v2.0/rbac-policies';
  const send = (policy: object, as: string) => ({ as, body: { rbac_policy: policy } });
  await share(own.id, 'blue');
  await api.refused([409, 'DuplicateRbacPolicy'], 'POST', url, send(asked(own.id, 'blue'), 'red'));
  const other = await share(own.id, 'green');
  const same = { as: 'red', body: { rbac_policy: { target_tenant: 'blue' } } };
  await api.refused([409, 'DuplicateRbacPolicy'], 'PUT', `${url}/${other.id}`, same);
  await api.refused([400, 'InvalidInput', 'do not own'], 'POST', url, send(asked(own.id, 'pink'), 'blue'));
  await api.refused([404, 'AddressGroupNotFound'], 'POST', url, send(asked(own.id, 'pink'), 'pink'));
  await api.refused(
    [404, 'AddressScopeNotFound'],
    'POST',
    url,
    send(asked(own.id, 'x', 'address_scope'), 'red'),
  );
  for (const wrong of [
    { object_type: 'lunch' },
    { action: 'eat' },
    { object_id: 'x' },
    { target_tenant: '' },
  ])
    await api.refused([400, 'HTTPBadRequest'], 'POST', url, send({ ...asked(own.id, 'x'), ...wrong }, 'red'));
  await api.expect(204, 'DELETE', `/v2.0/address-groups/${own.id}`, RED);
  const left = await api.expect(200, 'GET', `${url}?object_id=${own.id}`);
  assert.deepEqual(left.rbac_policies, []);
});
