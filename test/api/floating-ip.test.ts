/** Floating IPs and port forwardings over HTTP. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { agentObjects } from '../../src/store/agent-objects.ts';
import { type ApiUnderTest, type Json, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api.close());

const make = (plural: string, body: object, as = 'demo') => api.make(plural, body, as);
const refused: ApiUnderTest['refused'] = (...asked) => api.refused(...asked);

let clouds = 0;
/** An external network, an inner one with a machine's port, and a router between them. */
async function cloud() {
  const n = ++clouds;
  const out = await make('networks', { 'router:external': true }, 'admin');
  const outer = { network_id: out.id, cidr: `203.0.${n}.0/24`, ip_version: 4, enable_dhcp: false };
  // What a test asks for by name lies beyond what others are given by chance.
  const allocation_pools = [{ start: `203.0.${n}.2`, end: `203.0.${n}.60` }];
  await make('subnets', { ...outer, allocation_pools }, 'admin');
  const net = await make('networks', {});
  const subnet = await make('subnets', { network_id: net.id, cidr: `10.${n}.0.0/24`, ip_version: 4 });
  const router = await make('routers', { external_gateway_info: { network_id: out.id } });
  await api.expect(200, 'PUT', `/v2.0/routers/${router.id}/add_router_interface`, {
    ...{ as: 'demo', body: { subnet_id: subnet.id } },
  });
  const port = await make('ports', { network_id: net.id, name: 'machine' });
  return { out, net, subnet, router, port, address: port.fixed_ips[0].ip_address as string };
}

const floating = (body: object, as = 'demo') => ({ as, body: { floatingip: body } });

test('made free, associated, kept from what would break it, and freed', async () => {
  const { out, subnet, router, port, address } = await cloud();
  const free = await make('floatingips', { floating_network_id: out.id, description: 'd' });
  const { id, floating_ip_address, created_at, updated_at, ...rest } = free;
  assert.match(floating_ip_address, /^203\.0\./);
  assert.ok(created_at && updated_at);
  assert.deepEqual(rest, {
    ...{ project_id: 'demo', tenant_id: 'demo', description: 'd', floating_network_id: out.id },
    ...{ port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN', port_details: null },
    ...{ port_forwardings: [], qos_policy_id: null, revision_number: 1, tags: [] },
    ...{ dns_name: '', dns_domain: '' },
  });
  const path = `/v2.0/floatingips/${id}`;
  const bound = (await api.expect(200, 'PUT', path, floating({ port_id: port.id }))).floatingip;
  assert.deepEqual(
    [bound.port_id, bound.fixed_ip_address, bound.router_id, bound.port_details.name, bound.description],
    [port.id, address, router.id, 'machine', 'd'],
  );
  await api.store.view(async (view) => {
    const group = (await agentObjects(view).groups([`router/${router.id}`])).get(`router/${router.id}`);
    assert.deepEqual(group?.get(`floating-ip/${id}`), {
      ...{
        id,
        floating_ip_address,
        fixed_ip_address: address,
        port_id: port.id,
        network_id: port.network_id,
      },
    });
  });
  const again = floating({ floating_network_id: out.id, port_id: port.id });
  await refused(
    [409, 'FloatingIPPortAlreadyAssociated', 'already has a floating IP on external network'],
    'POST',
    '/v2.0/floatingips',
    again,
  );
  await refused(
    [409, 'RouterInterfaceInUseByFloatingIP'],
    'PUT',
    `/v2.0/routers/${router.id}/remove_router_interface`,
    {
      ...{ as: 'demo', body: { subnet_id: subnet.id } },
    },
  );
  const noGateway = { as: 'demo', body: { router: { external_gateway_info: null } } };
  await refused(
    [409, 'RouterExternalGatewayInUseByFloatingIp'],
    'PUT',
    `/v2.0/routers/${router.id}`,
    noGateway,
  );
  const moved = { as: 'demo', body: { port: { fixed_ips: [] } } };
  await refused(
    [400, 'BadRequest', 'has been associated to a floating ip'],
    'PUT',
    `/v2.0/ports/${port.id}`,
    moved,
  );
  const holder = (await api.expect(200, 'GET', `/v2.0/ports?device_id=${id}`)).ports[0];
  await refused(
    [409, 'ServicePortInUse', 'has device owner network:floatingip'],
    'DELETE',
    `/v2.0/ports/${holder.id}`,
    {},
  );
  await refused([409, 'NetworkInUse'], 'DELETE', `/v2.0/networks/${out.id}`, {});
  const listed = await api.expect(200, 'GET', `/v2.0/floatingips?port_id=${port.id}&status=DOWN`, {
    as: 'demo',
  });
  assert.deepEqual(
    listed.floatingips.map((one: Json) => one.id),
    [id],
  );
  const freed = (await api.expect(200, 'PUT', path, floating({ port_id: null }))).floatingip;
  assert.deepEqual([freed.port_id, freed.router_id, freed.fixed_ip_address], [null, null, null]);
  await api.expect(200, 'PUT', path, floating({ port_id: port.id, fixed_ip_address: address }));
  await api.expect(200, 'PUT', path, floating({ description: 'other' }));
  assert.equal((await api.expect(200, 'GET', path, { as: 'demo' })).floatingip.port_id, port.id);
  await api.expect(204, 'DELETE', `/v2.0/ports/${port.id}`, { as: 'demo' });
  assert.equal((await api.expect(200, 'GET', path, { as: 'demo' })).floatingip.port_id, null);
  await api.expect(204, 'DELETE', path, { as: 'demo' });
  await api.expect(404, 'GET', `/v2.0/ports/${holder.id}`);
});

test('what is refused, and why', async () => {
  const { out, net, port, address } = await cloud();
  const post = (body: object, as = 'demo') => ['POST', '/v2.0/floatingips', floating(body, as)] as const;
  const bad = (why: string) => [400, 'BadRequest', `Bad floatingip request: ${why}`] as const;
  const here = { floating_network_id: out.id };
  await refused(
    bad(`Network ${net.id} is not a valid external network`),
    ...post({ floating_network_id: net.id }),
  );
  await refused([404, 'NetworkNotFound'], ...post({ floating_network_id: port.id }));
  await refused([400, 'HTTPBadRequest'], ...post({}));
  await refused([403, 'PolicyNotAuthorized'], ...post({ ...here, floating_ip_address: '203.0.2.9' }));
  await refused([404, 'PortNotFound'], ...post({ ...here, port_id: out.id }));
  await refused(
    bad('fixed_ip_address cannot be specified without a port_id'),
    ...post({ ...here, fixed_ip_address: address }),
  );
  await refused(
    bad(`Port ${port.id} does not have fixed ip 10.9.9.9`),
    ...post({ ...here, port_id: port.id, fixed_ip_address: '10.9.9.9' }),
  );
  const bare = await make('ports', { network_id: net.id, fixed_ips: [] });
  await refused(
    bad(`Cannot add floating IP to port ${bare.id} that has no fixed IPv4 addresses`),
    ...post({ ...here, port_id: bare.id }),
  );
  const two = await make('ports', {
    network_id: net.id,
    fixed_ips: [{ subnet_id: port.fixed_ips[0].subnet_id }, { subnet_id: port.fixed_ips[0].subnet_id }],
  });
  await refused(
    bad(`Port ${two.id} has multiple fixed IPv4 addresses`),
    ...post({ ...here, port_id: two.id }),
  );
  const alone = await make('networks', {});
  await make('subnets', { network_id: alone.id, cidr: '10.200.0.0/24', ip_version: 4 });
  const far = await make('ports', { network_id: alone.id });
  await refused(
    [404, 'ExternalGatewayForFloatingIPNotFound', 'is not reachable from subnet'],
    ...post({ ...here, port_id: far.id }),
  );
  const mine = await make('floatingips', here);
  await refused(
    [404, 'FloatingIPNotFound', `Floating IP ${mine.id} could not be found`],
    'GET',
    `/v2.0/floatingips/${mine.id}`,
    { as: 'other' },
  );
  const subnets = (await api.expect(200, 'GET', `/v2.0/subnets?network_id=${out.id}`)).subnets;
  const exact = {
    ...here,
    subnet_id: subnets[0].id,
    floating_ip_address: subnets[0].cidr.replace('0/24', '99'),
  };
  const chosen = await make('floatingips', exact, 'admin');
  assert.equal(chosen.floating_ip_address, exact.floating_ip_address);
  assert.ok(!('subnet_id' in chosen));
  await refused([409, 'IpAddressAlreadyAllocated'], ...post(exact, 'admin'));
});

test('for the port of a router within, and of any other service but DHCP, one may stand; it is free when that goes', async () => {
  const { out, net, router } = await cloud();
  const inner = await make('routers', {});
  const link = await make('ports', { network_id: net.id });
  const interfaces = (verb: string) => `/v2.0/routers/${inner.id}/${verb}_router_interface`;
  const attach = { as: 'demo', body: { port_id: link.id } };
  await api.expect(200, 'PUT', interfaces('add'), attach);
  const here = { floating_network_id: out.id };
  const bound = await make('floatingips', { ...here, port_id: link.id });
  assert.deepEqual([bound.router_id, bound.fixed_ip_address], [router.id, link.fixed_ips[0].ip_address]);
  const forwarded = await make('floatingips', here);
  const web = { protocol: 'tcp', external_port: 80, internal_port: 80 };
  const foreign = await make('ports', { network_id: net.id, device_owner: 'network:foo' }, 'admin');
  const path = `/v2.0/floatingips/${forwarded.id}`;
  const body = (internal_port_id: string) => ({
    as: 'admin',
    body: { port_forwarding: { ...web, internal_port_id } },
  });
  await api.expect(201, 'POST', `${path}/port_forwardings`, body(foreign.id));
  await api.expect(200, 'PUT', interfaces('remove'), attach);
  const free = (await api.expect(200, 'GET', `/v2.0/floatingips/${bound.id}`)).floatingip;
  assert.deepEqual(
    [free.port_id, free.router_id, free.revision_number],
    [null, null, bound.revision_number + 1],
  );
  const dhcp = await make('ports', { network_id: net.id, device_owner: 'network:dhcp' }, 'admin');
  const why = `Port ${dhcp.id} is unable to be assigned a floating IP`;
  await refused(
    [400, 'BadRequest', why],
    'POST',
    '/v2.0/floatingips',
    floating({ ...here, port_id: dhcp.id }, 'admin'),
  );
  await refused([400, 'BadRequest', dhcp.id], 'POST', `${path}/port_forwardings`, body(dhcp.id));
});

test('idle floating IPs go with their network', async () => {
  const out = await make('networks', { 'router:external': true }, 'admin');
  await make('subnets', { network_id: out.id, cidr: '198.51.100.0/24', ip_version: 4 }, 'admin');
  const { id } = await make('floatingips', { floating_network_id: out.id });
  await api.expect(204, 'DELETE', `/v2.0/networks/${out.id}`);
  await api.expect(404, 'GET', `/v2.0/floatingips/${id}`, { as: 'demo' });
});

test('port forwardings: made, changed, listed, refused where they collide, gone with the port', async () => {
  const { out, router, port, address, subnet } = await cloud();
  const fip = await make('floatingips', { floating_network_id: out.id });
  const all = `/v2.0/floatingips/${fip.id}/port_forwardings`;
  const asked = (body: object, as = 'demo') => ({ as, body: { port_forwarding: body } });
  const web = { protocol: 'TCP', external_port: 8080, internal_port: 80, internal_port_id: port.id };
  const { port_forwarding: made } = await api.expect(201, 'POST', all, asked(web));
  const { id, ...rest } = made;
  assert.deepEqual(rest, {
    ...{ protocol: 'tcp', external_port: 8080, external_port_range: '8080:8080' },
    ...{ internal_port: 80, internal_port_range: '80:80', internal_ip_address: address },
    ...{ internal_port_id: port.id, description: '' },
  });
  const shown = (await api.expect(200, 'GET', `/v2.0/floatingips/${fip.id}`, { as: 'demo' })).floatingip;
  assert.deepEqual([shown.router_id, shown.port_id], [router.id, null]);
  const part = { id, protocol: 'tcp', external_port: 8080, internal_port: 80, internal_ip_address: address };
  assert.deepEqual(shown.port_forwardings, [{ ...part, internal_port_id: port.id }]);
  const bad = (why: string) => [400, 'BadRequest', `Bad port_forwarding request: ${why}`] as const;
  const collision = bad(
    'There is a port collision with the external_port_range. The following ranges collide: 8080:8080 and 8079:8081',
  );
  const range = { ...web, external_port: undefined, external_port_range: '8079:8081', internal_port: 81 };
  await refused(collision, 'POST', all, asked(range));
  await refused(
    bad('There is a port collision with the internal_port_range'),
    'POST',
    all,
    asked({ ...web, external_port: 9 }),
  );
  const uneven = { ...range, internal_port: undefined, internal_port_range: '10:11' };
  await refused(bad('Invalid ranges of internal and/or external ports'), 'POST', all, asked(uneven));
  await refused([400, 'HTTPBadRequest', "'gre' is not in"], 'POST', all, asked({ ...web, protocol: 'gre' }));
  await refused(
    [400, 'HTTPBadRequest', 'Invalid port range'],
    'POST',
    all,
    asked({ ...web, external_port_range: '9:3' }),
  );
  await refused([404, 'FloatingIPNotFound'], 'GET', all, { as: 'other' });
  await refused([409, 'FipInUseByPortForwarding'], 'DELETE', `/v2.0/floatingips/${fip.id}`, { as: 'demo' });
  await refused(
    [409, 'FipInUseByPortForwarding'],
    'PUT',
    `/v2.0/floatingips/${fip.id}`,
    floating({ port_id: port.id }),
  );
  await refused(
    [409, 'RouterInterfaceInUseByFloatingIP'],
    'PUT',
    `/v2.0/routers/${router.id}/remove_router_interface`,
    {
      ...{ as: 'demo', body: { subnet_id: subnet.id } },
    },
  );
  await api.expect(
    201,
    'POST',
    all,
    asked({ ...web, protocol: 'udp', external_port: undefined, external_port_range: '5000:5010' }),
  );
  const changed = await api.expect(
    200,
    'PUT',
    `${all}/${id}`,
    asked({ external_port: 8443, internal_port: 443 }),
  );
  assert.equal(changed.port_forwarding.external_port_range, '8443:8443');
  const list = async (query: string) =>
    (await api.expect(200, 'GET', `${all}${query}`, { as: 'demo' })).port_forwardings.map(
      (one: Json) => one.protocol,
    );
  assert.deepEqual(await list('?sort_key=protocol&sort_dir=desc'), ['udp', 'tcp']);
  assert.deepEqual(await list('?protocol=udp'), ['udp']);
  assert.deepEqual(await list('?external_port=8443'), ['tcp']);
  assert.deepEqual(await list('?sort_key=protocol&sort_dir=asc&limit=1'), ['tcp']);
  assert.equal((await api.expect(200, 'GET', `${all}/${id}`, { as: 'demo' })).port_forwarding.id, id);
  await api.store.view(async (view) => {
    const group = (await agentObjects(view).groups([`router/${router.id}`])).get(`router/${router.id}`);
    assert.deepEqual(group?.get(`forwarding/${id}`), {
      ...{ id, floating_ip_address: fip.floating_ip_address, protocol: 'tcp', external_port: [8443, 8443] },
      ...{ internal_ip_address: address, internal_port: [443, 443] },
    });
  });
  await api.expect(204, 'DELETE', `${all}/${id}`, { as: 'demo' });
  await refused(
    [404, 'PortForwardingNotFound', `Port Forwarding ${id} could not be found.`],
    'GET',
    `${all}/${id}`,
    { as: 'demo' },
  );
  const last = (await api.expect(200, 'GET', `/v2.0/floatingips/${fip.id}`, { as: 'demo' })).floatingip;
  assert.equal(last.port_forwardings.length, 1);
  await api.expect(204, 'DELETE', `/v2.0/ports/${port.id}`, { as: 'demo' });
  const after = (await api.expect(200, 'GET', `/v2.0/floatingips/${fip.id}`, { as: 'demo' })).floatingip;
  assert.deepEqual([after.router_id, after.port_forwardings], [null, []]);
  // one forwarding was left, and went with the port
  assert.equal(after.revision_number, last.revision_number + 1);
  await api.expect(204, 'DELETE', `/v2.0/floatingips/${fip.id}`, { as: 'demo' });
});
