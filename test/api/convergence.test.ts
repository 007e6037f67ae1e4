import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { realRandom } from '../../src/lib/random.ts';
import type { EventRow } from '../../src/resources/event.ts';
import { addAgent, report, tell } from './agents.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

const URL = '/v2.0/deuteron/convergence';

let api: ApiUnderTest;
/** Agents by `host role`. */
const agents = new Map<string, string>();
let network: Json;
let port: Json;
/** Where the port came into the log. */
let position: number;

const placeOf = (answer: { headers: Headers }): number =>
  Number.parseInt(answer.headers.get('x-deuteron-position') ?? '', 10);
const ask = async (query = '', as = 'admin'): Promise<Json> =>
  (await api.expect(200, 'GET', `${URL}?${query}`, { as })).convergence;
const states = (convergence: Json): string[] =>
  convergence.agents.map((one: Json) => `${one.host} ${one.role} ${one.state}`).sort();

before(async () => {
  api = await startApi();
  for (const host of ['h1', 'h2'])
    for (const role of ['l2', 'dhcp'] as const)
      agents.set(`${host} ${role}`, await addAgent(api, { host, role }));
  agents.set('far l2', await addAgent(api, { host: 'far', role: 'l2' }));
  network = (await api.expect(201, 'POST', '/v2.0/networks', { as: 'red', body: { network: {} } })).network;
  const subnet = { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/24' };
  await api.expect(201, 'POST', '/v2.0/subnets', { as: 'red', body: { subnet } });
  const asked = { network_id: network.id, project_id: 'red', 'binding:host_id': 'h1' };
  const made = await api.ask('POST', '/v2.0/ports', { body: { port: asked } });
  port = made.body.port;
  position = placeOf(made);
});
after(() => api?.close());

test('agents that have said nothing are unknown, and nothing counts as realised', async () => {
  const convergence = await ask();
  assert.deepEqual(states(convergence), [
    'far l2 unknown',
    'h1 dhcp unknown',
    'h1 l2 unknown',
    'h2 dhcp unknown',
    'h2 l2 unknown',
  ]);
  assert.deepEqual([convergence.head, convergence.converged], [position, false]);
});

test('what the log has beyond an agent is owed where it concerns it, and realised where not', async () => {
  for (const name of agents.keys()) {
    const [host = '', role] = name.split(' ');
    await report(api, { host, role: role as 'l2', counter: 1 });
  }
  assert.equal((await ask()).converged, true);
  const body = { port: { network_id: network.id, 'binding:host_id': 'h1', security_groups: [] } };
  const other = await api.ask('POST', '/v2.0/ports', { body });
  const { agents: found, head } = await ask('host=h1&role=l2');
  assert.deepEqual(
    found[0].owed.map((one: Json) => [one.key, one.object, one.state, one.since]),
    [[`network/${network.id}`, `port/${other.body.port.id}`, 'pending', head]],
  );
  assert.deepEqual([found[0].realised, found[0].reported, found[0].lag], [head - 1, head - 1, 1]);
  const [far] = (await ask('host=far')).agents;
  assert.deepEqual([far.state, far.realised, far.reported, far.lag], ['converged', head, head - 1, 0]);
  assert.equal((await ask(`position=${head - 1}`)).converged, true);
  assert.equal((await ask(`position=${other.headers.get('x-deuteron-position')}`)).converged, false);
  assert.equal((await ask(`position=${head + 1}`)).converged, false);
  for (const as of ['admin', 'red']) {
    const lost = await api.expect(404, 'GET', `${URL}?position=${head}:1`, { as });
    assert.equal(lost.NeutronError.type, 'PositionNotFound');
    assert.equal((await api.ask('GET', `${URL}?position=${head + 1}:1`, { as })).status, 200);
  }
  await api.expect(204, 'DELETE', `/v2.0/ports/${other.body.port.id}`);
});

test('what fails is told, since when and why, by agent, resource and state', async () => {
  const failing = {
    key: `network/${network.id}`,
    object: `port/${port.id}`,
    state: 'failed' as const,
    since: position,
    reason: 'dnsmasq: bad option at /var/lib/h1',
  };
  const { agents: serving } = await api.expect(200, 'GET', `/v2.0/networks/${network.id}/dhcp-agents`);
  const [{ host, id }] = serving;
  await report(api, { host, role: 'dhcp', counter: 2, exceptions: [failing] });
  for (const name of ['far l2', 'h1 l2', 'h2 l2', host === 'h1' ? 'h2 dhcp' : 'h1 dhcp']) {
    const [where = '', role] = name.split(' ');
    await report(api, { host: where, role: role as 'l2', counter: 2 });
  }
  const [agent] = (await ask(`agent_id=${id}`)).agents;
  assert.deepEqual(
    [agent.state, agent.exceptionCount, agent.exceptions[0].reason],
    ['failing', 1, failing.reason],
  );
  assert.deepEqual(
    agent.owed.map((one: Json) => [one.object, one.kind, one.state, one.since, typeof one.sinceAt]),
    [[`port/${port.id}`, 'port', 'failed', position, 'string']],
  );
  assert.deepEqual(states(await ask('state=failing')), [`${host} dhcp failing`]);
  const about = await ask(`resource=port/${port.id}`);
  assert.deepEqual(
    [states(about), about.converged],
    [[...new Set(['h1 l2 converged', `${host} l2 converged`]), `${host} dhcp failing`].sort(), false],
  );
  assert.equal((await ask(`resource=network/${network.id}&role=l2`)).converged, true);
  const shown = (await api.expect(200, 'GET', `/v2.0/agents/${id}`)).agent;
  assert.deepEqual(
    [shown.resources_synced, shown['deuteron:lag'], shown['deuteron:pending'], shown['deuteron:exceptions']],
    [false, 0, 1, 1],
  );
  const l2 = (await api.expect(200, 'GET', `/v2.0/agents/${agents.get('h1 l2')}`)).agent;
  assert.deepEqual([l2.resources_synced, l2['deuteron:pending']], [true, 0]);
});

test('a member sees his own, and neither hosts nor what their programs said', async () => {
  const own = await ask('', 'red');
  assert.deepEqual(
    own.resources.map((one: Json) => [one.resource, one.role, one.state, one.since]),
    [[`port/${port.id}`, 'dhcp', 'failed', position]],
  );
  assert.deepEqual([own.agents, own.converged], [[], false]);
  assert.doesNotMatch(JSON.stringify(own), /"h1"|"h2"|dnsmasq|var/);
  const names = (found: Json[]) => found.map((one) => `${one.resource} ${one.role} ${one.state}`);
  const failing = (await ask(`resource=port/${port.id}&state=failing`, 'red')).resources;
  assert.deepEqual(names(failing), names(own.resources));
  const blue = await ask('', 'blue');
  assert.deepEqual([blue.resources, blue.converged], [[], true]);
  await api.expect(404, 'GET', `${URL}?resource=port/${port.id}`, { as: 'blue' });
  await api.expect(400, 'GET', `${URL}?host=h1`, { as: 'red' });
});

test('it comes in pages', async () => {
  const pages: string[] = [];
  let url = `${URL}?limit=3`;
  for (let turn = 0; turn < 2; turn++) {
    const { convergence, convergence_links } = await api.expect(200, 'GET', url);
    pages.push(...convergence.agents.map((one: Json) => one.id));
    url = convergence_links.find((one: Json) => one.rel === 'next')?.href.slice(api.url.length);
    if (turn === 1) {
      assert.equal(url, undefined);
      const back = convergence_links.find((one: Json) => one.rel === 'previous').href.slice(api.url.length);
      const before = (await api.expect(200, 'GET', back)).convergence.agents.map((one: Json) => one.id);
      assert.deepEqual(before, pages.slice(0, 3));
    }
  }
  assert.deepEqual(pages, [...agents.values()].sort());
});

test('hosts and roles may be repeated', async () => {
  const names = async (query: string) =>
    (await ask(query)).agents.map((one: Json) => `${one.host} ${one.role}`).sort();
  assert.deepEqual(await names('host=far&host=h2'), ['far l2', 'h2 dhcp', 'h2 l2']);
  assert.deepEqual(await names('host=h1&role=dhcp&role=l2'), ['h1 dhcp', 'h1 l2']);
  const own = await ask('role=l2&role=dhcp', 'red');
  assert.deepEqual(
    own.resources.map((one: Json) => one.role),
    ['dhcp'],
  );
});

test('a port that could be bound nowhere is not realised, and it is said so', async () => {
  const asked = { network_id: network.id, project_id: 'red', 'binding:host_id': 'nowhere' };
  const { port: lost } = (await api.ask('POST', '/v2.0/ports', { body: { port: asked } })).body;
  const resource = `port/${lost.id}`;
  const about = await ask(`resource=${resource}&role=l2`);
  assert.deepEqual(
    [about.converged, about.unattended.map((one: Json) => [one.resource, one.role, one.state])],
    [false, [[resource, 'l2', 'failed']]],
  );
  const own = await ask(`resource=${resource}&role=l2`, 'red');
  assert.deepEqual([own.converged, own.resources], [false, about.unattended]);
  const all = await ask();
  assert.deepEqual(
    [all.converged, all.unattendedCount, all.unattended.map((one: Json) => `${one.resource} ${one.role}`)],
    [false, 1, [`${resource} l2`]],
  );
  const whole = `resource=network/${network.id}&role=l2`;
  for (const name of ['far', 'h1', 'h2']) await report(api, { host: name, role: 'l2', counter: 3 });
  for (const as of ['admin', 'red']) {
    const { converged, unattended, resources = unattended } = await ask(whole, as);
    assert.deepEqual(
      [converged, resources],
      [false, about.unattended],
      `the network is ${as}'s with what is on it`,
    );
  }
  // Whatever is shown, all that is asked for has to be realised.
  for (const as of ['admin', 'red'])
    for (const state of ['waiting', 'pending', 'unknown', 'failing'])
      assert.equal((await ask(`resource=${resource}&role=l2&state=${state}`, as)).converged, false, state);
  await api.expect(204, 'DELETE', `/v2.0/ports/${lost.id}`);
});

test('of a position a member is told what agents were asked for up to there, as admins are', async () => {
  const asked = { network_id: network.id, project_id: 'red', 'binding:host_id': 'nowhere' };
  const lost = (await api.expect(201, 'POST', '/v2.0/ports', { body: { port: asked } })).port;
  const body = { network: {} };
  const fresh = placeOf(await api.ask('POST', '/v2.0/networks', { as: 'red', body }));
  for (const host of ['far', 'h1', 'h2']) await report(api, { host, role: 'l2', counter: 4 });
  for (const at of [position, fresh]) {
    for (const as of ['admin', 'red']) {
      const { converged, resources = [] } = await ask(`position=${at}&role=l2`, as);
      assert.deepEqual([converged, resources], [true, []], `${as} ${at}`);
    }
  }
  assert.equal((await ask('role=l2', 'red')).converged, false);
  await api.expect(204, 'DELETE', `/v2.0/ports/${lost.id}`);
});

test('what cannot be asked is refused', async () => {
  const refusal = await api.ask('GET', `${URL}?resource=port`);
  assert.match(refusal.body.NeutronError.message, /resource: '' is not a valid UUID/);
  for (const as of ['admin', 'red'])
    for (const query of ['marker=nobody', 'marker=port/1:l2', 'page_reverse=maybe'])
      await api.expect(400, 'GET', `${URL}?limit=1&${query}`, { as });
  for (const query of [
    'agent_id=1',
    'role=l9',
    'role=l2&role=l9',
    'resource=router/1',
    'resource=port/1',
    'position=x',
    'position=1:x',
    'position=1:9999999999999999',
    'state=fine',
  ])
    await api.expect(400, 'GET', `${URL}?${query}`);
  await api.expect(400, 'GET', `${URL}?nonsense=1`);
  await api.expect(400, 'GET', `${URL}?limit=-1`);
  await api.expect(404, 'GET', `${URL}?resource=network/${port.id}`);
  for (const [query, type] of [
    [`agent_id=${port.id}`, 'AgentNotFound'],
    ['host=h1&host=nosuchhost', 'HostNotFound'],
  ])
    assert.equal((await api.expect(404, 'GET', `${URL}?${query}`)).NeutronError.type, type);
});

test('events are listed newest first, filtered and in pages', async () => {
  const object = `network/${network.id}`;
  const told: string[] = [];
  for (const step of [1, 2, 3])
    told.unshift(
      await tell(api, {
        kind: 'remedy',
        severity: 'info',
        host: 'h1',
        object,
        message: `Step ${step}.`,
        data: { step },
      }),
    );
  const alert = await tell(api, { kind: 'alert', severity: 'error', message: 'Nobody answers.' });
  const list = async (query: string): Promise<string[]> =>
    (await api.expect(200, 'GET', `/v2.0/deuteron/events?${query}`)).events.map((one: Json) => one.id);
  const own = (ids: string[]) => ids.filter((id) => told.includes(id) || id === alert);
  assert.deepEqual(own(await list('')), [alert, ...told]);
  assert.deepEqual(await list(`kind=remedy&host=h1&object=${object}`), told);
  assert.deepEqual(own(await list('severity=error')), [alert]);
  assert.deepEqual(await list(`object=${object}&limit=2`), told.slice(0, 2));
  assert.deepEqual(await list(`object=${object}&limit=2&marker=${told[1]}`), told.slice(2));
  assert.deepEqual(await list(`object=${object}&limit=1&marker=${told[2]}&page_reverse=true`), [told[1]]);
  const { events } = await api.expect(200, 'GET', `/v2.0/deuteron/events?id=${told[0]}`);
  assert.deepEqual(
    { ...events[0], at: '' },
    {
      id: told[0],
      at: '',
      kind: 'remedy',
      severity: 'info',
      host: 'h1',
      role: '',
      object,
      message: 'Step 3.',
      data: { step: 3 },
    },
  );
  assert.deepEqual((await list('open=true')).includes(alert), true);
  assert.deepEqual(await list('open=true&kind=remedy'), []);
  const end = { kind: 'alert-ended', severity: 'info', message: 'Somebody does.' } as const;
  await tell(api, { ...end, data: { ends: alert } });
  assert.deepEqual((await list('open=true')).includes(alert), false);
  assert.deepEqual((await list('open=false')).includes(alert), true);
  await api.expect(400, 'GET', '/v2.0/deuteron/events?open=maybe');
  await api.expect(400, 'GET', '/v2.0/deuteron/events?fields=bad');
  await api.expect(403, 'GET', '/v2.0/deuteron/events', { as: 'red' });
  await api.expect(400, 'GET', '/v2.0/deuteron/events?message=x');
  await api.expect(404, 'GET', `/v2.0/deuteron/events?limit=1&marker=${network.id}`);
});

test('events without a limit come in pages as well where there are too many', async () => {
  const noise = Array.from({ length: 1_001 }, (_, at) => ({
    ...{ id: realRandom.uuid(), at: `2026-01-01T00:00:00.${String(at % 1_000).padStart(3, '0')}Z` },
    ...{ kind: 'remedy', severity: 'info', host: 'noisy', role: '', object: '', message: '', data: {} },
  }));
  await api.store.transact((tx) => tx.events.insert(noise as EventRow[]));
  const first = await api.expect(200, 'GET', '/v2.0/deuteron/events?host=noisy');
  const next = first.events_links.find((one: Json) => one.rel === 'next').href.slice(api.url.length);
  const second = await api.expect(200, 'GET', next);
  const ids = [...first.events, ...second.events].map((one: Json) => one.id);
  assert.deepEqual([first.events.length, new Set(ids).size], [1_000, 1_001]);
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
