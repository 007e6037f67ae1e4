import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentRow } from '../resources/agent.ts';
import { updateAgent } from './agent.ts';
import { addNetworkToDhcpAgent, dhcpAgentsOfNetwork, networksOfDhcpAgent } from './dhcp-bindings.ts';
import { finishMoves } from './dhcp-handover.ts';
import { beginMoves, replaceDhcpBinding } from './dhcp-moves.ts';
import { dhcpDeviceId } from './dhcp-ports.ts';
import { planReschedule } from './dhcp-reschedule.ts';
import {
  ORDER,
  world,
  look,
  finish,
  reports,
  allReport,
  bindings,
  dhcpPorts,
  portHosts,
  kinds,
} from './dhcp-stage.ts';
import { createPort } from './port.ts';
import { bench } from './testing.ts';

test('a dead agent is replaced by one with a port of its own, and goes when that serves', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  const before = dhcpPorts(w)[0]!;
  w.kill(w.h1.dhcp);
  w.kill(w.h1.l2);
  assert.deepEqual(await look(w), { added: 1, leaving: 1, kept: 0 });
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
  const own = dhcpPorts(w).find((port) => port.host === 'h2')!;
  assert.equal(own.device_id, dhcpDeviceId('h2', w.net.id));
  assert.equal(own.vif_type, 'bridge');
  assert.notDeepEqual(own.fixed_ips, before.fixed_ips);
  assert.equal(own.fixed_ips.length, 1);
  assert.equal(await finish(w), 0);
  await reports(w, w.h2.dhcp);
  assert.equal(await finish(w), 0, 'its port is not wired yet');
  await reports(w, w.h2.l2);
  assert.equal(await finish(w), 1);
  assert.deepEqual([bindings(w), portHosts(w)], [['h2'], ['h2']]);
  assert.deepEqual(kinds(w).sort(), ['move-begun', 'move-done']);
});

test('one that is held down gets a network rather than nobody, and only then', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  const hold = (...hosts: string[]) => w.run((tx) => tx.agents.update({ host: hosts }, { liveness: 'held' }));
  w.kill(w.h1.dhcp);
  w.kill(w.h1.l2);
  await hold('h2', 'h3');
  assert.deepEqual(await look(w), { added: 1, leaving: 1, kept: 0 });
  const second = await world();
  await allReport(second, second.h1, second.h2, second.h3);
  second.kill(second.h1.dhcp);
  await second.run((tx) => tx.agents.update({ host: 'h2' }, { liveness: 'held' }));
  await look(second);
  assert.deepEqual(bindings(second), ['h1 leaves', 'h3']);
});

test('a report that the network fails, or is of before the binding, does not take the old one down', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  await w.run((tx) => updateAgent(tx, w.call, { id: w.h1.dhcp.id, changes: { admin_state_up: false } }));
  await look(w);
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
  assert.equal(await finish(w), 0);
  await reports(w, w.h2.l2);
  const { position } = await w.store.view((view) => view.head());
  const failure = {
    key: `network/${w.net.id}`,
    object: '',
    state: 'failed' as const,
    since: position,
    reason: 'no',
  };
  await reports(w, w.h2.dhcp, [failure]);
  assert.equal(await finish(w), 0);
  await reports(w, w.h2.dhcp, [{ ...failure, since: position + 9 }]);
  assert.equal(await finish(w), 0, 'what fails does not serve, whenever it began to');
  w.kill(w.h1.dhcp);
  await reports(w, w.h2.dhcp, [{ ...failure, object: 'port/x' }]);
  assert.equal(await finish(w), 1, 'one port of it does not hold the others');
});

test('the old one stays while it serves what the new one does not, or not yet', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  await w.run((tx) => updateAgent(tx, w.call, { id: w.h1.dhcp.id, changes: { admin_state_up: false } }));
  await look(w);
  await allReport(w, w.h2);
  const [port] = await w.run((tx) => createPort(tx, w.call, [{ network_id: w.net.id, host: 'h1' }]));
  await allReport(w, w.h1);
  await reports(w, w.h2.l2);
  assert.equal(w.store.rows('ports').find((one) => one.id === port!.id)?.status, 'ACTIVE');
  assert.equal(await finish(w), 0, 'the new one has not heard of the port');
  const { position } = await w.store.view((view) => view.head());
  const failure = {
    ...{ key: `network/${w.net.id}`, object: `port/${port!.id}` },
    ...{ state: 'failed' as const, since: position, reason: 'no' },
  };
  await reports(w, w.h2.dhcp, [failure]);
  assert.equal(await finish(w), 0, 'the new one fails with the port');
  await reports(w, w.h1.dhcp, [failure]);
  assert.equal(await finish(w), 1, 'so does the old one');
});

test('the old one stays until living hosts with ports of the network flood to the new one', async () => {
  const w = await world();
  await w.run((tx) => createPort(tx, w.call, [{ network_id: w.net.id, host: 'h3' }]));
  await allReport(w, w.h1, w.h2, w.h3);
  w.kill(w.h1.dhcp);
  await look(w);
  await allReport(w, w.h2);
  assert.equal(await finish(w), 0);
  await reports(w, w.h3.l2);
  await reports(w, w.h1.l2);
  assert.equal(await finish(w), 1);
});

test('many at once are spread evenly, and told of in one event an agent', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  for (let i = 0; i < 30; i++) await b.subnet((await b.network()).id, '10.0.0.0/24');
  const others = [await b.host('h2'), await b.host('h3'), await b.host('h4')];
  await allReport(b, ...others);
  b.kill(h1.dhcp);
  assert.equal((await look(b)).added, 30);
  const loads = Map.groupBy(bindings(b), (one) => one);
  assert.deepEqual(
    [...loads].map(([name, all]) => [name, all.length]),
    [
      ['h1 leaves', 30],
      ['h2', 10],
      ['h3', 10],
      ['h4', 10],
    ],
  );
  const addresses = dhcpPorts(b).map((port) => `${port.network_id} ${port.fixed_ips[0]?.ip_address}`);
  assert.equal(new Set(addresses).size, 60);
  await allReport(b, ...others);
  assert.equal(await finish(b), 30);
  const events = b.store.rows('events');
  assert.deepEqual(events.map((event) => [event.kind, event.data['count']]).sort(), [
    ['move-begun', 30],
    ['move-done', 30],
  ]);
});

test('an agent that does not get served what it was given gets no more than its budget', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  for (let i = 0; i < 10; i++) await b.subnet((await b.network()).id, '10.0.0.0/24');
  const h2 = await b.host('h2');
  await reports(b, h2.dhcp);
  b.kill(h1.dhcp);
  assert.equal((await look(b, { budget: 4 })).added, 4);
  assert.equal((await look(b, { budget: 4 })).added, 0);
  await reports(b, h2.dhcp);
  assert.equal((await look(b, { budget: 4 })).added, 4);
  assert.equal((await look(b, { budget: 40, most: 1 })).added, 1, 'and no more at once than asked for');
});

test('deciding the same twice does it once', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  w.kill(w.h1.dhcp);
  const { moves } = await w.store.view((view) => planReschedule(view, w.call, ORDER));
  await w.beside(
    (tx) => beginMoves(tx, w.call, moves),
    (tx) =>
      beginMoves(
        tx,
        w.call,
        moves.map((move) => ({ ...move, add: [w.h3.dhcp.id] })),
      ),
  );
  assert.deepEqual(
    [bindings(w), portHosts(w)],
    [
      ['h1 leaves', 'h2'],
      ['h1', 'h2'],
    ],
  );
  await allReport(w, w.h2, w.h1, w.h3);
  const ends = await w.beside(
    (tx) => finishMoves(tx, w.call, [w.net.id]),
    (tx) => finishMoves(tx, w.call, [w.net.id]),
  );
  assert.equal(ends.gone, 0);
  assert.deepEqual([bindings(w), portHosts(w)], [['h2'], ['h2']]);
});

test('a source that is back serves until the target does, and has nothing then', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  w.kill(w.h1.dhcp);
  await look(w);
  w.revive(w.h1.dhcp);
  assert.deepEqual(await look(w), { added: 0, leaving: 0, kept: 0 });
  assert.deepEqual(
    [bindings(w), portHosts(w)],
    [
      ['h1 leaves', 'h2'],
      ['h1', 'h2'],
    ],
  );
  await allReport(w, w.h1, w.h2, w.h3);
  await finish(w);
  assert.deepEqual([bindings(w), portHosts(w)], [['h2'], ['h2']]);
});

test('a target that dies is replaced; with nobody left the source stays if it is back', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  w.kill(w.h1.dhcp);
  await look(w);
  w.kill(w.h2.dhcp);
  await look(w);
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2 leaves', 'h3']);
  w.kill(w.h3.dhcp);
  w.revive(w.h1.dhcp);
  assert.deepEqual(await look(w), { added: 0, leaving: 0, kept: 1 });
  assert.deepEqual(await look(w), { added: 0, leaving: 1, kept: 0 });
  assert.deepEqual(bindings(w), ['h1', 'h2 leaves', 'h3 leaves']);
  await allReport(w, w.h1);
  assert.equal(await finish(w), 2);
  assert.deepEqual([bindings(w), portHosts(w)], [['h1'], ['h1']]);
});

test('an agent that is switched off gives away what it has without an outage, and keeps what nobody else can have', async () => {
  const w = await world();
  await w
    .run((tx) => addNetworkToDhcpAgent(tx, w.call, { agentId: w.h1.dhcp.id, networkId: w.net.id }))
    .catch(() => 0);
  await allReport(w, w.h1, w.h2, w.h3);
  const off = (agent: AgentRow) =>
    w.run((tx) => updateAgent(tx, w.call, { id: agent.id, changes: { admin_state_up: false } }));
  await off(w.h1.dhcp);
  await look(w);
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
  await allReport(w, w.h1, w.h2, w.h3);
  await finish(w);
  assert.deepEqual(bindings(w), ['h2']);
  await off(w.h2.dhcp);
  await off(w.h3.dhcp);
  assert.deepEqual(await look(w), { added: 0, leaving: 0, kept: 0 });
  assert.deepEqual(bindings(w), ['h2']);
});

test('of two replicas the dead one is replaced where there is a third, and keeps its place where not', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 2 });
  const [h1, h2] = [await b.host('h1'), await b.host('h2')];
  await b.subnet((await b.network()).id, '10.0.0.0/24');
  await allReport(b, h1, h2);
  b.kill(h1.dhcp);
  await look(b);
  assert.deepEqual(bindings(b), ['h1', 'h2']);
  const h3 = await b.host('h3');
  await look(b);
  assert.deepEqual(bindings(b), ['h1 leaves', 'h2', 'h3']);
  await allReport(b, h2);
  assert.equal(await finish(b), 0);
  await allReport(b, h3);
  assert.equal(await finish(b), 1);
});

test('moves neither revert ports nor hold new ones: the source lifts while it serves', async () => {
  const w = await world();
  const port = async () =>
    (await w.run((tx) => createPort(tx, w.call, [{ network_id: w.net.id, host: 'h1' }])))[0]!.id;
  const status = (id: string) => w.store.rows('ports').find((one) => one.id === id)?.status;
  const old = await port();
  await allReport(w, w.h1);
  assert.equal(status(old), 'ACTIVE');
  await w.run((tx) => updateAgent(tx, w.call, { id: w.h1.dhcp.id, changes: { admin_state_up: false } }));
  await look(w);
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
  assert.equal(status(old), 'ACTIVE');
  const fresh = await port();
  await allReport(w, w.h1);
  assert.equal(status(fresh), 'ACTIVE');
});

test('a port that waits is not made ACTIVE by what the target had realised before it was given the network', async () => {
  const w = await world();
  const [port] = await w.run((tx) => createPort(tx, w.call, [{ network_id: w.net.id, host: 'h3' }]));
  const status = () => w.store.rows('ports').find((one) => one.id === port!.id)?.status;
  await allReport(w, w.h2, w.h3);
  w.kill(w.h1.dhcp);
  w.kill(w.h1.l2);
  await look(w);
  await reports(w, w.h3.l2);
  assert.equal(status(), 'DOWN');
  await allReport(w, w.h2);
  assert.equal(status(), 'ACTIVE');
});

test('with no address left the target takes those of a dead source, and a living one keeps the network', async () => {
  for (const dead of [true, false]) {
    const b = bench({ dhcpAgentsPerNetwork: 1 });
    const h1 = await b.host('h1');
    await b.subnet((await b.network()).id, '10.0.0.0/30');
    const before = dhcpPorts(b)[0]!;
    const h2 = await b.host('h2');
    await allReport(b, h1, h2);
    if (dead) b.kill(h1.dhcp);
    else await b.run((tx) => updateAgent(tx, b.call, { id: h1.dhcp.id, changes: { admin_state_up: false } }));
    await look(b);
    assert.deepEqual(bindings(b), [dead ? 'h2' : 'h1']);
    assert.deepEqual(
      dhcpPorts(b).map((port) => [port.host, port.fixed_ips]),
      [[dead ? 'h2' : 'h1', before.fixed_ips]],
    );
    assert.equal(b.store.rows('ipAllocations').length, 1);
  }
});

test("a project's quota of ports does not keep its networks from being moved", async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1, quotas: { network: -1, subnet: -1, port: 1 } });
  const h1 = await b.host('h1');
  await b.subnet((await b.network()).id, '10.0.0.0/24');
  await b.host('h2');
  b.kill(h1.dhcp);
  await look(b);
  assert.deepEqual(portHosts(b), ['h1', 'h2']);
});

test('zones that a network names, and what hosts can attach, hold for moves too', async () => {
  const w = await world();
  await w.run((tx) => tx.agents.update({ id: w.h3.dhcp.id }, { availability_zone: 'z3' }));
  await w.run((tx) => tx.networks.update({ id: w.net.id }, { availability_zone_hints: ['z3'] }));
  const flat = await w.network({ network_type: 'flat', physical_network: 'p' });
  await w.run((tx) => tx.hosts.update({ name: ['h1', 'h2'] }, { physical_networks: ['p'] }));
  await w.subnet(flat.id, '10.0.0.0/24');
  await w.run((tx) => tx.dhcpBindings.remove({ network_id: flat.id }));
  await w.run((tx) => addNetworkToDhcpAgent(tx, w.call, { agentId: w.h1.dhcp.id, networkId: flat.id }));
  w.kill(w.h1.dhcp);
  await look(w);
  const targets = w.store.rows('dhcpBindings').filter((one) => !one.leaving);
  assert.deepEqual(targets.map((one) => [one.network_id === flat.id, one.host]).sort(), [
    [false, 'h3'],
    [true, 'h2'],
  ]);
});

test('loads that are far apart are evened out a few at a time, two-phase', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const h1 = await b.host('h1');
  for (let i = 0; i < 14; i++) await b.subnet((await b.network()).id, '10.0.0.0/24');
  const h2 = await b.host('h2');
  await allReport(b, h1, h2);
  assert.deepEqual(await look(b), { added: 0, leaving: 0, kept: 0 });
  assert.deepEqual(await look(b, { even: 1 }), { added: 1, leaving: 1, kept: 0 });
  await allReport(b, h2, h1);
  assert.equal(await finish(b), 1);
  assert.equal((await look(b, { even: 9 })).added, 1, 'ten apart is close enough');
});

test('a most loaded agent that can give nothing away keeps no other from it', async () => {
  const b = bench({ dhcpAgentsPerNetwork: 1 });
  const hostIn = async (name: string, availability_zone: string) => {
    const { dhcp } = await b.host(name);
    await b.run((tx) => tx.agents.update({ id: dhcp.id }, { availability_zone }));
  };
  const networksIn = async (zone: string, count: number) => {
    for (let i = 0; i < count; i++) {
      const { id } = await b.network({ availability_zone_hints: [zone] });
      await b.subnet(id, '10.0.0.0/24');
    }
  };
  await hostIn('h1', 'az1');
  await hostIn('h2', 'az2');
  await networksIn('az1', 20);
  await networksIn('az2', 14);
  await hostIn('h3', 'az2');
  assert.deepEqual(await look(b, { even: 3 }), { added: 2, leaving: 2, kept: 0 });
  assert.deepEqual(
    bindings(b)
      .filter((one) => one !== 'h1' && one !== 'h2')
      .sort(),
    ['h2 leaves', 'h2 leaves', 'h3', 'h3'],
  );
});

test('an agent that does not get a network served is replaced beside it; where there is nobody it stays', async () => {
  const w = await world();
  const request = { networkId: w.net.id, agentId: w.h1.dhcp.id };
  const replace = () => w.run((tx) => replaceDhcpBinding(tx, w.call, request));
  assert.equal(await replace(), 'replaced');
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
  assert.equal(await replace(), 'leaving');
  assert.equal(
    await w.run((tx) => replaceDhcpBinding(tx, w.call, { ...request, agentId: w.h3.dhcp.id })),
    'nobody',
  );
  w.kill(w.h3.dhcp);
  const back = { networkId: w.net.id, agentId: w.h2.dhcp.id };
  assert.equal(await w.run((tx) => replaceDhcpBinding(tx, w.call, back)), 'nobody');
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
});

test('the API shows a binding that is leaving exactly while its agent lives', async () => {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  w.kill(w.h1.dhcp);
  await look(w);
  const shown = () =>
    w.store.view(async (view) => [
      (await dhcpAgentsOfNetwork(view, w.call, w.net.id)).map((agent) => agent.host).sort(),
      (await networksOfDhcpAgent(view, w.call, w.h1.dhcp.id)).length,
    ]);
  assert.deepEqual(await shown(), [['h2'], 0]);
  w.revive(w.h1.dhcp);
  assert.deepEqual(await shown(), [['h1', 'h2'], 1]);
});
