/** A replica of an HA router, on a host whose keepalived is played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id } from '../../../test/support/network-objects.ts';
import { HA, OWN, QG, QR, ReplicaBench, TAPS, VIPS } from '../../../test/support/replica-bench.ts';
import { keepalivedName, leaseName } from './guard.ts';
import { linkLocalOf } from './ha.ts';
import { paths } from './observe.ts';
import { UNWIRED_MS } from './wiring-cost.ts';

const none = { [QR]: [], [QG]: [] };

test('keepalived begins once its link is wired and its turn has come, and knows all that it may hold', async () => {
  const b = new ReplicaBench();
  assert.equal(b.agent.roles?.(), undefined, 'nothing is known yet');
  assert.deepEqual(await b.converge(), [
    `port/${id(0xcc1)} waiting: its link to the other replicas is not wired yet`,
  ]);
  assert.deepEqual(await b.host.processes(), []);
  b.wire(...TAPS);
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await b.programs(), [], 'the lower rank goes first');
  b.clock.advance(500);
  await b.converge();
  assert.deepEqual(await b.programs(), [keepalivedName(b.router.id)]);
  const text = (await b.file('keepalived.conf')) ?? '';
  for (const line of [
    `${OWN} dev ${HA}`,
    `10.0.1.1/24 dev ${QR} no_track`,
    `203.0.113.5/24 dev ${QG} no_track`,
    `203.0.113.8/32 dev ${QG} no_track`,
    `0.0.0.0/0 via 203.0.113.1 dev ${QG} onlink protocol 157 no_track`,
  ])
    assert.ok(text.includes(`    ${line}\n`), `${line} in ${text}`);
  assert.equal(await b.file('health'), '40\n');
  assert.deepEqual(b.role(), { state: 'standby', seq: 1, order: null });
  assert.deepEqual(await b.held(), none);
  const links = (await b.host.linksIn([b.router.namespace])).get(b.router.namespace) ?? [];
  assert.ok(
    links.every(({ up }) => up),
    'all is up: an address is all that has to move',
  );
});

test('the role is what keepalived made it, told at once; what it does is left alone, and mended later', async () => {
  const b = new ReplicaBench();
  await b.begin();
  const { reports } = b;
  b.turn('add-address');
  assert.deepEqual(b.role(), { state: 'active', seq: 2, order: null });
  assert.equal(b.reports, reports + 1);
  b.host.meddle(b.router.namespace, { op: 'delete-address', link: QG, address: '203.0.113.8/32' });
  await b.converge();
  assert.equal(await b.file('health'), '0\n');
  assert.deepEqual((await b.held())[QG], ['203.0.113.5/24'], 'keepalived may be at it');
  await b.settle();
  assert.deepEqual(await b.held(), VIPS);

  b.turn('delete-address');
  b.host.meddle(b.router.namespace, { op: 'add-address', link: QG, address: '203.0.113.8/32' });
  assert.equal(b.role()?.state, 'standby');
  await b.converge();
  assert.equal(await b.file('health'), '40\n');
  await b.settle();
  assert.deepEqual(await b.held(), none, 'what keepalived forgot is taken away');
  b.host.endProcess(keepalivedName(b.router.id));
  assert.equal(b.role()?.state, 'fault');
});

test('a replica that begins takes off all until each of its links leads somewhere, the one outside too', async () => {
  const b = new ReplicaBench();
  await b.converge();
  const [ha, inside, outside] = TAPS;
  b.wire(ha, inside);
  await b.settle();
  assert.deepEqual(await b.programs(), [keepalivedName(b.router.id)], 'better than nobody');
  const ails = () => b.agent.roles?.()?.[0];
  assert.equal(await b.file('health'), '225\n');
  assert.deepEqual(
    [ails()?.penalty, ails()?.reasons],
    [200, [`not wired here yet: ${QG} to the external network`]],
  );
  b.agent = b.live();
  await b.settle();
  assert.equal(await b.file('health'), '225\n', 'in whatever life');
  const { reports } = b;
  b.wire(outside);
  await b.converge();
  assert.deepEqual([await b.file('health'), ails()?.penalty, ails()?.reasons], ['40\n', 0, []]);
  assert.ok(b.reports > reports, 'servers are told');
});

test('one that has begun is not bothered by a link that leads nowhere for a moment; for long, it is', async () => {
  const b = await ReplicaBench.active();
  b.unwire(TAPS[2]);
  await b.converge();
  b.clock.advance(UNWIRED_MS - 1);
  await b.converge();
  assert.equal(await b.file('health'), '0\n');
  b.clock.advance(1);
  await b.converge();
  assert.equal(await b.file('health'), '205\n');
  b.wire(TAPS[2]);
  await b.converge();
  assert.equal(await b.file('health'), '0\n');
  b.agent = b.live();
  b.unwire(TAPS[2]);
  await b.converge();
  assert.equal(await b.file('health'), '0\n', 'nor by that in a new life');
});

test('a look that begins before addresses have come to rest, and ends after, is followed by another at once', async () => {
  const b = await ReplicaBench.active();
  b.turn('delete-address');
  b.clock.advance(395);
  const { findProcess } = b.host;
  b.host.findProcess = (name) => {
    b.clock.advance(5);
    return findProcess.call(b.host, name);
  };
  const { again } = await b.agent.reconcile(b.router.key, new AbortController().signal);
  assert.equal(again, 1);
});

test('a later life finds the role as it is, and touches nothing', async () => {
  const b = await ReplicaBench.active();
  const { pid } = b.host.process(keepalivedName(b.router.id)) ?? {};
  const before = [...b.signals];
  for (const bulk of [false, true]) {
    b.agent = b.live();
    if (bulk) await b.agent.observeAll();
    assert.deepEqual(await b.converge(), []);
    assert.deepEqual(await b.held(), VIPS);
    assert.deepEqual(b.role(), { state: 'active', seq: 1, order: null });
    assert.equal(b.host.process(keepalivedName(b.router.id))?.pid, pid);
    assert.deepEqual(b.signals, before);
    assert.equal(await b.file('health'), '0\n');
  }
});

test('one more address is told to keepalived, which is not started anew', async () => {
  const b = new ReplicaBench();
  await b.begin();
  const { pid } = b.host.process(keepalivedName(b.router.id)) ?? {};
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  await b.settle();
  assert.deepEqual(b.signals, ['HUP']);
  assert.equal(b.host.process(keepalivedName(b.router.id))?.pid, pid);
  assert.match((await b.file('keepalived.conf')) ?? '', /203\.0\.113\.9\/32/);
  assert.deepEqual(await b.held(), none);

  await b.host.writeFile(`l3/${b.router.id}/keepalived.told`, 'something else');
  b.agent = b.live();
  await b.settle();
  assert.deepEqual(b.signals, ['HUP', 'HUP'], 'a life that ended in between did not say it');
});

test('orders: preferred, yielding, stepping back for a while', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.order({ do: 'prefer', seq: 99 });
  await b.converge();
  assert.equal(await b.file('health'), '-3\n');
  assert.equal(b.role()?.order, 1);
  b.order(null);
  await b.converge();
  assert.equal(await b.file('health'), '40\n');

  b.turn('add-address');
  await b.settle();
  b.order({ do: 'yield', epoch: 2, seq: 1 });
  await b.converge();
  assert.equal(await b.file('health'), '0\n', 'for a role that it has no more');
  b.order({ do: 'yield', epoch: 3 });
  await b.converge();
  assert.equal(await b.file('health'), '100\n');
  b.turn('delete-address');
  await b.settle();
  assert.equal(await b.file('health'), '140\n', 'until it is told otherwise');
  b.agent = b.live();
  await b.settle();
  assert.equal(await b.file('health'), '140\n', 'by whatever life');

  b.order({ do: 'fault', epoch: 4 });
  await b.converge();
  assert.deepEqual([await b.file('lease'), b.role()?.state], ['1\n', 'fault']);
  assert.ok((await b.host.processes()).includes(leaseName(b.router.id)));
  b.clock.advance(9_999);
  await b.converge();
  assert.equal(await b.file('lease'), '1\n');
  b.clock.advance(1);
  await b.converge();
  assert.deepEqual([await b.file('lease'), b.role()?.state, b.role()?.order], ['0\n', 'standby', null]);
});

test('a lease ends as soon as the one that it was for is gone, and the same order does not begin it anew', async () => {
  const b = await ReplicaBench.active();
  b.order({ do: 'fault', epoch: 4 });
  await b.converge();
  assert.deepEqual([await b.file('lease'), b.isHeld], ['1\n', true]);
  b.turn('delete-address');
  b.isOtherGone = true;
  await b.converge();
  assert.deepEqual([await b.file('lease'), b.isHeld, b.role()?.state], ['0\n', false, 'standby']);
  b.isOtherGone = false;
  b.agent = b.live();
  await b.settle();
  assert.deepEqual([await b.file('lease'), b.role()?.order], ['0\n', null]);
  b.order({ do: 'fault', epoch: 5, seq: 1 });
  await b.converge();
  assert.deepEqual([await b.file('lease'), b.isHeld], ['1\n', true], 'another order does');
});

test('a lease that a life left without what would end it is ended by the next', async () => {
  const b = new ReplicaBench();
  await b.begin();
  await b.host.writeFile(paths(b.router.id).lease, '1\n');
  await b.converge();
  assert.equal(await b.file('lease'), '1\n', 'this life has begun none');
  b.agent = b.live();
  await b.converge();
  assert.equal(await b.file('lease'), '0\n');
});

test('a move that was forced upon it forgives what ailed it then, and nothing more', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.ails(90);
  await b.converge();
  assert.equal(await b.file('health'), '130\n');
  b.order({ do: 'prefer', forgives: 90 });
  await b.converge();
  assert.equal(await b.file('health'), '-3\n');
  b.turn('add-address');
  await b.settle();
  b.agent = b.live();
  await b.settle();
  assert.equal(await b.file('health'), '-3\n', 'in whatever life');
  b.ails(150);
  await b.converge();
  assert.equal(await b.file('health'), '57\n');
  b.order(null);
  await b.converge();
  assert.equal(await b.file('health'), '120\n');
});

test('a keepalived that does not let go is killed', async () => {
  const b = await ReplicaBench.active();
  b.order({ do: 'fault' });
  await b.converge();
  b.clock.advance(499);
  await b.converge();
  assert.equal(b.kills, 0);
  b.clock.advance(1);
  await b.converge();
  assert.equal(b.kills, 1);
  b.turn('delete-address');
  await b.settle();
  assert.equal(b.kills, 1);

  b.host.hangProcess(keepalivedName(b.router.id));
  await b.converge();
  assert.equal(b.kills, 2, 'nor one that does nothing');
});

test('a guard that is killed is started again at once, without the keepalived that it left; not again and again', async () => {
  const b = new ReplicaBench();
  await b.begin();
  await b.host.writeFile(paths(b.router.id).keepalivedPid, '4711\n');
  const name = keepalivedName(b.router.id);
  b.host.endProcess(name);
  await b.converge();
  assert.deepEqual([b.kills, (await b.host.processes()).includes(name)], [1, true]);
  b.host.endProcess(name);
  await b.converge();
  assert.equal((await b.host.processes()).includes(name), false);
});

test('addresses that a killed keepalived and its guard left are taken away, though it is not started again yet', async () => {
  const b = new ReplicaBench();
  await b.begin();
  const name = keepalivedName(b.router.id);
  const isKilled = async () => {
    b.turn('add-address');
    b.clock.advance(1_000);
    await b.converge();
    assert.notDeepEqual(await b.held(), none);
    b.host.endProcess(name);
    await b.converge();
    b.clock.advance(500);
    await b.converge();
  };
  await isKilled();
  assert.equal((await b.host.processes()).includes(name), true);
  await isKilled();
  assert.equal((await b.host.processes()).includes(name), false, 'twice within seconds is enough');
  assert.deepEqual(await b.held(), none);
  assert.equal(b.role()?.state, 'fault');
});

test('one that is started after it was gone for a while has what it takes, though what it was told cannot be written down', async () => {
  const b = new ReplicaBench();
  await b.begin();
  for (let times = 0; times < 3; times++) {
    b.host.endProcess(keepalivedName(b.router.id));
    await b.converge();
  }
  assert.deepEqual(await b.programs(), [], 'not started again yet');
  b.cannotWrite('keepalived.told');
  b.clock.advance(10_000);
  assert.equal((await b.converge()).length, 1);
  assert.deepEqual(await b.programs(), [keepalivedName(b.router.id)]);
  b.turn('add-address');
  b.clock.advance(1_000);
  await b.converge();
  assert.deepEqual(await b.held(), VIPS);
});

test('an active whose keepalived cannot be told something keeps what it has', async () => {
  const b = await ReplicaBench.active();
  const before = await b.held();
  b.cannotWrite('keepalived.conf');
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  for (let times = 0; times < 3; times++) {
    assert.equal((await b.converge()).length, 1);
    b.clock.advance(1_000);
  }
  const after = await b.held();
  assert.deepEqual(after[QR], before[QR]);
  assert.deepEqual(after[QG], [...(before[QG] ?? []), '203.0.113.9/32'].sort());
  assert.equal(b.role()?.state, 'active');
});

test('an active says whether it hears another, looked at when it matters', async () => {
  const b = new ReplicaBench();
  const hears = () => b.agent.roles?.()?.[0]?.hears;
  await b.begin();
  assert.equal(hears(), true, 'that is why it stands by');
  b.turn('add-address');
  assert.equal(hears(), false);
  b.heard = 'elements = { 169.254.192.8 expires 344ms }';
  await b.settle();
  assert.equal(hears(), true);
  b.heard = '';
  await b.agent.patrol?.('next');
  assert.equal(hears(), false);
  b.heard = 'elements = { 169.254.192.8 expires 344ms }';
  b.order({ do: 'tell' });
  await b.converge();
  assert.deepEqual([hears(), b.role()?.order], [true, 1]);
});

test('connections are taken over when it becomes active, and not again for what else is said of it', async () => {
  const b = await ReplicaBench.active();
  assert.equal(b.takeovers, 1);
  b.heard = '10.0.0.1';
  b.order({ do: 'tell', seq: b.role()?.seq ?? 0 });
  await b.settle();
  assert.equal(b.role()?.order, 1);
  assert.equal(b.takeovers, 1);
  b.turn('delete-address');
  await b.settle();
  b.turn('add-address');
  await b.settle();
  assert.equal(b.takeovers, 2);
});

test('since when it has its role outlives the agent', async () => {
  const b = new ReplicaBench();
  const forMs = () => b.agent.roles?.()?.[0]?.forMs;
  await b.begin();
  b.turn('add-address');
  await b.settle();
  b.clock.advance(60_000);
  const before = forMs() ?? 0;
  assert.ok(before >= 60_000);
  b.agent = b.live();
  b.clock.advance(5_000);
  await b.converge();
  assert.equal(forMs(), before + 5_000);
});

test('a router that leaves takes its keepalived with it', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.router.leave();
  await b.converge();
  assert.deepEqual(await b.host.processes(), []);
  assert.deepEqual(await b.host.listFiles('l3'), []);
  assert.deepEqual(b.agent.roles?.(), []);
});

test('link-local addresses are those that a kernel would choose', () => {
  assert.equal(linkLocalOf('fa:16:3e:00:00:01'), 'fe80::f816:3eff:fe00:1');
});
