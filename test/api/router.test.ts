/** Routers over HTTP: interfaces, gateway, routes, who sees what, and the agents that have them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { agentObjects } from '../../src/store/agent-objects.ts';
import { addAgent } from './agents.ts';
import { type ApiUnderTest, type Asked, type Json, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api.close());

const make = (plural: string, body: object, as = 'demo') => api.make(plural, body, as);
const refused: ApiUnderTest['refused'] = (...asked) => api.refused(...asked);
const put = (id: string, verb: string, body: object, as = 'demo') =>
  api.expect(200, 'PUT', `/v2.0/routers/${id}/${verb}`, { as, body });

const network = (as = 'demo', more: object = {}) => make('networks', more, as);
const subnet = (network_id: string, cidr: string, more: object = {}, as = 'demo') =>
  make('subnets', { network_id, cidr, ip_version: cidr.includes(':') ? 6 : 4, ...more }, as);
let externals = 0;
const external = async () => {
  const made = await network('admin', { 'router:external': true });
  const net = `203.0.${++externals}`;
  // What a test asks for by name lies beyond what others are given by chance.
  const allocation_pools = [{ start: `${net}.2`, end: `${net}.60` }];
  const own = await subnet(made.id, `${net}.0/24`, { enable_dhcp: false, allocation_pools }, 'admin');
  return { ...made, subnet: own };
};

test('a router as Neutron shows it: to its owner, to an admin, and to nobody else', async () => {
  const router = await make('routers', { name: 'r', description: 'd' });
  const shown = {
    ...{ name: 'r', description: 'd', admin_state_up: true, status: 'ACTIVE', project_id: 'demo' },
    ...{ tenant_id: 'demo', external_gateway_info: null, routes: [], availability_zones: [] },
    ...{ availability_zone_hints: [], flavor_id: null, revision_number: 1, tags: [] },
  };
  const { id, created_at, updated_at, ...rest } = router;
  assert.ok(id && created_at && updated_at);
  assert.deepEqual(rest, shown);
  const seen = (await api.expect(200, 'GET', `/v2.0/routers/${id}`)).router;
  assert.deepEqual([seen.ha, seen.distributed], [false, false]);
  await refused([404, 'RouterNotFound', `Router ${id} could not be found`], 'GET', `/v2.0/routers/${id}`, {
    as: 'other',
  });
  const { routers } = await api.expect(200, 'GET', '/v2.0/routers?name=r', { as: 'other' });
  assert.deepEqual(routers, []);
  const path = `/v2.0/routers/${id}`;
  const changed = { as: 'demo', body: { router: { name: 's', admin_state_up: false } } };
  const after = (await api.expect(200, 'PUT', path, changed)).router;
  assert.deepEqual([after.name, after.admin_state_up, after.revision_number], ['s', false, 2]);
  await refused([412, 'RevisionNumberConstraintFailed'], 'DELETE', path, {
    ...{ as: 'demo', headers: { 'if-match': 'revision_number=1' } },
  });
  await api.expect(204, 'DELETE', path, { as: 'demo' });
});

test('what a member may not ask of a router, and what nobody can', async () => {
  const asked = (router: object, as = 'demo') => ({ as, body: { router } });
  await refused([403, 'PolicyNotAuthorized'], 'POST', '/v2.0/routers', asked({ ha: true }));
  const { id } = await external();
  for (const more of [{ enable_snat: false }, { external_fixed_ips: [{ ip_address: '203.0.113.9' }] }]) {
    const info = { external_gateway_info: { network_id: id, ...more } };
    await refused([403, 'PolicyNotAuthorized'], 'POST', '/v2.0/routers', asked(info));
  }
  await refused(
    [400, 'HTTPBadRequest', 'distributed routers are not offered'],
    ...['POST', '/v2.0/routers'],
    asked({ distributed: true }, 'admin'),
  );
  await make('routers', { distributed: false }, 'admin');
  await refused([400, 'HTTPBadRequest'], 'POST', '/v2.0/routers', asked({ routes: [] }));
  await refused([400, 'HTTPBadRequest'], 'POST', '/v2.0/routers', asked({ external_gateway_info: { x: 1 } }));
});

test('interfaces: by subnet and by port, what is refused, and what they keep from going', async () => {
  const router = await make('routers', {});
  const net = await network();
  const first = await subnet(net.id, '10.1.0.0/24');
  const added = await put(router.id, 'add_router_interface', { subnet_id: first.id });
  const { port } = await api.expect(200, 'GET', `/v2.0/ports/${added.port_id}`, { as: 'demo' });
  assert.deepEqual(added, {
    ...{ id: router.id, tenant_id: 'demo', project_id: 'demo', port_id: port.id, network_id: net.id },
    ...{ subnet_id: first.id, subnet_ids: [first.id] },
  });
  assert.deepEqual(
    [port.device_id, port.device_owner, port.fixed_ips],
    [router.id, 'network:router_interface', [{ subnet_id: first.id, ip_address: '10.1.0.1' }]],
  );
  const verb = (name: string, body: object): [string, string, Asked] => [
    ...(['PUT', `/v2.0/routers/${router.id}/${name}_router_interface`] as const),
    { as: 'demo', body },
  ];
  const bad = (why: string) => [400, 'BadRequest', `Bad router request: ${why}`] as const;
  await refused(
    bad(`Router already has a port on subnet ${first.id}`),
    ...verb('add', { subnet_id: first.id }),
  );
  const overlapping = await subnet((await network()).id, '10.1.0.128/25');
  await refused(
    bad(
      `Cidr 10.1.0.128/25 of subnet ${overlapping.id} overlaps with cidr 10.1.0.0/24 of subnet ${first.id}`,
    ),
    ...verb('add', { subnet_id: overlapping.id }),
  );
  const noGateway = await subnet(net.id, '10.2.0.0/24', { gateway_ip: null });
  await refused(
    bad('Subnet for router interface must have a gateway IP'),
    ...verb('add', { subnet_id: noGateway.id }),
  );
  await refused(bad('Either subnet_id or port_id must be specified'), ...verb('add', {}));
  const both = { subnet_id: first.id, port_id: port.id };
  await refused(bad('Cannot specify both subnet-id and port-id'), ...verb('add', both));
  await refused(bad("'x' is not a valid UUID"), ...verb('remove', { subnet_id: 'x' }));
  await refused([409, 'PortInUse'], ...verb('add', { port_id: port.id }));
  const own = await make('ports', { network_id: net.id, fixed_ips: [{ subnet_id: noGateway.id }] });
  await put(router.id, 'add_router_interface', { port_id: own.id });
  await refused(
    [409, 'ServicePortInUse', 'has device owner network:router_interface'],
    'DELETE',
    `/v2.0/ports/${own.id}`,
    { as: 'demo' },
  );
  await refused([409, 'RouterInUse', 'has ports still attached'], 'DELETE', `/v2.0/routers/${router.id}`, {
    as: 'demo',
  });
  await refused([409, 'SubnetInUse'], 'DELETE', `/v2.0/subnets/${first.id}`, { as: 'demo' });
  await refused([409, 'NetworkInUse'], 'DELETE', `/v2.0/networks/${net.id}`, { as: 'demo' });
  await refused([409, 'GatewayIpInUse'], 'PUT', `/v2.0/subnets/${first.id}`, {
    ...{ as: 'demo', body: { subnet: { gateway_ip: '10.1.0.2' } } },
  });
  const mismatch = { port_id: own.id, subnet_id: first.id };
  await refused([400, 'SubnetMismatchForPort'], ...verb('remove', mismatch));
  await put(router.id, 'remove_router_interface', { port_id: own.id });
  await put(router.id, 'remove_router_interface', { subnet_id: first.id });
  await refused(
    [404, 'RouterInterfaceNotFoundForSubnet', `Router ${router.id} has no interface on subnet ${first.id}`],
    ...verb('remove', { subnet_id: first.id }),
  );
  await refused([404, 'RouterInterfaceNotFound'], ...verb('remove', { port_id: port.id }));
  await api.expect(204, 'DELETE', `/v2.0/routers/${router.id}`, { as: 'demo' });
});

test('IPv6 subnets of one network share a port', async () => {
  const router = await make('routers', {});
  const net = await network();
  const one = await subnet(net.id, 'fd00:1::/64', { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' });
  const two = await subnet(net.id, 'fd00:2::/64');
  const first = await put(router.id, 'add_router_interface', { subnet_id: one.id });
  const second = await put(router.id, 'add_router_interface', { subnet_id: two.id });
  assert.equal(first.port_id, second.port_id);
  await put(router.id, 'remove_router_interface', { subnet_id: one.id });
  const { port } = await api.expect(200, 'GET', `/v2.0/ports/${first.port_id}`);
  assert.deepEqual(port.fixed_ips, [{ subnet_id: two.id, ip_address: 'fd00:2::1' }]);
  await put(router.id, 'remove_router_interface', { subnet_id: two.id });
  await api.expect(404, 'GET', `/v2.0/ports/${first.port_id}`);
});

test('a gateway: only on external networks, with addresses, and gone with the router', async () => {
  const out = await external();
  const inside = await network();
  const router = await make('routers', { external_gateway_info: { network_id: out.id } });
  const { external_fixed_ips: ips, ...info } = router.external_gateway_info;
  assert.deepEqual(info, { network_id: out.id, enable_snat: true, qos_policy_id: null });
  assert.equal(ips.length, 1);
  const path = `/v2.0/routers/${router.id}`;
  const gateway = (router_info: object | null, as = 'admin') => ({
    ...{ as, body: { router: { external_gateway_info: router_info } } },
  });
  await refused(
    [400, 'BadRequest', 'is not an external network'],
    'PUT',
    path,
    gateway({ network_id: inside.id }),
  );
  const theirs = { network_id: out.id, external_fixed_ips: [{ ip_address: out.subnet.gateway_ip }] };
  await refused([400, 'BadRequest', 'is the same as the gateway IP'], 'PUT', path, gateway(theirs));
  const chosen = out.subnet.cidr.replace('0/24', '77');
  const exact = { network_id: out.id, enable_snat: false, external_fixed_ips: [{ ip_address: chosen }] };
  const changed = (await api.expect(200, 'PUT', path, gateway(exact))).router.external_gateway_info;
  assert.deepEqual(changed, {
    ...{ network_id: out.id, enable_snat: false, qos_policy_id: null },
    external_fixed_ips: [{ subnet_id: out.subnet.id, ip_address: chosen }],
  });
  const ports = await api.expect(200, 'GET', `/v2.0/ports?device_id=${router.id}`);
  assert.deepEqual(
    ports.ports.map((port: Json) => [port.device_owner, port.project_id]),
    [['network:router_gateway', '']],
  );
  assert.deepEqual(
    (await api.expect(200, 'GET', `/v2.0/ports?device_id=${router.id}`, { as: 'demo' })).ports,
    [],
  );
  const same = await subnet(inside.id, out.subnet.cidr);
  await refused([400, 'BadRequest', 'overlaps'], 'PUT', `${path}/add_router_interface`, {
    ...{ as: 'demo', body: { subnet_id: same.id } },
  });
  await refused([409, 'ExternalNetworkInUse'], 'PUT', `/v2.0/networks/${out.id}`, {
    body: { network: { 'router:external': false } },
  });
  const none = (await api.expect(200, 'PUT', path, gateway({}, 'demo'))).router;
  assert.equal(none.external_gateway_info, null);
  await api.expect(200, 'PUT', path, gateway({ network_id: out.id }, 'demo'));
  await api.expect(204, 'DELETE', path, { as: 'demo' });
  assert.deepEqual((await api.expect(200, 'GET', `/v2.0/ports?network_id=${out.id}`)).ports, []);
});

test('subnets that an external network gets later: a gateway has one address of each IP version, as with Neutron', async () => {
  const out = await external();
  const asked = { external_gateway_info: { network_id: out.id } };
  const routers = [await make('routers', asked), await make('routers', { ...asked, ha: true }, 'admin')];
  const subnetsOf = async (id: string): Promise<string[]> => {
    const { router } = await api.expect(200, 'GET', `/v2.0/routers/${id}`);
    return router.external_gateway_info.external_fixed_ips.map((ip: Json) => ip.subnet_id);
  };
  const later = (cidr: string, more: object = {}) =>
    subnet(out.id, cidr, { enable_dhcp: false, ...more }, 'admin');
  await later('198.51.100.0/25');
  for (const { id } of routers)
    assert.deepEqual(await subnetsOf(id), [out.subnet.id], 'it has an IPv4 address');
  const six = await later('2001:db8:5::/64');
  for (const { id } of routers) assert.deepEqual(await subnetsOf(id), [out.subnet.id, six.id]);
  await later('2001:db8:6::/64');
  for (const { id } of routers) assert.deepEqual(await subnetsOf(id), [out.subnet.id, six.id], 'one of each');
  const modes = { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac', enable_dhcp: true };
  const slaac = await later('2001:db8:7::/64', modes);
  for (const { id } of routers) assert.deepEqual(await subnetsOf(id), [out.subnet.id, six.id, slaac.id]);
});

test('a gateway without an address gets one with the first subnet; not one that overlaps with what the router has', async () => {
  const out = await network('admin', { 'router:external': true });
  const gateway = { external_gateway_info: { network_id: out.id } };
  const [bare, busy] = [await make('routers', gateway), await make('routers', gateway)];
  const inside = await network();
  const own = await subnet(inside.id, '198.51.100.0/26');
  await put(busy.id, 'add_router_interface', { subnet_id: own.id });
  const first = await subnet(out.id, '198.51.100.0/24', { enable_dhcp: false }, 'admin');
  const addresses = async (id: string): Promise<Json[]> =>
    (await api.expect(200, 'GET', `/v2.0/routers/${id}`)).router.external_gateway_info.external_fixed_ips;
  assert.deepEqual(
    (await addresses(bare.id)).map((ip) => ip.subnet_id),
    [first.id],
  );
  assert.deepEqual(await addresses(busy.id), []);
});

test('routes: by neighbours only, changed one by one, and what they keep', async () => {
  const router = await make('routers', {});
  const inside = await subnet((await network()).id, '10.3.0.0/24');
  await put(router.id, 'add_router_interface', { subnet_id: inside.id });
  const path = `/v2.0/routers/${router.id}`;
  const route = (n: number, nexthop = '10.3.0.9') => ({ destination: `10.9.${n}.0/24`, nexthop });
  const routes = (list: object[]) => ({ as: 'demo', body: { router: { routes: list } } });
  await refused(
    [400, 'InvalidRoutes', 'the nexthop is not connected with router'],
    'PUT',
    path,
    routes([route(1, '10.4.0.1')]),
  );
  await refused(
    [400, 'InvalidRoutes', 'the nexthop is used by router'],
    'PUT',
    path,
    routes([route(1, '10.3.0.1')]),
  );
  await api.expect(200, 'PUT', path, routes([route(1)]));
  const add = (list: object[]) => put(router.id, 'add_extraroutes', { router: { routes: list } });
  const { router: more } = await add([route(1), route(2)]);
  assert.deepEqual(more.routes, [route(1), route(2)]);
  const { router: fewer } = await put(router.id, 'remove_extraroutes', {
    router: { routes: [route(1), route(5)] },
  });
  assert.deepEqual(fewer.routes, [route(2)]);
  await refused([409, 'RouterInterfaceInUseByRoute'], 'PUT', `${path}/remove_router_interface`, {
    ...{ as: 'demo', body: { subnet_id: inside.id } },
  });
  await refused([400, 'HTTPBadRequest'], 'PUT', `${path}/add_extraroutes`, {
    as: 'demo',
    body: { router: { routes: [{}] } },
  });
});

test('agents: a router goes to one, an HA router to several with ranks; they see it', async () => {
  const before = await make('routers', {}, 'admin');
  const agents = new Map<string, string>();
  for (const host of ['h1', 'h2', 'h3', 'h4']) {
    await addAgent(api, { host, role: 'l2' });
    agents.set(host, await addAgent(api, { host, role: 'l3' }));
  }
  const hostsOf = async (id: string) =>
    (await api.expect(200, 'GET', `/v2.0/routers/${id}/l3-agents`)).agents.map((agent: Json) => [
      ...[agent.host, agent.agent_type, agent.ha_state],
    ]);
  assert.deepEqual(await hostsOf(before.id), []);
  await api.expect(200, 'PUT', `/v2.0/routers/${before.id}`, { body: { router: { name: 'x' } } });
  const [[host]] = await hostsOf(before.id);
  const inside = await subnet((await network('admin')).id, '10.5.0.0/24', {}, 'admin');
  const { port_id, network_id } = await put(
    before.id,
    'add_router_interface',
    { subnet_id: inside.id },
    'admin',
  );
  const { port } = await api.expect(200, 'GET', `/v2.0/ports/${port_id}`);
  assert.deepEqual(
    [port['binding:host_id'], port['binding:vif_type'], port.status],
    [host, 'bridge', 'DOWN'],
  );
  await api.store.view(async (view) => {
    const scope = (await view.scopes([host])).get(host);
    assert.ok(scope?.includes(`router/${before.id}`) && scope.includes(`network/${network_id}`));
    const group = (await agentObjects(view).groups([`router/${before.id}`])).get(`router/${before.id}`);
    assert.deepEqual([...(group?.keys() ?? [])].sort(), [
      ...[`interface/${port_id}`, `replica/${host}`, `router/${before.id}`],
    ]);
  });
  const zones = (await api.expect(200, 'GET', '/v2.0/availability_zones')).availability_zones;
  assert.deepEqual(zones, [{ name: 'nova', resource: 'router', state: 'available' }]);
  const ha = await make('routers', { ha: true, project_id: 'demo' }, 'admin');
  const states = await hostsOf(ha.id);
  assert.equal(states.length, 3);
  assert.deepEqual([...new Set(states.map((one: Json) => one[2]))], ['standby']);
  const spare = ['h1', 'h2', 'h3', 'h4'].find((name) => !states.some((one: Json) => one[0] === name)) ?? '';
  const onSpare = `/v2.0/agents/${agents.get(spare)}/l3-routers`;
  const others = (await api.expect(200, 'GET', onSpare)).routers.map((one: Json) => one.id);
  assert.ok(!others.includes(ha.id));
  await api.expect(201, 'POST', onSpare, { body: { router_id: ha.id } });
  assert.equal((await hostsOf(ha.id)).length, 4);
  const other = [...agents].find(([name]) => name !== host)?.[1];
  await refused([409, 'RouterHostedByL3Agent'], 'POST', `/v2.0/agents/${other}/l3-routers`, {
    body: { router_id: before.id },
  });
  await api.expect(204, 'DELETE', `${onSpare}/${ha.id}`);
  await api.expect(204, 'DELETE', `${onSpare}/${ha.id}`);
  assert.equal((await hostsOf(ha.id)).length, 3);
  await refused([404, 'RouterNotFound'], 'DELETE', `${onSpare}/${onSpare.split('/')[3]}`, {});
  const l2 = (await api.expect(200, 'GET', '/v2.0/agents?host=h1&binary=deuteron-agent')).agents.find(
    (one: Json) => one.agent_type === 'Linux bridge agent',
  );
  await refused([404, 'InvalidL3Agent'], 'POST', `/v2.0/agents/${l2.id}/l3-routers`, {
    body: { router_id: ha.id },
  });
  await refused([403, 'PolicyNotAuthorized'], 'GET', onSpare, { as: 'demo' });
  // Its segment is nobody's to see, and its ports bear the hosts.
  const segment = (await api.expect(200, 'GET', '/v2.0/networks?name=HA network tenant demo')).networks[0];
  assert.equal(segment.project_id, '');
  await api.expect(404, 'GET', `/v2.0/networks/${segment.id}`, { as: 'demo' });
  const haPorts = (await api.expect(200, 'GET', `/v2.0/ports?device_owner=network:router_ha_interface`))
    .ports;
  assert.deepEqual(
    haPorts.map((one: Json) => one['binding:host_id']).sort(),
    states.map((one: Json) => one[0]).sort(),
  );
  await api.expect(204, 'DELETE', `/v2.0/routers/${ha.id}`);
  await api.expect(404, 'GET', `/v2.0/networks/${segment.id}`);
});

test('many at the same moment: each HA router its own number, one interface to a subnet, one floating IP to an address', async () => {
  const out = await external();
  const made = await Promise.all(
    Array.from({ length: 12 }, () => make('routers', { ha: true, project_id: 'crowd' }, 'admin')),
  );
  const places = await api.store.view(async (view) =>
    (await view.routers.find({ id: made.map((one: Json) => one.id) })).map(
      (row) => `${row.ha_network_id} ${row.ha_vr_id}`,
    ),
  );
  assert.equal(new Set(places).size, 12);
  const router = await make('routers', { external_gateway_info: { network_id: out.id } });
  const net = await network();
  const inside = await subnet(net.id, '10.77.0.0/24');
  const attach = () =>
    api.ask('PUT', `/v2.0/routers/${router.id}/add_router_interface`, {
      ...{ as: 'demo', body: { subnet_id: inside.id } },
    });
  const statuses = (await Promise.all([attach(), attach(), attach()])).map((one) => one.status);
  assert.deepEqual(statuses.sort(), [200, 400, 400]);
  const port = await make('ports', { network_id: net.id });
  const associate = () =>
    api.ask('POST', '/v2.0/floatingips', {
      ...{ as: 'demo', body: { floatingip: { floating_network_id: out.id, port_id: port.id } } },
    });
  const answers = (await Promise.all([associate(), associate(), associate()])).map((one) => one.status);
  assert.deepEqual(answers.sort(), [201, 409, 409]);
  await Promise.all(made.map((one: Json) => api.expect(204, 'DELETE', `/v2.0/routers/${one.id}`)));
  const left = await api.expect(200, 'GET', '/v2.0/networks?name=HA network tenant crowd');
  assert.deepEqual(left.networks, []);
});
