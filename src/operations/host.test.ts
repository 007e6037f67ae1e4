import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAgents, registerAgent, showAgent, updateAgent } from './agent.ts';
import { addHost, hostByCredential, listHosts, removeHost, renewCredential } from './host.ts';
import { createPort } from './port.ts';
import { bench, fault } from './testing.ts';

test('a credential is known by its hash only, and ends when it is renewed', async () => {
  const b = bench();
  const add = (name: string, secret: string) =>
    b.run((tx) => addHost(tx, b.call, { name, secret: () => secret }));
  const { credential, host } = await add('h1', 's3cret');
  assert.equal(credential, 's3cret');
  assert.match(host.credential_hash ?? '', /^[0-9a-f]{64}$/);
  const find = (text: string) => b.store.view((view) => hostByCredential(view, text));
  assert.equal((await find('s3cret'))?.name, 'h1');
  assert.equal(await find(host.credential_hash ?? ''), undefined);
  await assert.rejects(add('h1', 'other'), fault('HostExists'));
  await assert.rejects(add('a|b', 'other'), fault('InvalidInput'));
  await assert.rejects(add('a\nb', 'other'), fault('InvalidInput'));
  await b.run((tx) => renewCredential(tx, b.call, { name: 'h1', secret: () => 'new' }));
  assert.equal(await find('s3cret'), undefined);
  assert.equal((await find('new'))?.name, 'h1');
  assert.deepEqual(
    (await b.store.view((view) => listHosts(view))).map(({ host }) => host.name),
    ['h1'],
  );
});

test('a host with bound ports stays unless forced; its DHCP networks go to others', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  await b.host('h1');
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  const [port] = await b.run((tx) => createPort(tx, b.call, [{ network_id: network.id, host: 'h1' }]));
  await b.host('h2');
  const remove = (force: boolean) => b.run((tx) => removeHost(tx, b.call, { name: 'h1', force }));
  await assert.rejects(remove(false), fault('HostInUse', '1 ports'));
  await remove(true);
  const now = b.store.rows('ports').find((one) => one.id === port!.id);
  assert.deepEqual([now?.host, now?.vif_type, now?.status, now?.generation], ['', 'unbound', 'DOWN', 2]);
  assert.deepEqual(
    b.store.rows('dhcpBindings').map((one) => one.host),
    ['h2'],
  );
  assert.deepEqual(
    b.store
      .rows('ports')
      .filter((one) => one.device_owner === 'network:dhcp')
      .map((one) => one.host),
    ['h2'],
  );
  await assert.rejects(remove(true), fault('HostNotFound'));
});

test('an agent shows as one for each role; a port that waited for it is bound', async () => {
  const b = bench();
  await b.run((tx) => addHost(tx, b.call, { name: 'h1', secret: () => 'x' }));
  const network = await b.network();
  const [port] = await b.run((tx) => createPort(tx, b.call, [{ network_id: network.id, host: 'h1' }]));
  assert.equal(port?.vif_type, 'binding_failed');
  const registration = {
    host: 'h1',
    incarnation: 1,
    tunnel_ip: '192.0.2.1',
    physical_networks: ['physnet1'],
    configurations: { a: 1 },
    server_id: 'server',
  };
  for (const role of ['l2', 'dhcp'] as const) {
    await b.run((tx) => registerAgent(tx, b.call, { ...registration, role }));
  }
  const bound = b.store.rows('ports')[0];
  assert.deepEqual([bound?.vif_type, bound?.generation], ['bridge', 2]);
  assert.equal(b.store.rows('hosts')[0]?.tunnel_ip, '192.0.2.1');
  const agents = await b.store.view((view) =>
    listAgents(view, b.call, { filters: [], sort: [{ column: 'role', descending: false }] }),
  );
  assert.deepEqual(
    agents.map((agent) => [agent.agent_type, agent.binary, agent.topic, agent.alive]),
    [
      ['DHCP agent', 'deuteron-agent', 'dhcp_agent', true],
      ['Linux bridge agent', 'deuteron-agent', 'N/A', true],
    ],
  );
  const id = agents[0]!.id;
  await b.run((tx) =>
    updateAgent(tx, b.call, { id, changes: { admin_state_up: false, description: 'off' } }),
  );
  const shown = await b.store.view((view) => showAgent(view, b.call, id));
  assert.deepEqual([shown.admin_state_up, shown.description], [false, 'off']);
  await assert.rejects(
    b.run((tx) => registerAgent(tx, b.call, { ...registration, role: 'l2', host: 'unknown' })),
    fault('HostNotFound'),
  );
});

test('an agent is in the zone that it says, as long as that is a name', async () => {
  const b = bench();
  await b.run((tx) => addHost(tx, b.call, { name: 'h1', secret: () => 'x' }));
  const zoneAfter = async (configurations: Record<string, unknown>) => {
    const registration = {
      host: 'h1',
      role: 'dhcp' as const,
      incarnation: 1,
      tunnel_ip: '192.0.2.1',
      physical_networks: [],
      configurations,
      server_id: 'server',
    };
    await b.run((tx) => registerAgent(tx, b.call, registration));
    return b.store.rows('agents')[0]?.availability_zone;
  };
  assert.equal(await zoneAfter({}), 'nova');
  assert.equal(await zoneAfter({ availability_zone: 'rack-1' }), 'rack-1');
  for (const availability_zone of ['', 5, null, 'x'.repeat(256)]) {
    assert.equal(await zoneAfter({ availability_zone }), 'nova');
  }
});

test('a host is on the management network where its agent says, unless that is where its tunnels are', async () => {
  const b = bench();
  await b.run((tx) => addHost(tx, b.call, { name: 'h1', secret: () => 'x' }));
  const addressAfter = async (configurations: Record<string, unknown>) => {
    const registration = {
      ...{ host: 'h1', role: 'l2' as const, incarnation: 1, tunnel_ip: '192.0.2.1' },
      ...{ physical_networks: [], configurations, server_id: 'server' },
    };
    await b.run((tx) => registerAgent(tx, b.call, registration));
    return b.store.rows('hosts')[0]?.management_ip;
  };
  assert.equal(await addressAfter({}), '');
  assert.equal(await addressAfter({ management_ip: '198.51.100.1' }), '198.51.100.1');
  for (const management_ip of ['', 5, null, 'eth1', '192.0.2.1'])
    assert.equal(await addressAfter({ management_ip }), '');
  assert.equal(await addressAfter({ management_ip: '2001:DB8:0::1' }), '2001:db8::1');
});
