/** Where floating IPs can be taken from, and by whom. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const list = async (as: string, query = ''): Promise<Json[]> =>
  (await api.expect(200, 'GET', `/v2.0/floatingip-pools${query}`, { as })).floatingip_pools;

async function outside(name: string): Promise<{ network: Json; four: Json }> {
  const network = await api.make('networks', { name, 'router:external': true }, 'admin');
  const subnet = { network_id: network.id, enable_dhcp: false };
  const four = await api.make('subnets', { ...subnet, name, cidr: '10.9.0.0/24', ip_version: 4 }, 'admin');
  await api.make('subnets', { ...subnet, cidr: 'fd00:9::/64', ip_version: 6 }, 'admin');
  return { network, four };
}

test('pools are the IPv4 subnets of external networks, and a floating IP comes from the one that is named', async () => {
  const { network, four } = await outside('out');
  const inside = await api.make('networks', {}, 'red');
  await api.make('subnets', { network_id: inside.id, cidr: '10.8.0.0/24', ip_version: 4 }, 'red');
  const pool = { subnet_id: four.id, subnet_name: 'out', network_id: network.id, cidr: '10.9.0.0/24' };
  const [taken, ...others] = await list('red');
  assert.deepEqual([taken, others], [{ ...pool, project_id: 'red', tenant_id: 'red' }, []]);
  assert.deepEqual(await list('red', `?network_id=${inside.id}`), []);
  assert.deepEqual(await list('red', '?project_id=blue'), []);
  const asked = { floating_network_id: taken?.network_id, subnet_id: taken?.subnet_id };
  const { floating_ip_address } = await api.make('floatingips', asked, 'red');
  assert.match(floating_ip_address, /^10\.9\.0\./);
  await api.expect(405, 'POST', '/v2.0/floatingip-pools', { body: { floatingip_pool: {} }, as: 'red' });
});

test('a network that is external to one project only is no pool of others', async () => {
  const { network, four } = await outside('theirs');
  const policies = (await api.expect(200, 'GET', `/v2.0/rbac-policies?object_id=${network.id}`))
    .rbac_policies;
  const own = { object_type: 'network', object_id: network.id, action: 'access_as_external' };
  await api.make('rbac_policies', { ...own, target_tenant: 'blue' }, 'admin');
  for (const { id } of policies) await api.expect(204, 'DELETE', `/v2.0/rbac-policies/${id}`);
  const has = async (as: string) => (await list(as)).some((pool) => pool.subnet_id === four.id);
  assert.deepEqual([await has('blue'), await has('red'), await has('admin')], [true, false, true]);
  await api.expect(404, 'GET', `/v2.0/floatingip-pools/${four.id}`, { as: 'red' });
});
