/** Routers, their replicas and their ports, on the store in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouterView } from '../resources/router.ts';
import { deleteAgent } from './agent.ts';
import { applyReport } from './agent-report.ts';
import { createFloatingIp } from './floating-ip.ts';
import { removeHost } from './host.ts';
import { replaceReplicas } from './l3-replace.ts';
import { rescheduleRouters, strayRouters } from './l3-reschedule.ts';
import { createPort } from './port.ts';
import { createRouter, deleteRouter, type RouterCreate, updateRouter } from './router.ts';
import { addRouterInterface } from './router-interface.ts';
import { type Bench, bench, fault } from './testing.ts';

const ROLES = ['l2', 'l3'] as const;
const router = async (b: Bench, asked: RouterCreate = {}): Promise<RouterView> =>
  (await b.run((tx) => createRouter(tx, b.call, [asked])))[0]!;
const hostsOf = async (b: Bench, id: string): Promise<string[]> => {
  const bindings = await b.run((tx) => tx.routerBindings.find({ router_id: id }));
  const sorted = bindings.sort((x, y) => x.rank - y.rank || (x.host < y.host ? -1 : 1));
  return sorted.map(({ host, leaving }) => (leaving ? `(${host})` : host));
};
const portOf = async (b: Bench, id: string) => (await b.run((tx) => tx.ports.find({ id })))[0]!;
const attach = async (b: Bench, routerId: string, cidr = '10.0.0.0/24') => {
  const network = await b.network();
  const subnet = await b.subnet(network.id, cidr, { enable_dhcp: false });
  return b.run((tx) => addRouterInterface(tx, b.call, { routerId, subnetId: subnet.id }));
};

test('a router whose host dies goes to another with its ports; an HA router stays', async () => {
  const b = bench();
  const h1 = await b.host('h1', [], ROLES);
  const one = await router(b);
  const ha = await router(b, { ha: true });
  const { port_id } = await attach(b, one.id);
  const stray = async (all = true) => (await b.store.view((view) => strayRouters(view, b.call, { all }))).ids;
  assert.deepEqual(await stray(), []);
  await b.host('h2', [], ROLES);
  assert.deepEqual(await stray(false), []);
  assert.deepEqual(await stray(), [ha.id], 'it may have a second replica now');
  b.kill(h1.l3);
  assert.deepEqual(await stray(false), [one.id]);
  const { moved, events } = await b.run(async (tx) => rescheduleRouters(tx, b.call, [one.id, ha.id]));
  assert.equal(moved, 2);
  assert.deepEqual(events.map((event) => `${event.kind} ${event.host}`).sort(), [
    'move-begun h1',
    'move-done ',
  ]);
  assert.deepEqual(
    [await hostsOf(b, one.id), await hostsOf(b, ha.id)],
    [
      ['(h1)', 'h2'],
      ['h1', 'h2'],
    ],
  );
  const port = await portOf(b, port_id);
  assert.deepEqual([port.host, port.vif_type, port.generation], ['h2', 'bridge', 2]);
  assert.deepEqual(await stray(), []);
  assert.equal((await b.run((tx) => rescheduleRouters(tx, b.call, [one.id]))).moved, 0);
});

test('a dead agent’s host keeps a router until another serves it, or its agent is back', async () => {
  const b = bench();
  const agents = { h1: await b.host('h1', [], ROLES), h2: await b.host('h2', [], ROLES) };
  const one = await router(b);
  const { port_id } = await attach(b, one.id);
  const [from] = (await hostsOf(b, one.id)) as ['h1' | 'h2'];
  const to = from === 'h1' ? 'h2' : 'h1';
  const move = () => b.run((tx) => rescheduleRouters(tx, b.call, [one.id]));
  const finish = async () =>
    (
      await b.run((tx) => replaceReplicas(tx, b.call, { ids: [one.id], gone: new Set(), kept: new Set() }))
    ).map(({ kind, host }) => `${kind} ${host}`);
  let counter = 0;
  const report = async (waits: boolean) => {
    const place = await b.store.view((view) => view.head());
    const exception = {
      key: `router/${one.id}`,
      object: '',
      state: 'waiting',
      since: 1,
      reason: 'x',
    } as const;
    const exceptions = waits ? [exception] : [];
    const body = { role: 'l3', incarnation: 1, counter: ++counter, configurations: {} } as const;
    const said = { ...body, exceptions, exceptionCount: exceptions.length };
    await b.run((tx) => applyReport(tx, b.call, { host: to, report: said, place }));
  };
  b.kill(agents[from].l3);
  await move();
  assert.deepEqual((await hostsOf(b, one.id)).sort(), [`(${from})`, to]);
  assert.equal((await portOf(b, port_id)).host, to);
  assert.deepEqual(await finish(), []);
  await report(true);
  assert.deepEqual(await finish(), [], 'the other host still answers for it');
  b.revive(agents[from].l3);
  assert.deepEqual(await finish(), [`move-done ${to}`]);
  assert.deepEqual([await hostsOf(b, one.id), (await portOf(b, port_id)).host], [[from], from]);
  b.kill(agents[from].l3);
  await move();
  await report(false);
  assert.deepEqual(await finish(), [`move-done ${from}`]);
  assert.deepEqual(await hostsOf(b, one.id), [to]);
});

test('where routers are not to leave dead agents by themselves, they stay; those of one that is switched off go', async () => {
  const b = bench({ automaticL3Failover: false });
  const agents = { h1: await b.host('h1', [], ROLES), h2: await b.host('h2', [], ROLES) };
  const one = await router(b);
  const [from] = (await hostsOf(b, one.id)) as ['h1' | 'h2'];
  const stray = async () => (await b.store.view((view) => strayRouters(view, b.call, { all: true }))).ids;
  b.kill(agents[from].l3);
  assert.deepEqual(await stray(), []);
  assert.equal((await b.run((tx) => rescheduleRouters(tx, b.call, [one.id]))).moved, 0);
  b.revive(agents[from].l3);
  await b.run((tx) => tx.agents.update({ id: agents[from].l3.id }, { admin_state_up: false }));
  assert.deepEqual(await stray(), [one.id]);
});

test('a router with no agent gets one when there is one; a removed agent or host passes on what it had', async () => {
  const b = bench();
  const one = await router(b);
  const { port_id } = await attach(b, one.id);
  assert.deepEqual([await hostsOf(b, one.id), (await portOf(b, port_id)).host], [[], '']);
  const h1 = await b.host('h1', [], ROLES);
  await b.run((tx) => rescheduleRouters(tx, b.call, [one.id]));
  assert.equal((await portOf(b, port_id)).host, 'h1');
  await b.host('h2', [], ROLES);
  await b.run((tx) => deleteAgent(tx, b.call, { id: h1.l3.id }));
  assert.deepEqual([await hostsOf(b, one.id), (await portOf(b, port_id)).host], [['h2'], 'h2']);
  await b.run((tx) => removeHost(tx, b.call, { name: 'h2', force: false }));
  const port = await portOf(b, port_id);
  assert.deepEqual([await hostsOf(b, one.id), port.host, port.vif_type], [[], '', 'unbound']);
});

test('a gateway on a physical network brings the router to a host that reaches it', async () => {
  const b = bench();
  await b.host('h1', [], ROLES);
  const one = await router(b);
  await b.host('h2', ['physnet1'], ROLES);
  const out = await b.network({ network_type: 'flat', physical_network: 'physnet1', external: true });
  await b.subnet(out.id, '203.0.113.0/24', { enable_dhcp: false });
  const info = { external_gateway_info: { network_id: out.id } };
  const updated = await b.run((tx) => updateRouter(tx, b.call, { id: one.id, changes: info }));
  assert.deepEqual(await hostsOf(b, one.id), ['h2']);
  const gateway = await portOf(b, updated.gw_port_id ?? '');
  assert.deepEqual([gateway.host, gateway.vif_type], ['h2', 'bridge']);
});

test('HA: numbers of their own on segments of the project, as many as it takes; none is left behind', async () => {
  const b = bench({ maxL3AgentsPerRouter: 2 });
  for (const name of ['h1', 'h2', 'h3']) await b.host(name, [], ROLES);
  const all: RouterView[] = [];
  for (let n = 0; n < 60; n++) all.push(await router(b, { ha: true }));
  const other = await router(b, { ha: true, project_id: 'other' });
  const places = all.map((one) => `${one.ha_network_id} ${one.ha_vr_id}`);
  assert.equal(new Set(places).size, 60);
  const segments = new Set(all.map((one) => one.ha_network_id));
  assert.equal(segments.size, 2);
  assert.ok(!segments.has(other.ha_network_id));
  const first = all[0]!;
  const ports = await b.run((tx) => tx.ports.find({ device_id: first.id }));
  assert.deepEqual(
    ports.map((port) => [port.device_owner, port.project_id, port.network_id]),
    [0, 1].map(() => ['network:router_ha_interface', '', first.ha_network_id]),
  );
  assert.deepEqual(ports.map((port) => port.host).sort(), (await hostsOf(b, first.id)).sort());
  const preferred = await b.run((tx) => tx.routerBindings.find({ rank: 0 }));
  const counts = Map.groupBy(preferred, (binding) => binding.host);
  assert.ok(
    [...counts.values()].every((own) => own.length >= 18 && own.length <= 23),
    'they are spread',
  );
  for (const { id } of [...all, other]) await b.run((tx) => deleteRouter(tx, b.call, { id }));
  await b.run(async (tx) => {
    assert.deepEqual(
      [await tx.networks.count({}), await tx.ports.count({}), await tx.haNetworks.count({})],
      [0, 0, 0],
    );
  });
});

test('two that make HA routers at the same moment get different numbers', async () => {
  const b = bench();
  await router(b, { ha: true });
  const made: RouterView[] = [];
  const make = async (tx: Parameters<Parameters<Bench['run']>[0]>[0]) =>
    createRouter(tx, b.call, [{ ha: true }]);
  const second = await b.beside(async (tx) => made.push(...(await make(tx))), make);
  const numbers = [...made, ...second].map((one) => `${one.ha_network_id} ${one.ha_vr_id}`);
  assert.equal(new Set(numbers).size, numbers.length);
});

test('from one replica to several and back, only while it is switched off', async () => {
  const b = bench();
  for (const name of ['h1', 'h2']) await b.host(name, [], ROLES);
  const one = await router(b);
  const { port_id } = await attach(b, one.id);
  const change = (changes: object) => b.run((tx) => updateRouter(tx, b.call, { id: one.id, changes }));
  await assert.rejects(
    change({ ha: true }),
    fault('BadRequest', 'Cannot change HA attribute of active routers'),
  );
  await change({ admin_state_up: false });
  const ha = await change({ ha: true });
  assert.ok(ha.ha_network_id !== null && ha.ha_vr_id !== null);
  assert.deepEqual((await hostsOf(b, one.id)).sort(), ['h1', 'h2']);
  assert.equal((await portOf(b, port_id)).device_owner, 'network:ha_router_replicated_interface');
  const back = await change({ ha: false });
  assert.deepEqual([back.ha_network_id, back.ha_vr_id], [null, null]);
  assert.equal((await hostsOf(b, one.id)).length, 1);
  assert.equal((await portOf(b, port_id)).device_owner, 'network:router_interface');
  assert.equal(await b.run((tx) => tx.haNetworks.count({})), 0);
});

test('a port of a router is ACTIVE once its host has it in bridge and namespace, a floating IP once that is in effect', async () => {
  const b = bench();
  await b.host('h1', [], ROLES);
  const out = await b.network({ external: true });
  await b.subnet(out.id, '203.0.113.0/24', { enable_dhcp: false });
  const one = await router(b, { external_gateway_info: { network_id: out.id } });
  const { port_id, network_id } = await attach(b, one.id);
  const [machine] = await b.run((tx) => createPort(tx, b.call, [{ network_id }]));
  const [fip] = await b.run((tx) =>
    createFloatingIp(tx, b.call, [{ floating_network_id: out.id, port_id: machine!.id }]),
  );
  let counter = 0;
  const report = async (role: 'l2' | 'l3', objects: readonly string[] = []) => {
    const place = await b.store.view((view) => view.head());
    const exceptions = objects.map((object) => ({
      ...{ key: `router/${one.id}`, object, state: 'failed' as const, since: 1, reason: 'x' },
    }));
    counter += 1;
    const body = {
      role,
      incarnation: 1,
      counter,
      exceptions,
      exceptionCount: exceptions.length,
      configurations: {},
    };
    await b.run((tx) => applyReport(tx, b.call, { host: 'h1', report: body, place }));
  };
  const states = async () => [
    (await portOf(b, port_id)).status,
    (await b.run((tx) => tx.floatingIps.get({ id: fip!.id })))?.status,
  ];
  await report('l2');
  assert.deepEqual(await states(), ['DOWN', 'DOWN']);
  await report('l3', [`port/${port_id}`, `floating-ip/${fip!.id}`]);
  assert.deepEqual(await states(), ['DOWN', 'DOWN']);
  await report('l3', [`floating-ip/${fip!.id}`]);
  assert.deepEqual(await states(), ['ACTIVE', 'DOWN']);
  await report('l3');
  assert.deepEqual(await states(), ['ACTIVE', 'ACTIVE']);
});
