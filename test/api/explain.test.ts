import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { NewEvent } from '../../src/operations/event.ts';
import { addAgent, report, tell } from './agents.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
const dead = new Set<string>();
let network: Json;
let port: Json;
let l2: string;
let dhcp: string;

const explain = async (subject: string, as = 'admin'): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/deuteron/explain/${subject}`, { as })).explanation;
const codes = (explanation: Json): string[] => explanation.findings.map((one: Json) => one.code);
const failing = (over: object = {}) => ({
  ...{
    key: `network/${network.id}`,
    object: `port/${port.id}`,
    state: 'failed' as const,
    since: 1,
    reason: 'no',
  },
  ...over,
});

before(async () => {
  api = await startApi({ isAlive: (agent) => !dead.has(agent.id) });
  l2 = await addAgent(api, { host: 'h1', role: 'l2' });
  dhcp = await addAgent(api, { host: 'h1', role: 'dhcp' });
  network = (await api.expect(201, 'POST', '/v2.0/networks', { as: 'red', body: { network: {} } })).network;
  const subnet = { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' };
  await api.expect(201, 'POST', '/v2.0/subnets', { as: 'red', body: { subnet } });
  const asked = { network_id: network.id, project_id: 'red', 'binding:host_id': 'h1' };
  port = (await api.expect(201, 'POST', '/v2.0/ports', { body: { port: asked } })).port;
});
after(() => api?.close());

test('a port from nothing to served, and what is in between', async () => {
  assert.deepEqual([...new Set(codes(await explain(`port/${port.id}`)))], ['agent-unknown']);
  const waiting = failing({ state: 'waiting', reason: 'link tap is not there' });
  await report(api, { host: 'h1', role: 'l2', counter: 1, exceptions: [waiting] });
  await report(api, {
    host: 'h1',
    role: 'dhcp',
    counter: 1,
    exceptions: [failing({ reason: 'dnsmasq: bad' })],
  });
  const both = await explain(`port/${port.id}`);
  assert.deepEqual([both.state, codes(both)], ['failing', ['dhcp-failing', 'link-missing']]);
  assert.match(
    both.summary,
    /^DHCP on h1 fails for port \S+ since \S+Z: dnsmasq: bad\. The agent tries again\. /,
  );
  const object = `network/${network.id}`;
  const at = { host: 'h1', role: 'dhcp', object };
  const remedy: NewEvent = { kind: 'remedy', severity: 'warning', ...at, message: 'Done anew.' };
  await tell(api, { ...remedy, message: 'Of another time.' });
  assert.match((await explain(`port/${port.id}`)).summary, /The agent tries again\./, 'it is older');
  await tell(api, remedy, new Date());
  const treated = await explain(`port/${port.id}`);
  assert.match(treated.summary, /Last done, at \S+Z: Done anew\./);
  assert.deepEqual(
    treated.events.map((one: Json) => one.message),
    ['Done anew.', 'Of another time.'],
  );
  const own = await explain(`port/${port.id}`, 'red');
  assert.deepEqual(codes(own), ['dhcp-failing', 'link-missing']);
  assert.doesNotMatch(JSON.stringify(own), /h1|dnsmasq|Done anew/);
  await report(api, { host: 'h1', role: 'l2', counter: 2 });
  await report(api, { host: 'h1', role: 'dhcp', counter: 2 });
  const well = await explain(`port/${port.id}`);
  assert.deepEqual(
    [well.state, well.summary],
    ['converged', `Port ${port.id} is as it should be: ACTIVE, wired on h1, its DHCP served by h1.`],
  );
  assert.equal((await explain(`network/${network.id}`)).state, 'converged');
});

test('a network whose only server is gone', async () => {
  dead.add(dhcp);
  const { state, summary } = await explain(`network/${network.id}`);
  assert.equal(state, 'failing');
  assert.match(summary, /^None of the agents that have the DHCP of network \S+ is connected \(h1\)/);
  dead.add(l2);
  assert.equal(codes(await explain(`network/${network.id}`))[0], 'fleet-silent');
  dead.clear();
});

test('a port that is bound to no host', async () => {
  const body = { port: { network_id: network.id } };
  const unbound = (await api.expect(201, 'POST', '/v2.0/ports', { body })).port;
  assert.deepEqual(codes(await explain(`port/${unbound.id}`)), ['unbound']);
  await api.expect(204, 'DELETE', `/v2.0/ports/${unbound.id}`);
});

test('an agent by id, host, or host and role', async () => {
  await report(api, { host: 'h1', role: 'dhcp', counter: 3, exceptions: [failing()] });
  for (const name of [dhcp, 'h1', encodeURIComponent('h1/dhcp')])
    assert.deepEqual(codes(await explain(`agent/${name}`)), ['dhcp-failing'], name);
  assert.equal((await explain(`agent/${encodeURIComponent('h1/l2')}`)).subject, 'agent/h1/l2');
  await api.expect(404, 'GET', '/v2.0/deuteron/explain/agent/nobody');
  await api.expect(404, 'GET', '/v2.0/deuteron/explain/agent/h1%2Fl9');
  await api.expect(404, 'GET', '/v2.0/deuteron/explain/agent/%00');
});

const adminStateUp = (id: string, admin_state_up: boolean) =>
  api.expect(200, 'PUT', `/v2.0/agents/${id}`, { body: { agent: { admin_state_up } } });
const sentenceOf = (explanation: Json, code: string): string =>
  explanation.findings.find((one: Json) => one.code === code)?.sentence ?? '';
async function networkWith(cidr: string): Promise<string> {
  const made = (await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } })).network;
  const subnet = { network_id: made.id, ip_version: 4, cidr };
  await api.expect(201, 'POST', '/v2.0/subnets', { body: { subnet } });
  return made.id;
}

test('an agent that is switched off says what keeps it from being stopped', async () => {
  // One address beside the gateway's, and the DHCP port has it.
  const full = await networkWith('10.5.0.0/30');
  await adminStateUp(dhcp, false);
  const alone = await explain('agent/h1%2Fdhcp');
  assert.match(sentenceOf(alone, 'agent-serves'), /^The DHCP agent of h1 still serves 2 networks \(/);
  assert.match(
    sentenceOf(alone, 'dhcp-stays'),
    /: there is no other living DHCP agent that takes networks\.$/,
  );
  const h2 = await addAgent(api, { host: 'h2', role: 'dhcp' });
  await report(api, { host: 'h2', role: 'dhcp', counter: 1 });
  const why = 'no address is left in 10.5.0.0/30 for the DHCP port of another agent.';
  assert.equal(
    sentenceOf(await explain('agent/h1%2Fdhcp'), 'dhcp-stays'),
    `1 network (${full}) cannot leave the DHCP agent of h1: ${why}`,
  );
  assert.equal(
    sentenceOf(await explain(`network/${full}`), 'dhcp-stays'),
    `The DHCP of network ${full} stays on h1, and no other agent can take it: ${why}`,
  );
  assert.equal(sentenceOf(await explain(`network/${network.id}`), 'dhcp-stays'), '');
  await adminStateUp(dhcp, true);
  await adminStateUp(h2, false);
  assert.match(sentenceOf(await explain('agent/h2'), 'agent-empty'), /serves nothing: it may be stopped\.$/);
  await api.expect(204, 'DELETE', `/v2.0/networks/${full}`);
});

test('a network that no agent fits', async () => {
  const body = { network: { availability_zone_hints: ['zz'] } };
  const refused = await api.expect(404, 'POST', '/v2.0/networks', { body });
  assert.deepEqual(
    [refused.NeutronError.type, refused.NeutronError.message],
    ['AvailabilityZoneNotFound', 'AvailabilityZone zz could not be found.'],
  );
  const far = await addAgent(api, { host: 'far', role: 'dhcp' });
  await api.store.transact((tx) => tx.agents.update({ id: far }, { availability_zone: 'zz' }));
  await adminStateUp(far, false);
  const router = { router: { availability_zone_hints: ['zz'] } };
  await api.expect(404, 'POST', '/v2.0/routers', { body: router });
  const made = (await api.expect(201, 'POST', '/v2.0/networks', { body })).network;
  const subnet = { network_id: made.id, ip_version: 4, cidr: '10.6.0.0/24' };
  await api.expect(201, 'POST', '/v2.0/subnets', { body: { subnet } });
  assert.match(
    sentenceOf(await explain(`network/${made.id}`), 'dhcp-none'),
    /: the one living DHCP agent does not fit: it has to be in zone zz\. It is given to the first that comes and fits;/,
  );
  await api.expect(204, 'DELETE', `/v2.0/networks/${made.id}`);
});

test('others learn nothing', async () => {
  await api.expect(404, 'GET', `/v2.0/deuteron/explain/port/${port.id}`, { as: 'blue' });
  await api.expect(404, 'GET', `/v2.0/deuteron/explain/network/${network.id}`, { as: 'blue' });
  await api.expect(403, 'GET', '/v2.0/deuteron/explain/agent/h1', { as: 'red' });
  await api.expect(404, 'GET', '/v2.0/deuteron/explain/port/1');
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
