/** The segment on which replicas of HA routers talk, on real Linux: three hosts, two networks between them, either of them cut. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Host, HostEvent } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { endpoint, id, networkBody, portBody, TestWorld } from '../support/network-objects.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import { healthAddress } from '../../src/resources/health-address.ts';
import { ask, pings, sh, until } from './l3-stage.ts';

const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const NEVER = new AbortController().signal;
const NUMBERS = [1, 2, 3] as const;
const CUT_MS = 250;

interface TestHost {
  readonly host: Host;
  readonly agent: RoleAgent;
}

function makeHost(t: TestContext, n: number): TestHost {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-ha-'));
  t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const enter = ['nsenter', `--net=/run/netns/dtn-h${n}`, '--'];
  const host = createLinuxHost({ stateDirectory, clock: realClock, enter });
  const name = `dtn-h${n}`;
  const world = new TestWorld(name);
  const endpoints = NUMBERS.map((of) => ({
    ...{ ...endpoint(`dtn-h${of}`, `192.0.2.${of}`), management_ip: `198.51.100.${of}` },
  }));
  world.putNetwork(networkBody(NETWORK, { ha: true }), endpoints);
  world.putPort(portBody(id(n), NETWORK));
  const addresses = { tunnelIp: `192.0.2.${n}`, managementIp: `198.51.100.${n}` };
  return {
    host,
    agent: createL2Agent({ host, world, hostName: name, ...addresses, bridgeMappings: new Map() }),
  };
}

async function converge({ agent }: TestHost): Promise<void> {
  assert.deepEqual((await agent.reconcile(KEY, NEVER)).shortfalls, []);
}

/** Hosts `dtn-h1` to `dtn-h3` with a replica's namespace `dtn-r<n>` (169.254.192.<n>) each; `dtn-sw` joins tunnels and management. */
async function segment(t: TestContext): Promise<TestHost[]> {
  t.after(() => sh('for n in $(ls /run/netns); do ip netns delete $n; done'));
  sh(`
    ip netns add dtn-sw
    for b in tun mgmt; do
      ip -n dtn-sw link add name $b type bridge mcast_snooping 0 forward_delay 0
      ip -n dtn-sw link set $b up
    done
    for n in 1 2 3; do
      ip netns add dtn-h$n; ip netns add dtn-r$n
      for l in h r; do ip -n dtn-$l$n link set lo up; done
      for b in tun mgmt; do
        ip link add $b netns dtn-h$n type veth peer name $b$n netns dtn-sw
        ip -n dtn-sw link set $b$n master $b up
      done
      ip -n dtn-h$n address add 192.0.2.$n/24 dev tun
      ip -n dtn-h$n address add 198.51.100.$n/24 dev mgmt
      ip -n dtn-h$n link set tun up; ip -n dtn-h$n link set mgmt up
      ip link add tap0000000$n-00 netns dtn-h$n type veth peer name ha netns dtn-r$n
      ip -n dtn-r$n address add 169.254.192.$n/18 dev ha
      ip -n dtn-r$n link set ha mtu 1450 up
    done`);
  const hosts = NUMBERS.map((n) => makeHost(t, n));
  for (const host of hosts) await converge(host);
  return hosts;
}

const SENDER = `
  const socket = require('node:dgram').createSocket('udp4');
  let n = 0;
  socket.bind(0, '169.254.192.1', () => {
    socket.setMulticastInterface('169.254.192.1');
    setInterval(() => {
      for (const [kind, to] of [['all', '224.0.0.18'], ['one', '169.254.192.2'], ['one', '169.254.192.3']])
        socket.send(kind + n, 5000, to);
      n++;
    }, 10);
  });
  process.on('SIGTERM', () => { console.log(n); process.exit(0); });`;
const HEARER = `
  const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true });
  const heard = {};
  socket.on('message', (text) => { heard[text] = (heard[text] ?? 0) + 1; });
  socket.bind(5000, () => { socket.addMembership('224.0.0.18', process.argv[1]); console.error('ready'); });
  // What has come and is not read yet counts as well: each look comes after a turn of reading.
  const count = () => Object.values(heard).reduce((sum, one) => sum + one, 0);
  const end = (before) => {
    if (count() === before) { console.log(JSON.stringify(heard)); process.exit(0); }
    const now = count();
    setTimeout(() => setImmediate(end, now), 300);
  };
  process.on('SIGTERM', () => end(-1));`;

/** A program in the replica's namespace; what it says at its end. */
function program(t: TestContext, n: number, script: string) {
  const argv = ['netns', 'exec', `dtn-r${n}`, process.execPath, '-e', script, `169.254.192.${n}`];
  const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'pipe'] }) as ChildProcess;
  t.after(() => child.kill('SIGKILL'));
  const said = text(child.stdout!);
  return {
    ready: () => once(child.stderr!, 'data'),
    end: (): Promise<string> => {
      child.kill('SIGTERM');
      return said;
    },
  };
}

inOwnNamespaces(import.meta.url, () => {
  test('whichever way is cut, nothing that a replica sends to all or to one is lost', async (t) => {
    await segment(t);
    const hearers = [2, 3].map((n) => program(t, n, HEARER));
    await Promise.all(hearers.map((hearer) => hearer.ready()));
    const sender = program(t, 1, SENDER);
    await sleep(realClock, CUT_MS);
    for (const [cut, heal] of [
      // nobody sees the link go
      ['link set tun down', 'link set tun up'],
      ['link set mgmt down', 'link set mgmt up'],
      // the sender sees it
      ['link set tun1 down', 'link set tun1 up'],
      ['link set mgmt1 down', 'link set mgmt1 up'],
      // one way here, the other there: no host is cut off from all others
      ['link set tun2 down', 'link set tun2 up'],
    ]) {
      sh(`ip -n dtn-sw ${cut}`);
      await sleep(realClock, CUT_MS);
      sh(`ip -n dtn-sw ${heal}`);
      // A link that is up again carries only after a while; until then the other must not be cut.
      for (const address of ['192.0.2.2', '192.0.2.3', '198.51.100.2', '198.51.100.3'])
        await until(`${address} is reached again`, () => pings('dtn-h1', address));
      await sleep(realClock, 50);
    }
    const sent = Number(await sender.end());
    assert.ok(sent > 50, `${sent} were sent`);
    for (const hearer of hearers) {
      const heard = new Map(Object.entries(JSON.parse(await hearer.end()) as Record<string, number>));
      const names = Array.from({ length: sent }, (_, n) => [`all${n}`, `one${n}`]).flat();
      const lost = names.filter((name) => !heard.has(name));
      const twice = names.filter((name) => heard.get(name) === 2).length;
      t.diagnostic(`${names.length} sent, ${lost.length} lost, ${twice} came by both ways`);
      // The first to one may fall to the resolution of its address.
      assert.deepEqual(
        lost.filter((name) => name !== 'one0'),
        [],
      );
      assert.ok(twice > 25, 'both ways are used while both are whole');
      assert.ok(Math.max(...heard.values()) === 2, 'nothing goes round');
    }
  });

  test('hosts ask one another inside the tunnels, which says more than that an address answers', async (t) => {
    const hosts = await segment(t);
    const asks = (from: number, address: string) => pings(`dtn-h${from}`, address);
    const inside = (n: number) => healthAddress(`192.0.2.${n}`);
    for (const [from, to] of [
      [1, 2],
      [2, 1],
      [3, 1],
    ] as const)
      assert.ok(await asks(from, inside(to)), `${from} asks ${to}`);
    // A firewall, loaded anew without the tunnels in it.
    const firewall =
      'table inet other { chain c { type filter hook input priority 0; udp dport 4789 drop; }; }';
    sh(`ip netns exec dtn-h2 nft '${firewall}'`);
    assert.ok(await asks(1, '192.0.2.2'));
    assert.ok(!(await asks(1, inside(2))));
    assert.ok(!(await asks(2, inside(3))));
    assert.ok(await asks(1, inside(3)));
    sh('ip netns exec dtn-h2 nft delete table inet other');
    await until('it answers again', () => asks(1, inside(2)));
    // Made anew, it is at once who it was.
    sh('ip -n dtn-h2 link delete vxlan-health');
    await hosts[1]!.agent.observeAll();
    await converge(hosts[1]!);
    assert.ok(await asks(1, inside(2)));
    // The second way has a link of its own, and its own port to be shut.
    const second = (n: number) => healthAddress(`198.51.100.${n}`, 'management');
    assert.ok(await asks(1, second(2)));
    sh(`ip netns exec dtn-h2 nft '${firewall.replace('4789', '14789')}'`);
    assert.ok(!(await asks(1, second(2))));
    assert.ok(await asks(1, inside(2)));
    sh('ip netns exec dtn-h2 nft delete table inet other');
    await until('it answers again', () => asks(1, second(2)));
    // Nothing else gets in there.
    const refused = () => sh('ip netns exec dtn-h2 nft list chain inet deuteron_l2 health');
    assert.match(refused(), /counter packets 0 /);
    assert.equal(await ask('dtn-h1', inside(2), 7000), '');
    assert.match(refused(), /counter packets [1-9]/);
  });

  test('a way that another hand makes learn is told, and learns no more', async (t) => {
    const [first] = await segment(t);
    const { host, agent } = first!;
    const events: HostEvent[] = [];
    const stop = new AbortController();
    const following = host.follow((event) => events.push(event), stop.signal);
    t.after(() => stop.abort());
    await until('it listens', () => events.length > 0);
    for (const event of events.splice(0)) void [...agent.keysOfHostEvent(event)];
    await converge(first!);
    const before = await host.links(['vxlan-7', 'vxlan-7m']);
    for (const cause of [
      'bridge link set dev vxlan-7m learning on isolated off',
      'ip link set dev vxlan-7 type bridge_slave mcast_flood off',
      'ip link set dev vxlan-7 type vxlan id 7 learning',
      'ip link delete vxlan-7m',
    ]) {
      for (const event of events.splice(0)) void [...agent.keysOfHostEvent(event)];
      sh(`ip netns exec dtn-h1 ${cause}`);
      const keys = new Set<string>();
      await until(`it is told: ${cause}`, () => {
        for (const event of events.splice(0)) for (const key of agent.keysOfHostEvent(event)) keys.add(key);
        return keys.has(KEY);
      });
      await converge(first!);
      const comparable = (links: typeof before) =>
        links.map(({ mac: _, ...link }) => link).sort((a, b) => (a.name < b.name ? -1 : 1));
      const after = await host.links(['vxlan-7', 'vxlan-7m']);
      assert.deepEqual(comparable(after), comparable(before), cause);
    }
    stop.abort();
    await following;
  });
});
