import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestamp } from '../lib/clock.ts';
import type { ReportException, Role } from '../resources/agent.ts';
import { registerAgent } from './agent.ts';
import { declareDead } from './liveness.ts';
import { applyReport } from './agent-report.ts';
import { convergence } from './convergence.ts';
import { createPort, updatePort, type PortChanges } from './port.ts';
import { liftAllBlocks } from './provisioning.ts';
import { bench } from './testing.ts';

/** A world with a port on `vm` in a network that `dhcp` serves, and agents that report when told. */
async function world(options: { subnet?: boolean } = {}) {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const agents = { dhcp: await b.host('dhcp'), vm: { l2: await b.host('vm') }.l2 };
  b.kill(agents.vm.dhcp);
  const network = await b.network();
  if (options.subnet ?? true) await b.subnet(network.id, '10.0.0.0/24');
  const port = (await b.run((tx) => createPort(tx, b.call, [{ network_id: network.id, host: 'vm' }])))[0]!;
  let counter = 0;
  const report = (
    host: string,
    role: Role,
    more: {
      exceptions?: Partial<ReportException>[];
      at?: number | null;
      counter?: number;
      incarnation?: number;
    } = {},
  ) => {
    const exceptions = (more.exceptions ?? []).map((changes) => ({
      key: `network/${network.id}`,
      object: '',
      state: 'failed' as const,
      since: 0,
      reason: 'x',
      ...changes,
    }));
    const head = b.store.head();
    const position = more.at === undefined ? head.position : more.at;
    counter += 1;
    return b.run((tx) =>
      applyReport(tx, b.call, {
        host,
        report: {
          role,
          incarnation: more.incarnation ?? 1,
          counter: more.counter ?? counter,
          exceptions,
          exceptionCount: exceptions.length,
          configurations: {},
        },
        place: position === null ? null : { position, tag: head.tag },
      }),
    );
  };
  const status = (id = port.id) => b.store.rows('ports').find((one) => one.id === id)?.status;
  const open = () =>
    b.store
      .rows('provisioningBlocks')
      .filter((block) => block.port_id === port.id)
      .map((block) => block.entity)
      .sort();
  const update = (changes: PortChanges) => b.run((tx) => updatePort(tx, b.call, { id: port.id, changes }));
  return { ...b, another: b.network, agents, network, port, report, status, open, update };
}

test('ACTIVE once the host has wired it, the DHCP host floods to it, and DHCP has its lease', async () => {
  const w = await world();
  assert.deepEqual(w.open(), ['DHCP', 'L2']);
  await w.report('vm', 'l2');
  assert.deepEqual([w.status(), w.open()], ['DOWN', ['DHCP', 'L2']]);
  await w.report('dhcp', 'l2');
  assert.deepEqual([w.status(), w.open()], ['DOWN', ['DHCP']]);
  const { position } = w.store.head();
  await w.report('dhcp', 'dhcp');
  assert.deepEqual([w.status(), w.open()], ['ACTIVE', []]);
  assert.equal(w.store.head().position, position, 'status takes no position');
});

test('any order of the reports makes it ACTIVE, also all at once', async () => {
  const reports: [string, Role][] = [
    ['vm', 'l2'],
    ['dhcp', 'l2'],
    ['dhcp', 'dhcp'],
  ];
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    const w = await world();
    for (const i of order) await w.report(...reports[i]!);
    assert.equal(w.status(), 'ACTIVE', order.join());
    const all = await world();
    await Promise.all(order.map((i) => all.report(...reports[i]!)));
    assert.equal(all.status(), 'ACTIVE', `at once ${order.join()}`);
  }
});

test('without DHCP only the wiring counts', async () => {
  const w = await world({ subnet: false });
  assert.deepEqual(w.open(), ['L2']);
  await w.report('vm', 'l2');
  assert.equal(w.status(), 'ACTIVE');
});

test('a report of an earlier place, or one that is not newer, lifts nothing', async () => {
  const w = await world({ subnet: false });
  const { position } = w.store.head();
  await w.report('vm', 'l2', { at: position - 1 });
  assert.equal(w.status(), 'DOWN');
  assert.deepEqual(await w.report('vm', 'l2', { counter: 1 }), { accepted: false, registered: true });
  assert.deepEqual(await w.report('vm', 'l2', { incarnation: 0 }), {
    accepted: false,
    registered: true,
    incarnation: 1,
  });
  assert.deepEqual(await w.report('nowhere', 'l2'), { accepted: false, registered: false });
  assert.equal(w.status(), 'DOWN');
  assert.deepEqual(await w.report('vm', 'l2', { incarnation: 2, counter: 1 }), {
    accepted: true,
    registered: true,
  });
  assert.equal(w.status(), 'ACTIVE');
});

test('an exception holds its port only', async () => {
  const w = await world({ subnet: false });
  const other = (await w.run((tx) => createPort(tx, w.call, [{ network_id: w.network.id, host: 'vm' }])))[0]!;
  await w.report('vm', 'l2', { exceptions: [{ object: `port/${w.port.id}`, state: 'waiting' }] });
  assert.deepEqual([w.status(), w.status(other.id)], ['DOWN', 'ACTIVE']);
});

test('a link that goes makes the port DOWN, one that comes back ACTIVE; unknown revokes nothing', async () => {
  const w = await world({ subnet: false });
  const gone = { exceptions: [{ object: `port/${w.port.id}`, state: 'waiting' as const }] };
  await w.report('vm', 'l2');
  await w.report('vm', 'l2', { ...gone, at: null });
  assert.equal(w.status(), 'ACTIVE');
  await w.report('vm', 'l2', gone);
  assert.deepEqual([w.status(), w.open()], ['DOWN', ['L2']]);
  await w.report('vm', 'l2', gone);
  assert.equal(w.status(), 'DOWN');
  await w.report('vm', 'l2');
  assert.deepEqual([w.status(), w.open()], ['ACTIVE', []]);
});

test('another host cannot speak for the port', async () => {
  const w = await world({ subnet: false });
  await w.report('vm', 'l2');
  await w.report('dhcp', 'l2', { exceptions: [{ object: `port/${w.port.id}`, state: 'waiting' }] });
  assert.equal(w.status(), 'ACTIVE');
  const agent = w.store.rows('agents').find((one) => one.host === 'dhcp' && one.role === 'l2');
  assert.deepEqual([agent?.exceptions, agent?.exception_count], [[], 0]);
});

test('switched off it is DOWN and stays so; switched on it waits for what comes after', async () => {
  const w = await world({ subnet: false });
  await w.report('vm', 'l2');
  assert.equal((await w.update({ admin_state_up: false })).status, 'DOWN');
  await w.report('vm', 'l2');
  assert.equal(w.status(), 'DOWN');
  const before = w.store.head().position;
  await w.update({ admin_state_up: true });
  await w.report('vm', 'l2', { at: before });
  assert.equal(w.status(), 'DOWN');
  await w.report('vm', 'l2');
  assert.equal(w.status(), 'ACTIVE');
});

test('after a move only the new host counts; a name changes nothing', async () => {
  const w = await world({ subnet: false });
  await w.report('vm', 'l2');
  await w.update({ name: 'renamed' });
  assert.equal(w.status(), 'ACTIVE');
  await w.update({ host: 'dhcp' });
  await w.report('vm', 'l2');
  assert.equal(w.status(), 'DOWN');
  await w.report('dhcp', 'l2');
  assert.equal(w.status(), 'ACTIVE');
});

test('a DHCP host that dies is waited for no longer', async () => {
  const w = await world();
  await w.report('vm', 'l2');
  await w.report('dhcp', 'dhcp');
  assert.deepEqual([w.status(), w.open()], ['DOWN', ['L2']]);
  w.kill(w.agents.dhcp.dhcp);
  const verdicts = [{ host: 'dhcp', deaths: 1, heartbeatAt: timestamp(w.call.clock) }];
  await w.run((tx) => declareDead(tx, w.call, { verdicts, isHeard: () => false, silentMs: 10_000 }));
  assert.equal(w.status(), 'ACTIVE');
  const again = await world();
  await again.report('vm', 'l2');
  await again.report('dhcp', 'dhcp');
  again.kill(again.agents.dhcp.dhcp);
  await again.run((tx) => liftAllBlocks(tx, again.call));
  assert.equal(again.status(), 'ACTIVE');
});

test('a new life of the agent forgets what it had realised, and no port goes DOWN', async () => {
  const w = await world({ subnet: false });
  await w.report('vm', 'l2');
  const registration = {
    host: 'vm',
    role: 'l2' as const,
    tunnel_ip: '192.0.2.1',
    physical_networks: [],
    configurations: {},
    server_id: 'other',
  };
  const { position } = w.store.head();
  const agent = await w.run((tx) => registerAgent(tx, w.call, { ...registration, incarnation: 2 }));
  assert.deepEqual([agent.realised_position, agent.server_id, w.status()], [null, 'other', 'ACTIVE']);
  assert.equal(w.store.head().position, position, 'nothing that agents see has changed');
  const late = await w.run((tx) =>
    registerAgent(tx, w.call, { ...registration, incarnation: 1, server_id: 'old' }),
  );
  assert.equal(late.server_id, 'other');
});

test('convergence shows who owes what', async () => {
  const w = await world({ subnet: false });
  await w.report('vm', 'l2', {
    exceptions: [{ object: `port/${w.port.id}`, state: 'waiting', reason: 'no link' }],
  });
  const { head, converged, agents } = await w.store.view((view) => convergence(view, w.call));
  assert.equal(head, w.store.head().position);
  assert.equal(converged, false, 'the other agents have not reported');
  const vm = agents.find((agent) => agent.host === 'vm' && agent.role === 'l2');
  assert.deepEqual([vm?.state, vm?.lag, vm?.exceptions[0]?.reason], ['waiting', 0, 'no link']);
});

test('entries about what is not the host’s to care for are dropped one by one', async () => {
  const w = await world();
  const other = await w.another();
  const kept = (host: string, role: Role) => {
    const agent = w.store.rows('agents').find((one) => one.host === host && one.role === role);
    return [agent?.exceptions.map((one) => one.key), agent?.exception_count];
  };
  const own = `network/${w.port.network_id}`;
  const exceptions = [{ key: own }, { key: `network/${other.id}` }, { key: 'network/nonsense' }];
  await w.report('dhcp', 'dhcp', { exceptions });
  assert.deepEqual(kept('dhcp', 'dhcp'), [[own], 1]);
  await w.report('dhcp', 'l2', { exceptions });
  assert.deepEqual(kept('dhcp', 'l2'), [[own], 1]);
  await w.report('vm', 'l2', { exceptions });
  assert.deepEqual(kept('vm', 'l2'), [[own], 1], 'a port of it is bound there');
  await w.report('vm', 'dhcp', { exceptions });
  assert.deepEqual(kept('vm', 'dhcp'), [[], 0]);
});
