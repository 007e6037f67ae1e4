/** Subnets out of subnet pools: which addresses, how many, beside which others in one network, and by whom. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { overlaps, parseCidr } from '../../src/ipam/address.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const pool = (values: object = {}, as = 'red'): Promise<Json> =>
  api.make('subnetpools', { name: 'p', prefixes: ['10.0.0.0/24'], default_prefixlen: 26, ...values }, as);
const network = async (as = 'red'): Promise<string> => (await api.make('networks', {}, as)).id;

interface Wanted {
  readonly as?: string;
  readonly network_id?: string;
  readonly [attribute: string]: unknown;
}
const asked = async ({ as = 'red', ...values }: Wanted) => ({
  as,
  body: { subnet: { network_id: values.network_id ?? (await network(as)), ip_version: 4, ...values } },
});
const take = async (values: Wanted): Promise<Json> =>
  (await api.expect(201, 'POST', '/v2.0/subnets', await asked(values))).subnet;
const refused = async (expected: readonly [number, string, string?], values: Wanted) =>
  api.refused(expected, 'POST', '/v2.0/subnets', await asked(values));
const remove = (plural: string, id: string, as = 'red') =>
  api.expect(204, 'DELETE', `/v2.0/${plural}/${id}`, { as });

test('addresses of the pool: as many as it says or is asked for, or those that are named; none twice', async () => {
  const { id: subnetpool_id } = await pool();
  const first = await take({ subnetpool_id });
  assert.deepEqual(
    [first.cidr, first.gateway_ip, first.subnetpool_id, first.allocation_pools],
    ['10.0.0.0/26', '10.0.0.1', subnetpool_id, [{ start: '10.0.0.2', end: '10.0.0.62' }]],
  );
  assert.ok(!('prefixlen' in first) && !('use_default_subnetpool' in first));
  const named = await take({ subnetpool_id, cidr: '10.0.0.72/29', gateway_ip: null });
  assert.deepEqual([named.cidr, named.gateway_ip], ['10.0.0.72/29', null]);
  assert.equal((await take({ subnetpool_id, prefixlen: 29 })).cidr, '10.0.0.64/29');
  assert.equal((await take({ subnetpool_id, prefixlen: '25' })).cidr, '10.0.0.128/25');
  const full = [409, 'SubnetAllocationError', 'Insufficient prefix space'] as const;
  await refused(full, { subnetpool_id });
  const taken = [409, 'SubnetAllocationError', 'Cannot allocate requested subnet'] as const;
  for (const cidr of ['10.0.0.72/29', '10.0.0.0/24', '10.0.0.64/28', '10.1.0.0/24'])
    await refused(taken, { subnetpool_id, cidr });
  const found = await api.expect(200, 'GET', `/v2.0/subnets?subnetpool_id=${subnetpool_id}`);
  assert.equal(found.subnets.length, 4);
  await remove('subnets', first.id);
  assert.equal((await take({ subnetpool_id })).cidr, '10.0.0.0/26');
});

test('what contradicts itself or the pool', async () => {
  const { id: subnetpool_id } = await pool({ min_prefixlen: 25, max_prefixlen: 28 });
  const bad = (words: string) => [400, 'BadRequest', words] as const;
  await refused(bad('cidr and prefixlen'), { subnetpool_id, cidr: '10.0.0.0/26', prefixlen: 26 });
  await refused(bad('cannot both be'), { subnetpool_id, use_default_subnetpool: true });
  await refused(bad('absence of a cidr'), { prefixlen: 26 });
  await refused(bad('absence of a cidr'), { cidr: null, subnetpool_id: null });
  await refused(bad('Cannot allocate IPv6'), { subnetpool_id, ip_version: 6 });
  const allocation_pools = [{ start: '10.0.0.3', end: '10.0.0.9' }];
  await refused(bad('allocation_pools allowed only'), { subnetpool_id, allocation_pools });
  await refused([400, 'MinPrefixSubnetAllocationError', '25'], { subnetpool_id, prefixlen: 24 });
  await refused([400, 'MaxPrefixSubnetAllocationError', '28'], { subnetpool_id, cidr: '10.0.0.0/29' });
  await refused([400, 'HTTPBadRequest', 'prefixlen'], { subnetpool_id, prefixlen: 129 });
  await refused([404, 'SubnetPoolNotFound'], { subnetpool_id: '3b1fcb9e-0000-4000-8000-00000000dead' });
  const stays = await take({ subnetpool_id, cidr: '10.0.0.0/26', allocation_pools });
  assert.deepEqual(stays.allocation_pools, allocation_pools);
  const body = { subnet: { subnetpool_id: null } };
  await api.refused([400, 'HTTPBadRequest'], 'PUT', `/v2.0/subnets/${stays.id}`, { body });
});

test('the default pool, of those that the caller sees', async () => {
  await refused([400, 'BadRequest', 'No default subnetpool found for IPv4'], {
    use_default_subnetpool: true,
  });
  const hidden = await pool({ is_default: true }, 'admin');
  await refused([400, 'BadRequest', 'No default'], { use_default_subnetpool: true });
  await remove('subnetpools', hidden.id, 'admin');
  const four = await pool({ is_default: true, shared: true }, 'admin');
  const six = await pool(
    { is_default: true, shared: true, prefixes: ['fd00:1::/48'], default_prefixlen: 64 },
    'admin',
  );
  const network_id = await network();
  const made = await take({ network_id, use_default_subnetpool: true });
  assert.deepEqual([made.subnetpool_id, made.project_id], [four.id, 'red']);
  const other = await take({ network_id, use_default_subnetpool: true, ip_version: 6 });
  assert.deepEqual([other.subnetpool_id, other.cidr], [six.id, 'fd00:1::/64']);
  await api.refused([400, 'SubnetPoolDeleteError'], 'DELETE', `/v2.0/subnetpools/${six.id}`, {});
  for (const { id } of [made, other]) await remove('subnets', id);
  for (const { id } of [four, six]) await remove('subnetpools', id, 'admin');
});

test('another project takes of a pool what its quota leaves, once it is shared', async () => {
  const { id: subnetpool_id } = await pool({ prefixes: ['10.0.0.0/16'], default_quota: 128 });
  await refused([404, 'SubnetPoolNotFound'], { as: 'blue', subnetpool_id });
  const policy = { object_type: 'subnetpool', object_id: subnetpool_id, action: 'access_as_shared' };
  const { id } = await api.make('rbac_policies', { ...policy, target_tenant: 'blue' }, 'red');
  const first = await take({ as: 'blue', subnetpool_id });
  await take({ as: 'blue', subnetpool_id, prefixlen: 26 });
  await refused([409, 'SubnetPoolQuotaExceeded'], { as: 'blue', subnetpool_id, prefixlen: 32 });
  await refused([409, 'SubnetPoolQuotaExceeded'], { subnetpool_id, prefixlen: 24 });
  await take({ subnetpool_id, prefixlen: 25 });
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${id}`, { as: 'red' });
  await remove('subnets', first.id, 'blue');
  await take({ as: 'blue', subnetpool_id });
  // networks of 64 bits: half of one is left
  const six = await pool({ prefixes: ['fd00::/48'], default_quota: 2, default_prefixlen: 64 });
  const more = { subnetpool_id: six.id, ip_version: 6 };
  for (const prefixlen of [64, 65]) await take({ ...more, prefixlen });
  await refused([409, 'SubnetPoolQuotaExceeded'], { ...more, prefixlen: 64 });
});

test('the subnets of a network: of one pool, or of pools in one address scope, or of none', async () => {
  const scope = await api.make('address_scopes', { ip_version: 4 }, 'red');
  const inside = { address_scope_id: scope.id };
  const one = await pool({ ...inside, prefixes: ['10.1.0.0/16'] });
  const two = await pool({ ...inside, prefixes: ['10.2.0.0/16'] });
  const apart = await pool({ prefixes: ['10.3.0.0/16'] });
  const affinity = [400, 'NetworkSubnetPoolAffinityError'] as const;
  const scopes = [400, 'NetworkAddressScopeAffinityError'] as const;
  const network_id = await network();
  const shown = async () => {
    const { network: row } = await api.expect(200, 'GET', `/v2.0/networks/${network_id}`, { as: 'red' });
    return [row.ipv4_address_scope, row.ipv6_address_scope];
  };
  assert.deepEqual(await shown(), [null, null]);
  await take({ network_id, subnetpool_id: one.id });
  assert.deepEqual(await shown(), [scope.id, null]);
  await take({ network_id, subnetpool_id: two.id });
  await refused(scopes, { network_id, subnetpool_id: apart.id });
  await refused(affinity, { network_id, cidr: '10.9.0.0/24' });
  await take({ network_id, cidr: 'fd00:9::/64', ip_version: 6 });
  const leaving = { as: 'red', body: { subnetpool: { address_scope_id: null } } };
  await api.refused(scopes, 'PUT', `/v2.0/subnetpools/${one.id}`, leaving);
  const plain = await network();
  await take({ network_id: plain, cidr: '10.9.0.0/24' });
  await refused(affinity, { network_id: plain, subnetpool_id: one.id });
  const other = await network();
  await take({ network_id: other, subnetpool_id: apart.id });
  await refused(affinity, { network_id: other, subnetpool_id: one.id });
  const body = { subnetpool: { address_scope_id: scope.id } };
  await api.expect(200, 'PUT', `/v2.0/subnetpools/${apart.id}`, { as: 'red', body });
  await take({ network_id: other, subnetpool_id: one.id });
});

test('prefixes are added at will, and taken away where no subnet is', async () => {
  const { id } = await pool();
  await take({ subnetpool_id: id, cidr: '10.0.0.64/26' });
  const url = `/v2.0/subnetpools/${id}`;
  const change = (verb: string, prefixes: string[]) =>
    api.expect(200, 'PUT', `${url}/${verb}_prefixes`, { as: 'red', body: { prefixes } });
  assert.deepEqual(await change('add', ['10.0.1.0/24', '10.0.0.0/25']), { prefixes: ['10.0.0.0/23'] });
  assert.deepEqual(await change('remove', ['10.0.1.0/24', '10.9.0.0/16', 'fd00::/64']), {
    prefixes: ['10.0.0.0/24'],
  });
  assert.deepEqual(await change('remove', ['10.0.0.0/26']), { prefixes: ['10.0.0.64/26', '10.0.0.128/25'] });
  const used = { as: 'red', body: { prefixes: ['10.0.0.127/32'] } };
  await api.refused([400, 'IllegalSubnetPoolPrefixUpdate'], 'PUT', `${url}/remove_prefixes`, used);
  await api.refused([404, 'SubnetPoolNotFound'], 'PUT', `${url}/add_prefixes`, { ...used, as: 'blue' });
  const mixed = { as: 'red', body: { prefixes: ['fd00::/64'] } };
  await api.refused([400, 'PrefixVersionMismatch'], 'PUT', `${url}/add_prefixes`, mixed);
  const empty = await pool({ name: 'to be emptied' });
  const emptied = { as: 'red', body: { prefixes: ['0.0.0.0/0'] } };
  assert.deepEqual(await api.expect(200, 'PUT', `/v2.0/subnetpools/${empty.id}/remove_prefixes`, emptied), {
    prefixes: [],
  });
  await refused([409, 'SubnetAllocationError'], { subnetpool_id: empty.id });
  const renamed = { as: 'red', body: { subnetpool: { name: 'emptied' } } };
  assert.equal(
    (await api.expect(200, 'PUT', `/v2.0/subnetpools/${empty.id}`, renamed)).subnetpool.ip_version,
    4,
  );
});

test('subnets that have no pool are taken into one, with their addresses', async () => {
  const { id: subnetpool_id } = await pool({ prefixes: ['10.0.0.0/24'] });
  const network_id = await network();
  const four = await take({ network_id, cidr: '10.0.1.0/24' });
  const inside = await take({ network_id, cidr: '10.0.0.0/25' });
  const six = await take({ network_id, cidr: 'fd00:5::/64', ip_version: 6 });
  const url = `/v2.0/subnetpools/${subnetpool_id}`;
  const onboard = { as: 'red', body: { network_id } };
  const done = await api.expect(200, 'PUT', `${url}/onboard_network_subnets`, onboard);
  const byCidr = (a: Json, b: Json) => (a.cidr < b.cidr ? -1 : 1);
  assert.deepEqual(
    done.sort(byCidr),
    [inside, four].map(({ id, cidr }) => ({ id, cidr })),
  );
  assert.deepEqual((await api.expect(200, 'GET', url)).subnetpool.prefixes, ['10.0.0.0/23']);
  const poolOf = async ({ id }: Json) =>
    (await api.expect(200, 'GET', `/v2.0/subnets/${id}`)).subnet.subnetpool_id;
  assert.deepEqual(await Promise.all([four, inside, six].map(poolOf)), [subnetpool_id, subnetpool_id, null]);
  assert.equal((await take({ subnetpool_id, prefixlen: 25 })).cidr, '10.0.0.128/25');
  await refused([409, 'SubnetAllocationError'], { subnetpool_id, prefixlen: 28 });
  const clashing = await network();
  await take({ network_id: clashing, cidr: '10.0.1.128/25' });
  const again = (id: string) => ({ as: 'red', body: { network_id: id } });
  const conflict = [400, 'IllegalSubnetPoolUpdate', 'conflicts'] as const;
  await api.refused(conflict, 'PUT', `${url}/onboard_network_subnets`, again(clashing));
  const theirs = again(await network('blue'));
  await api.refused([404, 'NetworkNotFound'], 'PUT', `${url}/onboard_network_subnets`, theirs);
});

test('many at once, one by one and in bulk, never share an address; the last of them find the pool used up', async () => {
  const { id: subnetpool_id } = await pool({ default_prefixlen: 28 });
  const networks = await Promise.all(Array.from({ length: 32 }, () => network()));
  const answers = await Promise.all(
    networks.map((network_id, i) => {
      const subnet = { network_id, ip_version: 4, subnetpool_id };
      const body = i % 8 === 0 ? { subnets: [subnet, subnet] } : { subnet };
      return api.ask('POST', '/v2.0/subnets', { as: 'red', body });
    }),
  );
  const types = answers.map(({ status, body }) => `${status} ${body.NeutronError?.type ?? ''}`);
  assert.deepEqual([...new Set(types)].sort(), ['201 ', '409 SubnetAllocationError']);
  const { subnets } = await api.expect(200, 'GET', `/v2.0/subnets?subnetpool_id=${subnetpool_id}`);
  assert.equal(subnets.length, 16);
  const cidrs = subnets.map(({ cidr }: Json) => parseCidr(cidr));
  for (const [i, one] of cidrs.entries())
    assert.ok(
      cidrs.every((other: Json, j: number) => i === j || !overlaps(one, other)),
      subnets[i].cidr,
    );
});
