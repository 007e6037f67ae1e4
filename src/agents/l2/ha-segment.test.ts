import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { endpoint, id, networkBody, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import { type HealthWay, healthMac } from '../../resources/health-address.ts';
import { HEALTH_LINKS } from './health-link.ts';
import { createL2Agent } from './reconciler.ts';

const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const BRIDGE = 'brq000000aa-00';
const NEVER = new AbortController().signal;
const HA = networkBody(NETWORK, { ha: true });

function endpoints(...numbers: number[]) {
  return numbers.map((n) => ({ ...endpoint(`h${n}`, `192.0.2.${n}`), management_ip: `198.51.100.${n}` }));
}

function bench(managementIp?: string) {
  const host = new FakeHost();
  const world = new TestWorld('h1');
  world.putNetwork(HA, endpoints(1, 2, 3));
  world.putPort(portBody(id(1), NETWORK));
  host.plug({ name: 'tap00000001-00' });
  const life = (second = managementIp) => {
    const address = second === undefined ? {} : { managementIp: second };
    const settings = { host, world, hostName: 'h1', tunnelIp: '192.0.2.1', bridgeMappings: new Map() };
    const agent = createL2Agent({ ...settings, ...address });
    void host.follow((event) => agent.keysOfHostEvent(event), NEVER);
    return agent;
  };
  let agent = life();
  return {
    host,
    world,
    restart: (second: string) => {
      agent = life(second);
      return agent;
    },
    async converge(key = KEY) {
      void [...agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
      return (await agent.reconcile(key, NEVER)).shortfalls;
    },
    keysOfHostEvent: (name: string) =>
      agent.keysOfHostEvent({ type: 'link', name, namespace: null, news: 'up' }),
    allKeys: () => agent.allKeys(),
    observeAll: () => agent.observeAll(),
    configurations: () => agent.configurations(),
  };
}

async function picture(host: FakeHost): Promise<string[]> {
  const links = (await host.links()).flatMap(({ name, master, up, vxlan, bridging }) => {
    if (master === null || bridging === undefined) return [];
    const { isolated, learning, flood } = bridging;
    const marks = [isolated && 'isolated', learning && 'learning', flood && 'flood'].filter(Boolean);
    const tunnel = vxlan ? ` ${vxlan.local}:${vxlan.port}/${vxlan.id}${vxlan.learning ? ' learns' : ''}` : '';
    return [`${name}${tunnel} ${up ? 'up' : 'down'} in ${master}: ${marks.join(' ')}`];
  });
  const entries = (await host.floodEntries()).filter(
    ({ link }) => !Object.values(HEALTH_LINKS).includes(link),
  );
  const flood = entries.map((entry) => `${entry.link} floods to ${entry.destination}`);
  return [...links, ...flood].sort();
}

const TWO_WAYS = [
  `tap00000001-00 up in ${BRIDGE}: learning flood`,
  'vxlan-7 192.0.2.1:4789/7 up in brq000000aa-00: isolated flood',
  'vxlan-7 floods to 192.0.2.2',
  'vxlan-7 floods to 192.0.2.3',
  'vxlan-7m 198.51.100.1:14789/7 up in brq000000aa-00: isolated flood',
  'vxlan-7m floods to 198.51.100.2',
  'vxlan-7m floods to 198.51.100.3',
];

test('an HA segment goes two ways, between which nothing passes and neither of which is learned', async () => {
  const { host, world, converge, keysOfHostEvent } = bench('198.51.100.1');
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await picture(host), TWO_WAYS);
  assert.deepEqual(keysOfHostEvent('vxlan-7m'), [KEY]);
  assert.match(host.table(null, 'inet deuteron_l2')!.body, /udp dport 14789 goto management/);
  // an agent or server from before the field: that host is reached one way
  world.put(KEY, 'endpoint/h3', endpoint('h3', '192.0.2.3'));
  assert.deepEqual(await converge(), []);
  assert.deepEqual(
    await picture(host),
    TWO_WAYS.filter((line) => !line.includes('to 198.51.100.3')),
  );
});

test('what another hand does to either way is undone', async () => {
  const { host, converge } = bench('198.51.100.1');
  await converge();
  const ordinary = { isolated: false, learning: true, flood: true };
  for (const meddle of [
    () => host.meddle(null, { op: 'set-link', name: 'vxlan-7', bridging: ordinary }),
    () => host.meddle(null, { op: 'set-link', name: 'vxlan-7m', bridging: { ...ordinary, isolated: true } }),
    () => host.meddle(null, { op: 'set-link', name: 'vxlan-7m', master: null }),
    () => host.meddle(null, { op: 'delete-link', name: 'vxlan-7m' }),
    () => host.meddle(null, { op: 'delete-link', name: BRIDGE }),
    () => host.meddleFlood({ op: 'delete', link: 'vxlan-7m', destination: '198.51.100.2' }),
    () => {
      host.meddle(null, { op: 'delete-link', name: 'vxlan-7m' });
      const learns = { name: 'vxlan-7m', id: 7, local: '198.51.100.1', port: 14789, mtu: 1450 };
      host.meddle(null, { op: 'add-vxlan', ...learns });
    },
  ]) {
    meddle();
    assert.notDeepEqual(await picture(host), TWO_WAYS);
    assert.deepEqual(await converge(), []);
    assert.deepEqual(await picture(host), TWO_WAYS);
  }
});

test('without a management address there is one way, and it comes and goes with it', async () => {
  const b = bench();
  const oneWay = TWO_WAYS.filter((line) => !line.includes('vxlan-7m'));
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await picture(b.host), oneWay);
  b.restart('198.51.100.1');
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await picture(b.host), TWO_WAYS);
  // one address for both is no second way
  b.restart('192.0.2.1');
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await picture(b.host), oneWay);
});

test('a segment that was one way of learning becomes two, and both go with it', async () => {
  const b = bench('198.51.100.1');
  b.world.putNetwork(networkBody(NETWORK));
  b.world.put(KEY, KEY, networkBody(NETWORK));
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(
    (await picture(b.host)).filter((line) => line.includes('192.0.2.1:')),
    ['vxlan-7 192.0.2.1:4789/7 learns up in brq000000aa-00: learning flood'],
  );
  b.world.put(KEY, KEY, HA);
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await picture(b.host), TWO_WAYS);
  // a bridge lost while nobody looked: what is left of both ways is found
  b.world.remove('host/h1', `port/${id(1)}`);
  b.world.remove(KEY);
  b.host.meddle(null, { op: 'delete-link', name: BRIDGE });
  b.restart('198.51.100.1');
  const keys = await b.allKeys();
  assert.deepEqual(keys, ['tunnel/vxlan-7', 'tunnel/vxlan-7m']);
  for (const key of keys) assert.deepEqual(await b.converge(key), []);
  assert.deepEqual(await picture(b.host), []);
  assert.equal((await b.host.links()).filter((link) => link.kind === 'vxlan').length, 0);
});

for (const [way, HEALTH_LINK] of Object.entries(HEALTH_LINKS)) asksInside(way as HealthWay, HEALTH_LINK);

function asksInside(way: HealthWay, HEALTH_LINK: string): void {
  test(`hosts that share an HA segment can ask one another inside the VXLAN of the ${way} network, and only ask`, async () => {
    const prefix = { tunnel: '192.0.2', management: '198.51.100' }[way];
    const port = { tunnel: 4789, management: 14_789 }[way];
    const { host, world, converge } = bench('198.51.100.1');
    const health = async () => {
      const [link] = await host.links([HEALTH_LINK]);
      const to = (await host.floodEntries([HEALTH_LINK])).map((entry) => entry.destination);
      return { link, to };
    };
    await converge();
    const made = await health();
    const { vxlan, mac, up, master } = made.link!;
    const tunnel = { id: 0, local: `${prefix}.1`, port, learning: true };
    assert.deepEqual(
      { vxlan, mac, up, master },
      { vxlan: tunnel, mac: healthMac(`${prefix}.1`), up: true, master: null },
    );
    assert.deepEqual(made.to, [`${prefix}.2`, `${prefix}.3`]);
    assert.equal(host.sysctls.get(`:net/ipv6/conf/${HEALTH_LINK}/disable_ipv6`), '0');
    assert.match(
      host.table(null, 'inet deuteron_l2')!.body,
      new RegExp(`iifname "${HEALTH_LINK}" goto health`),
    );
    for (const meddle of [
      () => host.meddle(null, { op: 'set-link', name: HEALTH_LINK, up: false }),
      () => host.meddle(null, { op: 'set-link', name: HEALTH_LINK, master: BRIDGE }),
      () => host.meddle(null, { op: 'delete-link', name: HEALTH_LINK }),
      () => host.meddleFlood({ op: 'delete', link: HEALTH_LINK, destination: `${prefix}.3` }),
    ]) {
      meddle();
      assert.notDeepEqual(await health(), made);
      assert.deepEqual(await converge(), []);
      assert.deepEqual(await health(), made);
    }
    world.putNetwork(networkBody(NETWORK));
    assert.deepEqual(await converge(), []);
    assert.deepEqual(await health(), { link: undefined, to: [] });
    assert.doesNotMatch(host.table(null, 'inet deuteron_l2')!.body, /vxlan-health/);
  });
}

test('two ways over one device are told of', async () => {
  const b = bench('198.51.100.1');
  const stand = async (tunnel: readonly string[], management: readonly string[]) => {
    const link = { link: 'x', isUp: true, bond: null };
    b.host.underlay.set('192.0.2.1', { ...link, devices: tunnel });
    b.host.underlay.set('198.51.100.1', { ...link, devices: management });
    await b.observeAll();
    return b.configurations()['heartbeat_device'];
  };
  assert.equal(await stand(['eth0'], ['eth1']), undefined);
  assert.equal(await stand(['eth0', 'eth1'], ['eth0', 'eth1']), undefined);
  assert.equal(await stand(['eth0'], ['eth0']), 'eth0');
  b.host.underlay.clear();
  await b.observeAll();
  assert.equal(b.configurations()['heartbeat_device'], undefined);
});
