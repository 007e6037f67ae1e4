/** The l2 role on real Linux: two emulated hosts, an underlay between them, a machine on each. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Host, HostEvent } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { endpoint, id, networkBody, portBody, TestWorld } from '../support/network-objects.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';

const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const NEVER = new AbortController().signal;

function sh(script: string): string {
  const run = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
  assert.equal(run.status, 0, `${script}\n${run.stdout}${run.stderr}`);
  return run.stdout;
}

const pings = (namespace: string, address: string) =>
  spawnSync('ip', ['netns', 'exec', namespace, 'ping', '-c1', '-W1', address]).status === 0;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = realClock.now() + 60_000;
  while (!(await holds())) {
    assert.ok(realClock.now() < deadline, `never came true: ${what}`);
    await sleep(realClock, 20);
  }
}

interface TestHost {
  readonly host: Host;
  readonly world: TestWorld;
  readonly agent: RoleAgent;
}

/** A Host whose programs run inside the named namespace. */
function hostIn(t: TestContext, namespace: string): Host {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-l2-'));
  t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  return createLinuxHost({
    stateDirectory,
    clock: realClock,
    enter: ['nsenter', `--net=/run/netns/${namespace}`, '--'],
  });
}

function makeHost(t: TestContext, name: string, tunnelIp: string): TestHost {
  const host = hostIn(t, name);
  const world = new TestWorld(name);
  const bridgeMappings = new Map([['physnet1', 'ext0']]);
  return { host, world, agent: createL2Agent({ host, world, hostName: name, tunnelIp, bridgeMappings }) };
}

/** Two hosts, `dtn-h1` and `dtn-h2`, with tunnel and external segments between them. */
function underlay(t: TestContext): [TestHost, TestHost] {
  sh(`
    for n in 1 2; do
      ip netns add dtn-h$n; ip netns add dtn-m$n
      ip -n dtn-h$n link set lo up
    done
    ip link add tun0 netns dtn-h1 type veth peer name tun0 netns dtn-h2
    ip link add ext0 netns dtn-h1 type veth peer name ext0 netns dtn-h2
    for n in 1 2; do
      ip -n dtn-h$n address add 192.0.2.$n/24 dev tun0
      ip -n dtn-h$n link set tun0 up
    done`);
  t.after(() => sh('for n in $(ls /run/netns); do ip netns delete $n; done'));
  return [makeHost(t, 'dtn-h1', '192.0.2.1'), makeHost(t, 'dtn-h2', '192.0.2.2')];
}

/** A machine's link on host `n`, as a hypervisor would make it. */
const plug = (n: number, tap: string) =>
  sh(`
    ip link add ${tap} netns dtn-h${n} type veth peer name eth0 netns dtn-m${n}
    ip -n dtn-m${n} address add 10.0.0.${n}/24 dev eth0
    ip -n dtn-m${n} link set eth0 mtu 1450 up`);

async function converge({ agent }: TestHost, key = KEY): Promise<void> {
  assert.deepEqual((await agent.reconcile(key, NEVER)).shortfalls, []);
}

inOwnNamespaces(import.meta.url, () => {
  test('two machines on two hosts reach one another over VXLAN, and all goes when the network does', async (t) => {
    const hosts = underlay(t);
    const endpoints = [endpoint('dtn-h1', '192.0.2.1'), endpoint('dtn-h2', '192.0.2.2')];
    for (const [index, { world, agent }] of hosts.entries()) {
      world.putNetwork(networkBody(NETWORK), endpoints);
      world.putPort(portBody(id(index + 1), NETWORK));
      const tap = `tap0000000${index + 1}-00`;
      const reason = `link ${tap} is not there`;
      assert.deepEqual((await agent.reconcile(KEY, NEVER)).shortfalls, [
        { object: `port/${id(index + 1)}`, state: 'waiting', reason },
      ]);
      plug(index + 1, tap);
      assert.deepEqual(
        [...agent.keysOfHostEvent({ type: 'link', name: tap, namespace: null, news: 'up' })],
        [KEY],
      );
      await converge(hosts[index]!);
    }
    await until('the first machine reaches the second', () => pings('dtn-m1', '10.0.0.2'));

    sh('ip netns exec dtn-h2 nft list table inet deuteron_l2 | grep -q 192.0.2.1');
    hosts[1].world.put(KEY, 'endpoint/dtn-h1', endpoint('dtn-h1', '192.0.2.77'));
    void [
      ...hosts[1].agent.keysOf({ group: KEY, key: 'endpoint/dtn-h1', before: undefined, after: undefined }),
    ];
    await converge(hosts[1]);
    assert.ok(!pings('dtn-m1', '10.0.0.2'), 'a tunnel from an unknown address is dropped');

    for (const [index, testHost] of hosts.entries()) {
      const { host, world, agent } = testHost;
      world.remove(KEY);
      world.remove(`host/${world.host}`, `port/${id(index + 1)}`);
      void [...agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
      await converge(testHost);
      const names = (await host.links()).map((link) => link.name).filter((name) => /^(brq|vxlan)/.test(name));
      assert.deepEqual(names, []);
      assert.equal(await host.rulesetMark(null, 'inet deuteron_l2'), null);
      assert.ok(
        (await host.links()).some((link) => link.name.startsWith('tap')),
        'the machine keeps its link',
      );
    }
  });

  test('a flat network joins the physical link and lets it go', async (t) => {
    const [first] = underlay(t);
    const { world, host, agent } = first;
    const flat = {
      network_type: 'flat',
      physical_network: 'physnet1',
      segmentation_id: null,
      mtu: 1500,
    } as const;
    world.putNetwork(networkBody(NETWORK, flat));
    await converge(first);
    assert.equal((await host.links(['ext0']))[0]?.master, 'brq000000aa-00');
    world.putNetwork(networkBody(id(0xbb), { ...flat, physical_network: 'other' }));
    const outcome = await agent.reconcile(`network/${id(0xbb)}`, NEVER);
    assert.equal(outcome.shortfalls[0]?.state, 'waiting');
    world.remove(KEY);
    await converge(first);
    assert.equal((await host.links(['ext0']))[0]?.master, null);
  });

  test('what another hand changes is put right, what is not ours stays', async (t) => {
    const [first] = underlay(t);
    const { world, host, agent } = first;
    world.putNetwork(networkBody(NETWORK), [endpoint('dtn-h2', '192.0.2.2')]);
    world.putPort(portBody(id(1), NETWORK));
    plug(1, 'tap00000001-00');
    await agent.observeAll();
    await converge(first);
    const before = await host.links();
    const floodBefore = await host.floodEntries();
    const events: HostEvent[] = [];
    const stop = new AbortController();
    const following = host.follow((event) => events.push(event), stop.signal);
    t.after(() => stop.abort());
    await until('it listens', () => events.length > 0);
    sh(`
      ip -n dtn-h1 link set tap00000001-00 nomaster
      ip -n dtn-h1 link delete vxlan-7
      ip -n dtn-h1 link add br-foreign type bridge
      ip -n dtn-h1 link add vxlan-99 type vxlan id 99 dstport 4790`);
    await until('the news', () => events.some((e) => e.type === 'link' && e.name === 'vxlan-99'));
    const keys = new Set(events.flatMap((event) => [...agent.keysOfHostEvent(event)]));
    assert.ok(keys.has(KEY));
    await converge(first);
    const comparable = (links: typeof before) =>
      links
        .map(({ name, master, up, mtu }) => ({ name, master, up, mtu }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    const after = (await host.links()).filter((link) => !['br-foreign', 'vxlan-99'].includes(link.name));
    assert.deepEqual(comparable(after), comparable(before));
    assert.deepEqual(await host.floodEntries(), floodBefore);
    world.remove(KEY);
    world.remove('host/dtn-h1', `port/${id(1)}`);
    void [...agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
    for (const key of await agent.allKeys()) await converge(first, key);
    const names = (await host.links()).map((link) => link.name);
    assert.ok(names.includes('br-foreign') && names.includes('vxlan-99') && !names.includes('vxlan-7'));
    stop.abort();
    await following;
  });

  test('two hundred networks: cold start, and a restart with nothing changed', async (t) => {
    const [first] = underlay(t);
    const { world, host } = first;
    const keys: string[] = [];
    for (let n = 1; n <= 200; n++) {
      const network = id(0x1000 + n);
      world.putNetwork(networkBody(network, { segmentation_id: 100 + n }), [endpoint('dtn-h2', '192.0.2.2')]);
      for (let port = 0; port < 10; port++) world.putPort(portBody(id(0x10000 + n * 16 + port), network));
      keys.push(`network/${network}`);
    }
    const timed = async (what: string, agent: RoleAgent) => {
      const before = realClock.now();
      await agent.observeAll();
      const queue = [...keys];
      await Promise.all(
        [1, 2, 3, 4].map(async () => {
          for (let key = queue.shift(); key !== undefined; key = queue.shift()) {
            for (const { state } of (await agent.reconcile(key, NEVER)).shortfalls)
              assert.equal(state, 'waiting');
          }
        }),
      );
      t.diagnostic(`${what}: ${Math.round(realClock.now() - before)} ms`);
    };
    const settings = { host, world, hostName: 'dtn-h1', tunnelIp: '192.0.2.1', bridgeMappings: new Map() };
    await timed('cold start', createL2Agent(settings));
    const links = await host.links();
    assert.equal(links.filter((link) => link.kind === 'bridge').length, 200);
    await timed('unchanged', createL2Agent(settings));
    assert.deepEqual(await host.links(), links);
  });
});
