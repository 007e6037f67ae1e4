import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';
import { addAgent } from './agents.ts';

let api: ApiUnderTest;
let h1: string;
let h2: string;
let l2: string;
let silent = '';

before(async () => {
  api = await startApi({ isAlive: (agent) => agent.id !== silent });
  h1 = await addAgent(api, { host: 'h1', role: 'dhcp' });
  h2 = await addAgent(api, { host: 'h2', role: 'dhcp' });
  l2 = await addAgent(api, { host: 'h1', role: 'l2' });
});
after(() => api?.close());

const hosts = async (query: string): Promise<string[]> =>
  (await api.expect(200, 'GET', `/v2.0/agents?${query}`)).agents
    .map((agent: Json) => `${agent.host} ${agent.agent_type}`)
    .sort();

test('an agent has what clients expect of one', async () => {
  const { agent } = await api.expect(200, 'GET', `/v2.0/agents/${h1}`);
  const { created_at, started_at, heartbeat_timestamp, ...rest } = agent;
  for (const time of [created_at, started_at, heartbeat_timestamp])
    assert.match(time, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.deepEqual(rest, {
    id: h1,
    agent_type: 'DHCP agent',
    binary: 'deuteron-agent',
    topic: 'dhcp_agent',
    host: 'h1',
    admin_state_up: true,
    alive: true,
    availability_zone: 'nova',
    configurations: { networks: 0 },
    description: '',
    resources_synced: null,
    'deuteron:realised': null,
    'deuteron:exceptions': 0,
    'deuteron:lag': null,
    'deuteron:pending': 1,
    'deuteron:overdue': 0,
  });
});

test('agents are found by what they are and whether they live', async () => {
  assert.deepEqual(await hosts('agent_type=DHCP+agent'), ['h1 DHCP agent', 'h2 DHCP agent']);
  assert.deepEqual(await hosts('host=h1&agent_type=Linux+bridge+agent'), ['h1 Linux bridge agent']);
  silent = h2;
  assert.deepEqual(await hosts('alive=False'), ['h2 DHCP agent']);
  assert.deepEqual(await hosts('alive=true&topic=dhcp_agent&limit=5'), ['h1 DHCP agent']);
  silent = '';
  assert.deepEqual(await hosts('alive=False'), []);
});

test('an agent is described, switched off and forgotten', async () => {
  const extra = await addAgent(api, { host: 'h3', role: 'l2' });
  const path = `/v2.0/agents/${extra}`;
  const body = { agent: { admin_state_up: false, description: 'going' } };
  const { agent } = await api.expect(200, 'PUT', path, { body });
  assert.deepEqual([agent.admin_state_up, agent.description], [false, 'going']);
  await api.expect(204, 'DELETE', path);
  await api.expect(404, 'GET', path);
});

test('an agent is told to serve a network, and not to', async () => {
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } });
  const subnet = { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' };
  await api.expect(201, 'POST', '/v2.0/subnets', { body: { subnet } });
  const serving = async () =>
    (await api.expect(200, 'GET', `/v2.0/networks/${network.id}/dhcp-agents`)).agents
      .map((it: Json) => it.id)
      .sort();
  const [first] = await serving();
  const second = first === h1 ? h2 : h1;
  const path = `/v2.0/agents/${second}/dhcp-networks`;
  const added = await api.ask('POST', path, { body: { network_id: network.id } });
  assert.deepEqual([added.status, added.text], [201, 'null']);
  assert.match(added.headers.get('x-deuteron-position') ?? '', /^\d+:\d+$/);
  assert.deepEqual(await serving(), [h1, h2].sort());
  const again = await api.expect(409, 'POST', path, { body: { network_id: network.id } });
  assert.equal(again.NeutronError.type, 'NetworkHostedByDHCPAgent');
  const { networks } = await api.expect(200, 'GET', path);
  assert.deepEqual(
    networks.map((it: Json) => [it.id, it.subnets.length, it.availability_zones]),
    [[network.id, 1, ['nova']]],
  );
  await api.expect(204, 'DELETE', `${path}/${network.id}`);
  assert.deepEqual(await serving(), [first]);
});

test('an agent that does not serve DHCP is given no network', async () => {
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } });
  const refused = await api.ask('POST', `/v2.0/agents/${l2}/dhcp-networks`, {
    body: { network_id: network.id },
  });
  assert.equal(refused.body.NeutronError.type, 'InvalidDHCPAgent');
});

test('availability zones are those of agents', async () => {
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/availability_zones')).availability_zones, [
    { name: 'nova', resource: 'network', state: 'available' },
  ]);
  const found = async (query: string) =>
    (await api.expect(200, 'GET', `/v2.0/availability_zones?${query}`)).availability_zones.length;
  assert.equal(await found('name=nova&resource=network&resource=router'), 1);
  assert.equal(await found('state=unavailable'), 0);
  const named = await api.expect(200, 'GET', '/v2.0/availability_zones?fields=name');
  assert.deepEqual(named, { availability_zones: [{ name: 'nova' }] });
  await api.expect(400, 'GET', '/v2.0/availability_zones?colour=red');
});

test('members see no agents', async () => {
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/agents', { as: 'red' })).agents, []);
  await api.expect(404, 'GET', `/v2.0/agents/${h1}`, { as: 'red' });
  await api.expect(404, 'PUT', `/v2.0/agents/${h1}`, { as: 'red', body: { agent: {} } });
  await api.expect(404, 'DELETE', `/v2.0/agents/${h1}`, { as: 'red' });
  await api.expect(403, 'GET', `/v2.0/agents/${h1}/dhcp-networks`, { as: 'red' });
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
