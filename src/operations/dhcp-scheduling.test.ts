import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registerAgent } from './agent.ts';
import {
  addNetworkToDhcpAgent,
  dhcpAgentsOfNetwork,
  networksOfDhcpAgent,
  removeNetworkFromDhcpAgent,
} from './dhcp-bindings.ts';
import { beginMoves } from './dhcp-moves.ts';
import { dhcpDeviceId } from './dhcp-ports.ts';
import { planReschedule } from './dhcp-reschedule.ts';
import { syncDhcp } from './dhcp-scheduling.ts';
import { deleteAgent } from './agent.ts';
import { deleteNetwork } from './network.ts';
import { createPort, deletePort } from './port.ts';
import { deleteSubnet, updateSubnet } from './subnet.ts';
import { type Bench, bench, fault } from './testing.ts';

const dhcpPorts = (b: Bench) => b.store.rows('ports').filter((port) => port.device_owner === 'network:dhcp');
const hostsServing = (b: Bench) =>
  b.store
    .rows('dhcpBindings')
    .map((one) => one.host)
    .sort();

/** What the background does: everything that it finds, once. Returns how many bindings it added. */
const reschedule = (b: Bench) =>
  b.run(async (tx) => {
    const order = { all: true, ports: true, most: 50, budget: 300, even: 0 };
    const plan = await planReschedule(tx, b.call, order);
    const { added } = await beginMoves(tx, b.call, plan.moves);
    await syncDhcp(tx, b.call, await tx.networks.lock({ id: plan.portless }));
    return added;
  });

test('the device_id of a DHCP port is that of Neutron for the same host', () => {
  // python3 -c "import uuid; print(uuid.uuid5(uuid.NAMESPACE_DNS, 'h1'))"
  assert.equal(dhcpDeviceId('h1', 'net'), 'dhcp8839d356-f787-5a0b-8010-d454645c55f8-net');
});

test('the first DHCP subnet gives the network to two living agents, each with its port', async () => {
  const b = bench();
  const agents = { h1: await b.host('h1'), h2: await b.host('h2'), h3: await b.host('h3') };
  b.kill(agents.h1.dhcp);
  const network = await b.network();
  assert.deepEqual(hostsServing(b), []);
  const subnet = await b.subnet(network.id, '10.0.0.0/24');
  assert.deepEqual(hostsServing(b), ['h2', 'h3']);
  const ports = dhcpPorts(b);
  assert.deepEqual(ports.map((port) => port.host).sort(), ['h2', 'h3']);
  for (const port of ports) {
    assert.equal(port.device_id, dhcpDeviceId(port.host, network.id));
    assert.deepEqual(
      port.fixed_ips.map((ip) => ip.subnet_id),
      [subnet.id],
    );
    assert.equal(port.vif_type, 'bridge');
  }
  const entities = b.store.rows('provisioningBlocks').map((block) => block.entity);
  assert.deepEqual(entities, ['L2', 'L2']);
});

test('an agent with which several networks fail is passed over, and taken for want of another', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const { dhcp } = await b.host('h1');
  const failed = (networks: number) =>
    Array.from({ length: networks }, (_, at) => ({
      ...{ key: `network/${at}`, object: '', state: 'failed' as const, since: 1, reason: 'no dnsmasq' },
    }));
  const given = async (networks: number) => {
    await b.run((tx) => tx.agents.update({ id: dhcp.id }, { exceptions: failed(networks) }));
    const { id } = await b.network();
    await b.subnet(id, '10.0.0.0/24');
    return b.store.rows('dhcpBindings').find((one) => one.network_id === id)?.host;
  };
  assert.equal(await given(3), 'h1');
  await b.host('h2');
  assert.equal(await given(3), 'h2');
  assert.equal(await given(3), 'h2');
  assert.equal(await given(2), 'h1', 'one or two may fail by themselves: the load decides');
});

test('the least loaded agents are taken', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  await b.host('h1');
  await b.host('h2');
  for (const cidr of ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', '10.0.3.0/24']) {
    await b.subnet((await b.network()).id, cidr);
  }
  assert.deepEqual(hostsServing(b), ['h1', 'h1', 'h2', 'h2']);
});

test('DHCP ports follow the subnets: one more, off, on, gone', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  await b.host('h1');
  const network = await b.network();
  const one = await b.subnet(network.id, '10.0.0.0/24');
  const port = dhcpPorts(b)[0]!;
  const two = await b.subnet(network.id, '2001:db8::/64', {
    ipv6_address_mode: 'slaac',
    ipv6_ra_mode: 'slaac',
  });
  const subnetsOfPort = () =>
    dhcpPorts(b)
      .flatMap((one) => one.fixed_ips.map((ip) => ip.subnet_id))
      .sort();
  assert.deepEqual(subnetsOfPort(), [one.id, two.id].sort());
  assert.equal(dhcpPorts(b)[0]?.id, port.id);
  await b.run((tx) => updateSubnet(tx, b.call, { id: one.id, changes: { enable_dhcp: false } }));
  assert.deepEqual(subnetsOfPort(), [two.id]);
  await b.run((tx) => deleteSubnet(tx, b.call, { id: two.id }));
  assert.deepEqual(dhcpPorts(b), []);
  assert.deepEqual(b.store.rows('ipAllocations'), []);
  await b.run((tx) => updateSubnet(tx, b.call, { id: one.id, changes: { enable_dhcp: true } }));
  assert.deepEqual(subnetsOfPort(), [one.id]);
  await b.run((tx) => deleteNetwork(tx, b.call, { id: network.id }));
  assert.deepEqual(
    [b.store.rows('ports'), b.store.rows('subnets'), b.store.rows('dhcpBindings')],
    [[], [], []],
  );
});

test('a pool with one address left serves with fewer ports', async () => {
  const b = bench();
  await b.host('h1');
  await b.host('h2');
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/30');
  assert.deepEqual(
    dhcpPorts(b)
      .map((port) => port.fixed_ips.length)
      .sort(),
    [0, 1],
  );
});

test('a network that found no agent is given to one that connects', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  assert.deepEqual(hostsServing(b), []);
  await b.run((tx) =>
    tx.hosts.insert([
      {
        name: 'h1',
        credential_hash: null,
        tunnel_ip: '',
        management_ip: '',
        physical_networks: [],
        created_at: '',
      },
    ]),
  );
  const registration = {
    host: 'h1',
    incarnation: 1,
    tunnel_ip: '192.0.2.1',
    management_ip: '',
    physical_networks: [],
    configurations: {},
    server_id: 'server',
  };
  await b.run((tx) => registerAgent(tx, b.call, { ...registration, role: 'l2' }));
  await b.run((tx) => registerAgent(tx, b.call, { ...registration, role: 'dhcp' }));
  assert.equal(await reschedule(b), 1);
  assert.deepEqual(hostsServing(b), ['h1']);
  assert.equal(dhcpPorts(b)[0]?.vif_type, 'bridge');
});

test('the background gives a second agent when one is there', async () => {
  const b = bench();
  await b.host('h1');
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  assert.equal(await reschedule(b), 0);
  await b.host('h2');
  assert.equal(await reschedule(b), 1);
  assert.deepEqual(hostsServing(b), ['h1', 'h2']);
  assert.equal(await reschedule(b), 0);
});

test('the background makes a DHCP port again that somebody deleted', async () => {
  const b = bench();
  await b.host('h1');
  await b.host('h2');
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  const gone = dhcpPorts(b).find((port) => port.host === 'h1')!;
  await b.run((tx) => deletePort(tx, b.call, { id: gone.id }));
  assert.equal(await reschedule(b), 0);
  const ports = dhcpPorts(b);
  assert.deepEqual(ports.map((port) => port.host).sort(), ['h1', 'h2']);
  assert.deepEqual(
    ports.map((port) => port.fixed_ips.length),
    [1, 1],
  );
});

test('networks that no agent reaches do not keep others from getting one', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1, flatNetworks: ['*'] });
  for (let i = 0; i < 60; i++) {
    const flat = await b.network({ network_type: 'flat', physical_network: `p${i}` });
    await b.subnet(flat.id, '10.0.0.0/24');
  }
  const reachable = [];
  for (let i = 0; i < 3; i++) {
    const network = await b.network();
    await b.subnet(network.id, '10.0.0.0/24');
    reachable.push(network.id);
  }
  await b.host('h1');
  for (let pass = 0; pass < 20; pass++) await reschedule(b);
  assert.deepEqual(
    b.store
      .rows('dhcpBindings')
      .map((one) => one.network_id)
      .sort(),
    reachable.sort(),
  );
});

test('an operator adds and removes agents by hand', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  const h2 = await b.host('h2');
  const to2 = { agentId: h2.dhcp.id, networkId: network.id };
  await b.run((tx) => addNetworkToDhcpAgent(tx, b.call, to2));
  await assert.rejects(
    b.run((tx) => addNetworkToDhcpAgent(tx, b.call, to2)),
    fault('NetworkHostedByDHCPAgent'),
  );
  await assert.rejects(
    b.run((tx) => addNetworkToDhcpAgent(tx, b.call, { ...to2, agentId: h2.l2.id })),
    fault('InvalidDHCPAgent'),
  );
  assert.equal(dhcpPorts(b).length, 2);
  const agents = await b.store.view((view) => dhcpAgentsOfNetwork(view, b.call, network.id));
  assert.deepEqual(agents.map((agent) => agent.host).sort(), ['h1', 'h2']);
  const to1 = { agentId: h1.dhcp.id, networkId: network.id };
  await b.run((tx) => removeNetworkFromDhcpAgent(tx, b.call, to1));
  assert.deepEqual(
    dhcpPorts(b).map((port) => port.host),
    ['h2'],
  );
  assert.deepEqual(await b.store.view((view) => networksOfDhcpAgent(view, b.call, h1.dhcp.id)), []);
  await assert.rejects(
    b.run((tx) => removeNetworkFromDhcpAgent(tx, b.call, to1)),
    fault('NetworkNotHostedByDhcpAgent'),
  );
});

test('an agent that is forgotten leaves its networks to others', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  await b.host('h2');
  await b.run((tx) => deleteAgent(tx, b.call, { id: h1.dhcp.id }));
  assert.deepEqual(hostsServing(b), ['h2']);
  assert.deepEqual(
    dhcpPorts(b).map((port) => port.host),
    ['h2'],
  );
});

test('a DHCP port that somebody made for a server of their own stays', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  await b.host('h1');
  const network = await b.network();
  await b.run((tx) =>
    createPort(tx, b.call, [{ network_id: network.id, device_owner: 'network:dhcp', device_id: 'mine' }]),
  );
  const subnet = await b.subnet(network.id, '10.0.0.0/24');
  await b.run((tx) => deleteSubnet(tx, b.call, { id: subnet.id }));
  assert.deepEqual(
    dhcpPorts(b).map((port) => port.device_id),
    ['mine'],
  );
});
