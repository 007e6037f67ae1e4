/** Trunks: which ports may be together, where subports are, and what becomes of it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addAgent, report } from './agents.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi({ settings: { vlanNetworks: ['*'] } });
  await addAgent(api, { host: 'h1', role: 'l2' });
});
after(() => api?.close());

const as = 'red';
const url = '/v2.0/trunks';
const NOWHERE = '00000000-0000-4000-8000-000000000000';

async function port(network: object = {}, more: object = {}): Promise<Json> {
  const made = await api.make('networks', { project_id: as, ...network }, 'admin');
  return api.make('ports', { network_id: made.id, ...more }, as);
}

const tagged = (port_id: string, segmentation_id: unknown = 2): Json => ({
  ...{ port_id, segmentation_type: 'vlan', segmentation_id },
});

async function trunk(...tags: number[]): Promise<{ trunk: Json; parent: Json; ports: Json[] }> {
  const parent = await port();
  const ports = await Promise.all(tags.map(() => port()));
  const sub_ports = ports.map(({ id }, i) => tagged(id, tags[i]));
  return { trunk: await api.make('trunks', { port_id: parent.id, sub_ports }, as), parent, ports };
}

const show = async (plural: string, id: string, who = as): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/${plural}/${id}`, { as: who }))[plural.slice(0, -1)];

async function change(id: string, verb: string, sub_ports: unknown): Promise<Json> {
  return api.expect(200, 'PUT', `${url}/${id}/${verb}`, { as, body: { sub_ports } });
}

test('has subports by their tags; its parent says so, and they are its own', async () => {
  const made = await trunk(7, 5);
  const [seven, five] = made.ports;
  assert.deepEqual(made.trunk.sub_ports, [tagged(five.id, 5), tagged(seven.id, 7)]);
  assert.deepEqual([made.trunk.status, made.trunk.port_id], ['DOWN', made.parent.id]);
  assert.deepEqual(await show('trunks', made.trunk.id), made.trunk);
  const path = `${url}/${made.trunk.id}/get_subports`;
  assert.deepEqual(await api.expect(200, 'GET', path, { as }), { sub_ports: made.trunk.sub_ports });
  await api.refused([404, 'TrunkNotFound'], 'GET', path, { as: 'blue' });
  const { trunk_details } = await show('ports', made.parent.id);
  assert.deepEqual(trunk_details, {
    trunk_id: made.trunk.id,
    sub_ports: [five, seven].map((one, i) => ({
      ...made.trunk.sub_ports[i],
      mac_address: one.mac_address,
    })),
  });
  const subport = await show('ports', five.id);
  assert.deepEqual([subport.device_owner, subport.device_id], ['trunk:subport', made.trunk.id]);
  assert.equal(subport.trunk_details, undefined);
});

test('subports come and go, each change a new revision, and are free afterwards', async () => {
  const made = await trunk(5);
  const more = await port();
  const added = await change(made.trunk.id, 'add_subports', [tagged(more.id, 6)]);
  assert.deepEqual(added.sub_ports, [...made.trunk.sub_ports, tagged(more.id, 6)]);
  assert.equal(added.revision_number, made.trunk.revision_number + 1);
  const left = await change(made.trunk.id, 'remove_subports', [{ port_id: made.ports[0].id }]);
  assert.deepEqual(left.sub_ports, [tagged(more.id, 6)]);
  const freed = await show('ports', made.ports[0].id);
  assert.deepEqual([freed.device_owner, freed.device_id], ['', '']);
  await api.expect(204, 'DELETE', `${url}/${made.trunk.id}`, { as });
  for (const { id } of [made.parent, more]) await api.expect(204, 'DELETE', `/v2.0/ports/${id}`, { as });
});

test('ports in use are not to be had, and are not deleted', async () => {
  const made = await trunk(5);
  const other = await trunk();
  const add = (id: string, sub_ports: Json): [string, string, Json] => [
    ...(['PUT', `${url}/${id}/add_subports`] as const),
    { as, body: { sub_ports } },
  ];
  const create = (trunk_: object): [string, string, Json] => ['POST', url, { as, body: { trunk: trunk_ } }];
  const free = await port();
  const used = await port({}, { device_id: 'vm' });
  const foreign = await api.make('ports', { network_id: free.network_id }, 'admin');
  const { refused } = api;
  const { id } = made.trunk;
  await refused([409, 'DuplicateSubPort', 'segmentation_id 5'], ...add(id, [tagged(free.id, 5)]));
  await refused([409, 'ParentPortInUse'], ...add(id, [tagged(made.parent.id, 6)]));
  await refused([409, 'ParentPortInUse'], ...add(id, [tagged(other.parent.id, 6)]));
  await refused([409, 'TrunkPortInUse'], ...add(other.trunk.id, [tagged(made.ports[0].id)]));
  await refused([409, 'PortInUse'], ...add(id, [tagged(used.id)]));
  await refused([404, 'PortNotFound'], ...add(id, [tagged(foreign.id)]));
  await refused([404, 'PortNotFound'], ...add(id, [tagged(NOWHERE)]));
  await refused([404, 'TrunkNotFound'], ...add(NOWHERE, [tagged(free.id)]));
  await refused([409, 'ParentPortInUse'], ...create({ port_id: made.parent.id }));
  await refused([409, 'TrunkPortInUse'], ...create({ port_id: made.ports[0].id }));
  await refused([404, 'PortNotFound'], ...create({ port_id: NOWHERE }));
  await refused([404, 'PortNotFound'], ...create({ port_id: foreign.id }));
  await refused([409, 'ParentPortInUse'], ...create({ port_id: free.id, sub_ports: [tagged(free.id)] }));
  const path = `${url}/${id}/remove_subports`;
  await refused([404, 'SubPortNotFound'], 'PUT', path, { as, body: { sub_ports: [tagged(free.id)] } });
  await refused([409, 'PortInUseAsTrunkParent'], 'DELETE', `/v2.0/ports/${made.parent.id}`, { as });
  await refused([409, 'PortInUseAsSubPort'], 'DELETE', `/v2.0/ports/${made.ports[0].id}`, { as });
  assert.deepEqual(await show('trunks', id), made.trunk);
});

test('a port of a trunk becomes no port of the network itself', async () => {
  const made = await trunk(5);
  const { id } = await api.make('routers', {}, as);
  const subnet = { network_id: made.parent.network_id, cidr: '10.0.0.0/24', ip_version: 4 };
  const { id: subnet_id } = await api.make('subnets', subnet, as);
  const path = `/v2.0/ports/${made.parent.id}`;
  await api.expect(200, 'PUT', path, { as, body: { port: { fixed_ips: [{ subnet_id }] } } });
  const attach = { as, body: { port_id: made.parent.id } };
  const inUse = [409, 'PortInUseAsTrunkParent'] as const;
  await api.refused(inUse, 'PUT', `/v2.0/routers/${id}/add_router_interface`, attach);
  await api.refused(inUse, 'PUT', path, { body: { port: { device_owner: 'network:dhcp' } } });
});

test('refuses subports that are no such thing', async () => {
  const { trunk: made } = await trunk();
  const { id: port_id } = await port();
  const wrong = [
    { port_id },
    tagged(port_id),
    [1],
    [{ segmentation_type: 'vlan', segmentation_id: 2 }],
    [{ port_id: 'x', segmentation_type: 'vlan', segmentation_id: 2 }],
    [{ port_id, segmentation_type: 'vlan' }],
    [{ port_id, segmentation_id: 2 }],
    [{ port_id, segmentation_type: 'vxlan', segmentation_id: 2 }],
    [{ port_id, segmentation_type: 'inherit' }],
    [tagged(port_id, 0)],
    [tagged(port_id, 4095)],
    [tagged(port_id, 'x')],
    [tagged(port_id, 2), tagged(port_id, 3)],
    [tagged(port_id, 2), tagged(NOWHERE, 2)],
  ];
  for (const sub_ports of wrong) {
    const answer = await api.ask('PUT', `${url}/${made.id}/add_subports`, { as, body: { sub_ports } });
    assert.equal(answer.status, 400, JSON.stringify(sub_ports) + answer.text);
  }
  const body = { trunk: { port_id, sub_ports: [{ port_id: NOWHERE, segmentation_type: 'vlan' }] } };
  await api.refused([400, 'HTTPBadRequest'], 'POST', url, { as, body });
});

test('a subport may inherit the tag of its VLAN network, and is no larger than the parent', async () => {
  const vlan = (segmentation_id: number) => ({
    ...{ 'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1' },
    'provider:segmentation_id': segmentation_id,
  });
  const parent = await port(vlan(300));
  const [one, other, again] = [await port(vlan(301)), await port(vlan(302)), await port(vlan(303))];
  const inherit = ({ id }: Json) => ({ port_id: id, segmentation_type: 'inherit' });
  const sub_ports = [inherit(one), inherit(other)];
  const made = await api.make('trunks', { port_id: parent.id, sub_ports }, as);
  assert.deepEqual(made.sub_ports, [tagged(one.id, 301), tagged(other.id, 302)]);
  const small = await trunk();
  const path = `${url}/${small.trunk.id}/add_subports`;
  const body = { sub_ports: [inherit(again)] };
  await api.refused([409, 'SubPortMtuGreaterThanTrunkPortMtu'], 'PUT', path, { as, body });
});

test('while it is switched off nothing of it moves', async () => {
  const { trunk: made, ports } = await trunk(5);
  await api.expect(200, 'PUT', `${url}/${made.id}`, { as, body: { trunk: { admin_state_up: false } } });
  const body = { sub_ports: [tagged(ports[0].id, 5)] };
  for (const verb of ['add_subports', 'remove_subports'])
    await api.refused([409, 'TrunkDisabled'], 'PUT', `${url}/${made.id}/${verb}`, { as, body });
  await api.refused([409, 'TrunkDisabled'], 'DELETE', `${url}/${made.id}`, { as });
  await api.expect(200, 'PUT', `${url}/${made.id}`, { as, body: { trunk: { admin_state_up: true } } });
  await api.expect(204, 'DELETE', `${url}/${made.id}`, { as });
});

test('subports are where the parent is; what its host cannot do is said of the trunk', async () => {
  const made = await trunk(5);
  const { parent, ports } = made;
  const bind = (host: string | null) =>
    api.expect(200, 'PUT', `/v2.0/ports/${parent.id}`, { body: { port: { 'binding:host_id': host } } });
  await bind('h1');
  const seen = async (): Promise<Json> => show('ports', ports[0].id, 'admin');
  assert.deepEqual([(await seen())['binding:host_id'], (await seen())['binding:vif_type']], ['h1', 'bridge']);
  const later = await port();
  await change(made.trunk.id, 'add_subports', [tagged(later.id, 6)]);
  assert.equal((await show('ports', later.id, 'admin'))['binding:host_id'], 'h1');
  assert.equal((await show('trunks', made.trunk.id)).status, 'BUILD');

  const failed = (id: string, network: string) => ({
    ...{ key: `network/${network}`, object: `port/${id}`, state: 'failed' as const, since: 1 },
    reason: 'no 802.1Q',
  });
  const exceptions = [failed(later.id, later.network_id)];
  await report(api, { host: 'h1', role: 'l2', counter: 1, exceptions });
  const broken = await show('trunks', made.trunk.id);
  assert.deepEqual([broken.status, broken['deuteron:reason'].includes(later.id)], ['ERROR', true]);
  assert.doesNotMatch(broken['deuteron:reason'], /802/);
  assert.match((await show('trunks', made.trunk.id, 'admin'))['deuteron:reason'], /no 802\.1Q/);
  assert.equal((await api.expect(200, 'GET', `${url}?status=ERROR`, { as })).trunks.length, 1);
  const body = { sub_ports: [tagged((await port()).id, 9)] };
  await api.refused([409, 'TrunkInErrorState'], 'PUT', `${url}/${made.trunk.id}/add_subports`, { as, body });

  await change(made.trunk.id, 'remove_subports', [{ port_id: later.id }]);
  assert.equal((await show('ports', later.id, 'admin'))['binding:host_id'], '');
  await report(api, { host: 'h1', role: 'l2', counter: 2 });
  const done = await show('trunks', made.trunk.id);
  assert.deepEqual([done.status, done['deuteron:reason']], ['ACTIVE', '']);

  await bind(null);
  assert.equal((await seen())['binding:host_id'], '');
  assert.equal((await show('trunks', made.trunk.id)).status, 'DOWN');
});
