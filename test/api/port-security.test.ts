/** Port security, security groups and allowed address pairs of ports. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
let network: Json;
before(async () => {
  api = await startApi();
  network = await api.make('networks', {}, 'red');
});
after(() => api?.close());

const as = 'red';
const NOWHERE = '00000000-0000-4000-8000-000000000000';
const OFF = { port_security_enabled: false };
const ON = { port_security_enabled: true };
const PAIR = { ip_address: '10.0.0.1', mac_address: '00:25:64:e8:19:dd' };

const group = async (body: object = {}): Promise<string> => (await api.make('security_groups', body, as)).id;
const make = (body: object = {}, who = as): Promise<Json> =>
  api.make('ports', { network_id: network.id, ...body }, who);
const change = async (port: Json, body: object): Promise<Json> =>
  (await api.expect(200, 'PUT', `/v2.0/ports/${port.id}`, { as, body: { port: body } })).port;

const refusesNew = (status: number, type: string, body: object, who = as): Promise<void> =>
  api.refused([status, type], 'POST', '/v2.0/ports', {
    as: who,
    body: { port: { network_id: network.id, ...body } },
  });
const refuses = (status: number, type: string, port: Json, body: object): Promise<void> =>
  api.refused([status, type], 'PUT', `/v2.0/ports/${port.id}`, { as, body: { port: body } });

const defaultGroup = async (): Promise<string> =>
  (await api.expect(200, 'GET', '/v2.0/security-groups?name=default', { as })).security_groups[0].id;

test('a port is in the default group unless it names others or none', async () => {
  assert.deepEqual((await make()).security_groups, [await defaultGroup()]);
  for (const security_groups of [[], null])
    assert.deepEqual((await make({ security_groups })).security_groups, []);
  const groups = [await group(), await group()].sort();
  const port = await make({ security_groups: groups });
  assert.deepEqual(port.security_groups, groups);
  const { ports } = await api.expect(200, 'GET', `/v2.0/ports?security_groups=${groups[0]}`, { as });
  assert.deepEqual(ports, [port]);
  const none = await api.expect(200, 'GET', `/v2.0/ports?security_groups=${NOWHERE}`, { as });
  assert.deepEqual(none.ports, []);
});

test('groups change with the port’s revision; what is refused changes none', async () => {
  const port = await make();
  const own = await group();
  const moved = await change(port, { security_groups: [own] });
  assert.deepEqual(moved.security_groups, [own]);
  assert.ok(moved.revision_number > port.revision_number);
  await refuses(404, 'SecurityGroupNotFound', port, { security_groups: [own, NOWHERE] });
  await refuses(400, 'HTTPBadRequest', port, { security_groups: [own, own] });
  await refuses(400, 'HTTPBadRequest', port, { security_groups: ['x'] });
  const foreign = (await api.make('security_groups', {}, 'blue')).id;
  await refuses(404, 'SecurityGroupNotFound', port, { security_groups: [foreign] });
  const { port: still } = await api.expect(200, 'GET', `/v2.0/ports/${port.id}`, { as });
  assert.deepEqual(still, moved);
  assert.deepEqual((await change(port, { name: 'x' })).security_groups, [own]);
  assert.deepEqual((await change(port, { security_groups: null })).security_groups, []);
});

test('stateful and stateless groups do not go together', async () => {
  const mixed = [await group(), await group({ stateful: false })];
  await refusesNew(409, 'SecurityGroupConflict', { security_groups: mixed });
  const port = await make({ security_groups: mixed.slice(1) });
  await refuses(409, 'SecurityGroupConflict', port, { security_groups: mixed });
});

test('port security is the network’s unless the port says so; without it there are no groups', async () => {
  const open = await api.make('networks', OFF, as);
  const inOpen = await make({ network_id: open.id });
  assert.deepEqual([inOpen.port_security_enabled, inOpen.security_groups], [false, []]);
  const secured = await make({ network_id: open.id, ...ON });
  assert.deepEqual([secured.port_security_enabled, secured.security_groups], [true, [await defaultGroup()]]);
  assert.deepEqual((await make(OFF)).security_groups, []);
  const required = 'PortSecurityAndIPRequiredForSecurityGroups';
  await refusesNew(400, required, { ...OFF, security_groups: [await group()] });
  await refuses(400, required, inOpen, { security_groups: [await group()] });
});

test('port security is switched off only without groups, and on with groups at once', async () => {
  const port = await make();
  await refuses(409, 'PortSecurityPortHasSecurityGroup', port, OFF);
  const off = await change(port, { ...OFF, security_groups: [] });
  assert.deepEqual([off.port_security_enabled, off.security_groups], [false, []]);
  assert.deepEqual((await change(port, ON)).security_groups, []);
  await change(port, OFF);
  const own = await group();
  const on = await change(port, { ...ON, security_groups: [own] });
  assert.deepEqual([on.port_security_enabled, on.security_groups], [true, [own]]);
});

test('address pairs, with the port’s own MAC address if they have none', async () => {
  const pairs = [PAIR, { ip_address: '10.1.0.0/24' }];
  const port = await make({ allowed_address_pairs: pairs });
  assert.deepEqual(port.allowed_address_pairs, [
    PAIR,
    { ip_address: '10.1.0.0/24', mac_address: port.mac_address },
  ]);
  const changed = await change(port, {
    allowed_address_pairs: [{ ip_address: 'FD00::7', mac_address: '00-25-64-E8-19-DD' }],
  });
  assert.deepEqual(changed.allowed_address_pairs, [{ ...PAIR, ip_address: 'fd00::7' }]);
  assert.ok(changed.revision_number > port.revision_number);
  assert.deepEqual((await change(port, { allowed_address_pairs: null })).allowed_address_pairs, []);
});

test('address pairs that cannot be', async () => {
  const port = await make();
  const wrong: [string, unknown][] = [
    ['HTTPBadRequest', 'x'],
    ['HTTPBadRequest', ['x']],
    ['HTTPBadRequest', [{ ...PAIR, ip_address: '10.0.0.300' }]],
    ['HTTPBadRequest', [{ ...PAIR, mac_address: 'x' }]],
    ['HTTPBadRequest', [{ ...PAIR, mac_address: null }]],
    ['HTTPBadRequest', [{ ...PAIR, colour: 'red' }]],
    ['AllowedAddressPairsMissingIP', [{ mac_address: PAIR.mac_address }]],
    ['DuplicateAddressPairInRequest', [PAIR, PAIR]],
    [
      'DuplicateAddressPairInRequest',
      [{ ip_address: '10.0.0.1' }, { ip_address: '10.0.0.1', mac_address: port.mac_address }],
    ],
    [
      'AllowedAddressPairExhausted',
      Array.from({ length: 11 }, (_, at) => ({ ...PAIR, ip_address: `10.0.0.${at}` })),
    ],
  ];
  for (const [type, allowed_address_pairs] of wrong)
    await refuses(400, type, port, { allowed_address_pairs });
});

test('address pairs need port security', async () => {
  const needed = 'AddressPairAndPortSecurityRequired';
  await refusesNew(409, needed, { ...OFF, allowed_address_pairs: [PAIR] });
  await refuses(409, needed, await make(OFF), { allowed_address_pairs: [PAIR] });
  const port = await make({ allowed_address_pairs: [PAIR], security_groups: [] });
  await refuses(409, needed, port, OFF);
  const off = await change(port, { ...OFF, allowed_address_pairs: [] });
  assert.deepEqual([off.port_security_enabled, off.allowed_address_pairs], [false, []]);
});

test('on another’s network members set neither pairs nor port security', async () => {
  const shared = await api.make('networks', { shared: true }, 'admin');
  const on = { network_id: shared.id };
  await refusesNew(403, 'PolicyNotAuthorized', { ...on, ...OFF });
  await refusesNew(403, 'PolicyNotAuthorized', { ...on, allowed_address_pairs: [PAIR] });
  const port = await make(on);
  await refuses(403, 'PolicyNotAuthorized', port, { allowed_address_pairs: [PAIR] });
  assert.deepEqual((await change(port, { security_groups: [] })).security_groups, []);
});

test('ports of the network’s own devices are trusted', async () => {
  const trusted = await make({ device_owner: 'network:x', ...ON }, 'admin');
  assert.deepEqual([trusted.port_security_enabled, trusted.security_groups], [false, []]);
  const owner = { device_owner: 'network:x', security_groups: [await group()] };
  await refusesNew(400, 'PortSecurityAndIPRequiredForSecurityGroups', owner, 'admin');
  const port = await make({ allowed_address_pairs: [PAIR] });
  const body = { port: { device_owner: 'network:x' } };
  const { port: given } = await api.expect(200, 'PUT', `/v2.0/ports/${port.id}`, { body });
  const { port_security_enabled, security_groups, allowed_address_pairs } = given;
  assert.deepEqual([port_security_enabled, security_groups, allowed_address_pairs], [false, [], []]);
});

test('a port that a router is given loses its groups', async () => {
  await api.make('subnets', { network_id: network.id, cidr: '10.0.0.0/24', ip_version: 4 }, as);
  const port = await make({ fixed_ips: [{ ip_address: '10.0.0.9' }] });
  const router = await api.make('routers', {}, as);
  const path = `/v2.0/routers/${router.id}/add_router_interface`;
  await api.expect(200, 'PUT', path, { as, body: { port_id: port.id } });
  const { port: after } = await api.expect(200, 'GET', `/v2.0/ports/${port.id}`, { as });
  assert.deepEqual([after.port_security_enabled, after.security_groups], [false, []]);
});
