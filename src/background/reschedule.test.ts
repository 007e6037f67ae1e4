import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { updateAgent } from '../operations/agent.ts';
import { applyReport } from '../operations/agent-report.ts';
import { createPort } from '../operations/port.ts';
import { type Bench, bench } from '../operations/testing.ts';
import type { AgentRow } from '../resources/agent.ts';
import { NotLeader } from './leader.ts';
import { RESCHEDULE_DEFAULTS, Rescheduler, type RescheduleOptions } from './reschedule.ts';

/** Lets every promise that is ready go on. */
const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
};

function reschedulerOf(b: Bench, changes: Partial<RescheduleOptions> = {}) {
  const clock = new ManualClock();
  const failures: unknown[] = [];
  const rescheduler = new Rescheduler({
    ...{ store: b.store, clock, call: () => b.call, limits: RESCHEDULE_DEFAULTS },
    leader: { isLeader: true, guard: async () => undefined },
    onFailure: (_what, error) => failures.push(error),
    ...changes,
  });
  return { rescheduler, clock, failures };
}

/** Networks that h1 alone serves, with a port each. */
async function world(networks: number) {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  for (let i = 0; i < networks; i++) {
    const { id } = await b.network();
    await b.subnet(id, '10.0.0.0/24');
    await b.run((tx) => createPort(tx, b.call, [{ network_id: id }]));
  }
  return { b, h1 };
}

/** The leader has declared it dead. */
async function declareDead(b: Bench, agent: AgentRow): Promise<void> {
  await b.run((tx) => tx.agents.update({ id: agent.id }, { liveness: 'dead' }));
  b.kill(agent);
}

let counter = 0;
async function reports(b: Bench, ...agents: AgentRow[]): Promise<void> {
  const place = await b.store.view((view) => view.head());
  for (const { host, role } of agents) {
    const report = {
      role,
      incarnation: 1,
      counter: ++counter,
      exceptions: [],
      exceptionCount: 0,
      configurations: {},
    };
    await b.run((tx) => applyReport(tx, b.call, { host, report, place }));
  }
}

const bindings = (b: Bench) =>
  Object.entries(
    Object.groupBy(b.store.rows('dhcpBindings'), (one) => `${one.host}${one.leaving ? ' leaves' : ''}`),
  )
    .map(([name, all]) => `${name} ${all?.length}`)
    .sort();
const alerts = (b: Bench) =>
  b.store
    .rows('events')
    .filter((event) => event.data['alert'] !== undefined)
    .sort((one, other) => (one.at < other.at ? -1 : 1))
    .map((event) => event.kind);

test('networks of a dead agent go at the rate that is allowed', async () => {
  const { b, h1 } = await world(20);
  await b.host('h2');
  await declareDead(b, h1.dhcp);
  const { rescheduler, clock } = reschedulerOf(b, {
    limits: { perSecond: 4, inFlight: 300, evenPerMinute: 0 },
  });
  assert.equal(await rescheduler.look(false), true);
  assert.deepEqual(bindings(b), ['h1 12', 'h1 leaves 8', 'h2 8']);
  await rescheduler.look(false);
  assert.deepEqual(bindings(b), ['h1 12', 'h1 leaves 8', 'h2 8']);
  clock.advance(1_000);
  await rescheduler.look(false);
  assert.deepEqual(bindings(b), ['h1 8', 'h1 leaves 12', 'h2 12']);
});

test('a death wakes it, a report lets it finish, and it ends', async () => {
  const { b, h1 } = await world(3);
  const h2 = await b.host('h2');
  const end = new AbortController();
  const { rescheduler, failures } = reschedulerOf(b);
  const { rescheduler: other, clock } = reschedulerOf(b, {
    leader: { isLeader: false, guard: async () => undefined },
  });
  const running = [rescheduler.run(end.signal), other.run(end.signal)];
  await settle();
  assert.deepEqual(bindings(b), ['h1 3']);
  await declareDead(b, h1.dhcp);
  rescheduler.wake();
  await settle();
  assert.deepEqual(bindings(b), ['h1 leaves 3', 'h2 3']);
  await reports(b, h2.l2, h2.dhcp);
  // The report came to the other server, which leads nothing.
  for (let second = 0; second < 4; second++) {
    clock.advance(1_000);
    await settle();
  }
  assert.deepEqual(bindings(b), ['h2 3']);
  end.abort();
  await Promise.all(running);
  assert.deepEqual(failures, []);
});

test('a server that leads no more begins nothing', async () => {
  const { b, h1 } = await world(1);
  await b.host('h2');
  b.kill(h1.dhcp);
  const guard = async () => {
    throw new NotLeader('another leads');
  };
  const { rescheduler } = reschedulerOf(b, { leader: { isLeader: true, guard } });
  await assert.rejects(rescheduler.look(true), NotLeader);
  assert.deepEqual(bindings(b), ['h1 1']);
  assert.deepEqual(b.store.rows('events'), []);
});

test('networks that nobody can serve are told of once, by whichever server, and so is the end of that', async () => {
  const { b, h1 } = await world(2);
  const silent = await b.network();
  await b.subnet(silent.id, '10.0.0.0/24');
  const { rescheduler: one } = reschedulerOf(b);
  const { rescheduler: two } = reschedulerOf(b);
  b.kill(h1.dhcp);
  for (let look = 0; look < 3; look++) {
    await one.look(true);
    await two.look(true);
    b.pass(1_000);
  }
  assert.deepEqual(alerts(b), ['alert', 'alert'], 'the network without ports is nobody’s sorrow');
  b.revive(h1.dhcp);
  for (let look = 0; look < 3; look++) {
    await two.look(true);
    await one.look(true);
    // However the clock of the server that tells it was set.
    b.pass(-2_000);
  }
  assert.deepEqual(alerts(b).sort(), ['alert', 'alert', 'alert-ended', 'alert-ended']);
  b.kill(h1.dhcp);
  await one.look(true);
  await one.look(true);
  assert.equal(alerts(b).length, 6);
});

test('what waits for room is told of only if it still does when all are looked at again', async () => {
  const { b, h1 } = await world(2);
  await b.host('h2');
  await declareDead(b, h1.dhcp);
  const { rescheduler } = reschedulerOf(b, { limits: { perSecond: 500, inFlight: 1, evenPerMinute: 0 } });
  assert.equal(await rescheduler.look(true), true);
  await rescheduler.look(false);
  assert.deepEqual(alerts(b), []);
  await rescheduler.look(true);
  assert.deepEqual(alerts(b), ['alert']);
});

test('a network that cannot leave an agent for want of an address is told of once, and leaves when there is one', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  const { id } = await b.network();
  const subnet = await b.subnet(id, '10.5.0.0/30');
  await b.host('h2');
  const { rescheduler } = reschedulerOf(b);
  await b.run((tx) => updateAgent(tx, b.call, { id: h1.dhcp.id, changes: { admin_state_up: false } }));
  for (let i = 0; i < 3; i++) await rescheduler.look(i % 2 === 0);
  assert.deepEqual(bindings(b), ['h1 1']);
  const [alert] = b.store.rows('events');
  assert.deepEqual(alerts(b), ['alert']);
  assert.deepEqual(alert?.data, { alert: 'network-stays', reason: 'no address left' });
  assert.deepEqual([alert?.host, alert?.object], ['h1', `network/${id}`]);
  const { rescheduler: next } = reschedulerOf(b);
  await next.look(true);
  assert.deepEqual(alerts(b), ['alert'], 'who leads next knows of it');
  await b.run((tx) => tx.subnets.update({ id: subnet.id }, { enable_dhcp: false }));
  await next.look(true);
  const ended = b.store.rows('events').find((event) => event.kind === 'alert-ended');
  assert.equal(ended?.data['ends'], alert?.id);
});

test('what was refused is not tried again before all networks are looked at', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  await b.subnet((await b.network()).id, '10.5.0.0/30');
  await b.host('h2');
  await b.run((tx) => updateAgent(tx, b.call, { id: h1.dhcp.id, changes: { admin_state_up: false } }));
  let transactions = 0;
  const store: RescheduleOptions['store'] = {
    view: (read) => b.store.view(read),
    transact: (run) => {
      transactions++;
      return b.store.transact(run);
    },
  };
  const { rescheduler } = reschedulerOf(b, { store });
  await rescheduler.look(false);
  const first = transactions;
  for (let i = 0; i < 5; i++) await rescheduler.look(false);
  assert.equal(transactions, first);
  await rescheduler.look(true);
  assert.equal(transactions, first + 1);
});

/** h0 is switched off and keeps a network that has no address left; h1 has far more than h2. */
async function crampedWorld() {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h0 = await b.host('h0');
  await b.subnet((await b.network()).id, '10.5.0.0/30');
  await b.run((tx) => updateAgent(tx, b.call, { id: h0.dhcp.id, changes: { admin_state_up: false } }));
  await b.host('h1');
  return b;
}

test('what is refused again and again keeps no others from being evened out', async () => {
  const b = await crampedWorld();
  for (let i = 0; i < 16; i++) await b.subnet((await b.network()).id, '10.0.0.0/24');
  await b.host('h2');
  const { rescheduler } = reschedulerOf(b);
  await rescheduler.look(true);
  assert.deepEqual(bindings(b), ['h0 1', 'h1 16'], 'to be served comes first');
  await rescheduler.look(true);
  assert.deepEqual(bindings(b), ['h0 1', 'h1 13', 'h1 leaves 3', 'h2 3']);
});

test('networks that cannot be moved to even out loads give way to those that can, and take nothing of the rate', async () => {
  const b = await crampedWorld();
  for (let i = 0; i < 13; i++) await b.subnet((await b.network()).id, '10.5.0.0/30');
  for (let i = 0; i < 2; i++) await b.subnet((await b.network()).id, '10.0.0.0/24');
  await b.host('h2');
  const { rescheduler } = reschedulerOf(b);
  for (let i = 0; i < 8; i++) await rescheduler.look(true);
  assert.deepEqual(bindings(b), ['h0 1', 'h1 13', 'h1 leaves 2', 'h2 2']);
});

/** Many hosts are silent at once: none of them is declared dead. */
const silence = (b: Bench, ...agents: AgentRow[]) =>
  b.run((tx) => tx.agents.update({ id: agents.map((agent) => agent.id) }, { server_id: '' }));
const hear = (b: Bench, ...agents: AgentRow[]) =>
  b.run((tx) => tx.agents.update({ id: agents.map((agent) => agent.id) }, { server_id: 'server' }));
const declaredOnly = (b: Bench): Partial<RescheduleOptions> => ({
  call: () => ({ ...b.call, isAlive: (agent) => agent.liveness !== 'dead' }),
});
const switchOff = (b: Bench, agent: AgentRow) =>
  b.run((tx) => updateAgent(tx, b.call, { id: agent.id, changes: { admin_state_up: false } }));
/** The alerts that are open, and how many there ever were. */
const openNow = (b: Bench) => {
  const events = b.store.rows('events');
  const ended = new Set(events.map((event) => event.data['ends']));
  const begun = events.filter((event) => event.kind === 'alert');
  return [...begun.filter((one) => !ended.has(one.id)).map((one) => one.data['alert']), begun.length];
};

test('a network of agents that are switched off and that nobody hears does not stay there: nobody serves it', async () => {
  const { b, h1 } = await world(1);
  const { rescheduler } = reschedulerOf(b, declaredOnly(b));
  await silence(b, h1.dhcp);
  await rescheduler.look(true);
  await rescheduler.look(true);
  assert.deepEqual(openNow(b), [0], 'silence alone is told of as one, for all of them');
  await switchOff(b, h1.dhcp);
  for (const all of [false, true, false, true]) await rescheduler.look(all);
  assert.deepEqual(openNow(b), ['network-unserved', 1]);
  await hear(b, h1.dhcp);
  await rescheduler.look(true);
  assert.deepEqual(openNow(b), ['network-stays', 2]);
});

test('a moment’s silence of an agent that a network stays with is no news; a longer one is', async () => {
  const { b, h1 } = await world(1);
  const { rescheduler } = reschedulerOf(b, declaredOnly(b));
  await switchOff(b, h1.dhcp);
  await rescheduler.look(true);
  await silence(b, h1.dhcp);
  await rescheduler.look(true);
  await hear(b, h1.dhcp);
  await rescheduler.look(true);
  assert.deepEqual(openNow(b), ['network-stays', 1]);
  await silence(b, h1.dhcp);
  await rescheduler.look(true);
  await rescheduler.look(true);
  assert.deepEqual(openNow(b), ['network-unserved', 2]);
});

test('nobody serves a network that cannot leave a silent agent for want of an address', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  const { id } = await b.network();
  await b.subnet(id, '10.5.0.0/30');
  await b.host('h2');
  const { rescheduler } = reschedulerOf(b, declaredOnly(b));
  await silence(b, h1.dhcp);
  await switchOff(b, h1.dhcp);
  await b.run((tx) => createPort(tx, b.call, [{ network_id: id, fixed_ips: [] }]));
  for (let i = 0; i < 3; i++) await rescheduler.look(true);
  assert.deepEqual(openNow(b), ['network-unserved', 1]);
});

test('a network that no other agent may have is told of, until one may', async () => {
  const { b, h1 } = await world(1);
  const { rescheduler } = reschedulerOf(b);
  await b.run((tx) => updateAgent(tx, b.call, { id: h1.dhcp.id, changes: { admin_state_up: false } }));
  await rescheduler.look(false);
  await rescheduler.look(true);
  assert.deepEqual(alerts(b), ['alert']);
  assert.equal(b.store.rows('events')[0]?.data['reason'], 'no other agent fits');
  await b.host('h2');
  b.pass(1_000);
  await rescheduler.look(true);
  assert.deepEqual(alerts(b), ['alert', 'alert-ended']);
  assert.deepEqual(bindings(b), ['h1 leaves 1', 'h2 1']);
});

test('an agent that is switched on at any server is given what nobody serves within two looks', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const { dhcp } = await b.host('h1');
  await b.run((tx) => updateAgent(tx, b.call, { id: dhcp.id, changes: { admin_state_up: false } }));
  const { id } = await b.network();
  await b.subnet(id, '10.0.0.0/24');
  const { rescheduler, clock, failures } = reschedulerOf(b);
  const ended = new AbortController();
  const running = rescheduler.run(ended.signal);
  for (let i = 0; i < 3; i++) {
    await settle();
    clock.advance(2_000);
  }
  await settle();
  assert.deepEqual(bindings(b), []);
  await b.run((tx) => updateAgent(tx, b.call, { id: dhcp.id, changes: { admin_state_up: true } }));
  clock.advance(2_000);
  await settle();
  assert.deepEqual(bindings(b), ['h1 1']);
  ended.abort();
  await running;
  assert.deepEqual(failures, []);
});
