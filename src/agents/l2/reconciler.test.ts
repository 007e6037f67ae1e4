import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeHost } from '../../host/fake/fake-host.ts';
import type { HostEvent, Link } from '../../host/host.ts';
import { endpoint, id, networkBody, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import { subnetOf, TestRouter } from '../../../test/support/router-objects.ts';
import { CONVERGED } from '../../reconcile/controller.ts';
import type { RoleAgent } from '../role.ts';
import { createL2Agent } from './reconciler.ts';

const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const BRIDGE = 'brq000000aa-00';
const NEVER = new AbortController().signal;

interface Bench {
  readonly host: FakeHost;
  readonly world: TestWorld;
  readonly agent: RoleAgent;
  /** Runs the key, after telling the agent that the network's objects may have changed. */
  converge(key?: string): Promise<readonly string[]>;
  link(name: string): Promise<Link | undefined>;
}

function agentOf(host: FakeHost, world: TestWorld): RoleAgent {
  const bridgeMappings = new Map([['physnet1', 'ext0']]);
  return createL2Agent({ host, world, hostName: 'h1', tunnelIp: '192.0.2.1', bridgeMappings });
}

function bench(): Bench {
  const host = new FakeHost();
  const world = new TestWorld('h1');
  world.putNetwork(networkBody(NETWORK), [endpoint('h1', '192.0.2.1'), endpoint('h2', '192.0.2.2')]);
  const agent = agentOf(host, world);
  const stop = new AbortController();
  void host.follow((event) => agent.keysOfHostEvent(event), stop.signal);
  return {
    host,
    world,
    agent,
    async converge(key = KEY) {
      void [...agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
      const { shortfalls } = await agent.reconcile(key, NEVER);
      return shortfalls.map(({ object, state, reason }) => `${object} ${state}: ${reason}`);
    },
    link: async (name) => (await host.links([name]))[0],
  };
}

/** What the host has, in an order of its own. */
async function picture(host: FakeHost): Promise<string[]> {
  const links = (await host.links()).map(
    (l) =>
      `${l.name} ${l.kind} mtu ${l.mtu} ${l.up ? 'up' : 'down'} in ${l.master ?? '-'} vni ${l.vxlan?.id ?? '-'}`,
  );
  const flood = (await host.floodEntries()).map((entry) => `${entry.link} floods to ${entry.destination}`);
  return [...links, ...flood].sort();
}

test('a network gets its bridge, its VXLAN, its flood entries and its ports', async () => {
  const { host, world, converge } = bench();
  world.putPort(portBody(id(1), NETWORK));
  world.putPort(portBody(id(2), NETWORK, { admin_state_up: false }));
  world.putPort(portBody(id(3), NETWORK));
  host.plug({ name: 'tap00000001-00' });
  host.plug({ name: 'tap00000002-00' });
  host.plug({ name: 'eth0', kind: 'other' });
  assert.deepEqual(await converge(), [`port/${id(3)} waiting: link tap00000003-00 is not there`]);
  const wanted = [
    `${BRIDGE} bridge mtu 1450 up in - vni -`,
    'eth0 other mtu 1500 down in - vni -',
    'lo other mtu 65536 up in - vni -',
    `tap00000001-00 tun mtu 1450 up in ${BRIDGE} vni -`,
    `tap00000002-00 tun mtu 1450 down in ${BRIDGE} vni -`,
    'vxlan-7 floods to 192.0.2.2',
    `vxlan-7 vxlan mtu 1450 up in ${BRIDGE} vni 7`,
  ];
  assert.deepEqual(await picture(host), wanted);
  assert.deepEqual(await converge(), [`port/${id(3)} waiting: link tap00000003-00 is not there`]);
  assert.deepEqual(await picture(host), wanted, 'once more changes nothing');
});

test('nothing to do is said to be no repair', async () => {
  const { agent, converge } = bench();
  await converge();
  assert.deepEqual(await agent.reconcile(KEY, NEVER), { shortfalls: [] });
});

test('a link that appears leads to its network', async () => {
  const { host, world, agent, converge, link } = bench();
  world.putPort(portBody(id(1), NETWORK));
  await converge();
  const events: HostEvent[] = [];
  void host.follow((event) => events.push(event), NEVER);
  events.length = 0;
  host.plug({ name: 'tap00000001-00' });
  assert.deepEqual([...agent.keysOfHostEvent(events[0]!)], [KEY]);
  assert.deepEqual(await converge(), []);
  assert.equal((await link('tap00000001-00'))?.master, BRIDGE);
});

test('what another hand undid is done again', async () => {
  const { host, world, converge } = bench();
  world.putPort(portBody(id(1), NETWORK));
  host.plug({ name: 'tap00000001-00' });
  await converge();
  const before = await picture(host);
  for (const meddle of [
    () => host.meddle(null, { op: 'delete-link', name: BRIDGE }),
    () => host.meddle(null, { op: 'delete-link', name: 'vxlan-7' }),
    () => host.meddle(null, { op: 'set-link', name: 'vxlan-7', up: false, master: null }),
    () => host.meddle(null, { op: 'set-link', name: 'tap00000001-00', up: false, mtu: 1280 }),
    () => host.meddleFlood({ op: 'delete', link: 'vxlan-7', destination: '192.0.2.2' }),
    () => host.meddleFlood({ op: 'add', link: 'vxlan-7', destination: '192.0.2.99' }),
    () => host.meddle(null, { op: 'set-link', name: BRIDGE, mtu: 1300, up: false }),
  ]) {
    meddle();
    assert.notDeepEqual(await picture(host), before);
    assert.deepEqual(await converge(), []);
    assert.deepEqual(await picture(host), before);
  }
});

test('the host follows each change of the network, whatever it was before', async () => {
  const states = [
    networkBody(NETWORK),
    networkBody(NETWORK, { mtu: 1400, segmentation_id: 8 }),
    networkBody(NETWORK, { admin_state_up: false }),
    networkBody(NETWORK, {
      network_type: 'flat',
      physical_network: 'physnet1',
      segmentation_id: null,
      mtu: 1500,
    }),
  ];
  const make = () => {
    const made = bench();
    made.world.putPort(portBody(id(1), NETWORK));
    made.host.plug({ name: 'tap00000001-00' });
    made.host.plug({ name: 'ext0', kind: 'other' });
    return made;
  };
  for (const after of states) {
    const direct = make();
    direct.world.putNetwork(after);
    await direct.converge();
    // A physical link that was let go stays up: it was not ours to begin with.
    const wanted = (await picture(direct.host)).filter(
      (line) => !line.startsWith('ext0') || line.includes('brq'),
    );
    for (const before of states) {
      const road = make();
      road.world.putNetwork(before);
      await road.converge();
      road.world.putNetwork(after);
      assert.deepEqual(await road.converge(), []);
      const got = (await picture(road.host)).filter(
        (line) => !line.startsWith('ext0') || line.includes('brq'),
      );
      assert.deepEqual(got, wanted);
    }
  }
});

test('a port that leaves is let go, a network that leaves takes its bridge and VXLAN along', async () => {
  const { host, world, agent, converge, link } = bench();
  for (const port of [1, 2]) {
    world.putPort(portBody(id(port), NETWORK));
    host.plug({ name: `tap0000000${port}-00` });
  }
  host.plug({ name: 'br-other', kind: 'bridge' });
  host.plug({ name: 'vxlan-99', kind: 'vxlan', master: 'br-other' });
  await converge();
  world.remove('host/h1', `port/${id(1)}`);
  assert.deepEqual(await converge(), []);
  assert.equal((await link('tap00000001-00'))?.master, null);
  assert.equal((await link('tap00000002-00'))?.master, BRIDGE);
  world.remove('host/h1', `port/${id(2)}`);
  world.remove(KEY);
  assert.deepEqual(await converge(), []);
  const names = (await host.links()).map((each) => each.name).sort();
  assert.deepEqual(names, ['br-other', 'lo', 'tap00000001-00', 'tap00000002-00', 'vxlan-99']);
  assert.deepEqual(await agent.allKeys(), []);
  assert.equal(await host.rulesetMark(null, 'inet deuteron_l2'), null);
});

test('a later life sweeps what no network has any more, and leaves the rest as it is', async () => {
  const { host, world, converge } = bench();
  const other = networkBody(id(0xbb), { segmentation_id: 9 });
  world.putNetwork(other);
  await converge();
  await converge(`network/${other.id}`);
  world.remove(`network/${other.id}`);
  const later = agentOf(host, world);
  assert.deepEqual(await later.allKeys(), ['bridge/brq000000bb-00', KEY]);
  const before = (await picture(host)).filter((line) => !/bb-00|vxlan-9/.test(line));
  for (const key of await later.allKeys()) await later.reconcile(key, NEVER);
  assert.deepEqual(await picture(host), before);
});

test('while a lost mirror fills, nothing that machines use is taken away', async () => {
  const { host, world, converge } = bench();
  const other = networkBody(id(0xbb), { segmentation_id: 9 });
  world.putNetwork(other, [endpoint('h3', '192.0.2.3')]);
  const ports = [portBody(id(1), NETWORK), portBody(id(2), other.id)];
  for (const port of ports) {
    world.putPort(port);
    host.plug({ name: `tap${port.id.slice(0, 11)}` });
  }
  await converge();
  await converge(`network/${other.id}`);
  const before = await picture(host);
  const guard = host.table(null, 'inet deuteron_l2');

  const empty = new TestWorld('h1');
  const later = agentOf(host, empty);
  for (const port of ports) empty.putPort(port);
  const tell = (group: string) => [
    ...later.keysOf({ group, key: group, before: undefined, after: undefined }),
  ];
  tell('host/h1');
  const waits = [{ object: '', state: 'waiting', reason: 'the mirror is not whole yet' }];
  assert.deepEqual((await later.reconcile(KEY, NEVER)).shortfalls, waits);
  empty.putNetwork(other, [endpoint('h3', '192.0.2.3')]);
  for (const key of tell(`network/${other.id}`))
    assert.deepEqual(await later.reconcile(key, NEVER), CONVERGED);
  assert.deepEqual((await later.reconcile(`bridge/${BRIDGE}`, NEVER)).shortfalls, waits);
  assert.deepEqual(await picture(host), before);
  assert.deepEqual(host.table(null, 'inet deuteron_l2'), guard);

  empty.putNetwork(networkBody(NETWORK), [endpoint('h2', '192.0.2.2')]);
  for (const key of tell(KEY)) assert.deepEqual(await later.reconcile(key, NEVER), CONVERGED);
  assert.deepEqual(await picture(host), before);
});

test('a tunnel that lost its bridge is swept', async () => {
  const { host, world, agent, converge } = bench();
  await converge();
  host.meddle(null, { op: 'delete-link', name: BRIDGE });
  world.remove(KEY);
  void [...agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
  assert.deepEqual(await agent.allKeys(), ['tunnel/vxlan-7']);
  await agent.reconcile('tunnel/vxlan-7', NEVER);
  assert.deepEqual(
    (await host.links()).map((link) => link.name),
    ['lo'],
  );
});

test('what the host refuses is a shortfall of its object, the rest is done', async () => {
  const { host, world, converge, link } = bench();
  host.plug({ name: 'vxlan-foreign', kind: 'vxlan' });
  host.meddle(null, { op: 'add-vxlan', name: 'foreign', id: 7, local: '192.0.2.1', port: 4789, mtu: 1450 });
  world.putPort(portBody(id(1), NETWORK));
  host.plug({ name: 'tap00000001-00' });
  const shortfalls = await converge();
  assert.equal(shortfalls.length, 1);
  assert.match(shortfalls[0]!, /^ failed: VNI 7 is in use by foreign/);
  assert.equal((await link('tap00000001-00'))?.master, BRIDGE);
  host.meddle(null, { op: 'delete-link', name: 'foreign' });
  assert.deepEqual(await converge(), []);
});

test('what cannot be wired says why', async () => {
  const { host, world, converge } = bench();
  const flat = { network_type: 'flat', segmentation_id: null } as const;
  world.putNetwork(networkBody(NETWORK, { ...flat, physical_network: 'nowhere' }));
  assert.deepEqual(await converge(), [' waiting: no link of this host leads to "nowhere"']);
  world.putNetwork(networkBody(NETWORK, { ...flat, physical_network: 'physnet1' }));
  assert.deepEqual(await converge(), [' waiting: link ext0 is not there']);
  host.plug({ name: 'br-ex', kind: 'bridge' });
  host.plug({ name: 'ext0', kind: 'other', master: 'br-ex' });
  assert.deepEqual(await converge(), [' waiting: ext0 is a member of br-ex']);
  world.putNetwork(networkBody(NETWORK, { segmentation_id: 2 ** 24 }));
  assert.deepEqual(await converge(), [' waiting: 16777216 is not a VNI']);
  world.putNetwork(networkBody(NETWORK), [endpoint('h3', 'nonsense; flush'), endpoint('h4', '')]);
  assert.deepEqual(await converge(), ['endpoint/h3 waiting: the tunnel address of h3 is not an IP address']);
});

test('changes of ports and networks lead to their networks', () => {
  const { agent } = bench();
  const keys = (group: string, key: string, before?: object, after?: object) => [
    ...agent.keysOf({ group, key, before, after } as never),
  ];
  const port = portBody(id(1), NETWORK);
  assert.deepEqual(keys('host/h1', `port/${id(1)}`, undefined, port), [KEY]);
  assert.deepEqual(keys('host/h1', `port/${id(1)}`, port), [KEY]);
  const moved = { ...port, network_id: id(0xbb) };
  assert.deepEqual(keys('host/h1', `port/${id(1)}`, port, moved), [`network/${id(0xbb)}`, KEY]);
  assert.deepEqual(keys(KEY, 'endpoint/h2', undefined, endpoint('h2', '192.0.2.2')), [KEY]);
  assert.deepEqual(keys('host/h1', 'host/h1', undefined, {}), []);
  assert.deepEqual(keys(`dhcp/${NETWORK}`, `lease/${id(1)}`, undefined, {}), []);
});

test('the taps of a router that has a replica here are wired, while it is up', async () => {
  const b = bench();
  const router = new TestRouter(b.world, 1);
  router.attach(0xa1, NETWORK, subnetOf('10.0.0.0/24', '10.0.0.1'));
  const elsewhere = { owner: 'network:router_ha_interface', host: 'h2' } as const;
  router.attach(0xa2, NETWORK, subnetOf('169.254.192.0/18', '169.254.192.1'), elsewhere);
  const change = { group: router.key, key: `interface/${id(0xa1)}`, before: undefined };
  const after = b.world.group(router.key)?.get(change.key);
  assert.deepEqual([...b.agent.keysOf({ ...change, after })], [KEY]);
  assert.deepEqual(await b.converge(), [`port/${id(0xa1)} waiting: link tap000000a1-00 is not there`]);
  b.host.plug({ name: 'tap000000a1-00', kind: 'veth' });
  assert.deepEqual(
    b.agent.keysOfHostEvent({ type: 'link', name: 'tap000000a1-00', namespace: null, news: 'up' }),
    [KEY],
  );
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await b.converge(), []);
  assert.equal((await b.link('tap000000a1-00'))?.master, BRIDGE);
  router.set({ admin_state_up: false });
  assert.deepEqual(
    [...b.agent.keysOf({ group: router.key, key: router.key, before: undefined, after: undefined })],
    [KEY],
  );
  assert.deepEqual(await b.converge(), []);
  assert.equal((await b.link('tap000000a1-00'))?.master, null);
});
