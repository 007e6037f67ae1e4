/** What a policy file makes of single rules: attributes, parts of them, what something belongs to, and roles of one's own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Policy } from '../../src/api/policy-rules.ts';
import { readPolicyFile } from '../../src/policy/file.ts';
import { CHALLENGE, type KeystoneUnderTest, startKeystone } from '../support/keystone-under-test.ts';
import { type ApiUnderTest, type Json, policyOf, startApi } from './api-under-test.ts';

let keystone: KeystoneUnderTest;
let api: ApiUnderTest;
let policy: Policy;
let external: string;

before(async () => {
  keystone = await startKeystone();
  for (const project of ['red', 'blue', 'green']) keystone.issue(project);
  keystone.issue('admin', { roles: ['admin'] });
  keystone.issue('red-reader', { project: 'red', roles: ['reader'] });
  keystone.issue('netops', { project: 'red', roles: ['netops'] });
  keystone.issue('nowhere', { project: null, roles: ['netops', 'member'] });
  policy = policyOf('');
  api = await startApi({ identify: keystone.identify, challenge: CHALLENGE, policy });
  external = (await api.make('networks', { 'router:external': true }, 'admin')).id;
  await api.make('subnets', { network_id: external, cidr: '203.0.113.0/24', ip_version: 4 }, 'admin');
});
after(async () => {
  await api?.close();
  await keystone?.fake.close();
});

/** From here on the file says this. */
const say = (text: string): void => policy.change(readPolicyFile(text));

const one = async (path: string, as: string): Promise<Json> => {
  const body = await api.expect(200, 'GET', `/v2.0/${path}`, { as });
  return Object.values(body)[0];
};

const forbidden = (rule: string, method: string, path: string, asked: { as: string; body?: object }) =>
  api.refused([403, 'PolicyNotAuthorized', `(rule:${rule})`], method, `/v2.0/${path}`, asked);

const hidden = async (path: string, as: string) =>
  assert.equal((await api.ask('GET', `/v2.0/${path}`, { as })).status, 404, `${path} by ${as}`);

test('what the file says of an attribute is so in creates and updates, and only if it is named', async () => {
  say(
    'create_network:shared: rule:regular_user\ncreate_network:mtu: rule:admin_only\nupdate_network:name: role:netops\n',
  );
  const network = await api.make('networks', { shared: true, name: 'first' }, 'red');
  assert.equal(network.shared, true);
  await forbidden('create_network:mtu', 'POST', 'networks', { as: 'red', body: { network: { mtu: 1400 } } });
  await forbidden('update_network:name', 'PUT', `networks/${network.id}`, {
    as: 'red',
    body: { network: { name: 'x' } },
  });
  await forbidden('update_network:shared', 'PUT', `networks/${network.id}`, {
    as: 'red',
    body: { network: { shared: false } },
  });
  await api.expect(200, 'PUT', `/v2.0/networks/${network.id}`, {
    as: 'red',
    body: { network: { mtu: 1300 } },
  });
  await api.expect(200, 'PUT', `/v2.0/networks/${network.id}`, {
    ...{ as: 'admin', body: { network: { name: 'second', shared: false } } },
  });
});

test('an attribute of which it says who sees it is shown to these, row by row, and lists are asked by it by those who see it anyhow', async () => {
  say(
    'get_port:binding:vif_type: rule:owner\nget_port:device_owner: rule:admin_only\nget_port:mac_address: "!"\n',
  );
  const network = await api.make('networks', { shared: true }, 'admin');
  const port = await api.make('ports', { network_id: network.id }, 'red');
  const shown = await one(`ports/${port.id}`, 'red');
  assert.equal(shown['binding:vif_type'], 'unbound');
  assert.ok(!('device_owner' in shown) && !('mac_address' in shown) && !('binding:profile' in shown));
  assert.ok('mac_address' in (await one(`ports/${port.id}`, 'admin')));
  const [listed] = await one(`ports?id=${port.id}&fields=mac_address&fields=binding:vif_type`, 'red');
  assert.deepEqual(listed, { 'binding:vif_type': 'unbound' });
  for (const asked of ['mac_address=fa:16:3e:00:00:01', 'sort_key=mac_address&sort_dir=asc'])
    await api.refused([400, 'HTTPBadRequest'], 'GET', `/v2.0/ports?${asked}`, { as: 'red' });
});

test('parts of an attribute have rules of their own', async () => {
  say(
    'create_router:external_gateway_info:enable_snat: rule:regular_user\ncreate_router:external_gateway_info:network_id: role:member\n',
  );
  const info = { network_id: external, enable_snat: false };
  const router = await api.make('routers', { external_gateway_info: info }, 'red');
  assert.equal(router.external_gateway_info.enable_snat, false);
  await forbidden('update_router:external_gateway_info:enable_snat', 'PUT', `routers/${router.id}`, {
    ...{ as: 'red', body: { router: { external_gateway_info: info } } },
  });
  const fixed = { ...info, external_fixed_ips: [{ ip_address: '203.0.113.9' }] };
  await forbidden('create_router:external_gateway_info:external_fixed_ips', 'POST', 'routers', {
    ...{ as: 'red', body: { router: { external_gateway_info: fixed } } },
  });
});

test('what is shared may be changed by whom the file lets, and nothing is seen by it', async () => {
  say('update_network: role:member\ndelete_network: role:member\ncreate_subnet: role:member\n');
  const shared = await api.make('networks', { shared: true, project_id: 'green' }, 'admin');
  const own = await api.make('networks', { project_id: 'green' }, 'admin');
  const body = { network: { description: 'by blue' } };
  assert.equal(
    (await api.expect(200, 'PUT', `/v2.0/networks/${shared.id}`, { as: 'blue', body })).network.description,
    'by blue',
  );
  const subnet = await api.make(
    'subnets',
    { network_id: shared.id, cidr: '10.9.0.0/24', ip_version: 4 },
    'blue',
  );
  assert.equal(subnet.project_id, 'blue');
  assert.equal((await api.ask('PUT', `/v2.0/networks/${own.id}`, { as: 'blue', body })).status, 404);
  assert.equal((await api.ask('DELETE', `/v2.0/networks/${own.id}`, { as: 'blue' })).status, 404);
  const inOwn = { subnet: { network_id: own.id, cidr: '10.9.0.0/24', ip_version: 4 } };
  assert.equal((await api.ask('POST', '/v2.0/subnets', { as: 'blue', body: inOwn })).status, 404);
  await api.expect(204, 'DELETE', `/v2.0/networks/${shared.id}`, { as: 'blue' });
});

test('what the file says of a pool lets nobody change a network with it', async () => {
  say('onboard_network_subnets: role:member\nget_subnetpool: role:member\n');
  const network = await api.make('networks', { shared: true, project_id: 'green' }, 'admin');
  await api.make('subnets', { network_id: network.id, cidr: '10.9.0.0/24', ip_version: 4 }, 'green');
  const pool = await api.make('subnetpools', { name: 'own', prefixes: ['10.8.0.0/24'] }, 'blue');
  const path = `subnetpools/${pool.id}/onboard_network_subnets`;
  const asked = { network_id: network.id };
  await forbidden('onboard_network_subnets', 'PUT', path, { as: 'blue', body: asked });
});

test('rules may ask for attributes of the network, of what it is about, and of the caller', async () => {
  const red = await api.make('networks', { name: 'of-red', shared: true, project_id: 'red' }, 'admin');
  const other = await api.make('networks', { name: 'of others', shared: true }, 'admin');
  say(
    'create_port: project_id:%(network:project_id)s and not field:port:name=~bad\nget_port: "\'of-red\':%(network:name)s"\n',
  );
  const port = await api.make('ports', { network_id: red.id, name: 'good' }, 'red');
  await forbidden('create_port', 'POST', 'ports', { as: 'red', body: { port: { network_id: other.id } } });
  await forbidden('create_port', 'POST', 'ports', {
    as: 'red',
    body: { port: { network_id: red.id, name: 'bad' } },
  });
  assert.equal((await one(`ports/${port.id}`, 'red')).name, 'good');
  const elsewhere = await api.make('ports', { network_id: other.id, project_id: 'red' }, 'admin');
  await hidden(`ports/${elsewhere.id}`, 'red');
  await hidden(`ports/${elsewhere.id}/tags`, 'red');
  await hidden(`deuteron/explain/port/${elsewhere.id}`, 'red');
  const listed: Json[] = await one(`ports?id=${elsewhere.id}&id=${port.id}`, 'red');
  assert.deepEqual(
    listed.map(({ id }) => id),
    [port.id],
  );
});

test('pages of a list that hides rows are full, and lead through all that is shown', async () => {
  for (const name of ['a', 'x1', 'b', 'x2', 'c', 'x3', 'd'])
    await api.make('address_scopes', { ip_version: 4, name }, 'blue');
  say('get_address_scope: "not field:address_scopes:name=~x"\n');
  const first = await api.expect(200, 'GET', '/v2.0/address-scopes?limit=3&sort_key=name&sort_dir=asc', {
    as: 'blue',
  });
  const names = ({ address_scopes }: Json) => address_scopes.map(({ name }: Json) => name);
  assert.deepEqual(names(first), ['a', 'b', 'c']);
  const next = new URL(first.address_scopes_links.find(({ rel }: Json) => rel === 'next').href);
  assert.deepEqual(names(await api.expect(200, 'GET', next.pathname + next.search, { as: 'blue' })), ['d']);
});

test('a role that only the file knows may do what it says, and nothing else', async () => {
  const network = await api.make('networks', { name: 'seen' }, 'red');
  const ask = async (method: string, path: string, body?: object) =>
    (await api.ask(method, `/v2.0/${path}`, { as: 'netops', ...(body ? { body } : {}) })).status;
  say('');
  assert.equal(await ask('GET', 'networks'), 403);
  say('get_network: role:netops or rule:project_reader\ndelete_network: role:netops\n');
  assert.equal((await one(`networks/${network.id}`, 'netops')).name, 'seen');
  assert.deepEqual(
    [
      await ask('GET', 'ports'),
      await ask('GET', 'quotas/red'),
      await ask('POST', 'networks', { network: {} }),
      await ask('PUT', `networks/${network.id}`, { network: { name: 'x' } }),
      await ask('PUT', `networks/${network.id}/tags/x`),
      await ask('DELETE', `networks/${network.id}`),
    ],
    [403, 403, 403, 403, 403, 204],
  );
  assert.equal((await api.ask('GET', '/v2.0/networks', { as: 'nowhere' })).status, 403);
});

test('readers may write where the file lets them', async () => {
  say('create_address_group: rule:project_reader\nadd_addresses: rule:project_reader\n');
  const group = await api.make('address_groups', {}, 'red-reader');
  const addresses = { addresses: ['10.0.0.0/24'] };
  await api.expect(200, 'PUT', `/v2.0/address-groups/${group.id}/add_addresses`, {
    as: 'red-reader',
    body: addresses,
  });
  const removed = await api.ask('PUT', `/v2.0/address-groups/${group.id}/remove_addresses`, {
    ...{ as: 'red-reader', body: addresses },
  });
  assert.equal(removed.status, 403);
});

test('what is for admins may be let to others', async () => {
  say(
    'get_event: role:member\nget_quota: role:member\nget_agent: role:member\nget_network_ip_availability: role:member\n',
  );
  await api.expect(200, 'GET', '/v2.0/deuteron/events', { as: 'red' });
  await api.expect(200, 'GET', '/v2.0/quotas/blue', { as: 'red' });
  await api.expect(200, 'GET', '/v2.0/agents', { as: 'red' });
  const availability = await one('network-ip-availabilities', 'red');
  assert.ok(availability.length > 0);
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', '/v2.0/quotas/red', {
    as: 'red',
    body: { quota: {} },
  });
  await api.refused([403, 'PolicyNotAuthorized'], 'GET', '/v2.0/deuteron/hosts', { as: 'red' });
});

test('who is an admin, a member or a reader is the file’s to say too', async () => {
  say('context_is_admin: role:netops\n');
  assert.ok('provider:network_type' in (await api.make('networks', {}, 'netops')));
  await api.refused([403, 'PolicyNotAuthorized'], 'GET', '/v2.0/networks', { as: 'admin' });
  say('member: role:member or role:netops\n');
  assert.equal((await api.make('networks', {}, 'netops')).project_id, 'red');
  say('context_is_admin: "!"\n');
  await forbidden('create_network:shared', 'POST', 'networks', {
    as: 'red',
    body: { network: { shared: true } },
  });
});

test('an admin is not bound by what the file says of others', async () => {
  say('create_network: "!"\nget_network: "!"\ndelete_network: "!"\nget_network:name: "!"\n');
  const { id } = await api.make('networks', { name: 'mine' }, 'admin');
  assert.equal((await one(`networks/${id}`, 'admin')).name, 'mine');
  await api.expect(204, 'DELETE', `/v2.0/networks/${id}`, { as: 'admin' });
});

test('port forwardings are judged by their floating IP', async () => {
  say('create_floatingip_port_forwarding: role:netops and rule:ext_parent_owner\n');
  const { id } = await api.make('floatingips', { floating_network_id: external }, 'red');
  const forwarding = {
    internal_port_id: external,
    internal_ip_address: '10.0.0.5',
    internal_port: 80,
    external_port: 80,
    protocol: 'tcp',
  };
  const body = { port_forwarding: forwarding };
  await forbidden('create_floatingip_port_forwarding', 'POST', `floatingips/${id}/port_forwardings`, {
    as: 'red',
    body,
  });
  assert.equal(
    (await api.ask('POST', `/v2.0/floatingips/${id}/port_forwardings`, { as: 'netops', body })).status,
    404,
  );
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
