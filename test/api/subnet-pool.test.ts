/** Subnet pools: their prefixes and lengths, the default one, and the address scope that they are in. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const URL = '/v2.0/subnetpools';
const body = (subnetpool: object) => ({ as: 'red', body: { subnetpool } });
const pool = (values: object = {}, as = 'red'): Promise<Json> =>
  api.make('subnetpools', { name: 'p', prefixes: ['10.0.0.0/16'], ...values }, as);
const refused = (expected: [number, string, string?], values: object) =>
  api.refused(expected, 'POST', URL, body({ name: 'p', prefixes: ['10.0.0.0/16'], ...values }));

test('prefixes are as few as can be; lengths have defaults by version', async () => {
  const four = await pool({ prefixes: ['10.1.0.0/24', '10.0.0.0/16', '10.1.1.7/24', '10.0.9.0/24'] });
  assert.deepEqual(four.prefixes, ['10.0.0.0/16', '10.1.0.0/23']);
  const lengths = (row: Json) => [
    ...[row.ip_version, row.min_prefixlen, row.default_prefixlen, row.max_prefixlen],
    ...[row.default_quota, row.address_scope_id, row.is_default, row.shared],
  ];
  assert.deepEqual(lengths(four), [4, '8', '8', '32', null, null, false, false]);
  assert.deepEqual(lengths(await pool({ prefixes: ['FD00::/48'] })), [
    6,
    '64',
    '64',
    '128',
    null,
    null,
    false,
    false,
  ]);
  const named = await pool({ min_prefixlen: 24, max_prefixlen: '28', default_quota: 512 });
  assert.deepEqual(lengths(named), [4, '24', '24', '28', 512, null, false, false]);
});

test('what cannot be a pool', async () => {
  await refused([400, 'EmptySubnetPoolPrefixList'], { prefixes: [] });
  await refused([400, 'PrefixVersionMismatch'], { prefixes: ['10.0.0.0/8', 'fd00::/48'] });
  await refused([400, 'HTTPBadRequest', 'prefixes'], { prefixes: ['10.0.0.0/33'] });
  await refused([400, 'HTTPBadRequest', 'name'], { name: '' });
  const bounds = 'IllegalSubnetPoolPrefixBounds';
  await refused([400, bounds, 'max_prefixlen=33'], { max_prefixlen: 33 });
  await refused([400, bounds, 'min_prefixlen=25, max_prefixlen=24'], {
    min_prefixlen: 25,
    max_prefixlen: 24,
  });
  await refused([400, bounds, 'default_prefixlen=7'], { default_prefixlen: 7 });
  await refused([400, bounds, 'default_prefixlen=29'], { default_prefixlen: 29, max_prefixlen: 28 });
  await refused([403, 'PolicyNotAuthorized'], { shared: true });
  await refused([403, 'PolicyNotAuthorized'], { is_default: true });
});

test('prefixes only grow, lengths stay in order, sharing stays', async () => {
  const { id } = await pool();
  const change = async (values: object) =>
    (await api.expect(200, 'PUT', `${URL}/${id}`, body(values))).subnetpool;
  const grown = await change({ prefixes: ['10.0.0.0/17', '10.0.128.0/17', '10.1.0.0/16'] });
  assert.deepEqual(grown.prefixes, ['10.0.0.0/15']);
  const shrunk = body({ prefixes: ['10.0.0.0/16', '10.9.0.0/16'] });
  await api.refused([400, 'IllegalSubnetPoolPrefixUpdate'], 'PUT', `${URL}/${id}`, shrunk);
  const tight = await change({
    min_prefixlen: 20,
    default_prefixlen: 24,
    max_prefixlen: 26,
    default_quota: 9,
  });
  assert.deepEqual([tight.min_prefixlen, tight.default_quota, tight.prefixes], ['20', 9, ['10.0.0.0/15']]);
  const below = body({ max_prefixlen: 23 });
  await api.refused([400, 'IllegalSubnetPoolPrefixBounds'], 'PUT', `${URL}/${id}`, below);
  await api.refused([400, 'HTTPBadRequest'], 'PUT', `${URL}/${id}`, {
    body: { subnetpool: { shared: true } },
  });
});

test('one default of each version', async () => {
  const taken = [400, 'InvalidInput', 'Only one default'] as const;
  const first = await pool({ is_default: true }, 'admin');
  const six = await pool({ is_default: true, prefixes: ['fd00::/48'] }, 'admin');
  const another = { subnetpool: { name: 'x', prefixes: ['10.0.0.0/16'], is_default: true } };
  await api.refused(taken, 'POST', URL, { body: another });
  const second = await pool({}, 'admin');
  const promoted = { body: { subnetpool: { is_default: true } } };
  await api.refused(taken, 'PUT', `${URL}/${second.id}`, promoted);
  await api.expect(200, 'PUT', `${URL}/${first.id}`, { body: { subnetpool: { is_default: false } } });
  assert.equal((await api.expect(200, 'PUT', `${URL}/${second.id}`, promoted)).subnetpool.is_default, true);
  for (const { id } of [first, second, six]) await api.expect(204, 'DELETE', `${URL}/${id}`);
});

test('in an address scope: of its version, its owner, and with addresses that no other pool of it has', async () => {
  const scope = await api.make('address_scopes', { ip_version: 4 }, 'red');
  const inside = { address_scope_id: scope.id };
  const first = await pool(inside);
  await refused([409, 'AddressScopePrefixConflict'], { ...inside, prefixes: ['10.0.9.0/24'] });
  const version = 'IllegalSubnetPoolIpVersionAssociationToAddressScope';
  await refused([400, version], { ...inside, prefixes: ['fd00::/48'] });
  const second = await pool({ ...inside, prefixes: ['10.1.0.0/16'] });
  const wide = body({ prefixes: ['10.0.0.0/15'] });
  await api.refused([409, 'AddressScopePrefixConflict'], 'PUT', `${URL}/${second.id}`, wide);
  const theirs = await api.make('address_scopes', { ip_version: 4 }, 'blue');
  await refused([404, 'AddressScopeNotFound'], { address_scope_id: theirs.id });
  const shared = await api.make('address_scopes', { ip_version: 4, shared: true }, 'admin');
  const guest = await pool({ address_scope_id: shared.id });
  const illegal = [400, 'IllegalSubnetPoolUpdate'] as const;
  await api.refused(illegal, 'PUT', `${URL}/${guest.id}`, body({ address_scope_id: null }));
  await api.expect(204, 'DELETE', `${URL}/${guest.id}`, { as: 'red' });
  await api.refused([409, 'AddressScopeInUse'], 'DELETE', `/v2.0/address-scopes/${scope.id}`, { as: 'red' });
  for (const { id } of [first, second]) {
    const left = await api.expect(200, 'PUT', `${URL}/${id}`, body({ address_scope_id: null }));
    assert.equal(left.subnetpool.address_scope_id, null);
  }
  await api.expect(204, 'DELETE', `/v2.0/address-scopes/${scope.id}`, { as: 'red' });
});

test('a pool in an address scope is shared only with projects that the scope is shared with', async () => {
  const scope = await api.make('address_scopes', { ip_version: 4 }, 'red');
  const { id } = await pool({ address_scope_id: scope.id });
  const policy = { action: 'access_as_shared', target_tenant: 'blue' };
  const ofPool = { ...policy, object_type: 'subnetpool', object_id: id };
  const asked = { as: 'red', body: { rbac_policy: ofPool } };
  const refusal = [400, 'InvalidInput', 'access to associated address scope'] as const;
  await api.refused(refusal, 'POST', '/v2.0/rbac-policies', asked);
  await api.make('rbac_policies', { ...policy, object_type: 'address_scope', object_id: scope.id }, 'red');
  await api.make('rbac_policies', ofPool, 'red');
  const seen = await api.expect(200, 'GET', `${URL}/${id}`, { as: 'blue' });
  assert.deepEqual([seen.subnetpool.shared, seen.subnetpool.project_id], [true, 'red']);
  // blue has a pool in that scope: the policy stays
  const theirs = await pool({ address_scope_id: scope.id, prefixes: ['10.5.0.0/16'] }, 'blue');
  const { rbac_policies } = await api.expect(200, 'GET', `/v2.0/rbac-policies?object_id=${scope.id}`);
  const url = `/v2.0/rbac-policies/${rbac_policies[0].id}`;
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', url, { as: 'red' });
  await api.expect(204, 'DELETE', `${URL}/${theirs.id}`, { as: 'blue' });
  await api.expect(204, 'DELETE', url, { as: 'red' });
});
