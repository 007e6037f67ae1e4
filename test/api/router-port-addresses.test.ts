/** What the ports API may do to the addresses of routers' and floating IPs' ports, and by which subnets routes may go. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ApiUnderTest, type Asked, type Json, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api.close());

const make = (plural: string, body: object, as = 'demo') => api.make(plural, body, as);
const subnet = (network_id: string, cidr: string, as = 'demo') =>
  make('subnets', { network_id, cidr, ip_version: cidr.includes(':') ? 6 : 4, enable_dhcp: false }, as);
const addresses = (id: string, fixed_ips: object[], as = 'demo'): [string, string, Asked] => [
  ...(['PUT', `/v2.0/ports/${id}`] as const),
  { as, body: { port: { fixed_ips } } },
];
const attach = async (router: string, body: object): Promise<Json> =>
  api.expect(200, 'PUT', `/v2.0/routers/${router}/add_router_interface`, { as: 'demo', body });
const change = (id: string, body: object): [string, string, Asked] => [
  ...(['PUT', `/v2.0/routers/${id}`] as const),
  { as: 'admin', body: { router: body } },
];

/** A router between an external network and an inner one, of which a machine has a floating IP. */
async function cloud(n: number) {
  const out = await make('networks', { 'router:external': true }, 'admin');
  const outer = await subnet(out.id, `203.0.${n}.0/24`, 'admin');
  const net = await make('networks', {});
  const inner = await subnet(net.id, `10.${n}.0.0/24`);
  const router = await make('routers', { external_gateway_info: { network_id: out.id } });
  const { port_id } = await attach(router.id, { subnet_id: inner.id });
  // not drawn by chance: tests ask for others by name
  const fixed_ips = [{ subnet_id: inner.id, ip_address: `10.${n}.0.50` }];
  const machine = await make('ports', { network_id: net.id, fixed_ips });
  const floating = await make('floatingips', { floating_network_id: out.id, port_id: machine.id });
  const { ports } = await api.expect(200, 'GET', `/v2.0/ports?network_id=${out.id}`);
  const of = (owner: string) => ports.find((port: Json) => port.device_owner === owner);
  const [gateway, face] = [of('network:router_gateway'), of('network:floatingip')];
  return { out, outer, net, inner, router, port_id, floating, gateway, face };
}

test("a floating IP's port keeps its address, so that no other is given it", async () => {
  const { outer, floating, gateway, face } = await cloud(1);
  const taken = [gateway, face].map(({ fixed_ips }) => fixed_ips[0].ip_address);
  const free = ['203.0.1.200', '203.0.1.201', '203.0.1.202'].find((address) => !taken.includes(address));
  const other = [{ subnet_id: outer.id, ip_address: free }];
  for (const asked of [[], other])
    await api.refused([400, 'BadRequest', 'a floating ip'], ...addresses(face.id, asked, 'admin'));
  const { port } = await api.expect(200, 'GET', `/v2.0/ports/${face.id}`);
  assert.deepEqual(
    port.fixed_ips.map((ip: Json) => ip.ip_address),
    [floating.floating_ip_address],
  );
});

test('a router interface may have another address in its subnet, and keeps the subnet while something goes by it', async () => {
  const { net, inner, router, port_id, floating } = await cloud(2);
  const there = (host: number) => [{ subnet_id: inner.id, ip_address: `10.2.0.${host}` }];
  const { port } = await api.expect(200, ...addresses(port_id, there(3)));
  assert.deepEqual(port.fixed_ips, there(3));
  await api.refused([409, 'RouterInterfaceInUseByFloatingIP'], ...addresses(port_id, []));
  await api.expect(204, 'DELETE', `/v2.0/floatingips/${floating.id}`, { as: 'demo' });
  const routes = [{ destination: '10.99.0.0/16', nexthop: '10.2.0.99' }];
  await api.expect(200, ...change(router.id, { routes }));
  await api.refused([409, 'RouterInterfaceInUseByRoute'], ...addresses(port_id, []));
  await api.refused([400, 'InvalidRoutes', 'is used by router'], ...addresses(port_id, there(99)));
  const more = await subnet(net.id, '10.22.0.0/24');
  const two = [...there(3), { subnet_id: more.id }];
  await api.refused([400, 'BadRequest', 'multiple IPv4 subnets'], ...addresses(port_id, two));
  await api.expect(200, ...change(router.id, { routes: [] }));
  // Past the check of overlaps, which holds for attaching.
  const elsewhere = await make('networks', {});
  const same = await subnet(elsewhere.id, '10.33.0.0/24');
  await attach(router.id, { subnet_id: same.id });
  const overlapping = await subnet(net.id, '10.33.0.0/16');
  await api.refused(
    [400, 'BadRequest', 'overlaps with cidr 10.33.0.0/24'],
    ...addresses(port_id, [{ subnet_id: overlapping.id }]),
  );
  await api.expect(200, ...addresses(port_id, []));
  const unowned = await make('ports', { network_id: net.id, device_id: router.id });
  await api.expect(200, ...addresses(unowned.id, []));
});

test('a gateway keeps an IPv4 address while floating IPs go by it, and may have another', async () => {
  const { out, outer, gateway } = await cloud(3);
  await api.refused(
    [409, 'RouterExternalGatewayInUseByFloatingIp', out.id],
    ...addresses(gateway.id, [], 'admin'),
  );
  const other = [{ subnet_id: outer.id, ip_address: '203.0.3.200' }];
  const { port } = await api.expect(200, ...addresses(gateway.id, other, 'admin'));
  assert.deepEqual(port.fixed_ips, other);
});

test('a route may go by a subnet in which the router has an address, not by another of its external network', async () => {
  const { out, router } = await cloud(4);
  await subnet(out.id, '198.51.100.0/24', 'admin');
  const by = (nexthop: string) => change(router.id, { routes: [{ destination: '10.98.0.0/16', nexthop }] });
  await api.refused(
    [400, 'InvalidRoutes', 'the nexthop is not connected with router'],
    ...by('198.51.100.9'),
  );
  await api.expect(200, ...by('203.0.4.99'));
});
