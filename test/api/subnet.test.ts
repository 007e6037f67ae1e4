import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const network = async (): Promise<string> =>
  (await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } })).network.id;
const create = async (subnet: object): Promise<Json> =>
  (await api.expect(201, 'POST', '/v2.0/subnets', { body: { subnet } })).subnet;

test('a subnet has what clients expect of one', async () => {
  const network_id = await network();
  const subnet = await create({ network_id, ip_version: 4, cidr: '10.0.0.9/24' });
  const { id, created_at, updated_at, ...rest } = subnet;
  assert.equal(typeof id, 'string');
  assert.equal(created_at, updated_at);
  assert.deepEqual(rest, {
    project_id: 'admin',
    tenant_id: 'admin',
    description: '',
    name: '',
    network_id,
    ip_version: 4,
    cidr: '10.0.0.0/24',
    gateway_ip: '10.0.0.1',
    enable_dhcp: true,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    allocation_pools: [{ start: '10.0.0.2', end: '10.0.0.254' }],
    dns_nameservers: [],
    host_routes: [],
    service_types: [],
    dns_publish_fixed_ip: false,
    subnetpool_id: null,
    segment_id: null,
    revision_number: 1,
    tags: [],
  });
});

test('addresses are stored and found in canonical form', async () => {
  const network_id = await network();
  const subnet = await create({
    network_id,
    ip_version: '6',
    cidr: '2001:0DB8:0000::/64',
    gateway_ip: '2001:DB8::0:1',
    allocation_pools: [{ start: '2001:db8:0::10', end: '2001:DB8::FF' }],
    dns_nameservers: ['2001:4860:4860:0:0:0:0:8888'],
    host_routes: [{ destination: '2001:DB8:1::/48', nexthop: '2001:db8::0:9' }],
  });
  assert.deepEqual(
    [subnet.cidr, subnet.gateway_ip, subnet.allocation_pools, subnet.dns_nameservers, subnet.host_routes],
    [
      '2001:db8::/64',
      '2001:db8::1',
      [{ start: '2001:db8::10', end: '2001:db8::ff' }],
      ['2001:4860:4860::8888'],
      [{ destination: '2001:db8:1::/48', nexthop: '2001:db8::9' }],
    ],
  );
  const found = await api.expect(200, 'GET', '/v2.0/subnets?cidr=2001:0db8::/64&gateway_ip=2001:DB8::1');
  assert.deepEqual(
    found.subnets.map((one: Json) => one.id),
    [subnet.id],
  );
});

test('an update changes pools, routes and the gateway; null takes lists and gateway away', async () => {
  const { id } = await create({
    network_id: await network(),
    ip_version: 4,
    cidr: '10.1.0.0/24',
    dns_nameservers: ['8.8.8.8'],
  });
  const path = `/v2.0/subnets/${id}`;
  const changes = { allocation_pools: [{ start: '10.1.0.10', end: '10.1.0.20' }], gateway_ip: '10.1.0.5' };
  const { subnet } = await api.expect(200, 'PUT', path, { body: { subnet: changes } });
  assert.deepEqual({ allocation_pools: subnet.allocation_pools, gateway_ip: subnet.gateway_ip }, changes);
  const nothing = { gateway_ip: null, dns_nameservers: null, host_routes: null, enable_dhcp: 'False' };
  const after = (await api.expect(200, 'PUT', path, { body: { subnet: nothing } })).subnet;
  assert.deepEqual(
    [after.gateway_ip, after.dns_nameservers, after.host_routes, after.enable_dhcp],
    [null, [], [], false],
  );
});

test('an overlap is refused with the words that clients retry on', async () => {
  const network_id = await network();
  await create({ network_id, ip_version: 4, cidr: '10.2.0.0/24' });
  const body = { subnet: { network_id, ip_version: 4, cidr: '10.2.0.0/16' } };
  const refused = await api.expect(400, 'POST', '/v2.0/subnets', { body });
  assert.equal(refused.NeutronError.type, 'InvalidInput');
  assert.match(refused.NeutronError.message, /overlaps with another subnet/);
});

test('a subnet with ports in it stays', async () => {
  const network_id = await network();
  const { id } = await create({ network_id, ip_version: 4, cidr: '10.3.0.0/24' });
  const { port } = await api.expect(201, 'POST', '/v2.0/ports', { body: { port: { network_id } } });
  const refused = await api.expect(409, 'DELETE', `/v2.0/subnets/${id}`);
  assert.equal(refused.NeutronError.type, 'SubnetInUse');
  await api.expect(204, 'DELETE', `/v2.0/ports/${port.id}`);
  await api.expect(204, 'DELETE', `/v2.0/subnets/${id}`);
});

test('a list by a subnet pool finds none, for there are none', async () => {
  assert.deepEqual(
    (await api.expect(200, 'GET', '/v2.0/subnets?subnetpool_id=3b1fcb9e-0000-4000-8000-00000000dead'))
      .subnets,
    [],
  );
});

test('the modes of an IPv6 subnet: equal or one of them, and which of them a router takes', async () => {
  const modes = ['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless', null] as const;
  let count = 0;
  for (const ipv6_ra_mode of modes)
    for (const ipv6_address_mode of modes) {
      const network_id = await network();
      const cidr = `2001:db8:${(0x100 + ++count).toString(16)}::/64`;
      const asked = { network_id, ip_version: 6, cidr, ipv6_ra_mode, ipv6_address_mode };
      if (ipv6_ra_mode && ipv6_address_mode && ipv6_ra_mode !== ipv6_address_mode) {
        await api.refused([400, 'InvalidInput', 'they must be the same value'], 'POST', '/v2.0/subnets', {
          body: { subnet: asked },
        });
        continue;
      }
      const made = await create(asked);
      assert.deepEqual([made.ipv6_ra_mode, made.ipv6_address_mode], [ipv6_ra_mode, ipv6_address_mode]);
      const { id } = await api.make('routers', {}, 'demo');
      const url = `/v2.0/routers/${id}/add_router_interface`;
      const body = { subnet_id: made.id };
      if (ipv6_ra_mode === null && ipv6_address_mode !== null)
        await api.refused([400, 'BadRequest', 'RAs from an external router'], 'PUT', url, { body });
      else await api.expect(200, 'PUT', url, { body });
    }
});

test('subnets with automatic addresses come while ports are renamed and deleted', async () => {
  const network_id = await network();
  const asked = Array.from({ length: 20 }, () => ({ network_id }));
  await create({ network_id, ip_version: 4, cidr: '10.4.0.0/24' });
  const { ports } = await api.expect(201, 'POST', '/v2.0/ports', { body: { ports: asked } });
  const modes = { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' };
  const writes = ports.map(async ({ id }: Json, i: number) => {
    await api.expect(200, 'PUT', `/v2.0/ports/${id}`, { body: { port: { name: 'new' } } });
    if (i % 2 === 0) await api.expect(204, 'DELETE', `/v2.0/ports/${id}`);
  });
  const subnets = [1, 2, 3, 4].map((i) =>
    create({ network_id, ip_version: 6, cidr: `2001:db8:${i}::/64`, ...modes }),
  );
  await Promise.all([...writes, ...subnets]);
  const left = (await api.expect(200, 'GET', `/v2.0/ports?network_id=${network_id}&name=new`)).ports;
  // made, renamed, and four times one address more
  assert.deepEqual(
    left.map((port: Json) => [port.revision_number, port.fixed_ips.length]),
    Array.from({ length: 10 }, () => [6, 5]),
  );
  assert.deepEqual(api.bugs, []);
});

test('the owner says whose ports get addresses in it', async () => {
  const { id } = await api.make('networks', {}, 'red');
  const asked = { network_id: id, ip_version: 4, cidr: '10.9.0.0/24', service_types: ['compute:x'] };
  const made = await api.make('subnets', asked, 'red');
  assert.deepEqual(made.service_types, ['compute:x']);
  const path = `/v2.0/subnets/${made.id}`;
  const body = { subnet: { service_types: [] } };
  const { subnet } = await api.expect(200, 'PUT', path, { as: 'red', body });
  assert.deepEqual([subnet.service_types, subnet.revision_number], [[], made.revision_number + 1]);
});
