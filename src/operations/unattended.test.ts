/** What nobody is there to realise is not passed over in silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from './operation.ts';
import { convergence, type ConvergenceQuery, ownConvergence } from './convergence.ts';
import { createPort } from './port.ts';
import { createRouter } from './router.ts';
import { bench, fault } from './testing.ts';

const RED: Caller = { projectId: 'red', userId: 'red', isAdmin: false };

/** A member's network with a DHCP subnet, and what all sides are told. */
async function world({ hosts }: { readonly hosts: readonly string[] }) {
  const w = bench();
  const agents = new Map<string, Awaited<ReturnType<typeof w.host>>>();
  for (const name of hosts) agents.set(name, await w.host(name));
  const network = await w.network({ project_id: 'red' });
  const subnet = await w.subnet(network.id, '10.0.0.0/24', { project_id: 'red' });
  const port = async (host: string) =>
    (await w.run((tx) => createPort(tx, w.call, [{ project_id: 'red', network_id: network.id, host }])))[0]!;
  /** All agents have realised everything. */
  const settle = () =>
    w.run(async (tx) => {
      const { position, tag } = await w.store.view((view) => view.head());
      await tx.agents.update({}, { realised_position: position, realised_tag: tag });
    });
  const own = async (query: ConvergenceQuery = {}) => {
    const { converged, resources } = await w.store.view((view) =>
      ownConvergence(view, { ...w.call, caller: RED }, query),
    );
    return [converged, ...resources.map((one) => `${one.resource} ${one.role} ${one.state}`)];
  };
  const admin = async (query: ConvergenceQuery = {}) => {
    const { converged, unattended } = await w.store.view((view) => convergence(view, w.call, query));
    return [converged, ...unattended.map((one) => `${one.resource} ${one.role} ${one.state}`)];
  };
  return { ...w, agents, network, subnet, port, settle, own, admin };
}

test('a network that no agent ever came for is not realised', async () => {
  const w = await world({ hosts: [] });
  const network = `network/${w.network.id} dhcp failed`;
  const subnet = `subnet/${w.subnet.id} dhcp failed`;
  assert.deepEqual(await w.own(), [false, network, subnet]);
  assert.deepEqual(await w.own({ roles: ['l2'] }), [true]);
  assert.deepEqual(await w.own({ states: ['pending'] }), [false]);
  const id = w.network.id;
  assert.deepEqual(await w.admin({ resource: { kind: 'network', id } }), [false, network]);
  assert.deepEqual(await w.admin({ resource: { kind: 'network', id }, states: ['waiting'] }), [false]);
  assert.deepEqual(await w.admin({ resource: { kind: 'subnet', id: w.subnet.id } }), [false, subnet]);
  await w.run((tx) => tx.networks.update({ id }, { admin_state_up: false }));
  assert.deepEqual(await w.own(), [true], 'a network that is switched off asks for nobody');
});

test('a port that could not be bound is not realised', async () => {
  const w = await world({ hosts: ['h1'] });
  const port = await w.port('elsewhere');
  await w.settle();
  assert.equal(port.vif_type, 'binding_failed');
  assert.deepEqual(await w.own(), [false, `port/${port.id} l2 failed`]);
  assert.deepEqual(await w.admin({ resource: { kind: 'port', id: port.id } }), [
    false,
    `port/${port.id} l2 failed`,
  ]);
});

test('when no server hears the hosts, nothing there is realised, though the log is', async () => {
  const w = await world({ hosts: ['h1', 'h2'] });
  const port = await w.port('h2');
  await w.settle();
  const resource = { kind: 'port', id: port.id } as const;
  assert.deepEqual([await w.own(), await w.admin({ resource })], [[true], [true]]);
  w.kill(w.agents.get('h2')!.l2);
  assert.deepEqual(await w.own(), [false, `port/${port.id} l2 failed`]);
  for (const of of w.agents.values()) for (const agent of [of.l2, of.dhcp]) w.kill(agent);
  assert.deepEqual(await w.own(), [
    false,
    `network/${w.network.id} dhcp failed`,
    `port/${port.id} dhcp failed`,
    `port/${port.id} l2 failed`,
    `subnet/${w.subnet.id} dhcp failed`,
  ]);
  assert.deepEqual(await w.admin({ resource, roles: ['l2'] }), [false, `port/${port.id} l2 failed`]);
  const others = await w.store.view((view) => ownConvergence(view, w.as('blue')));
  assert.deepEqual([others.converged, others.resources], [true, []]);
});

test('as long as one replica serves, that another is away is no failure', async () => {
  const w = await world({ hosts: ['h1', 'h2'] });
  await w.settle();
  w.kill(w.agents.get('h1')!.dhcp);
  w.kill(w.agents.get('h1')!.l2);
  assert.deepEqual(await w.own(), [true]);
});

test('an admin who asks of nothing in particular is told what nobody is there for, anywhere', async () => {
  const w = await world({ hosts: ['h1', 'h2'] });
  const port = await w.port('h2');
  await w.settle();
  assert.deepEqual(await w.admin(), [true]);
  const lost = await w.port('elsewhere');
  await w.settle();
  const failed = `port/${lost.id} l2 failed`;
  assert.deepEqual(await w.admin(), [false, failed]);
  assert.deepEqual(await w.admin({ roles: ['dhcp'] }), [true]);
  assert.deepEqual(await w.admin({ states: ['pending'] }), [false], 'it is not shown, and not realised');
  assert.deepEqual(await w.admin({ hosts: ['h1'] }), [true]);
  w.kill(w.agents.get('h2')!.l2);
  assert.deepEqual(await w.admin(), [false, ...[failed, `port/${port.id} l2 failed`].sort()]);
  await w.run((tx) => tx.ports.remove({ id: lost.id }));
  w.revive(w.agents.get('h2')!.l2);
  for (const of of w.agents.values()) w.kill(of.dhcp);
  assert.deepEqual(await w.admin(), [false, `network/${w.network.id} dhcp failed`]);
  await w.run((tx) => tx.networks.update({ id: w.network.id }, { admin_state_up: false }));
  await w.settle();
  assert.deepEqual(await w.admin(), [true]);
});

test('a port that is bound to a host whose agent was removed has nobody', async () => {
  const w = await world({ hosts: ['h1', 'h2'] });
  const port = await w.port('h2');
  await w.run((tx) => tx.agents.remove({ host: 'h2' }));
  await w.settle();
  assert.deepEqual(await w.admin(), [false, `port/${port.id} l2 failed`]);
});

test('of very many a hundred are told, and all are counted', async () => {
  const w = await world({ hosts: ['h1', 'h2'] });
  const { host, ...asked } = { host: 'elsewhere', project_id: 'red', network_id: w.network.id };
  const many = Array.from({ length: 130 }, () => ({ ...asked, host }));
  await w.run((tx) => createPort(tx, w.call, many));
  await w.settle();
  const found = await w.store.view((view) => convergence(view, w.call));
  assert.deepEqual([found.unattended.length, found.unattendedCount, found.converged], [100, 130, false]);
});

test('the ports of a router whose agents nobody hears have nobody', async () => {
  const w = await world({ hosts: ['h1'] });
  const port = await w.port('h1');
  const [router] = await w.run((tx) => createRouter(tx, w.call, [{ ha: false }]));
  const device = { device_id: router!.id, device_owner: 'network:router_interface' };
  await w.run((tx) => tx.ports.update({ id: port.id }, device));
  await w.settle();
  assert.deepEqual(await w.admin(), [false, `port/${port.id} l3 failed`]);
  assert.deepEqual(await w.admin({ roles: ['l2', 'dhcp'] }), [true]);
});

test('an agent or a host that is not there has realised nothing', async () => {
  const w = await world({ hosts: ['h1'] });
  await assert.rejects(w.admin({ hosts: ['h1', 'nowhere'] }), fault('HostNotFound', 'Host nowhere'));
  await assert.rejects(w.admin({ agentId: w.network.id }), fault('AgentNotFound'));
});
