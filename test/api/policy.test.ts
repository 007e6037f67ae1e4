/** What members may see, set and change: theirs, what is shared, and nothing of the host's. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
let redNetwork: string;
let sharedNetwork: string;
let sharedSubnet: string;

const make = async (kind: string, as: string, attributes: object): Promise<Json> =>
  (await api.expect(201, 'POST', `/v2.0/${kind}s`, { as, body: { [kind]: attributes } }))[kind];

before(async () => {
  api = await startApi();
  redNetwork = (await make('network', 'red', { name: 'red' })).id;
  sharedNetwork = (await make('network', 'admin', { name: 'shared', shared: true })).id;
  const subnet = { network_id: sharedNetwork, ip_version: 4, cidr: '10.5.0.0/24' };
  sharedSubnet = (await make('subnet', 'admin', subnet)).id;
  // what a port is given by chance is not what another one asks for
  const pools = [{ start: '10.6.0.100', end: '10.6.0.200' }];
  const red = { network_id: redNetwork, ip_version: 4, cidr: '10.6.0.0/24', allocation_pools: pools };
  await make('subnet', 'red', red);
});
after(() => api?.close());

async function forbidden(as: string, method: string, path: string, body: object): Promise<void> {
  const answer = await api.ask(method, path, { as, body });
  assert.equal(answer.status, 403, `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`);
  assert.equal(answer.body.NeutronError.type, 'PolicyNotAuthorized');
}

test('others’ things are not there', async () => {
  const port = await make('port', 'red', { network_id: redNetwork });
  for (const path of [`networks/${redNetwork}`, `ports/${port.id}`]) {
    const kind = path.startsWith('n') ? 'network' : 'port';
    await api.expect(404, 'GET', `/v2.0/${path}`, { as: 'blue' });
    await api.expect(404, 'PUT', `/v2.0/${path}`, { as: 'blue', body: { [kind]: { name: 'x' } } });
    await api.expect(404, 'DELETE', `/v2.0/${path}`, { as: 'blue' });
  }
  await api.expect(404, 'POST', '/v2.0/ports', { as: 'blue', body: { port: { network_id: redNetwork } } });
  const subnet = { network_id: redNetwork, ip_version: 4, cidr: '10.7.0.0/24' };
  await api.expect(404, 'POST', '/v2.0/subnets', { as: 'blue', body: { subnet } });
  const names = async (as: string) =>
    (await api.expect(200, 'GET', '/v2.0/networks', { as })).networks.map((it: Json) => it.name).sort();
  assert.deepEqual(await names('blue'), ['shared']);
  assert.deepEqual(await names('red'), ['red', 'shared']);
  assert.deepEqual(
    (await api.expect(200, 'GET', `/v2.0/networks?project_id=red`, { as: 'blue' })).networks,
    [],
  );
});

test('what is shared is used, not changed', async () => {
  const port = await make('port', 'blue', {
    network_id: sharedNetwork,
    fixed_ips: [{ subnet_id: sharedSubnet }],
  });
  assert.equal(port.project_id, 'blue');
  await forbidden('blue', 'PUT', `/v2.0/networks/${sharedNetwork}`, { network: { name: 'mine' } });
  assert.equal((await api.ask('DELETE', `/v2.0/networks/${sharedNetwork}`, { as: 'blue' })).status, 403);
  await forbidden('blue', 'PUT', `/v2.0/subnets/${sharedSubnet}`, { subnet: { name: 'mine' } });
  const subnet = { network_id: sharedNetwork, ip_version: 4, cidr: '10.8.0.0/24' };
  await forbidden('blue', 'POST', '/v2.0/subnets', { subnet });
  const given = await make('port', 'blue', { network_id: sharedNetwork });
  await forbidden('blue', 'PUT', `/v2.0/ports/${given.id}`, {
    port: { fixed_ips: [{ ip_address: '10.5.0.99' }] },
  });
});

test('members do not see or set what is the host’s or the provider’s', async () => {
  const network = (await api.expect(200, 'GET', `/v2.0/networks/${redNetwork}`, { as: 'red' })).network;
  assert.deepEqual(
    Object.keys(network).filter((name) => name.startsWith('provider:')),
    [],
  );
  const port = await make('port', 'red', { network_id: redNetwork });
  assert.deepEqual(
    Object.keys(port).filter((name) => name.startsWith('binding:')),
    ['binding:vnic_type'],
  );
  for (const attributes of [
    { shared: true },
    { 'router:external': true },
    { 'provider:network_type': 'vxlan' },
    { 'provider:segmentation_id': 5 },
    { 'provider:physical_network': 'physnet1' },
  ])
    await forbidden('red', 'POST', '/v2.0/networks', { network: attributes });
  await forbidden('red', 'PUT', `/v2.0/networks/${redNetwork}`, { network: { shared: false } });
  for (const attributes of [{ 'binding:host_id': 'h1' }, { 'binding:profile': { a: 1 } }]) {
    await forbidden('red', 'POST', '/v2.0/ports', { port: { network_id: redNetwork, ...attributes } });
    await forbidden('red', 'PUT', `/v2.0/ports/${port.id}`, { port: attributes });
  }
  await forbidden('red', 'PUT', `/v2.0/ports/${port.id}`, { port: { mac_address: '0c:00:00:00:00:01' } });
  for (const filter of ['binding:host_id=h1', 'sort_key=binding:host_id&sort_dir=asc'])
    await api.expect(400, 'GET', `/v2.0/ports?${filter}`, { as: 'red' });
});

test('an admin attribute at its default is no offence', async () => {
  const network = await make('network', 'red', { shared: false, 'router:external': 'false' });
  await make('port', 'red', { network_id: network.id, 'binding:host_id': null, 'binding:profile': {} });
});

test('whose network it is may choose addresses and MACs, others may not', async () => {
  const choices = [
    { mac_address: '0c:00:00:00:00:aa' },
    { fixed_ips: [{ ip_address: '10.6.0.50' }] },
    { device_owner: 'network:router_interface' },
    { port_security_enabled: false },
  ];
  for (const choice of choices) {
    await make('port', 'red', { network_id: redNetwork, ...choice });
    await forbidden('blue', 'POST', '/v2.0/ports', { port: { network_id: sharedNetwork, ...choice } });
  }
  await make('port', 'blue', { network_id: sharedNetwork, device_owner: 'compute:nova' });
});

test('only an admin acts for another project', async () => {
  const body = { network: { project_id: 'blue' } };
  const refused = await api.expect(400, 'POST', '/v2.0/networks', { as: 'red', body });
  assert.equal(refused.NeutronError.type, 'HTTPBadRequest');
  assert.equal((await make('network', 'admin', { tenant_id: 'blue' })).project_id, 'blue');
  assert.equal((await make('network', 'red', { tenant_id: 'red', project_id: 'red' })).project_id, 'red');
});

test('one bad one spoils a bulk', async () => {
  await forbidden('red', 'POST', '/v2.0/networks', { networks: [{ name: 'spoilt' }, { shared: true }] });
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/networks?name=spoilt')).networks, []);
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
