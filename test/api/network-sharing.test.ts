/** Networks shared by RBAC policies: with single projects, for ports or as a way out. */
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

const share = (
  object_id: string,
  target_tenant: string,
  action = 'access_as_shared',
  as = 'admin',
): Promise<Json> =>
  api.make('rbac_policies', { object_type: 'network', object_id, action, target_tenant }, as);

const shown = async (id: string, as = 'admin'): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/networks/${id}`, { as })).network;

const listed = async (plural: string, as: string, query = ''): Promise<string[]> =>
  (await api.expect(200, 'GET', `/v2.0/${plural}?${query}`, { as }))[plural].map((one: Json) => one.id);

const hidden = async (path: string, as: string): Promise<void> =>
  assert.equal((await api.ask('GET', `/v2.0/${path}`, { as })).status, 404, path);

const policiesOf = async (id: string): Promise<Json[]> =>
  (await api.expect(200, 'GET', `/v2.0/rbac-policies?object_id=${id}`)).rbac_policies;

const removePolicy = (id: string, as = 'admin') =>
  api.expect(204, 'DELETE', `/v2.0/rbac-policies/${id}`, { as });

async function netOfRed(name: string): Promise<{ network: Json; subnet: Json }> {
  const network = await api.make('networks', { name }, 'red');
  const subnet = await api.make(
    'subnets',
    { network_id: network.id, cidr: '10.0.0.0/24', ip_version: 4 },
    'red',
  );
  return { network, subnet };
}

test('the target of a policy sees the network and its subnets, and has ports on it; others do not', async () => {
  const { network, subnet } = await netOfRed('shared with blue');
  await hidden(`networks/${network.id}`, 'blue');
  await api.refused([404, 'NetworkNotFound'], 'POST', '/v2.0/ports', {
    ...BLUE,
    body: { port: { network_id: network.id } },
  });
  const revision = (await shown(network.id)).revision_number;
  const policy = await share(network.id, 'blue', 'access_as_shared', 'red');
  assert.equal((await shown(network.id)).revision_number, revision + 1);
  assert.equal((await shown(network.id, 'blue')).shared, true);
  assert.equal((await shown(network.id, 'red')).shared, false);
  assert.deepEqual(await listed('networks', 'blue', 'shared=True'), [network.id]);
  assert.deepEqual(await listed('networks', 'blue', 'shared=False'), []);
  assert.deepEqual(await listed('subnets', 'blue'), [subnet.id]);
  await api.expect(200, 'GET', `/v2.0/subnets/${subnet.id}`, BLUE);
  const body = { network: { name: 'mine' } };
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', `/v2.0/networks/${network.id}`, { ...BLUE, body });
  await api.refused([403, 'PolicyNotAuthorized'], 'DELETE', `/v2.0/subnets/${subnet.id}`, BLUE);
  const port = await api.make('ports', { network_id: network.id }, 'blue');
  assert.ok((await listed('ports', 'red')).includes(port.id), 'whose network it is sees its ports');
  for (const path of [`networks/${network.id}`, `subnets/${subnet.id}`, `ports/${port.id}`])
    await hidden(path, 'green');

  const url = `/v2.0/rbac-policies/${policy.id}`;
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', url, RED);
  const moved = { rbac_policy: { target_tenant: 'green' } };
  await api.refused([409, 'RbacPolicyInUse'], 'PUT', url, { ...RED, body: moved });
  const all = await share(network.id, '*');
  await removePolicy(policy.id, 'red');
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${all.id}`, {});
  const unshared = { network: { shared: false } };
  await api.refused([409, 'InvalidSharedSetting'], 'PUT', `/v2.0/networks/${network.id}`, { body: unshared });
  await api.expect(204, 'DELETE', `/v2.0/ports/${port.id}`, BLUE);
  await removePolicy(all.id);
  assert.equal((await shown(network.id)).shared, false);
  await hidden(`networks/${network.id}`, 'blue');
});

test('shared with all: said by the attribute or by a policy, it is the same', async () => {
  const network = await api.make('networks', { shared: true }, 'admin');
  const [policy] = await policiesOf(network.id);
  assert.deepEqual([policy.target_tenant, policy.action], ['*', 'access_as_shared']);
  await removePolicy(policy.id);
  await hidden(`networks/${network.id}`, 'blue');
  const set = (shared: boolean) =>
    api.expect(200, 'PUT', `/v2.0/networks/${network.id}`, { body: { network: { shared } } });
  await set(true);
  assert.equal((await policiesOf(network.id)).length, 1);
  await share(network.id, 'green');
  await set(false);
  assert.deepEqual(
    (await policiesOf(network.id)).map((one) => one.target_tenant),
    ['green'],
  );
  await api.expect(204, 'DELETE', `/v2.0/networks/${network.id}`);
  assert.deepEqual(await policiesOf(network.id), []);
});

test('a way out for whom a policy names; external as long as there is one', async () => {
  const network = await api.make('networks', {}, 'admin');
  await api.make('subnets', { network_id: network.id, cidr: '203.0.113.0/24', ip_version: 4 }, 'admin');
  const forBlue = await share(network.id, 'blue', 'access_as_external');
  assert.equal((await shown(network.id, 'blue'))['router:external'], true);
  assert.equal((await shown(network.id, 'blue')).shared, false);
  assert.deepEqual(await listed('networks', 'blue', 'router:external=True'), [network.id]);
  assert.deepEqual(await listed('subnets', 'blue', `network_id=${network.id}`), []);
  await hidden(`networks/${network.id}`, 'green');
  assert.ok(!(await listed('networks', 'green')).includes(network.id));
  const gateway = { external_gateway_info: { network_id: network.id } };
  await api.refused([404, 'NetworkNotFound'], 'POST', '/v2.0/routers', {
    as: 'green',
    body: { router: gateway },
  });
  const router = await api.make('routers', gateway, 'blue');
  const floating = await api.make('floatingips', { floating_network_id: network.id }, 'blue');
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${forBlue.id}`, {});
  const forAll = await share(network.id, '*', 'access_as_external');
  await removePolicy(forBlue.id);
  await shown(network.id, 'green');
  await api.expect(204, 'DELETE', `/v2.0/floatingips/${floating.id}`, BLUE);
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${forAll.id}`, {});
  await api.expect(204, 'DELETE', `/v2.0/routers/${router.id}`, BLUE);
  await removePolicy(forAll.id);
  assert.equal((await shown(network.id))['router:external'], false);
  const body = { network: { 'router:external': true } };
  await api.expect(200, 'PUT', `/v2.0/networks/${network.id}`, { body });
  assert.deepEqual(
    (await policiesOf(network.id)).map((one) => one.target_tenant),
    ['*'],
  );
  await api.expect(200, 'PUT', `/v2.0/networks/${network.id}`, {
    body: { network: { 'router:external': false } },
  });
  assert.deepEqual(await policiesOf(network.id), []);
});

test('an owner makes its network a way out for another project, and cannot for all', async () => {
  const { network } = await netOfRed('way out');
  await share(network.id, 'blue', 'access_as_external', 'red');
  assert.equal((await shown(network.id, 'blue'))['router:external'], true);
  await hidden(`networks/${network.id}`, 'green');
  const asked = {
    object_type: 'network',
    object_id: network.id,
    action: 'access_as_external',
    target_tenant: '*',
  };
  const byRed = { ...RED, body: { rbac_policy: asked } };
  await api.refused([403, 'PolicyNotAuthorized', 'target_tenant'], 'POST', '/v2.0/rbac-policies', byRed);
});

test('refuses an action that there is not for the object, and to share what is not theirs', async () => {
  const { network } = await netOfRed('not yours');
  const group = await api.make('address_groups', {}, 'admin');
  const policy = { object_type: 'address_group', object_id: group.id, target_tenant: 'red' };
  const body = { rbac_policy: { ...policy, action: 'access_as_external' } };
  await api.refused([400, 'InvalidInput', 'Invalid action'], 'POST', '/v2.0/rbac-policies', { body });
  const asked = {
    object_type: 'network',
    object_id: network.id,
    action: 'access_as_shared',
    target_tenant: 'green',
  };
  const byBlue = { ...BLUE, body: { rbac_policy: asked } };
  await api.refused([404, 'NetworkNotFound'], 'POST', '/v2.0/rbac-policies', byBlue);
  await share(network.id, 'blue', 'access_as_shared', 'red');
  await api.refused([400, 'InvalidInput', 'do not own'], 'POST', '/v2.0/rbac-policies', byBlue);
});
