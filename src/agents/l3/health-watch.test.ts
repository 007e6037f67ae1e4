/** The whole of health on a fake host: what happens to links, peers and scripts, and what is said of the router. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { id, networkBody, TestWorld } from '../../../test/support/network-objects.ts';
import { subnetOf, TestRouter } from '../../../test/support/router-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import type { GuardedResult, GuardedRun, ProgramFacts } from '../../host/host.ts';
import { healthAddress } from '../../resources/health-address.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import { parseCheck } from './check-script.ts';
import type { Health, HealthSource } from './health.ts';
import { ailmentOf } from '../../resources/ailment.ts';
import { createHealth } from './health-watch.ts';

const PATH = '/etc/checks/gateway';
const HOLD_MS = 5_000;
const CHECK_HOLD_MS = 60_000;
const WELL: GuardedResult = { ending: 'exited', code: 0, durationMs: 1, output: '' };

const script: ProgramFacts = {
  steps: [
    { path: '/', kind: 'directory', uid: 0, gid: 0, mode: 0o755 },
    { path: PATH, kind: 'file', uid: 0, gid: 0, mode: 0o755 },
  ],
  trusted: [0],
  content: { size: 9, sha256: 'a'.repeat(64), head: '#!/bin/sh' },
  interpreters: [],
};

class Stage {
  readonly world = new TestWorld('h1');
  readonly router = new TestRouter(this.world, 1, { ha: true, ha_vr_id: 7 });
  readonly clock = new ManualClock();
  readonly runs: GuardedRun[] = [];
  answer: (run: GuardedRun) => GuardedResult = () => WELL;
  readonly host = new FakeHost({
    guarded: (run) => {
      this.runs.push(run);
      return this.answer(run);
    },
    run: (_, argv) => {
      if (argv[0] !== 'nft') return undefined;
      return { code: 0, stdout: this.claimed.map((address) => `{"val": "${address}"}`).join(), stderr: '' };
    },
  });
  /** Addresses that another answers for outside. */
  claimed: readonly string[] = [];
  /** Addresses that are silent. */
  readonly silent = new Set(
    [2, 3].flatMap((n) => [healthAddress(`192.0.2.${n}`), healthAddress(`198.51.100.${n}`, 'management')]),
  );
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  health!: HealthSource;

  constructor() {
    this.world.putNetwork(networkBody(id(0xa1)));
    const replica = (host: string, rank: number, last: number) => ({
      ...{ host, rank, order: null },
      ...{ tunnel_ip: `192.0.2.${last}`, management_ip: `198.51.100.${last}` },
    });
    for (const n of [1, 2, 3]) this.world.put(this.router.key, `replica/h${n}`, replica(`h${n}`, n - 1, n));
    const owner = 'network:router_gateway';
    this.world.putNetwork(networkBody(id(0xe1), { network_type: 'flat', physical_network: 'physnet1' }));
    this.router.attach(0xaa1, id(0xa1), subnetOf('10.0.1.0/24', '10.0.1.1'));
    this.router.attach(0xee1, id(0xe1), subnetOf('203.0.113.0/24', '203.0.113.1'), {
      owner,
      ip: '203.0.113.5',
    });
    this.carrier('192.0.2.1', 'tun0', true);
    this.carrier('ext0', 'ext0', true);
    this.host.programs.set(PATH, script);
    void this.host.ensureNamespace(this.router.namespace);
  }

  carrier(named: string, link: string, isUp: boolean): void {
    this.host.underlay.set(named, { link, isUp, bond: null });
    this.health?.onHostEvent({ type: 'link', name: link, namespace: null, news: isUp ? 'up' : 'no-carrier' });
  }

  async begin(checks: readonly string[] = []): Promise<void> {
    this.#stop = new AbortController();
    this.health = createHealth({
      ...{ host: this.host, world: this.world, clock: this.clock, tunnelIp: '192.0.2.1' },
      externalLinks: new Map([
        ['physnet1', 'ext0'],
        ['physnet2', 'ext9'],
      ]),
      checks: checks.map(parseCheck),
      ...{ checkUser: 'nobody', linkHoldMs: HOLD_MS, checkHoldMs: CHECK_HOLD_MS },
      ...{ isolation: 'evidence', witnesses: [] },
      onFailure: (error) => assert.fail(String(error)),
    });
    this.health.tellRole(this.router.id, 'active');
    this.#running = this.health.run(this.#stop.signal);
    await this.pass(0);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.pass(0);
    await this.#running;
  }

  async pass(durationMs: number): Promise<void> {
    const end = this.clock.now() + durationMs;
    do {
      this.clock.advance(Math.min(100, end - this.clock.now()));
      for (const { address, bytes } of this.host.probed())
        if (bytes === null) this.host.answerProbe(address, !this.silent.has(address));
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    } while (this.clock.now() < end);
  }

  get now(): Health {
    const health = this.health.current(this.router.id);
    assert.ok(health);
    return health;
  }
}

async function stage(t: TestContext, checks: readonly string[] = []): Promise<Stage> {
  const made = new Stage();
  t.after(() => made.end());
  await made.begin(checks);
  await made.pass(100);
  return made;
}

test('all is well, once everybody was asked', async (t) => {
  const made = new Stage();
  t.after(() => made.end());
  const told: (string | null)[] = [];
  await made.begin();
  made.health.onChange((routerId) => told.push(routerId));
  assert.deepEqual(
    made.host
      .probed()
      .filter(({ address }) => !address.startsWith('fd'))
      .map(({ address, bytes }) => `${address} ${bytes}`)
      .sort(),
    [
      '192.0.2.2 1500',
      '192.0.2.2 null',
      '192.0.2.3 1500',
      '192.0.2.3 null',
      '198.51.100.2 null',
      '198.51.100.3 null',
    ],
  );
  await made.pass(100);
  assert.deepEqual(made.now, {
    ...{ penalty: 0, reasons: [], checks: [] },
    paths: { tunnel: 'up', management: 'up' },
    peers: [2, 3].map((n) => ({ host: `h${n}`, answers: true })),
  });
});

test('a peer is told as silent only where it answered by both ways before, and by none now', async (t) => {
  const made = await stage(t);
  const told = () => made.now.peers.map(({ host, answers }) => `${host} ${answers}`).join(', ');
  made.silent.add('192.0.2.3');
  await made.pass(1_000);
  assert.equal(told(), 'h2 true, h3 true', 'one way is left');
  made.silent.add('198.51.100.3');
  await made.pass(200);
  assert.equal(told(), 'h2 true, h3 true', 'two misses are none');
  await made.pass(100);
  assert.equal(told(), 'h2 true, h3 false');
  made.silent.delete('192.0.2.3');
  await made.pass(100);
  assert.equal(told(), 'h2 true, h3 true');
});

test('of a peer that never answered by one of the ways nothing is said, nor by a new life of the agent', async (t) => {
  const made = new Stage();
  t.after(() => made.end());
  made.silent.add('198.51.100.3');
  await made.begin();
  await made.pass(1_000);
  assert.deepEqual(made.now.peers.at(-1), { host: 'h3', answers: true, silentBy: 'management' });
  made.silent.add('192.0.2.3');
  await made.pass(1_000);
  assert.deepEqual(made.now.peers, [{ host: 'h2', answers: true }]);
  for (const path of ['192.0.2', '198.51.100']) made.silent.add(`${path}.2`);
  await made.pass(1_000);
  assert.deepEqual(made.now.peers, [{ host: 'h2', answers: false }]);
  await made.end();
  await made.begin();
  await made.pass(4_000);
  assert.deepEqual(made.now.peers, []);
});

test('an active that nobody answers by either way says so after two misses; it costs nothing before it is sure', async (t) => {
  const made = await stage(t);
  const all = [2, 3].flatMap((n) => [`192.0.2.${n}`, `198.51.100.${n}`]);
  const [last = '', ...others] = all;
  for (const address of others) made.silent.add(address);
  await made.pass(200);
  assert.equal(made.now.doubts, undefined, 'one answers');
  made.silent.add(last);
  await made.pass(100);
  assert.equal(made.now.doubts, undefined);
  await made.pass(100);
  const { doubts, paths, penalty } = made.now;
  assert.deepEqual([doubts, paths.tunnel, penalty], [true, 'up', 0]);
  made.health.tellRole(made.router.id, 'standby');
  assert.equal(made.now.doubts, undefined, 'a stand-by does not');
  made.health.tellRole(made.router.id, 'active');
  made.silent.delete(last);
  await made.pass(100);
  assert.equal(made.now.doubts, undefined);
  made.silent.add(last);
  await made.pass(300);
  assert.deepEqual([made.now.doubts, made.now.paths], [undefined, { tunnel: 'down', management: 'down' }]);
});

test('silent peers cost after three misses, and again nothing after the hold', async (t) => {
  const made = await stage(t);
  for (const n of [2, 3]) made.silent.add(`192.0.2.${n}`);
  await made.pass(200);
  assert.equal(made.now.penalty, 0);
  await made.pass(100);
  assert.equal(made.now.penalty, 120);
  assert.deepEqual(made.now.paths, { tunnel: 'down', management: 'up' });
  assert.match(made.now.reasons.join(), /^2 of 2 hosts do not answer through the tunnel network: h2, h3$/);
  for (const n of [2, 3]) made.silent.delete(`192.0.2.${n}`);
  await made.pass(1_500);
  assert.equal(made.now.penalty, 120, 'others may find out later that it is over');
  await made.pass(HOLD_MS - 1_600);
  assert.equal(made.now.penalty, 60, 'less than what ails right now');
  assert.match(made.now.reasons.join(), /no more: that counts in full after 5 s of it/);
  assert.deepEqual(made.now.reasons.map(ailmentOf), ['held-down']);
  await made.pass(1_100);
  assert.deepEqual([made.now.penalty, made.now.reasons], [0, []]);
});

test('a stand-by asks who has the addresses before it is sure to be alone, and then does not begin', async (t) => {
  const made = await stage(t);
  made.health.tellRole(made.router.id, 'standby');
  made.claimed = ['203.0.113.5'];
  const all = [2, 3].flatMap((n) => [`192.0.2.${n}`, `198.51.100.${n}`]);
  for (const address of all) made.silent.add(address);
  await made.pass(200);
  assert.deepEqual([made.now.isAway, made.now.isHeldBack], [undefined, true]);
  await made.pass(100);
  assert.deepEqual([made.now.isAway, made.now.isHeldBack], [true, undefined]);
  // What nobody answers for it does not stay away from.
  for (const address of all) made.silent.delete(address);
  await made.pass(2_500);
  made.claimed = [];
  for (const address of all) made.silent.add(address);
  await made.pass(2_000);
  assert.equal(made.now.isAway, undefined);
});

test('a stand-by that all have missed once is kept from rising until one answers; an active one is not', async (t) => {
  const made = await stage(t);
  const all = [2, 3].flatMap((n) => [`192.0.2.${n}`, `198.51.100.${n}`]);
  const isHeldBack = async (role: 'active' | 'standby', silent: readonly string[]) => {
    made.health.tellRole(made.router.id, role);
    for (const address of silent) made.silent.add(address);
    await made.pass(100);
    const { isHeldBack = false, isAway } = made.now;
    assert.equal(isAway, undefined);
    for (const address of silent) made.silent.delete(address);
    await made.pass(100);
    assert.equal(made.now.isHeldBack, undefined, 'they answer again');
    return isHeldBack;
  };
  assert.equal(await isHeldBack('active', all), false);
  assert.equal(await isHeldBack('standby', all), true);
  assert.equal(await isHeldBack('standby', all.slice(1)), false, 'one answers');
  made.carrier('ext0', 'ext0', false);
  await made.pass(100);
  assert.equal(await isHeldBack('standby', all), false, 'nobody can be asked');
});

test('an external link that is not there takes no evidence from routers that have another', async (t) => {
  const made = await stage(t);
  const other = new TestRouter(made.world, 2, { ha: true, ha_vr_id: 8 });
  made.world.put(other.key, 'replica/h1', {
    host: 'h1',
    rank: 0,
    order: null,
    tunnel_ip: '',
    management_ip: '',
  });
  made.world.putNetwork(networkBody(id(0xe2), { network_type: 'flat', physical_network: 'physnet2' }));
  other.attach(0xee2, id(0xe2), subnetOf('198.51.100.0/24', '198.51.100.1'), {
    ...{ owner: 'network:router_gateway', ip: '198.51.100.5' },
  });
  for (const { id: router } of [made.router, other]) made.health.tellRole(router, 'standby');
  made.claimed = ['203.0.113.5'];
  await made.pass(1_100);
  for (const n of [2, 3]) for (const net of ['192.0.2', '198.51.100']) made.silent.add(`${net}.${n}`);
  await made.pass(600);
  assert.equal(made.now.isAway, true);
  const { body = '' } = made.host.table(null, 'netdev deuteron_evidence') ?? {};
  assert.match(body, /devices = \{ "ext0" \}/);
});

test('a peer that answers, but inside the tunnels no more, is silent; one that never did there is not', async (t) => {
  const made = await stage(t);
  const inside = [2, 3].map((n) => healthAddress(`192.0.2.${n}`));
  for (const address of inside) made.silent.delete(address);
  await made.pass(200);
  for (const address of inside) made.silent.add(address);
  await made.pass(900);
  assert.equal(made.now.penalty, 0);
  await made.pass(200);
  assert.equal(made.now.penalty, 120);
  assert.equal(made.now.paths.tunnel, 'down');
  // Their hosts begin anew: until their agents do, they have nothing there.
  for (const n of [2, 3]) made.silent.add(`192.0.2.${n}`);
  await made.pass(300);
  for (const n of [2, 3]) made.silent.delete(`192.0.2.${n}`);
  await made.pass(HOLD_MS + 1_100);
  assert.deepEqual([made.now.penalty, made.now.paths.tunnel], [0, 'up']);
});

test('the second path of heartbeats is asked inside as well: that it is shut moves nothing, and is told', async (t) => {
  const made = await stage(t);
  const inside = [2, 3].map((n) => healthAddress(`198.51.100.${n}`, 'management'));
  await made.pass(3_000);
  assert.equal(made.now.paths.management, 'up', 'agents from before this have nothing there');
  for (const address of inside) made.silent.delete(address);
  await made.pass(300);
  made.silent.add(inside[0]!);
  await made.pass(2_100);
  assert.deepEqual([made.now.penalty, made.now.paths], [0, { tunnel: 'up', management: 'up' }]);
  const h2 = { host: 'h2', answers: true, silentBy: 'management' };
  assert.deepEqual(made.now.peers, [h2, { host: 'h3', answers: true }]);
  assert.deepEqual(made.now.reasons, [
    'no answer through the management network, only through the tunnels: h2',
  ]);
  made.silent.add(inside[1]!);
  await made.pass(2_100);
  assert.deepEqual([made.now.penalty, made.now.paths], [0, { tunnel: 'up', management: 'down' }]);
  for (const address of inside) made.silent.delete(address);
  await made.pass(300);
  assert.deepEqual([made.now.reasons, made.now.paths.management], [[], 'up']);
});

test('where a firewall keeps questions from addresses, those inside the tunnels tell', async (t) => {
  const made = new Stage();
  t.after(() => made.end());
  for (const n of [2, 3]) {
    made.silent.add(`192.0.2.${n}`);
    made.silent.delete(healthAddress(`192.0.2.${n}`));
  }
  await made.begin();
  await made.pass(HOLD_MS + 1_000);
  assert.deepEqual([made.now.penalty, made.now.paths.tunnel], [0, 'up']);
  for (const n of [2, 3]) made.silent.add(healthAddress(`192.0.2.${n}`));
  await made.pass(1_100);
  assert.equal(made.now.penalty, 120);
});

test('a stand-by is well again later than the active', async (t) => {
  const made = await stage(t);
  made.carrier('192.0.2.1', 'tun0', false);
  await made.pass(100);
  made.health.tellRole(made.router.id, 'standby');
  made.carrier('192.0.2.1', 'tun0', true);
  await made.pass(2_900);
  assert.equal(made.now.penalty, 150, 'an active that got well at the same time is better off by now');
  await made.pass(HOLD_MS - 1_500);
  assert.equal(made.now.penalty, 75);
  await made.pass(1_100);
  assert.equal(made.now.penalty, 0);
});

test('a lost carrier counts before any program was asked', async (t) => {
  const made = await stage(t);
  made.health.onHostEvent({ type: 'link', name: 'tun0', namespace: null, news: 'no-carrier' });
  assert.equal(made.now.penalty, 150);
  assert.match(made.now.reasons.join(), /tun0 has no carrier: it is this host's link to the tunnel network/);
});

test("the external network's carrier counts for routers with a gateway on it", async (t) => {
  const made = await stage(t);
  const inner = new TestRouter(made.world, 2, { ha: true, ha_vr_id: 8 });
  made.carrier('ext0', 'ext0', false);
  await made.pass(1_100);
  assert.equal(made.now.penalty, 100);
  assert.equal(made.health.current(inner.id)?.penalty, 0);
});

test('one link of a bond moves nothing and is told', async (t) => {
  const made = await stage(t);
  const bond = { name: 'bond0', members: 2, down: ['eth1'] };
  made.host.underlay.set('192.0.2.1', { link: 'bond0', isUp: true, bond });
  made.health.onHostEvent({ type: 'link', name: 'eth1', namespace: null, news: 'no-carrier' });
  await made.pass(300);
  assert.deepEqual([made.now.penalty, made.now.reasons], [0, ['eth1 is down: bond0 has 1 of 2 links left']]);
});

test('what a check says lately is told by and by, and of a router that nothing else happens to', async (t) => {
  const made = await stage(t, [`gateway ${PATH} interval=1`]);
  const told: string[] = [];
  let changes = 0;
  made.health.onChange(() => {
    changes += 1;
  });
  made.health.onWords(() => told.push(made.now.checks[0]?.text ?? ''));
  // by then it is known that no other answers for its addresses
  await made.pass(15_000);
  const early = [changes, told.length];
  await made.pass(45_000);
  assert.equal(told[0], ' [+]');
  assert.equal(told.at(-1), ` [${'+'.repeat(20)}]`);
  assert.equal(told.length, 3, told.join());
  assert.deepEqual(early, [changes, told.length - 1], 'no router is looked at for it');
});

test('a check is told of its router, and what it says costs its weight until long after', async (t) => {
  const made = await stage(t, [`gateway ${PATH} interval=1 weight=70`]);
  await made.pass(1_100);
  const [run] = made.runs;
  assert.deepEqual([run?.namespace, run?.user?.uid, run?.timeoutMs], [made.router.namespace, 65_534, 3_000]);
  assert.deepEqual(run?.argv, [
    ...[PATH, made.router.id, made.router.namespace, 'active', '7'],
    ...['qg-00000ee1-00', '203.0.113.5/24', '203.0.113.1', 'qr-00000aa1-00', '10.0.1.1/24', '-'],
  ]);
  assert.equal(run?.environment['DEUTERON_GATEWAY_NEXTHOPS'], '203.0.113.1');
  assert.deepEqual(
    made.now.checks.map(({ name, ok }) => [name, ok]),
    [['gateway', true]],
  );
  made.answer = () => ({ ...WELL, code: 1, output: 'no answer\n' });
  await made.pass(1_000);
  assert.equal(made.now.penalty, 0);
  await made.pass(1_000);
  assert.deepEqual([made.now.penalty, made.now.reasons], [70, ['check gateway fails: no answer']]);
  assert.deepEqual(made.now.reasons.map(ailmentOf), ['check']);
  assert.equal(made.now.checks[0]?.ok, false);
  made.answer = () => WELL;
  await made.pass(30_000);
  assert.deepEqual([made.now.penalty, made.now.checks[0]?.ok], [70, false]);
  await made.pass(35_000);
  assert.deepEqual([made.now.penalty, made.now.checks[0]?.ok], [0, true]);
});

test('a script that cannot run, or was changed, costs nothing and is told', async (t) => {
  const made = await stage(t, [`gateway ${PATH} interval=1`]);
  await made.pass(1_100);
  made.host.programs.set(PATH, {
    ...script,
    content: { size: 9, sha256: 'b'.repeat(64), head: '#!/bin/sh' },
  });
  const before = made.runs.length;
  await made.pass(3_000);
  assert.equal(made.now.penalty, 0);
  assert.match(
    made.now.reasons.join(),
    /check gateway says nothing: it is not run: .* its content is not what it was/,
  );
  assert.ok(made.runs.length <= before + 1);
});

test('what is held survives a new life of the agent', async (t) => {
  const made = await stage(t, [`gateway ${PATH} interval=1`]);
  made.answer = () => ({ ...WELL, code: 1 });
  await made.pass(3_000);
  assert.equal(made.now.penalty, 90);
  await made.end();
  await made.begin([`gateway ${PATH} interval=1`]);
  assert.equal(made.health.current(made.router.id), null);
  made.answer = () => WELL;
  await made.pass(200);
  assert.deepEqual([made.now.penalty, made.now.reasons.length], [90, 1]);
  await made.pass(CHECK_HOLD_MS + 2_000);
  assert.equal(made.now.penalty, 0);
});
