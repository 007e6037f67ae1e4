import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const create = async (network: object, as = 'admin'): Promise<Json> =>
  (await api.expect(201, 'POST', '/v2.0/networks', { as, body: { network } })).network;

test('a network has what clients expect of one', async () => {
  const network = await create({ name: 'all of it' });
  assert.match(network.id, /^[0-9a-f-]{36}$/);
  assert.match(network.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const { id, created_at, updated_at, 'provider:segmentation_id': vni, ...rest } = network;
  assert.equal(updated_at, created_at);
  assert.ok(vni >= 1 && vni <= 16_777_215);
  assert.deepEqual(rest, {
    name: 'all of it',
    project_id: 'admin',
    tenant_id: 'admin',
    description: '',
    admin_state_up: true,
    status: 'ACTIVE',
    shared: false,
    'router:external': false,
    mtu: 1450,
    'provider:network_type': 'vxlan',
    'provider:physical_network': null,
    port_security_enabled: true,
    dns_domain: '',
    availability_zone_hints: [],
    availability_zones: [],
    subnets: [],
    l2_adjacency: true,
    ipv4_address_scope: null,
    ipv6_address_scope: null,
    is_default: false,
    qos_policy_id: null,
    revision_number: 1,
    tags: [],
  });
  assert.deepEqual((await api.expect(200, 'GET', `/v2.0/networks/${id}`)).network, network);
  assert.deepEqual((await api.expect(200, 'GET', `/v2.0/networks/${id.toUpperCase()}`)).network, network);
});

test('an update changes what it names, counts revisions, and says its place in the log', async () => {
  const network = await create({ name: 'before' });
  const path = `/v2.0/networks/${network.id}`;
  const answer = await api.ask('PUT', path, {
    body: { network: { name: 'after', mtu: '1400', shared: 'true', dns_domain: 'Example.org.' } },
  });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('x-deuteron-position') ?? '', /^\d+:\d+$/);
  assert.match(answer.headers.get('x-openstack-request-id') ?? '', /^req-[0-9a-f-]{36}$/);
  const { network: now } = answer.body;
  assert.deepEqual(
    [now.name, now.mtu, now.shared, now.dns_domain, now.revision_number],
    ['after', 1400, true, 'example.org.', 2],
  );
});

test('If-Match lets one of two writers through', async () => {
  const network = await create({});
  const path = `/v2.0/networks/${network.id}`;
  const headers = { 'if-match': 'revision_number=1' };
  await api.expect(200, 'PUT', path, { body: { network: { name: 'first' } }, headers });
  const second = await api.ask('PUT', path, { body: { network: { name: 'second' } }, headers });
  assert.equal(second.status, 412);
  assert.deepEqual(second.body.NeutronError, {
    type: 'RevisionNumberConstraintFailed',
    message: 'Constrained to 1, but current revision is 2',
    detail: '',
  });
  await api.expect(412, 'DELETE', path, { headers });
  await api.expect(204, 'DELETE', path, { headers: { 'if-match': '"revision_number=2"' } });
  await api.expect(404, 'GET', path);
});

test('a bulk is all or nothing, in the order asked for', async () => {
  const body = { networks: [{ name: 'bulk 1' }, { network: { name: 'bulk 2' } }, { name: 'bulk 3' }] };
  const { networks } = await api.expect(201, 'POST', '/v2.0/networks', { body });
  assert.deepEqual(
    networks.map((one: Json) => one.name),
    ['bulk 1', 'bulk 2', 'bulk 3'],
  );
  const vni = networks[0]['provider:segmentation_id'];
  const half = [{ name: 'half' }, { 'provider:network_type': 'vxlan', 'provider:segmentation_id': vni }];
  await api.expect(409, 'POST', '/v2.0/networks', { body: { networks: half } });
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/networks?name=half')).networks, []);
});

test('a deleted network takes its subnets with it, but not with ports in use', async () => {
  const network = await create({});
  const path = `/v2.0/networks/${network.id}`;
  const subnet = { network_id: network.id, ip_version: 4, cidr: '10.9.0.0/24' };
  const { subnet: made } = await api.expect(201, 'POST', '/v2.0/subnets', { body: { subnet } });
  const { port } = await api.expect(201, 'POST', '/v2.0/ports', {
    body: { port: { network_id: network.id } },
  });
  assert.deepEqual((await api.expect(200, 'GET', path)).network.subnets, [made.id]);
  const refused = await api.expect(409, 'DELETE', path);
  assert.equal(refused.NeutronError.type, 'NetworkInUse');
  await api.expect(204, 'DELETE', `/v2.0/ports/${port.id}`);
  await api.expect(204, 'DELETE', path);
  await api.expect(404, 'GET', `/v2.0/subnets/${made.id}`);
});

test('names may hold any script; filters find them', async () => {
  const name = 'réseau 网络 🚀 "quoted" <b>%_\\';
  const network = await create({ name });
  const found = await api.expect(200, 'GET', `/v2.0/networks?name=${encodeURIComponent(name)}&fields=id`);
  assert.deepEqual(found.networks, [{ id: network.id }]);
});

test('constants of what is not there yet are accepted as they are shown', async () => {
  const body = { network: { is_default: false, qos_policy_id: null, availability_zone_hints: [] } };
  await api.expect(201, 'POST', '/v2.0/networks', { body });
});

test('a provider network: null is as if it had not been given', async () => {
  const network = await create({
    'provider:network_type': 'flat',
    'provider:physical_network': 'physnet1',
    'provider:segmentation_id': null,
  });
  assert.deepEqual([network['provider:physical_network'], network.mtu], ['physnet1', 1500]);
});
