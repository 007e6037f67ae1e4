/** Two operations at once on the same rows: the second sees what the first did, and says so in the revision. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deleteAgent } from './agent.ts';
import { removeHost } from './host.ts';
import { deleteNetwork } from './network.ts';
import { createPort, deletePort, type PortChanges, type PortCreate, updatePort } from './port.ts';
import { updateQuota } from './quota.ts';
import { createSubnet, deleteSubnet, updateSubnet } from './subnet.ts';
import { bench, fault } from './testing.ts';
import type { Transaction } from '../store/store.ts';

const SLAAC = { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac' } as const;

/** A network with a subnet, and who works on it. */
async function world(settings: Parameters<typeof bench>[0] = {}) {
  const b = bench({ dhcpAgentsPerNetwork: 1, ...settings });
  const agents = await b.host('h1');
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.0/24');
  const port = async (asked: PortCreate = {}) =>
    (await b.run((tx) => createPort(tx, b.call, [{ network_id: network.id, ...asked }])))[0]!;
  const row = (id: string) => b.store.rows('ports').find((one) => one.id === id);
  const dhcpPorts = () => b.store.rows('ports').filter((one) => one.device_owner === 'network:dhcp');
  const addSlaac = (tx: Transaction) =>
    createSubnet(tx, b.call, [{ network_id: network.id, cidr: '2001:db8::/64', ...SLAAC }]);
  const addSubnet = (tx: Transaction) =>
    createSubnet(tx, b.call, [{ network_id: network.id, cidr: '10.0.1.0/24' }]);
  const change = (id: string, changes: PortChanges) => (tx: Transaction) =>
    updatePort(tx, b.call, { id, changes });
  const remove = (id: string) => (tx: Transaction) => deletePort(tx, b.call, { id });
  return {
    ...b,
    agents,
    net: network,
    sub: subnet,
    port,
    row,
    dhcpPorts,
    addSlaac,
    addSubnet,
    change,
    remove,
  };
}

test('a subnet with automatic addresses leaves out a port that is being deleted', async () => {
  const w = await world();
  const gone = await w.port();
  const stays = await w.port();
  await w.beside(w.remove(gone.id), w.addSlaac);
  assert.equal(w.row(gone.id), undefined);
  assert.equal(w.row(stays.id)?.fixed_ips.length, 2);
});

test('a subnet with automatic addresses moves the revision on from that of a rename', async () => {
  const w = await world();
  const { id } = await w.port();
  await w.beside(w.change(id, { name: 'new' }), w.addSlaac);
  const now = w.row(id);
  assert.deepEqual([now?.name, now?.fixed_ips.length, now?.revision_number], ['new', 2, 3]);
});

test('who has seen the rename, but not the subnet that came beside it, is refused', async () => {
  const w = await world();
  const { id, revision_number } = await w.port();
  await w.beside(w.change(id, { name: 'new' }), w.addSlaac);
  const request = { id, changes: { name: 'stale' }, ifMatch: revision_number + 1 };
  await assert.rejects(
    w.run((tx) => updatePort(tx, w.call, request)),
    fault('RevisionNumberConstraintFailed'),
  );
});

test('two automatic subnets at once are one revision of a port', async () => {
  const w = await world();
  const { id } = await w.port();
  const both = ['2001:db8::/64', '2001:db8:1::/64'].map((cidr) => ({ network_id: w.net.id, cidr, ...SLAAC }));
  await w.run((tx) => createSubnet(tx, w.call, both));
  assert.deepEqual([w.row(id)?.fixed_ips.length, w.row(id)?.revision_number], [3, 2]);
});

test('a DHCP port that is being deleted is made again by what changes the subnets', async () => {
  const w = await world();
  const { id } = w.dhcpPorts()[0]!;
  await w.beside(w.remove(id), w.addSubnet);
  const [now, ...others] = w.dhcpPorts();
  assert.deepEqual(others, []);
  assert.notEqual(now?.id, id);
  assert.equal(now?.fixed_ips.length, 2);
});

test('a DHCP port keeps count of its revisions: renamed, and one more subnet, or one less', async () => {
  for (const work of ['create', 'delete', 'switch off'] as const) {
    const w = await world();
    await w.run(w.addSubnet);
    const before = w.dhcpPorts()[0]!;
    const { id } = w.sub;
    await w.beside(w.change(before.id, { name: 'new' }), async (tx) => {
      if (work === 'create') await w.addSlaac(tx);
      else if (work === 'delete') await deleteSubnet(tx, w.call, { id });
      else await updateSubnet(tx, w.call, { id, changes: { enable_dhcp: false } });
    });
    const now = w.row(before.id);
    assert.deepEqual([now?.name, now?.revision_number], ['new', before.revision_number + 2], work);
  }
});

test('an agent that goes while a network is given to it leaves that to others too', async () => {
  for (const whole of [true, false]) {
    const b = bench({ dhcpAgentsPerNetwork: 1 });
    const { dhcp } = await b.host('h1');
    const network = await b.network();
    const give = (tx: Transaction) =>
      createSubnet(tx, b.call, [{ network_id: network.id, cidr: '10.0.0.0/24' }]);
    const go = (tx: Transaction) =>
      whole ? removeHost(tx, b.call, { name: 'h1', force: false }) : deleteAgent(tx, b.call, { id: dhcp.id });
    await b.beside(give, go);
    assert.deepEqual([b.store.rows('dhcpBindings'), b.store.rows('ports')], [[], []]);
  }
});

test('a network is not given to an agent that goes at the moment', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const { dhcp } = await b.host('h1');
  const network = await b.network();
  await b.beside(
    (tx) => deleteAgent(tx, b.call, { id: dhcp.id }),
    (tx) => createSubnet(tx, b.call, [{ network_id: network.id, cidr: '10.0.0.0/24' }]),
  );
  assert.equal(b.store.rows('subnets').length, 1);
  assert.deepEqual([b.store.rows('dhcpBindings'), b.store.rows('ports')], [[], []]);
});

test('a network stays for a port whose owner has just changed', async () => {
  const w = await world();
  const { id } = await w.port({ device_owner: 'network:dhcp', device_id: 'mine' });
  const work = w.beside(w.change(id, { device_owner: 'compute:nova' }), (tx) =>
    deleteNetwork(tx, w.call, { id: w.net.id }),
  );
  await assert.rejects(work, fault('NetworkInUse'));
  assert.equal(w.row(id)?.device_owner, 'compute:nova');
});

test('a gateway is free once the port that had it is deleted', async () => {
  const w = await world();
  const gateway = w.sub.gateway_ip!;
  const router = await w.port({
    device_owner: 'network:router_interface',
    fixed_ips: [{ subnet_id: w.sub.id, ip_address: gateway }],
  });
  const changes = { gateway_ip: null };
  await assert.rejects(
    w.run((tx) => updateSubnet(tx, w.call, { id: w.sub.id, changes })),
    fault('GatewayIpInUse'),
  );
  const updated = await w.beside(w.remove(router.id), (tx) =>
    updateSubnet(tx, w.call, { id: w.sub.id, changes }),
  );
  assert.equal(updated.gateway_ip, null);
});

test('the first limit of a project may be set twice at once', async () => {
  const b = bench();
  const set = (port: number) => (tx: Transaction) =>
    updateQuota(tx, b.call, { projectId: 'p', limits: { port } });
  await b.beside(set(5), set(6));
  assert.deepEqual(
    b.store.rows('quotas').map((row) => row.limit),
    [6],
  );
});
