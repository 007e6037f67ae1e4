/** What explain tells of hosts that several things share: what is done there, who is held down, and where replicas stand by. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addAgent, report, tell } from './agents.ts';
import { type ApiUnderTest, type Json, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
const dead = new Set<string>();
/** Agents by `host role`. */
const agents = new Map<string, string>();
let network: Json;
let counter = 0;

const explain = async (subject: string, as = 'admin'): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/deuteron/explain/${subject}`, { as })).explanation;
const codes = (explanation: Json): string[] => explanation.findings.map((one: Json) => one.code);
const sentenceOf = (explanation: Json, code: string): string =>
  explanation.findings.find((one: Json) => one.code === code)?.sentence ?? '';
const ask = async (query: string, as = 'admin'): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/deuteron/convergence?${query}`, { as })).convergence;
const failed = (id: string) => ({
  ...{ key: `network/${id}`, object: '', state: 'failed' as const, since: 1, reason: 'no such bridge' },
});
/** All agents have realised everything, but for what is said of some. */
async function settle(exceptions: Record<string, ReturnType<typeof failed>> = {}): Promise<void> {
  counter += 1;
  for (const name of agents.keys()) {
    const [host = '', role] = name.split(' ');
    const own = exceptions[name];
    await report(api, { host, role: role as 'l2', counter, ...(own ? { exceptions: [own] } : {}) });
  }
}
/** So long ago that it is no matter of the order of two clocks' readings. */
const ago = (ms: number): Date => new Date(Date.now() - ms);

before(async () => {
  api = await startApi({ isAlive: (agent) => !dead.has(agent.id) });
  for (const host of ['h1', 'h6', 'h7'])
    for (const role of ['l2', 'l3'] as const)
      agents.set(`${host} ${role}`, await addAgent(api, { host, role }));
  network = await api.make('networks', { name: 'rn' }, 'red');
  const port = { network_id: network.id, project_id: 'red', 'binding:host_id': 'h1' };
  await api.make('ports', port, 'admin');
  await settle();
});
after(() => api?.close());

test('that much of the fleet is silent is no matter of a network on hosts that are heard', async () => {
  const data = { alert: 'mass-silence', silent: 2, hosts: 3 };
  const alert = await tell(api, {
    ...{ kind: 'alert', severity: 'error', object: 'fleet', message: 'Many are silent.', data },
  });
  for (const name of ['h6 l2', 'h6 l3', 'h7 l2', 'h7 l3']) dead.add(agents.get(name)!);
  const well = await explain(`network/${network.id}`);
  assert.deepEqual([well.state, codes(well)], ['converged', []]);
  assert.deepEqual(codes(await explain('agent/h1')), []);
  assert.ok(codes(await explain('agent/h6')).includes('mass-silence'));
  dead.clear();
  const end = { kind: 'alert-ended', severity: 'info', object: 'fleet', message: 'It is over.' } as const;
  await tell(api, { ...end, data: { alert: 'mass-silence', ends: alert } });
});

test('what could not be bound is a matter of its network', async () => {
  const asked = { network_id: network.id, project_id: 'red', 'binding:host_id': 'nowhere' };
  const lost = await api.make('ports', asked, 'admin');
  await settle();
  for (const as of ['admin', 'red']) {
    const told = await explain(`network/${network.id}`, as);
    assert.deepEqual([told.state, codes(told)], ['failing', ['ports-homeless']], as);
    assert.match(told.summary, new RegExp(`^1 port of it is nowhere, .*${lost.id}`));
    assert.equal(told.summary.includes('nowhere)'), as === 'admin', 'members are told no hosts');
  }
  await api.expect(204, 'DELETE', `/v2.0/ports/${lost.id}`);
  await settle();
  assert.equal((await explain(`network/${network.id}`)).state, 'converged');
});

test('what was done about something of an agent is told of the agent, and no alert that has ended', async () => {
  await settle({ 'h1 l2': failed(network.id) });
  const at = { host: 'h1', role: 'l2', object: `network/${network.id}` } as const;
  await tell(api, { kind: 'remedy', severity: 'info', ...at, message: 'It is rebuilt.' }, new Date());
  const alert = await tell(
    api,
    { kind: 'alert', severity: 'error', ...at, message: 'It has not helped.', data: { alert: 'stuck' } },
    new Date(),
  );
  assert.match(sentenceOf(await explain('agent/h1'), 'l2-failing'), /Last done, at \S+: It has not helped\./);
  await tell(
    api,
    { kind: 'alert-ended', severity: 'info', ...at, message: 'Over.', data: { ends: alert } },
    new Date(),
  );
  assert.match(sentenceOf(await explain('agent/h1'), 'l2-failing'), /Last done, at \S+: It is rebuilt\./);
  await settle();
});

test('an agent whose reports do not come is late, was cut, and has an alert', async () => {
  const at = { host: 'h1', role: 'l2', object: '' } as const;
  const told = 'No report of l2 on h1 for 73.0 s: what could be done has not helped.';
  const cut = { kind: 'remedy', severity: 'info', ...at, message: 'Cut.', data: { remedy: 'cut' } } as const;
  await tell(api, cut, ago(3_000));
  const alert = {
    kind: 'alert',
    severity: 'error',
    ...at,
    message: told,
    data: { alert: 'silent', overdue_ms: 71_000 },
  } as const;
  const id = await tell(api, alert, ago(2_000));
  const about = await explain('agent/h1%2Fl2');
  assert.deepEqual(codes(about), ['agent-silent']);
  const said =
    /Its watch was cut at \S+Z, so that it connects anew\. The alert `silent` is open since \S+Z: No report of l2 on h1 for 73\.0 s/;
  assert.match(about.summary, said);
  const silentMs = Date.now() - Date.parse(about.findings[0].since);
  assert.ok(silentMs >= 73_000 && silentMs < 90_000, 'since nothing has come, not since it was told');
  await api.store.transact((tx) =>
    tx.agents.update(
      { host: 'h1', role: 'l2' },
      { realised_position: null, started_at: ago(73_000).toISOString() },
    ),
  );
  const anew = await explain('agent/h1%2Fl2');
  assert.deepEqual(codes(anew), ['agent-unknown']);
  assert.match(anew.summary, /It is late: it should have reported by now\. Its watch was cut/);
  assert.match(anew.summary, said);
  const end = { kind: 'alert-ended', severity: 'info', ...at, message: 'Over.' } as const;
  await tell(api, { ...end, data: { ends: id } }, new Date());
  await settle();
  assert.deepEqual(codes(await explain('agent/h1%2Fl2')), []);
});

test('who is held down is so since when, and until when', async () => {
  const back = { kind: 'agent-returned', severity: 'info', host: 'h6', message: 'It is back.' } as const;
  await tell(api, { ...back, data: { deaths: 2, hold_seconds: 30 } }, new Date('2026-01-31T12:00:00.000Z'));
  await api.store.transact((tx) => tx.agents.update({ host: 'h6' }, { liveness: 'held' }));
  assert.match(
    sentenceOf(await explain('agent/h6%2Fl2'), 'agent-held'),
    / until 2026-01-31T12:00:30Z at the earliest, held down since 2026-01-31T12:00:00Z\.$/,
  );
  await api.store.transact((tx) => tx.agents.update({ host: 'h6' }, { liveness: 'alive' }));
});

test('what fails where a replica stands by is a matter of the network, its port and the router', async () => {
  const router = await api.make('routers', { ha: true }, 'admin');
  await api.store.transact((tx) => tx.routerBindings.remove({ router_id: router.id, host: 'h1' }));
  const rn = await api.make('networks', { name: 'rn2' }, 'admin');
  const subnet = await api.make(
    'subnets',
    { network_id: rn.id, ip_version: 4, cidr: '10.9.0.0/24', enable_dhcp: false },
    'admin',
  );
  const url = `/v2.0/routers/${router.id}/add_router_interface`;
  const added = await api.expect(200, 'PUT', url, { body: { subnet_id: subnet.id } });
  await settle();
  const resources = [`network/${rn.id}`, `port/${added.port_id}`];
  for (const one of resources)
    assert.deepEqual([one, (await ask(`resource=${one}&role=l2`)).converged], [one, true]);
  await settle({ 'h7 l2': failed(rn.id) });
  for (const one of resources) {
    const { converged, agents: found } = await ask(`resource=${one}`);
    const states = found.map((agent: Json) => `${agent.host} ${agent.role} ${agent.state}`);
    assert.deepEqual([converged, states.includes('h7 l2 failing')], [false, true], one);
  }
  for (const one of [...resources, `router/${router.id}`])
    assert.ok(codes(await explain(one)).includes('l2-failing'), one);
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
