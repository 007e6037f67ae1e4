/** Roles of HA routers over HTTP: what agents report, what operators see, and what they may ask for. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ReplicaReport } from '../../src/resources/replica-report.ts';
import { addAgent, report } from './agents.ts';
import { type ApiUnderTest, type Json, startApi } from './api-under-test.ts';

const HOSTS = ['h1', 'h2', 'h3'];
let api: ApiUnderTest;
let router: Json;
let counter = 0;

const say = (host: string, state: ReplicaReport['state'], more: Partial<ReplicaReport> = {}) =>
  report(api, {
    ...{ host, role: 'l3', counter: ++counter },
    roles: [
      {
        ...{
          router: router.id,
          state,
          seq: 1,
          forMs: 2_000,
          penalty: 0,
          reasons: [],
          hears: false,
          order: null,
        },
        ...{ paths: { tunnel: 'up', management: 'up' }, checks: [], ...more },
      },
    ],
  });

before(async () => {
  api = await startApi();
  for (const host of HOSTS)
    for (const role of ['l2', 'dhcp', 'l3'] as const) await addAgent(api, { host, role });
  router = await api.make('routers', { ha: true, name: 'edge' }, 'admin');
  await say('h1', 'active');
  await say('h2', 'standby', {
    ...{ penalty: 60, reasons: ['h3 is not reached by the tunnel network'] },
    checks: [{ name: 'uplink', ok: false, forMs: 5_000, text: 'no answer' }],
  });
  await say('h3', 'standby');
});
after(() => api.close());

test('who is active, since when and why, to admins', async () => {
  const url = `/v2.0/deuteron/routers/${router.id}`;
  const shown = (await api.expect(200, 'GET', url)).router;
  const { state, summary, replicas, events } = shown;
  assert.equal(state, 'served');
  assert.match(summary, /^h1 is active since \S+Z; h[23] and h[23] stand by\.$/);
  const h2 = replicas.find((one: Json) => one.host === 'h2');
  const { agent_id, rank, since, checks, ...rest } = h2;
  assert.deepEqual(rest, {
    ...{ host: 'h2', alive: true, leaving: false, ha_state: 'standby', state: 'standby', penalty: 60 },
    ...{ reasons: ['h3 is not reached by the tunnel network'], hears: false, order: null },
    paths: { tunnel: 'up', management: 'up' },
  });
  assert.ok(agent_id && Date.parse(since) && rank >= 0);
  assert.deepEqual([checks[0].name, checks[0].ok, checks[0].text], ['uplink', false, 'no answer']);
  assert.deepEqual(
    events.map((one: Json) => [one.kind, one.host]),
    [['router-role', 'h1']],
  );
  const { agents } = await api.expect(200, 'GET', `/v2.0/routers/${router.id}/l3-agents`);
  const states = agents.map((one: Json) => `${one.host} ${one.ha_state}`).sort();
  assert.deepEqual(states, ['h1 active', 'h2 standby', 'h3 standby']);
  await api.refused([403, 'PolicyNotAuthorized'], 'GET', url, { as: 'demo' });
  await api.refused([404, 'RouterNotFound'], 'GET', `/v2.0/deuteron/routers/${agent_id}`, {});
});

test('explain says what the matter is, to a member without the hosts', async () => {
  const explain = async (as: string) =>
    (await api.expect(200, 'GET', `/v2.0/deuteron/explain/router/${router.id}`, { as })).explanation;
  const { findings } = await explain('admin');
  const [penalty] = findings.filter((one: Json) => one.code === 'replica-penalty');
  assert.match(
    penalty.sentence,
    /^Its replica on h2 is not the best choice: h3 is not reached by the tunnel/,
  );
  await api.refused([404, 'RouterNotFound'], 'GET', `/v2.0/deuteron/explain/router/${router.id}`, {
    as: 'demo',
  });
});

test('a failover is asked for, and refused with the reason where it cannot be', async () => {
  const url = `/v2.0/deuteron/routers/${router.id}/failover`;
  await api.refused([409, 'RouterNotMovable', 'h9 has no replica of it'], 'POST', url, {
    body: { to: 'h9' },
  });
  await api.refused([400, 'InvalidInput'], 'POST', url, { body: { to: 7 } });
  await api.refused([400, 'InvalidInput'], 'POST', url, { body: { force: 'yes' } });
  const ails = 'its replica on h2 ails by 60 (h3 is not reached by the tunnel network), that on h1 by 0';
  await api.refused([409, 'RouterNotMovable', ails], 'POST', url, { body: { to: 'h2' } });
  await api.refused([400, 'HTTPBadRequest'], 'POST', url, { body: { from: 'h1' } });
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', url, { as: 'demo', body: {} });
  const single = await api.make('routers', {}, 'admin');
  await api.refused([409, 'RouterNotMovable', 'it is not HA'], 'POST', url.replace(router.id, single.id), {
    body: {},
  });
  const { failover } = await api.expect(202, 'POST', url, { body: {} });
  assert.deepEqual(failover, { from: 'h1', to: 'h3' });
  const { replicas } = (await api.expect(200, 'GET', `/v2.0/deuteron/routers/${router.id}`)).router;
  const told = replicas.flatMap((one: Json) =>
    one.order ? [`${one.host} ${one.order.do} ${one.order.known}`] : [],
  );
  assert.deepEqual(told.sort(), ['h1 yield false', 'h3 prefer false']);
});

test('a host is drained, says what it has, and takes part again', async () => {
  const url = '/v2.0/deuteron/hosts/h1/drain';
  const drain = (draining: boolean) => api.expect(202, 'PUT', url, { body: { drain: { draining } } });
  const { drain: begun } = await drain(true);
  assert.deepEqual(
    [begun.host, begun.draining, begun.active_routers, begun.moved, begun.stuck],
    ['h1', true, 1, 1, []],
  );
  const isUp = async () =>
    (await api.expect(200, 'GET', '/v2.0/agents?host=h1')).agents.map((one: Json) => [
      ...[one.agent_type, one.admin_state_up],
    ]);
  assert.deepEqual(Object.fromEntries(await isUp()), {
    ...{ 'Linux bridge agent': true, 'DHCP agent': false, 'L3 agent': false },
  });
  assert.equal((await api.expect(200, 'GET', url)).drain.draining, true);
  assert.equal((await drain(false)).drain.draining, false);
  await api.refused([404, 'HostNotFound'], 'PUT', '/v2.0/deuteron/hosts/h9/drain', {
    body: { drain: { draining: true } },
  });
  await api.refused([400, 'HTTPBadRequest'], 'PUT', url, { body: { drain: {} } });
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', url, {
    as: 'demo',
    body: { drain: { draining: true } },
  });
});
