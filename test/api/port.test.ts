import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';
import { addAgent } from './agents.ts';

let api: ApiUnderTest;
let networkId: string;
let subnetId: string;

before(async () => {
  api = await startApi();
  networkId = (await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } })).network.id;
  // What a test asks for by name lies beyond what others are given by chance.
  subnetId = await subnet(networkId, '10.0.0.0/24', [{ start: '10.0.0.2', end: '10.0.0.69' }]);
  await addAgent(api, { host: 'h1', role: 'l2' });
});
after(() => api?.close());

const subnet = async (network_id: string, cidr: string, allocation_pools?: object[]): Promise<string> => {
  const body = { subnet: { network_id, cidr, ip_version: 4, allocation_pools } };
  return (await api.expect(201, 'POST', '/v2.0/subnets', { body })).subnet.id;
};
const create = async (port: object): Promise<Json> =>
  (await api.expect(201, 'POST', '/v2.0/ports', { body: { port: { network_id: networkId, ...port } } })).port;
const update = async (id: string, port: object): Promise<Json> =>
  (await api.expect(200, 'PUT', `/v2.0/ports/${id}`, { body: { port } })).port;

test('a port has what clients expect of one', async () => {
  const port = await create({ name: 'web', fixed_ips: [{ ip_address: '10.0.0.77' }], dns_name: 'Web' });
  const { id, created_at, updated_at, mac_address, security_groups, ...rest } = port;
  assert.equal(typeof id, 'string');
  assert.equal(created_at, updated_at);
  assert.equal(security_groups.length, 1);
  assert.match(mac_address, /^fa:16:3e(:[0-9a-f]{2}){3}$/);
  assert.deepEqual(rest, {
    project_id: 'admin',
    tenant_id: 'admin',
    description: '',
    name: 'web',
    network_id: networkId,
    admin_state_up: true,
    status: 'DOWN',
    fixed_ips: [{ subnet_id: subnetId, ip_address: '10.0.0.77' }],
    device_id: '',
    device_owner: '',
    'binding:host_id': '',
    'binding:vnic_type': 'normal',
    'binding:profile': {},
    'binding:vif_type': 'unbound',
    'binding:vif_details': {},
    port_security_enabled: true,
    extra_dhcp_opts: [],
    dns_name: 'web',
    dns_domain: '',
    dns_assignment: [{ hostname: 'web', ip_address: '10.0.0.77', fqdn: 'web.example.test.' }],
    ip_allocation: 'immediate',
    data_plane_status: null,
    propagate_uplink_status: true,
    device_profile: null,
    numa_affinity_policy: null,
    allowed_address_pairs: [],
    qos_policy_id: null,
    qos_network_policy_id: null,
    resource_request: null,
    revision_number: 1,
    tags: [],
  });
});

test('a port is bound to a host that has an agent, and unbound with null', async () => {
  const bound = await create({ 'binding:host_id': 'h1', 'binding:profile': { a: [1, { b: null }] } });
  assert.equal(bound['binding:vif_type'], 'bridge');
  assert.deepEqual(bound['binding:profile'], { a: [1, { b: null }] });
  const failed = await create({ 'binding:host_id': 'nowhere' });
  assert.equal(failed['binding:vif_type'], 'binding_failed');
  const unbound = await update(bound.id, { 'binding:host_id': null, 'binding:profile': null });
  assert.deepEqual(
    [unbound['binding:host_id'], unbound['binding:vif_type'], unbound['binding:profile']],
    ['', 'unbound', {}],
  );
});

test('DHCP options are merged one by one; null takes one away', async () => {
  const mtu = { opt_name: 'mtu', opt_value: '1400', ip_version: 4 };
  const port = await create({
    extra_dhcp_opts: [
      { opt_name: 'mtu', opt_value: '1400' },
      { opt_name: 'router', opt_value: null },
    ],
  });
  assert.deepEqual(port.extra_dhcp_opts, [mtu]);
  const boot = { opt_name: 'bootfile-name', opt_value: 'http://[::1]/a?b=c,d', ip_version: 6 };
  const more = await update(port.id, { extra_dhcp_opts: [boot] });
  assert.deepEqual(more.extra_dhcp_opts, [mtu, boot]);
  const less = await update(port.id, { extra_dhcp_opts: [{ opt_name: 'mtu', opt_value: null }] });
  assert.deepEqual(less.extra_dhcp_opts, [boot]);
});

test('ports are found by address, part of one, and subnet', async () => {
  const other = (await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } })).network.id;
  const otherSubnet = await subnet(other, '192.168.44.0/24');
  const ports: string[] = [];
  for (const address of ['192.168.44.10', '192.168.44.11', '192.168.44.200'])
    ports.push((await create({ network_id: other, fixed_ips: [{ ip_address: address }] })).id);
  const find = async (...filters: string[]) => {
    const query = filters.map((filter) => `fixed_ips=${encodeURIComponent(filter)}`).join('&');
    const found = (await api.expect(200, 'GET', `/v2.0/ports?fields=id&${query}`)).ports;
    return found.map((port: Json) => ports.indexOf(port.id)).sort();
  };
  assert.deepEqual(await find('ip_address=192.168.44.11'), [1]);
  assert.deepEqual(await find('ip_address=192.168.44.11', 'ip_address=192.168.44.10'), [0, 1]);
  assert.deepEqual(await find('ip_address_substr=168.44.1'), [0, 1]);
  assert.deepEqual(await find(`subnet_id=${otherSubnet}`), [0, 1, 2]);
  assert.deepEqual(await find(`subnet_id=${otherSubnet}`, 'ip_address=10.0.0.77'), []);
  assert.deepEqual(await find(`subnet_id=${subnetId}`, 'ip_address_substr=168.44'), []);
  assert.deepEqual(await find('subnet_id=nonsense'), []);
  assert.deepEqual(await find('ip_address_substr=%'), []);
});

test('no addresses where none are asked for', async () => {
  const port = await create({ fixed_ips: [] });
  assert.deepEqual([port.fixed_ips, port.dns_assignment, port.ip_allocation], [[], [], 'none']);
});

test('a MAC may be written in several ways and is stored in one', async () => {
  const port = await create({ mac_address: '0C-00-00-00-AB-1' });
  assert.equal(port.mac_address, '0c:00:00:00:ab:01');
  const found = await api.expect(200, 'GET', '/v2.0/ports?mac_address=0C:00:00:00:AB:01&fields=id');
  assert.deepEqual(found.ports, [{ id: port.id }]);
});

test('fifty creates at once in a /26 get fifty addresses, and the 62nd is refused', async () => {
  const network_id = (await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } })).network.id;
  await subnet(network_id, '10.66.0.0/26');
  const body = { port: { network_id } };
  const all = await Promise.all(
    Array.from({ length: 50 }, () => api.expect(201, 'POST', '/v2.0/ports', { body })),
  );
  const addresses = new Set(all.map(({ port }) => port.fixed_ips[0].ip_address));
  assert.equal(addresses.size, 50);
  assert.equal(new Set(all.map(({ port }) => port.mac_address)).size, 50);
  const ports = Array.from({ length: 11 }, () => ({ network_id }));
  const rest = await api.expect(201, 'POST', '/v2.0/ports', { body: { ports } });
  for (const port of rest.ports) addresses.add(port.fixed_ips[0].ip_address);
  assert.equal(addresses.size, 61);
  const refused = await api.expect(409, 'POST', '/v2.0/ports', { body });
  assert.equal(refused.NeutronError.type, 'IpAddressGenerationFailure');
  assert.equal(refused.NeutronError.message, `No more IP addresses available on network ${network_id}.`);
});

test('of many that ask for one address or MAC at once, one gets it', async () => {
  const race = async (port: object) => {
    const body = { port: { network_id: networkId, ...port } };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api.ask('POST', '/v2.0/ports', { body })),
    );
    return answers.map((answer) => answer.status).sort();
  };
  const one = [201, ...Array<number>(7).fill(409)];
  assert.deepEqual(await race({ fixed_ips: [{ ip_address: '10.0.0.200' }] }), one);
  assert.deepEqual(await race({ mac_address: '0c:00:00:00:00:99' }), one);
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));

test('a MAC of null is another free one', async () => {
  const { id: network_id } = await api.make('networks', {}, 'admin');
  const made = await api.make('ports', { network_id, mac_address: null }, 'admin');
  assert.match(made.mac_address, /^fa:16:3e(:[0-9a-f]{2}){3}$/);
  const body = { port: { mac_address: null } };
  const { port } = await api.expect(200, 'PUT', `/v2.0/ports/${made.id}`, { body });
  assert.match(port.mac_address, /^fa:16:3e(:[0-9a-f]{2}){3}$/);
  assert.notEqual(port.mac_address, made.mac_address);
  const own = await api.make('networks', {}, 'red');
  const ours = await api.make('ports', { network_id: own.id }, 'red');
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', `/v2.0/ports/${ours.id}`, { as: 'red', body });
});
