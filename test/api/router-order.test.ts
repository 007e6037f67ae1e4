/** What one request may change of a router's routes and gateway, and what an HA router may not be attached to. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ApiUnderTest, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api.close());

const network = (more: object = {}) => api.make('networks', more, 'admin');
const subnet = (network_id: string, cidr: string, more: object = {}) =>
  api.make('subnets', { network_id, cidr, ip_version: 4, enable_dhcp: false, ...more }, 'admin');
const router = (more: object = {}) => api.make('routers', more, 'admin');
const change = (id: string, body: object): [string, string, object] => [
  ...(['PUT', `/v2.0/routers/${id}`] as const),
  { body: { router: body } },
];
const attach = (id: string, body: object): [string, string, object] => [
  ...(['PUT', `/v2.0/routers/${id}/add_router_interface`] as const),
  { body },
];

test('routes and gateway in one request: routes first, as with Neutron', async () => {
  const out = await network({ 'router:external': true });
  await subnet(out.id, '203.0.113.0/24');
  const { id } = await router();
  const gateway = { network_id: out.id };
  const routes = [{ destination: '10.9.0.0/16', nexthop: '203.0.113.77' }];
  // Both given: the routes are looked at while there is no gateway yet.
  await api.refused(
    [400, 'InvalidRoutes', 'the nexthop is not connected with router'],
    ...change(id, { routes, external_gateway_info: gateway }),
  );
  await api.expect(200, ...change(id, { external_gateway_info: gateway }));
  await api.expect(200, ...change(id, { routes }));
  await api.refused([400, 'InvalidRoutes'], ...change(id, { external_gateway_info: {} }));
  // Both taken: the gateway goes after the routes that need it.
  const { router: bare } = await api.expect(200, ...change(id, { routes: [], external_gateway_info: {} }));
  assert.deepEqual([bare.routes, bare.external_gateway_info], [[], null]);
});

test('an HA router is not attached to what overlaps with the range of its replicas', async () => {
  const ha = await router({ ha: true });
  const plain = await router();
  const segments = await subnet((await network()).id, '169.254.200.0/24');
  const own = await subnet((await network()).id, '169.254.0.128/25');
  const port = await api.make('ports', { network_id: segments.network_id }, 'admin');
  const [segment] = (await api.expect(200, 'GET', '/v2.0/subnets?cidr=169.254.192.0/18')).subnets;
  const why = `Cidr 169.254.200.0/24 of subnet ${segments.id} overlaps with cidr 169.254.192.0/18 of subnet ${segment.id}`;
  await api.refused([400, 'BadRequest', why], ...attach(ha.id, { subnet_id: segments.id }));
  await api.refused([400, 'BadRequest', why], ...attach(ha.id, { port_id: port.id }));
  await api.refused([400, 'BadRequest', '169.254.0.0/24'], ...attach(ha.id, { subnet_id: own.id }));
  const out = await network({ 'router:external': true });
  await subnet(out.id, '169.254.192.0/24');
  const info = { external_gateway_info: { network_id: out.id } };
  await api.refused([400, 'BadRequest', 'overlaps'], ...change(ha.id, info));
  await api.refused([400, 'BadRequest', 'overlaps'], 'POST', '/v2.0/routers', {
    body: { router: { ha: true, ...info } },
  });
  // One that is not HA has no replicas to talk with, until it is made one that has.
  await api.expect(200, ...attach(plain.id, { subnet_id: segments.id }));
  await api.expect(200, ...change(plain.id, { admin_state_up: false }));
  await api.refused([400, 'BadRequest', why.slice(0, 60)], ...change(plain.id, { ha: true }));
});
