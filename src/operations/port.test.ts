import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench, fault } from './testing.ts';
import {
  createPort,
  deletePort,
  listPorts,
  portIdsByFixedIp,
  showPort,
  updatePort,
  type PortCreate,
} from './port.ts';

function portBench(...args: Parameters<typeof bench>) {
  const b = bench(...args);
  const port = async (network_id: string, asked: PortCreate = {}, call = b.call) =>
    (await b.run((tx) => createPort(tx, call, [{ network_id, ...asked }])))[0]!;
  const addresses = (one: { fixed_ips: { ip_address: string }[] }) =>
    one.fixed_ips.map((ip) => ip.ip_address);
  return { ...b, port, addresses };
}

test('a port gets a MAC and an address of the pool, and both are recorded', async () => {
  const b = portBench();
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.0/24', { enable_dhcp: false });
  const port = await b.port(network.id, { name: 'one' });
  assert.match(port.mac_address, /^fa:16:3e(:[0-9a-f]{2}){3}$/);
  assert.equal(port.status, 'DOWN');
  assert.equal(port.vif_type, 'unbound');
  assert.equal(port.generation, 0);
  assert.equal(port.fixed_ips.length, 1);
  assert.equal(port.fixed_ips[0]?.subnet_id, subnet.id);
  assert.deepEqual(b.store.rows('ports'), [port]);
  assert.deepEqual(b.store.rows('ipAllocations'), [
    { ...port.fixed_ips[0], port_id: port.id, network_id: network.id },
  ]);
});

test('50 creates at once in a /26 get 50 addresses; the 62nd port is refused', async () => {
  const b = portBench();
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/26', { enable_dhcp: false });
  const ports = await Promise.all(Array.from({ length: 50 }, () => b.port(network.id)));
  assert.equal(new Set(ports.flatMap(b.addresses)).size, 50);
  await b.run((tx) =>
    createPort(
      tx,
      b.call,
      Array.from({ length: 11 }, () => ({ network_id: network.id })),
    ),
  );
  await assert.rejects(
    b.port(network.id),
    fault('IpAddressGenerationFailure', `No more IP addresses available on network ${network.id}.`),
  );
  assert.equal(new Set(b.store.rows('ipAllocations').map((row) => row.ip_address)).size, 61);
});

test('a list is created in its order, or not at all', async () => {
  const b = portBench();
  const one = await b.network();
  const two = await b.network();
  await b.subnet(one.id, '10.0.0.0/29', { enable_dhcp: false });
  const ports = await b.run((tx) =>
    createPort(tx, b.call, [
      { network_id: one.id, name: 'a' },
      { network_id: two.id, name: 'b' },
      { network_id: one.id, name: 'c' },
    ]),
  );
  assert.deepEqual(
    ports.map((port) => port.name),
    ['a', 'b', 'c'],
  );
  assert.deepEqual(ports[1]?.fixed_ips, []);
  const many = Array.from({ length: 5 }, () => ({ network_id: one.id }));
  await assert.rejects(
    b.run((tx) => createPort(tx, b.call, many)),
    fault('IpAddressGenerationFailure'),
  );
  assert.equal(b.store.rows('ports').length, 3);
});

test('an address or a MAC that is taken is refused by name', async () => {
  const b = portBench();
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.0/24', { enable_dhcp: false });
  const port = await b.port(network.id, {
    fixed_ips: [{ ip_address: '10.0.0.9' }],
    mac_address: 'FA:16:3E:00:00:01',
  });
  assert.equal(port.mac_address, 'fa:16:3e:00:00:01');
  await assert.rejects(
    b.port(network.id, { fixed_ips: [{ ip_address: '10.0.0.9' }] }),
    fault('IpAddressAlreadyAllocated', `IP address 10.0.0.9 already allocated in subnet ${subnet.id}`),
  );
  await assert.rejects(b.port(network.id, { mac_address: 'fa:16:3e:00:00:01' }), fault('MacAddressInUse'));
  await assert.rejects(
    b.port(network.id, { fixed_ips: [{ ip_address: '10.0.0.255' }] }),
    fault('InvalidIpForNetwork'),
  );
  await assert.rejects(
    b.port(network.id, { fixed_ips: Array.from({ length: 6 }, () => ({ subnet_id: subnet.id })) }),
    fault('InvalidInput', 'Exceeded maximum amount of fixed ips per port'),
  );
  const gateway = await b.port(network.id, { fixed_ips: [{ ip_address: '10.0.0.1' }] });
  assert.deepEqual(b.addresses(gateway), ['10.0.0.1']);
});

test('dual stack: one IPv4, one stateful IPv6 address, every automatic one', async () => {
  const b = portBench();
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24', { enable_dhcp: false });
  await b.subnet(network.id, '10.0.1.0/24', { enable_dhcp: false });
  await b.subnet(network.id, '2001:db8:1::/64', { ipv6_address_mode: 'dhcpv6-stateful' });
  await b.subnet(network.id, '2001:db8:2::/64', { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac' });
  const port = await b.port(network.id, { mac_address: 'fa:16:3e:00:00:01' });
  assert.equal(port.fixed_ips.length, 3);
  assert.ok(b.addresses(port).includes('2001:db8:2:0:f816:3eff:fe00:1'));
  const bare = await b.port(network.id, { fixed_ips: [] });
  assert.deepEqual(bare.fixed_ips, []);
});

test('a subnet with automatic addresses gives them to the ports that are there', async () => {
  const b = portBench();
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24', { enable_dhcp: false });
  const port = await b.port(network.id, { mac_address: 'fa:16:3e:00:00:01' });
  const subnet = await b.subnet(network.id, '2001:db8::/64', {
    ipv6_address_mode: 'slaac',
    ipv6_ra_mode: 'slaac',
  });
  const now = await b.store.view((view) => showPort(view, b.call, port.id));
  assert.deepEqual(b.addresses(now), [...b.addresses(port), '2001:db8::f816:3eff:fe00:1']);
  assert.equal(now.revision_number, port.revision_number + 1);
  assert.deepEqual(await b.store.view((view) => portIdsByFixedIp(view, { subnetIds: [subnet.id] })), [
    port.id,
  ]);
});

test('an update keeps what is asked for again and takes what is new', async () => {
  const b = portBench();
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.0/24', { enable_dhcp: false });
  const port = await b.port(network.id);
  const [kept] = b.addresses(port);
  const more = await b.run((tx) =>
    updatePort(tx, b.call, {
      id: port.id,
      changes: { fixed_ips: [{ subnet_id: subnet.id }, { ip_address: '10.0.0.77' }] },
    }),
  );
  assert.deepEqual(b.addresses(more).sort(), [kept, '10.0.0.77'].sort());
  assert.equal(more.revision_number, 2);
  const none = await b.run((tx) => updatePort(tx, b.call, { id: port.id, changes: { fixed_ips: [] } }));
  assert.deepEqual(none.fixed_ips, []);
  assert.deepEqual(b.store.rows('ipAllocations'), []);
});

test('a change for another revision is refused', async () => {
  const b = portBench();
  const network = await b.network();
  const port = await b.port(network.id);
  const change = (ifMatch: number) =>
    b.run((tx) => updatePort(tx, b.call, { id: port.id, changes: { name: 'x' }, ifMatch }));
  await assert.rejects(
    change(9),
    fault('RevisionNumberConstraintFailed', 'Constrained to 9, but current revision is 1'),
  );
  assert.equal((await change(1)).revision_number, 2);
  await assert.rejects(
    b.run((tx) => deletePort(tx, b.call, { id: port.id, ifMatch: 1 })),
    fault('RevisionNumberConstraintFailed'),
  );
});

test('binding: a known agent binds, an unknown host fails, each change of host is a new generation', async () => {
  const b = portBench();
  const agents = await b.host('h1');
  b.kill(agents.l2);
  const network = await b.network();
  const port = await b.port(network.id, { host: 'h1' });
  assert.equal(port.vif_type, 'bridge');
  assert.equal(port.generation, 1);
  const move = (host: string) => b.run((tx) => updatePort(tx, b.call, { id: port.id, changes: { host } }));
  const lost = await move('nowhere');
  assert.deepEqual([lost.vif_type, lost.generation], ['binding_failed', 2]);
  assert.deepEqual(b.store.rows('provisioningBlocks'), []);
  await b.host('nowhere');
  const tried = await move('nowhere');
  assert.deepEqual([tried.vif_type, tried.generation], ['bridge', 3]);
  const unbound = await move('');
  assert.deepEqual([unbound.vif_type, unbound.generation, unbound.host], ['unbound', 4, '']);
});

test('a flat network binds only where its physical network is', async () => {
  const b = portBench();
  await b.host('with', ['physnet1']);
  await b.host('without');
  const network = await b.network({ network_type: 'flat', physical_network: 'physnet1' });
  assert.equal((await b.port(network.id, { host: 'with' })).vif_type, 'bridge');
  assert.equal((await b.port(network.id, { host: 'without' })).vif_type, 'binding_failed');
});

test('a bound port keeps its MAC; an unbound one may change it, and its automatic address with it', async () => {
  const b = portBench();
  await b.host('h1');
  const network = await b.network();
  await b.subnet(network.id, '2001:db8::/64', { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac' });
  const bound = await b.port(network.id, { host: 'h1' });
  const change = (id: string, mac_address: string) =>
    b.run((tx) => updatePort(tx, b.call, { id, changes: { mac_address } }));
  await assert.rejects(change(bound.id, 'fa:16:3e:00:00:02'), fault('PortBound'));
  const port = await b.port(network.id);
  await assert.rejects(change(port.id, bound.mac_address), fault('MacAddressInUse'));
  assert.deepEqual(b.addresses(await change(port.id, 'fa:16:3e:00:00:02')), ['2001:db8::f816:3eff:fe00:2']);
});

test('others see neither port nor network, but use what is shared', async () => {
  const b = portBench();
  const mine = await b.network();
  const shared = await b.network({ shared: true });
  const port = await b.port(mine.id);
  const other = b.as('other');
  await assert.rejects(b.port(mine.id, {}, other), fault('NetworkNotFound'));
  await assert.rejects(
    b.store.view((view) => showPort(view, other, port.id)),
    fault('PortNotFound'),
  );
  await assert.rejects(
    b.run((tx) => deletePort(tx, other, { id: port.id })),
    fault('PortNotFound'),
  );
  const theirs = await b.port(shared.id, {}, other);
  assert.equal(theirs.project_id, 'other');
  const list = (call = other) => b.store.view((view) => listPorts(view, call, { filters: [], sort: [] }));
  assert.deepEqual(await list(), [theirs]);
  assert.deepEqual(
    await list(b.as('demo')),
    [port, theirs].sort((x, y) => (x.id < y.id ? -1 : 1)),
  );
  await assert.rejects(
    b.run((tx) => deletePort(tx, b.as('demo'), { id: theirs.id })),
    fault('PolicyNotAuthorized'),
  );
});

test('a quota counts what is there and what is asked for', async () => {
  const b = portBench({ quotas: { port: 2 } });
  const network = await b.network();
  await b.port(network.id);
  await assert.rejects(
    b.run((tx) => createPort(tx, b.call, [{ network_id: network.id }, { network_id: network.id }])),
    fault('OverQuota', "Quota exceeded for resources: ['port']."),
  );
  await b.port(network.id);
  await b.port(network.id, { project_id: 'other' });
  assert.equal(b.store.rows('ports').length, 3);
});

test('a random MAC that is taken is drawn again', async () => {
  const b = portBench({ macPrefix: 'fa:16:3e:01:02' });
  const network = await b.network();
  const ports = await Promise.all(Array.from({ length: 60 }, () => b.port(network.id)));
  assert.equal(new Set(ports.map((port) => port.mac_address)).size, 60);
});
