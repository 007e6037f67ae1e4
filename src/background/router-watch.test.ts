import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registerAgent } from '../operations/agent.ts';
import { createRouter } from '../operations/router.ts';
import { roleStage } from '../operations/router-stage.ts';
import { routerWatchDuty } from './router-watch.ts';

async function stage() {
  const s = await roleStage();
  const leader = { term: 1, guard: () => Promise.resolve() };
  const said: string[] = [];
  const onEvent = ({ kind, object, data }: { kind: string; object: string; data: Record<string, unknown> }) =>
    void said.push(`${kind} ${data['alert']} ${object.split('/')[0]}`);
  const make = () =>
    routerWatchDuty({
      ...{ store: s.store, call: () => s.call, clock: s.call.clock, leader },
      onEvent: onEvent as never,
    });
  const duty = make();
  const look = async (ms: number) => {
    s.pass(ms);
    await duty.perform();
  };
  await s.run((tx) => tx.hosts.update({}, { management_ip: '198.51.100.1' }));
  return { ...s, leader, said, look, make };
}

test('an HA router with no active replica is told of after a while, and its end', async () => {
  const s = await stage();
  await s.look(0);
  await s.look(6_000);
  assert.deepEqual(s.said, [], 'agents that have told of no roles say nothing');
  await s.report('h1', { state: 'active' });
  for (const host of ['h2', 'h3']) await s.report(host);
  await s.look(6_000);
  await s.report('h1', { state: 'standby' });
  await s.look(0);
  await s.look(4_999);
  assert.deepEqual(s.said, []);
  await s.look(1);
  await s.look(10_000);
  assert.deepEqual(s.said, ['alert router-unserved router']);
  const [alert] = s.store.rows('events').filter(({ kind }) => kind === 'alert');
  assert.match(alert?.message ?? '', /none of its replicas is known to be active \(.*h1 is standby/);
  // another leads: it knows what is open, and tells of it no second time
  const other = s.make();
  for (const ms of [0, 10_000]) {
    s.pass(ms);
    await other.perform();
  }
  assert.equal(s.said.length, 1);
  await s.report('h2', { state: 'active' });
  await other.perform();
  assert.deepEqual(s.said.slice(1), ['alert-ended router-unserved router']);
});

test('a dead host leaves its routers unserved; many are told of as one', async () => {
  const s = await stage();
  await s.run((tx) => tx.routers.remove({}));
  await s.run((tx) =>
    createRouter(
      tx,
      s.call,
      Array.from({ length: 30 }, () => ({})),
    ),
  );
  for (const agent of s.agents.values()) s.kill(agent);
  await s.look(0);
  await s.look(5_000);
  const told = Map.groupBy(s.said, (one) => one);
  assert.equal(told.get('alert router-unserved router')?.length, 20);
  assert.equal(told.get('alert router-unserved routers')?.length, 1);
  for (const agent of s.agents.values()) s.revive(agent);
  await s.look(1_000);
  assert.equal(s.said.filter((one) => one.startsWith('alert-ended')).length, 21);
});

test('heartbeats: a way that is down, or only one', async () => {
  const s = await stage();
  await s.report('h1', { state: 'active' });
  for (const host of ['h2', 'h3']) await s.report(host);
  await s.report('h2', { paths: { tunnel: 'down', management: 'up' } });
  await s.look(0);
  await s.look(5_000);
  assert.deepEqual(s.said, ['alert heartbeat-path host']);
  await s.report('h2', { paths: { tunnel: 'up', management: 'up' } });
  await s.look(1_000);
  assert.deepEqual(s.said, ['alert heartbeat-path host', 'alert-ended heartbeat-path host']);
  await s.run((tx) => tx.hosts.update({ name: 'h1' }, { management_ip: '' }));
  await s.look(0);
  await s.look(5_000);
  assert.match(
    s.store.rows('events').find((one) => one.host === 'h1' && one.kind === 'alert')?.message ?? '',
    /one way only/,
  );
});

test('heartbeats: a way that lacks between two only, told by both; one that a host lacks to all, by that host', async () => {
  const s = await stage();
  await s.report('h1', { state: 'active' });
  const silent = (host: string, by: string) => ({ peers: [{ host, answers: true, silentBy: by }] }) as never;
  await s.report('h2', silent('h3', 'management'));
  await s.report('h3', silent('h2', 'management'));
  await s.look(0);
  await s.look(5_000);
  const told = () => s.store.rows('events').filter(({ kind }) => kind === 'alert');
  assert.deepEqual(
    told().map(({ message }) => message),
    [
      'Heartbeats between h2 and h3 have one way only: not the management network.',
      'Heartbeats between h3 and h2 have one way only: not the management network.',
    ],
  );
  await s.report('h3', { peers: [], paths: { tunnel: 'up', management: 'down' } });
  await s.look(1_000);
  assert.equal(s.said.at(-1), 'alert-ended heartbeat-path host');
  assert.equal(s.said.filter((one) => one.startsWith('alert-ended')).length, 1, 'h3 has it still');
});

test('heartbeats: two ways over one device', async (t) => {
  const s = await stage();
  await s.report('h1', { state: 'active' });
  for (const host of ['h2', 'h3']) await s.report(host);
  const registration = {
    ...({ host: 'h2', role: 'l2', incarnation: 1, tunnel_ip: '192.0.2.2', physical_networks: [] } as const),
    ...{ configurations: { management_ip: '198.51.100.2' }, server_id: 'x' },
  };
  const connects = () => s.run((tx) => registerAgent(tx, s.call, registration));
  const saysDevice = async (configurations: Record<string, unknown>) => {
    await connects();
    await s.run((tx) => tx.agents.update({ host: 'h2', role: 'l2' }, { configurations }));
    // A connection that is made anew forgets nothing.
    await connects();
  };
  await saysDevice({ heartbeat_device: 'eth0' });
  await s.look(0);
  await s.look(5_000);
  const alert = s.store.rows('events').find(({ kind }) => kind === 'alert');
  t.diagnostic(alert?.message ?? '');
  assert.match(alert?.message ?? '', /h2 go over one device, eth0/);
  await saysDevice({});
  await s.look(1_000);
  assert.deepEqual(s.said, ['alert heartbeat-path host', 'alert-ended heartbeat-path host']);
});
