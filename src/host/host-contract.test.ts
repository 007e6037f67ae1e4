/** What host.ts promises, held against the fake anywhere and against Linux where namespaces can be made. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { inOwnNamespaces } from '../../test/support/own-namespaces.ts';
import { realClock } from '../lib/clock.ts';
import { FakeHost } from './fake/fake-host.ts';
import type { Host, HostEvent, Route } from './host.ts';
import { createLinuxHost } from './linux/linux-host.ts';
import { linuxHost, until } from '../../test/support/linux-host.ts';

type MakeHost = (t: TestContext) => Host;

function linkTests(make: MakeHost): void {
  test('a bridge, a vxlan and a veth into a namespace are made and listed', async (t) => {
    const host = make(t);
    await host.ensureNamespace('dtn-a');
    await host.ensureNamespace('dtn-a');
    assert.ok((await host.namespaces()).has('dtn-a'));
    const steps = [
      { op: 'add-bridge', name: 'brq1', mtu: 1450, mac: '0a:00:00:00:00:01' },
      { op: 'add-vxlan', name: 'vxlan-7', id: 7, local: '127.0.0.1', port: 4789, mtu: 1450 },
      { op: 'set-link', name: 'vxlan-7', master: 'brq1', up: true },
      {
        op: 'add-veth',
        name: 'tap1',
        mtu: 1450,
        peer: { name: 'eth0', namespace: 'dtn-a', mac: '02:00:00:00:00:01' },
      },
      { op: 'set-link', name: 'tap1', master: 'brq1', mtu: 1400, up: true, ipv6: false },
    ] as const;
    assert.deepEqual(await host.changeLinks(null, steps), [null, null, null, null, null]);
    const links = new Map((await host.links()).map((link) => [link.name, link]));
    assert.equal(links.get('brq1')?.kind, 'bridge');
    assert.equal(links.get('brq1')?.mac, '0a:00:00:00:00:01');
    assert.deepEqual(links.get('vxlan-7')?.vxlan, { id: 7, local: '127.0.0.1', port: 4789, learning: true });
    assert.equal(links.get('vxlan-7')?.master, 'brq1');
    assert.equal(links.get('vxlan-7')?.up, true);
    assert.equal(links.get('tap1')?.kind, 'veth');
    assert.equal(links.get('tap1')?.mtu, 1400);
    const some = await host.links(['tap1', 'brq1', 'none']);
    assert.deepEqual(
      some.sort((a, b) => (a.name < b.name ? -1 : 1)),
      [links.get('brq1'), links.get('tap1')],
    );
    assert.deepEqual(await host.links([]), []);

    assert.deepEqual(
      await host.changeLinks('dtn-a', [
        { op: 'add-address', link: 'eth0', address: '192.0.2.2/24' },
        { op: 'add-address', link: 'eth0', address: '2001:db8::2/64' },
        { op: 'set-link', name: 'eth0', up: true },
      ]),
      [null, null, null],
    );
    const inside = await host.linksIn(['dtn-a', 'dtn-none']);
    assert.deepEqual([...inside.keys()], ['dtn-a']);
    const eth0 = inside.get('dtn-a')?.find((link) => link.name === 'eth0');
    assert.equal(eth0?.mac, '02:00:00:00:00:01');
    assert.equal(eth0?.mtu, 1450);
    assert.equal(eth0?.up, true);
    assert.deepEqual([...(eth0?.addresses ?? [])].sort(), ['192.0.2.2/24', '2001:db8::2/64']);

    await host.removeNamespace('dtn-a');
    await host.removeNamespace('dtn-a');
    assert.ok(!(await host.namespaces()).has('dtn-a'));
    assert.ok(!(await host.links()).some((link) => link.name === 'tap1'));
  });

  test('steps that are to wait are not begun before they may, nor if they may not', async (t) => {
    const host = make(t);
    const made = async () => (await host.links(['brq3'])).length;
    const steps = [{ op: 'add-bridge', name: 'brq3', mtu: 1450 }] as const;
    assert.deepEqual(await host.changeLinks(null, steps, Promise.resolve(false)), [null]);
    assert.equal(await made(), 0);
    const go = Promise.withResolvers<boolean>();
    const done = host.changeLinks(null, steps, go.promise);
    assert.equal(await made(), 0);
    go.resolve(true);
    assert.deepEqual(await done, [null]);
    assert.equal(await made(), 1);
  });

  test('a step that fails says so and does not hold the others', async (t) => {
    const host = make(t);
    const results = await host.changeLinks(null, [
      { op: 'add-bridge', name: 'brq2', mtu: 1450 },
      { op: 'set-link', name: 'tap-none', up: true },
      { op: 'set-link', name: 'brq2', up: true },
    ]);
    assert.equal(results[0], null);
    assert.equal(typeof results[1], 'string');
    assert.equal(results[2], null);
    assert.equal((await host.links()).find((link) => link.name === 'brq2')?.up, true);
  });

  test('doing again what is done already is fine', async (t) => {
    const host = make(t);
    const bridge = { op: 'add-bridge', name: 'brq3', mtu: 1450 } as const;
    const vxlan = {
      op: 'add-vxlan',
      name: 'vxlan-9',
      id: 9,
      local: '127.0.0.1',
      port: 4789,
      mtu: 1450,
    } as const;
    assert.deepEqual(await host.changeLinks(null, [bridge, vxlan, bridge, vxlan]), [null, null, null, null]);
    const [other] = await host.changeLinks(null, [{ ...vxlan, id: 10 }]);
    assert.equal(typeof other, 'string', 'the name is taken by another vxlan');
    const address = { op: 'add-address', link: 'brq3', address: '192.0.2.9/24' } as const;
    const without = { ...address, op: 'delete-address' } as const;
    assert.deepEqual(await host.changeLinks(null, [address, address, without, without]), [
      null,
      null,
      null,
      null,
    ]);
    const gone = { op: 'delete-link', name: 'vxlan-9' } as const;
    assert.deepEqual(await host.changeLinks(null, [gone, gone]), [null, null]);
  });

  test('a VLAN is made on a link, or the kernel has none and says so', async (t) => {
    const host = make(t);
    const vlan = { op: 'add-vlan', name: 'tap9.7', on: 'brq9', id: 7, mtu: 1400 } as const;
    const steps = [{ op: 'add-bridge', name: 'brq9', mtu: 1450 }, vlan, vlan] as const;
    const [made, ...results] = await host.changeLinks(null, steps);
    assert.equal(made, null);
    const [found] = await host.links(['tap9.7']);
    if (results[0] !== null) return assert.deepEqual([typeof results[0], found], ['string', undefined]);
    assert.deepEqual([found?.kind, found?.vlan, found?.mtu], ['vlan', { id: 7, on: 'brq9' }, 1400]);
    const [other] = await host.changeLinks(null, [{ ...vlan, id: 8 }]);
    assert.equal(typeof other, 'string', 'the name is taken by another VLAN');
    await host.changeLinks(null, [{ op: 'delete-link', name: 'brq9' }]);
    assert.deepEqual(await host.links(['tap9.7']), []);
  });

  test('how a bridge treats a member is set, and is the ordinary again when it joins anew', async (t) => {
    const host = make(t);
    const vxlan = { op: 'add-vxlan', name: 'vxlan-6', id: 6, local: '127.0.0.1', mtu: 1450 } as const;
    const wire = { isolated: true, learning: false, flood: true };
    const joins = { op: 'set-link', name: 'vxlan-6', master: 'brq6' } as const;
    const steps = [
      { op: 'add-bridge', name: 'brq6', mtu: 1450 },
      { ...vxlan, port: 4789, learning: false },
      // the same number twice: the UDP port tells them apart
      { ...vxlan, name: 'vxlan-6m', port: 14789, learning: false },
      { ...joins, bridging: wire, up: true },
    ] as const;
    assert.deepEqual(await host.changeLinks(null, steps), [null, null, null, null]);
    const seen = async () => (await host.links(['vxlan-6']))[0];
    assert.deepEqual((await seen())?.bridging, wire);
    assert.equal((await seen())?.vxlan?.learning, false);
    assert.deepEqual(await host.changeLinks(null, [steps[1], steps[3]]), [null, null]);
    const [other] = await host.changeLinks(null, [{ ...vxlan, port: 4789 }]);
    assert.equal(typeof other, 'string', 'there is one of that name that learns nothing');
    await host.changeLinks(null, [{ ...joins, master: null }]);
    assert.equal((await seen())?.bridging, undefined);
    const [nowhere] = await host.changeLinks(null, [{ op: 'set-link', name: 'vxlan-6', bridging: wire }]);
    assert.equal(typeof nowhere, 'string', 'it is in no bridge');
    await host.changeLinks(null, [joins]);
    assert.deepEqual((await seen())?.bridging, { isolated: false, learning: true, flood: true });
  });

  test('flood entries are added, listed and deleted, each with its own result', async (t) => {
    const host = make(t);
    await host.changeLinks(null, [
      { op: 'add-vxlan', name: 'vxlan-8', id: 8, local: '127.0.0.1', port: 4789, mtu: 1450 },
    ]);
    const entry = { link: 'vxlan-8', destination: '192.0.2.7' };
    const lost = { link: 'vxlan-none', destination: '192.0.2.7' };
    const results = await host.changeFloodEntries([
      { op: 'add', ...entry },
      { op: 'add', ...lost },
      { op: 'add', ...entry },
      { op: 'add', link: 'vxlan-8', destination: '192.0.2.8' },
      { op: 'delete', link: 'vxlan-8', destination: '192.0.2.99' },
    ]);
    assert.deepEqual(
      results.map((result) => result === null),
      [true, false, true, true, true],
    );
    assert.deepEqual(await host.floodEntries(), [entry, { link: 'vxlan-8', destination: '192.0.2.8' }]);
    assert.deepEqual(await host.floodEntries(['vxlan-none', 'vxlan-8']), await host.floodEntries());
    assert.deepEqual(await host.changeFloodEntries([{ op: 'delete', ...entry }]), [null]);
    assert.deepEqual(await host.floodEntries(), [{ link: 'vxlan-8', destination: '192.0.2.8' }]);
  });

  test('a word outside the grammar never gets near a tool', async (t) => {
    const host = make(t);
    const bad = host.changeLinks(null, [{ op: 'add-bridge', name: 'x\nlink delete lo', mtu: 1450 }]);
    await assert.rejects(bad, /not a link name/);
    await assert.rejects(host.ensureNamespace('../x'), /not a namespace name/);
    await assert.rejects(host.writeFile('../x', ''), /not a path below/);
  });
}

function fileTests(make: MakeHost): void {
  test('files are written, read, listed, appended to and removed', async (t) => {
    const host = make(t);
    assert.equal(await host.readFile('a/b'), null);
    assert.deepEqual(await host.listFiles('a'), []);
    await host.writeFile('a/b', 'one');
    await host.writeFile('a/b', 'two');
    await host.appendDurably('a/c', 'x\n');
    await host.appendDurably('a/c', 'y\n');
    assert.equal(await host.readFile('a/b'), 'two');
    assert.equal(await host.readFile('a/c'), 'x\ny\n');
    assert.deepEqual(await host.listFiles('a'), ['b', 'c']);
    await host.removeFile('a/b');
    await host.removeFile('a/b');
    assert.deepEqual(await host.listFiles('a'), ['c']);
    await host.removeDirectory('a');
    await host.removeDirectory('a');
    assert.deepEqual(await host.listFiles('a'), []);
    await host.writeFile('a/b', 'three');
    assert.equal(await host.readFile('a/b'), 'three');
  });
}

function rulesetTests(make: MakeHost): void {
  test('a ruleset is applied whole or not at all, and known by its mark', async (t) => {
    const host = make(t);
    const text = (hash: string) =>
      `table inet dtn_x\ndelete table inet dtn_x\ntable inet dtn_x {\n comment "deuteron:${hash}"\n chain c { }\n}\n`;
    await host.ensureNamespace('dtn-b');
    assert.equal(await host.rulesetMark('dtn-b', 'inet dtn_x'), null);
    await host.applyRuleset('dtn-b', text('1'));
    await host.applyRuleset('dtn-b', text('2'));
    await host.applyRuleset(null, text('3'));
    assert.equal(await host.rulesetMark('dtn-b', 'inet dtn_x'), 'deuteron:2');
    assert.equal(await host.rulesetMark(null, 'inet dtn_x'), 'deuteron:3');
    await assert.rejects(host.applyRuleset('dtn-b', 'table inet dtn_x {'));
    assert.equal(await host.rulesetMark('dtn-b', 'inet dtn_x'), 'deuteron:2');
    await host.ensureNamespace('dtn-c');
    const marks = await host.rulesetMarks(['dtn-b', 'dtn-c', 'dtn-none'], 'inet dtn_x');
    assert.deepEqual([...marks], [['dtn-b', 'deuteron:2']]);
    await host.setSysctls('dtn-b', { 'net.ipv6.conf.all.disable_ipv6': '1' });
    await host.setSysctls(null, { 'net/ipv6/conf/lo/accept_ra': '0' });
  });
}

function mapTests(make: MakeHost): void {
  const TABLE = 'inet dtn_m';
  const BODY = ` comment "deuteron:1"
  map nat { type ipv4_addr : ipv4_addr; elements = { 192.0.2.1 : 10.0.0.1 }; }
  map ports { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map out { type ifname : ipv4_addr; }
  chain c { }
`;

  test('elements of maps are added and deleted, and do not matter to the mark', async (t) => {
    const host = make(t);
    await host.ensureNamespace('dtn-m');
    assert.deepEqual(await host.tables(['dtn-m', 'dtn-none'], TABLE), new Map());
    await host.applyRuleset('dtn-m', `table ${TABLE}\ndelete table ${TABLE}\ntable ${TABLE} {\n${BODY}}\n`);
    const state = async () => (await host.tables(['dtn-m', 'dtn-none'], TABLE)).get('dtn-m');
    assert.deepEqual((await state())?.maps.get('nat'), new Map([['192.0.2.1', '10.0.0.1']]));
    assert.deepEqual((await state())?.maps.get('ports'), new Map());
    await host.applyRuleset(
      'dtn-m',
      `delete element ${TABLE} nat { 192.0.2.1 }
add element ${TABLE} nat { 192.0.2.1 : 10.0.0.9, 192.0.2.2 : 10.0.0.2 }
add element ${TABLE} ports { 192.0.2.3 . tcp . 80 : 10.0.0.3 . 8080 }
add element ${TABLE} out { "qg-1" : 192.0.2.4 }
`,
    );
    assert.deepEqual(await state(), {
      mark: 'deuteron:1',
      maps: new Map([
        [
          'nat',
          new Map([
            ['192.0.2.1', '10.0.0.9'],
            ['192.0.2.2', '10.0.0.2'],
          ]),
        ],
        ['ports', new Map([['192.0.2.3 . tcp . 80', '10.0.0.3 . 8080']])],
        ['out', new Map([['"qg-1"', '192.0.2.4']])],
      ]),
    });
    await assert.rejects(host.applyRuleset('dtn-m', `delete element ${TABLE} nat { 192.0.2.77 }\n`));
    await assert.rejects(
      host.applyRuleset(
        'dtn-m',
        `delete element ${TABLE} nat { 192.0.2.2 }\nadd element ${TABLE} nat { 192.0.2.1 : 10.0.0.10 }\n`,
      ),
    );
    assert.equal((await state())?.maps.get('nat')?.size, 2, 'all or nothing');
    const many = Array.from(
      { length: 1_000 },
      (_, n) => `10.9.${n >> 8}.${n & 255} : 10.8.${n >> 8}.${n & 255}`,
    );
    await host.applyRuleset('dtn-m', `add element ${TABLE} nat { ${many.join(', ')} }\n`);
    assert.equal((await state())?.maps.get('nat')?.size, 1_002, 'however long it is');
    await host.removeNamespace('dtn-m');
  });
}

function routeTests(make: MakeHost): void {
  test('routes are set, replaced, listed as ours, and go with their link', async (t) => {
    const host = make(t);
    await host.ensureNamespace('dtn-r');
    const peer = { name: 'eth0', namespace: 'dtn-r', mac: '02:00:00:00:00:01' };
    await host.changeLinks(null, [
      { op: 'add-veth', name: 'tap-r', mtu: 1500, peer },
      { op: 'set-link', name: 'tap-r', up: true },
    ]);
    await host.changeLinks('dtn-r', [
      { op: 'add-address', link: 'eth0', address: '192.0.2.1/24' },
      { op: 'add-address', link: 'eth0', address: '2001:db8::1/64' },
      { op: 'set-link', name: 'eth0', up: true },
      { op: 'announce', name: 'eth0', mac: peer.mac },
    ]);
    const wanted: Route[] = [
      { destination: '0.0.0.0/0', nexthop: '198.51.100.1', link: 'eth0' },
      { destination: '203.0.113.0/24', nexthop: null, link: 'eth0' },
      { destination: '203.0.113.7/32', nexthop: '192.0.2.7', link: null },
      { destination: '::/0', nexthop: '2001:db8::7', link: 'eth0' },
      { destination: '2001:db8:1::/48', nexthop: '2001:db8::8', link: null },
    ];
    const add = wanted.map((route) => ({ op: 'set' as const, ...route }));
    assert.deepEqual(await host.changeRoutes('dtn-r', add), [null, null, null, null, null]);
    const listed = async () =>
      ((await host.routes(['dtn-r', 'dtn-none'])).get('dtn-r') ?? [])
        .filter(({ isConnected }) => !isConnected)
        .sort((a, b) => (a.destination < b.destination ? -1 : 1));
    const sorted = (routes: readonly Route[]) =>
      routes
        .map((route) => ({ ...route, link: 'eth0' }))
        .sort((a, b) => (a.destination < b.destination ? -1 : 1));
    assert.deepEqual(await listed(), sorted(wanted));

    const results = await host.changeRoutes('dtn-r', [
      { op: 'set', destination: '198.51.100.0/24', nexthop: '198.51.100.9', link: null },
      { op: 'set', destination: '203.0.113.7/32', nexthop: '192.0.2.8', link: null },
      { op: 'delete', destination: '2001:db8:1::/48', nexthop: '2001:db8::8', link: 'eth0' },
      { op: 'delete', destination: '198.18.0.0/15', nexthop: '192.0.2.8', link: 'eth0' },
    ]);
    assert.deepEqual(
      results.map((result) => result === null),
      [false, true, true, true],
    );
    const after = wanted.slice(0, 4).map((route) => ({
      ...route,
      nexthop: route.destination === '203.0.113.7/32' ? '192.0.2.8' : route.nexthop,
    }));
    assert.deepEqual(await listed(), sorted(after));
    assert.deepEqual([...(await host.routes(['dtn-none'])).keys()], []);
    await host.changeLinks('dtn-r', [{ op: 'set-link', name: 'eth0', up: false }]);
    assert.deepEqual(await listed(), []);
    await host.removeNamespace('dtn-r');
  });
}

function processTests(make: MakeHost): void {
  test('a process is started once, found, signalled and stopped', async (t) => {
    const host = make(t);
    const spec = { name: 'dtn-sleep', namespace: null, argv: ['sleep', '1000'], configHash: 'h1' };
    const started = await host.startProcess(spec);
    assert.equal(started.configHash, 'h1');
    await assert.rejects(host.startProcess(spec), /running already/);
    assert.deepEqual(await host.findProcess('dtn-sleep'), started);
    assert.deepEqual(await host.processes(), ['dtn-sleep']);
    await host.stopProcess('dtn-sleep', 1000);
    assert.equal(await host.findProcess('dtn-sleep'), null);
    assert.deepEqual(await host.processes(), []);
    await host.stopProcess('dtn-sleep', 1000);
  });

  test('the end of a process and a new link are told', async (t) => {
    const host = make(t);
    const events: HostEvent[] = [];
    const stop = new AbortController();
    const following = host.follow((event) => events.push(event), stop.signal);
    await until('it listens', () => events.some((event) => event.type === 'overflow'));
    await host.startProcess({ name: 'dtn-p', namespace: null, argv: ['sleep', '1000'], configHash: '' });
    await host.signalProcess('dtn-p', 'KILL');
    await until('its end', () => events.some((e) => e.type === 'process-ended' && e.name === 'dtn-p'));
    await host.changeLinks(null, [
      { op: 'add-vxlan', name: 'vxlan-5', id: 5, local: '127.0.0.1', port: 4789, mtu: 1450 },
    ]);
    await until('the link', () => events.some((e) => e.type === 'link' && e.name === 'vxlan-5'));
    await host.changeFloodEntries([{ op: 'add', link: 'vxlan-5', destination: '192.0.2.7' }]);
    await until('the entry', () => events.some((e) => e.type === 'flood' && e.link === 'vxlan-5'));
    stop.abort();
    await following;
  });
}

function contract(make: MakeHost): void {
  linkTests(make);
  fileTests(make);
  rulesetTests(make);
  mapTests(make);
  routeTests(make);
  processTests(make);
}

/** Pids of this process's own children that run the program. */
function childrenNamed(program: string): number[] {
  const self = process.pid;
  const children = readFileSync(`/proc/${self}/task/${self}/children`, 'utf8').trim().split(' ').map(Number);
  return children.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === program);
}

describe('the fake host', () => {
  contract(() => new FakeHost());
});

inOwnNamespaces(import.meta.url, () => {
  describe('the linux host', () => {
    contract((t) => linuxHost(t));

    test('a later life of the agent finds the processes of an earlier one', async (t) => {
      const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-host-'));
      const earlier = linuxHost(t, stateDirectory);
      await earlier.ensureNamespace('dtn-d');
      const argv = ['sh', '-c', 'sleep 1000 & sleep 1000'];
      const started = await earlier.startProcess({ name: 'p', namespace: 'dtn-d', argv, configHash: 'h' });
      const later = linuxHost(t, stateDirectory);
      assert.deepEqual(await later.findProcess('p'), started);
      assert.deepEqual(await later.processes(), ['p']);
      await later.stopProcess('p', 1000);
      assert.equal(await earlier.findProcess('p'), null);
    });

    test('the end of an adopted process is told', async (t) => {
      const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-host-'));
      const earlier = linuxHost(t, stateDirectory);
      await earlier.startProcess({ name: 'p', namespace: null, argv: ['sleep', '1000'], configHash: 'h' });
      const later = linuxHost(t, stateDirectory);
      const ended: string[] = [];
      const stop = new AbortController();
      const following = later.follow((event) => {
        if (event.type === 'process-ended') ended.push(event.name);
      }, stop.signal);
      await earlier.signalProcess('p', 'KILL');
      await until('its end', () => ended.includes('p'));
      stop.abort();
      await following;
    });

    test('a program that ends at once says why', async (t) => {
      const host = linuxHost(t);
      await host.ensureNamespace('dtn-e');
      const spec = { name: 'p', namespace: 'dtn-e', argv: ['no-such-program'], configHash: '' };
      await assert.rejects(host.startProcess(spec), /ended at once: .*no-such-program/);
      await assert.rejects(
        host.startProcess({ ...spec, namespace: null }),
        /no-such-program (ENOENT|EACCES)/,
      );
      assert.deepEqual(await host.processes(), []);
    });

    test('a monitor that dies is started again, and says that it missed something', async (t) => {
      const host = linuxHost(t);
      const events: HostEvent[] = [];
      const stop = new AbortController();
      const following = host.follow((event) => events.push(event), stop.signal);
      const overflows = () => events.filter((event) => event.type === 'overflow').length;
      await until('it listens', () => overflows() === 1);
      for (const pid of childrenNamed('ip')) process.kill(pid, 'SIGKILL');
      await until('it listens again', () => overflows() === 2);
      stop.abort();
      await following;
    });

    test('a step that hangs ends at its limit', async (t) => {
      const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-host-'));
      t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
      const host = createLinuxHost({ stateDirectory, clock: realClock, stepTimeoutMs: 50 });
      const finished = await host.runProgram(null, ['sleep', '1000']);
      assert.equal(finished.code, -1);
      assert.match(finished.stderr, /no end within 50 ms/);
      assert.equal((await host.runProgram(null, ['no-such-program'])).code, 127);
    });

    test('sixty namespaces are seen by a handful of programs', async (t) => {
      const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-host-'));
      const host = linuxHost(t, stateDirectory);
      const names = Array.from({ length: 60 }, (_, i) => `dtn-n${i}`);
      for (const name of names) await host.ensureNamespace(name);
      const count = join(stateDirectory, 'programs');
      const enter = ['sh', '-c', 'echo >> "$0"; exec "$@"', count];
      const counting = createLinuxHost({ stateDirectory, clock: realClock, enter });
      assert.equal((await counting.linksIn(names)).size, 60);
      const programs = readFileSync(count, 'utf8').length;
      assert.ok(programs > 0 && programs <= 8, `${programs} programs`);
    });
  });
});
