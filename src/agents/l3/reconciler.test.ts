import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, networkBody, TestWorld } from '../../../test/support/network-objects.ts';
import { subnetOf, TestRouter } from '../../../test/support/router-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import type { RoleAgent } from '../role.ts';
import { MARK, TABLE } from './nftables.ts';
import { createL3Agent } from './reconciler.ts';

const NEVER = new AbortController().signal;
const clock = new ManualClock();
const QR = 'qr-00000aa1-00';
const QG = 'qg-00000ee1-00';

interface Bench {
  readonly host: FakeHost;
  readonly world: TestWorld;
  readonly router: TestRouter;
  agent: RoleAgent;
  /** What `conntrack`, `arping` were called with. */
  readonly ran: string[];
  converge(key?: string): Promise<string[]>;
  /** All that the host has of the router. */
  picture(): Promise<object>;
}

function bench(fields: { run?: () => void } = {}): Bench {
  const ran: string[] = [];
  const host = new FakeHost({
    run: (_namespace, argv) => {
      fields.run?.();
      ran.push(argv.slice(4).join(' '));
      return undefined;
    },
  });
  const world = new TestWorld('h1');
  const router = new TestRouter(world, 1);
  router.attach(0xaa1, id(0xa), subnetOf('10.0.1.0/24', '10.0.1.1'));
  const owner = 'network:router_gateway';
  router.attach(0xee1, id(0xe), subnetOf('203.0.113.0/24', '203.0.113.1'), { owner, ip: '203.0.113.5' });
  const made: Bench = {
    host,
    world,
    router,
    ran,
    agent: createL3Agent({ host, world, clock }),
    async converge(key = router.key) {
      const { shortfalls } = await made.agent.reconcile(key, NEVER);
      return shortfalls.map(({ object, state, reason }) => `${object} ${state}: ${reason}`);
    },
    async picture() {
      const { namespace } = router;
      const links = (await host.linksIn([namespace])).get(namespace) ?? [];
      const table = host.table(namespace, TABLE);
      return {
        links: links.map(({ name, up, mac, mtu, addresses }) => ({
          name,
          up,
          mac,
          mtu,
          addresses: [...addresses].sort(),
        })),
        taps: (await host.links())
          .filter(({ name }) => name.startsWith('tap'))
          .map(({ name, up }) => ({ name, up })),
        routes: [...((await host.routes([namespace])).get(namespace) ?? [])].sort((a, b) =>
          a.destination < b.destination ? -1 : 1,
        ),
        mark: table?.mark,
        maps: table?.maps,
        processes: await host.processes(),
      };
    },
  };
  void host.follow((event) => made.agent.keysOfHostEvent(event), NEVER);
  return made;
}

test('a router is made, found as it is by a later life, and removed', async () => {
  const b = bench();
  b.router.float(1, '203.0.113.8', '10.0.1.6');
  b.router.set({ routes: [{ destination: '198.51.100.0/24', nexthop: '10.0.1.9' }] });
  assert.deepEqual(await b.converge(), []);
  const picture = await b.picture();
  assert.deepEqual(picture, {
    links: [
      { name: 'lo', up: true, mac: '00:00:00:00:00:00', mtu: 65536, addresses: [] },
      { name: QR, up: true, mac: 'fa:16:3e:00:01:a1', mtu: 1450, addresses: ['10.0.1.1/24'] },
      {
        name: QG,
        up: true,
        mac: 'fa:16:3e:00:01:e1',
        mtu: 1450,
        addresses: ['203.0.113.5/24', '203.0.113.8/32'],
      },
    ],
    taps: [
      { name: 'tap00000aa1-00', up: true },
      { name: 'tap00000ee1-00', up: true },
    ],
    routes: [
      { destination: '0.0.0.0/0', nexthop: '203.0.113.1', link: QG },
      { destination: '10.0.1.0/24', nexthop: null, link: QR, isConnected: true },
      { destination: '198.51.100.0/24', nexthop: '10.0.1.9', link: QR },
      { destination: '203.0.113.0/24', nexthop: null, link: QG, isConnected: true },
    ],
    mark: MARK,
    maps: new Map([
      ['floating', new Map([['203.0.113.8', '10.0.1.6']])],
      ['fixed', new Map([['10.0.1.6', '203.0.113.8']])],
      ['forwarding', new Map()],
      ['gateway', new Map([[`"${QG}"`, '203.0.113.5']])],
    ]),
    processes: [],
  });
  b.agent = createL3Agent({ host: b.host, world: b.world, clock });
  await b.agent.observeAll();
  assert.deepEqual(await b.agent.reconcile(b.router.key, NEVER), { shortfalls: [], repaired: false });
  assert.deepEqual(await b.picture(), picture);

  b.router.leave();
  assert.deepEqual(await b.agent.allKeys(), [b.router.key]);
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual([...(await b.host.namespaces())], []);
  assert.deepEqual(await b.host.listFiles('l3'), []);
  assert.deepEqual(await b.agent.allKeys(), []);
});

test('whatever is taken away is put back', async () => {
  const b = bench();
  b.router.float(1, '203.0.113.8', '10.0.1.6');
  await b.converge();
  const picture = await b.picture();
  const { namespace } = b.router;
  const harms: [string, () => unknown][] = [
    [
      'an address',
      () => b.host.meddle(namespace, { op: 'delete-address', link: QG, address: '203.0.113.8/32' }),
    ],
    [
      'a strange address',
      () => b.host.meddle(namespace, { op: 'add-address', link: QR, address: '10.0.1.77/24' }),
    ],
    ['a link down', () => b.host.meddle(namespace, { op: 'set-link', name: QG, up: false })],
    ['a MAC', () => b.host.meddle(namespace, { op: 'set-link', name: QG, mac: '02:00:00:00:00:99' })],
    ['a tap', () => b.host.meddle(null, { op: 'delete-link', name: 'tap00000ee1-00' })],
    ['the namespace', () => b.host.meddleNamespace(namespace)],
  ];
  const sorted = (all: object) => {
    const { links, taps, ...rest } = all as { links: { name: string }[]; taps: { name: string }[] };
    const byName = (list: { name: string }[]) => [...list].sort((x, y) => (x.name < y.name ? -1 : 1));
    return { links: byName(links), taps: byName(taps), ...rest };
  };
  for (const [what, harm] of harms) {
    harm();
    assert.deepEqual(await b.converge(), [], what);
    assert.deepEqual(sorted(await b.picture()), sorted(picture), what);
  }
  assert.deepEqual(
    [...((await b.agent.patrol?.('next')) ?? [])],
    [b.router.key],
    'what we changed is looked at',
  );
  await b.converge();
  assert.deepEqual([...((await b.agent.patrol?.('next')) ?? [])], []);
  const taken = async (...destinations: readonly string[]) => {
    for (const destination of destinations)
      b.host.meddleRoute(namespace, { op: 'delete', destination, nexthop: null, link: null });
    const { routes } = (await b.picture()) as { routes: { destination: string }[] };
    return routes.map(({ destination }) => destination);
  };
  assert.deepEqual(await taken('0.0.0.0/0'), ['10.0.1.0/24', '203.0.113.0/24']);
  assert.deepEqual([...((await b.agent.patrol?.('all')) ?? [])], [b.router.key], 'seen with all others');
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(sorted(await b.picture()), sorted(picture));
  assert.deepEqual(await b.agent.patrol?.('all'), [b.router.key], 'what we changed is looked at');
  await b.converge();
  assert.deepEqual(await taken('10.0.1.0/24'), ['0.0.0.0/0', '203.0.113.0/24'], 'the kernel’s own');
  assert.deepEqual([...((await b.agent.patrol?.('all')) ?? [])], [b.router.key], 'seen with all others');
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(sorted(await b.picture()), sorted(picture));
  b.host.meddleTable(namespace, TABLE);
  assert.deepEqual([...((await b.agent.patrol?.('next')) ?? [])], [b.router.key], 'seen in its turn');
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(((await b.picture()) as { maps: object }).maps, (picture as { maps: object }).maps);
});

test('connections are cut after their entry went, and by the next life if this one ended in between', async () => {
  let dies = false;
  const b = bench({
    run: () => {
      if (dies) throw new Error('the agent ends');
    },
  });
  b.router.float(1, '203.0.113.8', '10.0.1.6');
  await b.converge();
  b.router.remove(`floating-ip/${id(1)}`);
  dies = true;
  await assert.rejects(b.converge());
  assert.equal(b.host.table(b.router.namespace, TABLE)?.maps.get('floating')?.size, 0);
  dies = false;
  b.agent = createL3Agent({ host: b.host, world: b.world, clock });
  b.ran.length = 0;
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(b.ran, ['-d 203.0.113.8 -s 10.0.1.6 -q 203.0.113.8']);
  await b.converge();
  assert.equal(b.ran.length, 1, 'once');
});

test('neighbours hear of an address once its link is wired, and of a new one alone', async () => {
  const b = bench();
  await b.converge();
  b.host.plug({ name: 'brqext', kind: 'bridge' });
  b.host.meddle(null, { op: 'set-link', name: 'tap00000ee1-00', master: 'brqext' });
  const first = await b.agent.reconcile(b.router.key, NEVER);
  assert.equal(first.again, 50);
  b.router.float(1, '203.0.113.8', '10.0.1.6');
  await b.converge();
  assert.deepEqual(b.ran, [`${QG} -U 203.0.113.8`]);
});

test('radvd runs where a subnet asks for it, and is replaced when what it says changes', async () => {
  const b = bench();
  const subnet = (mode: 'slaac' | 'dhcpv6-stateful' | null) =>
    subnetOf('fd20::/64', 'fd20::1', { ipv6_ra_mode: mode });
  b.router.attach(0xbb1, id(0xb), subnet('slaac'));
  assert.deepEqual(await b.converge(), []);
  const name = `radvd-${b.router.id}`;
  const pid = (await b.host.findProcess(name))?.pid;
  b.agent = createL3Agent({ host: b.host, world: b.world, clock });
  await b.converge();
  assert.equal((await b.host.findProcess(name))?.pid, pid, 'a later life adopts it');
  b.router.attach(0xbb1, id(0xb), subnet('dhcpv6-stateful'));
  await b.converge();
  assert.notEqual((await b.host.findProcess(name))?.pid, pid);
  b.host.endProcess(name);
  await b.converge();
  assert.ok(await b.host.findProcess(name));
  b.router.attach(0xbb1, id(0xb), subnet(null));
  await b.converge();
  assert.equal(await b.host.findProcess(name), null);
});

test('what fails is the failure of its object; a router that is down, or of a namesake, is none', async () => {
  const b = bench();
  b.router.float(1, '203.0.113.8', '10.0.1.6');
  b.router.set({ routes: [{ destination: '198.51.100.0/24', nexthop: '172.16.0.1' }] });
  b.router.forward(2, { protocol: 'icmp' });
  assert.deepEqual(await b.converge(), [
    `forwarding/${id(2)} waiting: "icmp" has no ports`,
    ' failed: Nexthop has invalid gateway.',
  ]);
  await b.host.ensureNamespace(`qrouter-${id(0x99)}`);
  assert.deepEqual(await b.agent.allKeys(), [b.router.key]);
  b.router.set({ admin_state_up: false });
  await b.converge();
  assert.deepEqual([...(await b.host.namespaces())], [`qrouter-${id(0x99)}`]);
});

test('of several replicas without keepalived one has the addresses', async () => {
  const b = bench();
  b.router.replica('h1', 1);
  b.router.replica('h2', 0);
  await b.converge();
  const addresses = async () => {
    const links = (await b.host.linksIn([b.router.namespace])).get(b.router.namespace) ?? [];
    return links.filter((link) => link.up).flatMap((link) => [link.name, ...link.addresses]);
  };
  assert.deepEqual(await addresses(), ['lo']);
  b.router.remove('replica/h2');
  await b.converge();
  assert.deepEqual(await addresses(), ['lo', QR, '10.0.1.1/24', QG, '203.0.113.5/24']);
});

test('a router that another host answers for stands back until it does not; who has it goes on', async (t) => {
  const b = bench();
  const time = new ManualClock();
  let answers = true;
  const host = new FakeHost({
    run: (_, argv) => {
      if (argv[0] !== 'nft') return undefined;
      return { code: 0, stdout: answers ? '{"val": "203.0.113.5"}' : '', stderr: '' };
    },
  });
  b.world.putNetwork(networkBody(id(0xe), { network_type: 'flat', physical_network: 'physnet1' }));
  const marked: string[] = [];
  const live = () => {
    const stop = new AbortController();
    const agent = createL3Agent({
      host,
      world: b.world,
      clock: time,
      asksBy: new Map([['physnet1', 'ext0']]),
    });
    const tools = {
      mark: (key: string) => void marked.push(key),
      report: () => undefined,
      incarnation: () => 1,
    };
    const running = agent.run?.(tools, stop.signal);
    t.after(async () => {
      stop.abort();
      await running;
    });
    const converge = async () => (await agent.reconcile(b.router.key, NEVER)).shortfalls;
    return { agent, converge };
  };
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10) {
      time.advance(10);
      for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
    }
  };
  const links = async () =>
    ((await host.linksIn([b.router.namespace])).get(b.router.namespace) ?? [])
      .filter(({ name }) => name !== 'lo')
      .map(({ up, addresses }) => [up, addresses.length]);
  const first = live();
  const back = [
    [false, 0],
    [false, 0],
  ];
  const serves = [
    [true, 1],
    [true, 1],
  ];
  await first.converge();
  assert.deepEqual(await links(), back);
  await pass(200);
  assert.deepEqual(marked, [b.router.key]);
  const [shortfall] = await first.converge();
  assert.equal(shortfall?.state, 'waiting');
  assert.match(shortfall?.reason ?? '', /^another host answers for 203.0.113.5/);
  assert.deepEqual(await links(), back);
  answers = false;
  await pass(800);
  assert.deepEqual([await first.converge(), await links()], [[], serves]);
  answers = true;
  assert.deepEqual([await live().converge(), await links()], [[], serves], 'a later life has it already');
});
