/** How many addresses networks have and use. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const url = '/v2.0/network-ip-availabilities';
const show = async (id: string): Promise<Json> =>
  (await api.expect(200, 'GET', `${url}/${id}`)).network_ip_availability;

test('addresses are those of the pools, counted exactly; those that ports have are used', async () => {
  const { id } = await api.make('networks', { name: 'counted' }, 'red');
  const empty = { total_ips: 0, used_ips: 0, subnet_ip_availability: [] };
  const project = { project_id: 'red', tenant_id: 'red' };
  assert.deepEqual(await show(id), { network_id: id, network_name: 'counted', ...project, ...empty });
  const make = (subnet: object) =>
    api.make('subnets', { network_id: id, enable_dhcp: false, ...subnet }, 'red');
  const v4 = await make({ name: 'four', cidr: '10.0.0.0/28', ip_version: 4 });
  await make({ cidr: '10.1.0.0/24', ip_version: 4, allocation_pools: [] });
  const v6 = await make({ name: 'six', cidr: 'fd00::/64', ip_version: 6 });
  const fixed_ips = [{ subnet_id: v4.id }, { subnet_id: v6.id }, { ip_address: '10.0.0.1' }];
  await api.make('ports', { network_id: id, fixed_ips }, 'red');
  const { text } = await api.ask('GET', `${url}/${id}`);
  assert.match(text, /"total_ips":18446744073709551883,/);
  assert.match(
    text,
    /"subnet_name":"six","cidr":"fd00::\/64","ip_version":6,"total_ips":18446744073709551614,/,
  );
  const { used_ips, subnet_ip_availability: subnets } = await show(id);
  assert.deepEqual(
    [used_ips, ...subnets.map((one: Json) => [one.ip_version, one.used_ips]).sort()],
    [3, [4, 0], [4, 2], [6, 1]],
  );
  const four = (await api.expect(200, 'GET', `${url}?ip_version=4&network_id=${id}`))
    .network_ip_availabilities;
  assert.deepEqual([four[0].total_ips, four[0].used_ips], [13 + 256, 2]);
});

test('lists by network, name, project and version, for admins only', async () => {
  const { id } = await api.make('networks', { name: 'listed' }, 'blue');
  const listed = async (query: string, as = 'admin'): Promise<string[]> =>
    (await api.expect(200, 'GET', `${url}?${query}`, { as })).network_ip_availabilities.map(
      (one: Json) => one.network_id,
    );
  for (const query of ['network_name=listed', `network_id=${id}`, 'tenant_id=blue', 'project_id=blue'])
    assert.deepEqual(await listed(query), [id], query);
  assert.ok((await listed('')).includes(id));
  assert.equal((await listed('limit=1')).length, 1);
  assert.ok(!(await listed('ip_version=6')).includes(id));
  assert.deepEqual(await listed('', 'blue'), []);
  await api.refused([404, 'NetworkNotFound'], 'GET', `${url}/${id}`, { as: 'blue' });
  await api.refused([400, 'HTTPBadRequest', 'used_ips'], 'GET', `${url}?used_ips=1`, {});
  await api.expect(405, 'PUT', `${url}/${id}`, { body: {} });
  await api.expect(405, 'POST', url, { body: {} });
});
