import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { roleStage } from '../operations/router-stage.ts';
import { giveOrders } from '../operations/router-orders.ts';
import { Arbiter } from './arbiter.ts';

/** A router with h1 active, an arbiter that is told of reports, and a clock that goes when it is told to. */
async function stage() {
  const w = await roleStage();
  const clock = new ManualClock();
  const said: string[] = [];
  const arbiter = new Arbiter({
    ...{ store: w.store, call: () => w.call, clock },
    onEvent: ({ kind, data }) => void said.push([kind, data['alert'] ?? ''].join(' ').trim()),
    onFailure: (_, error) => assert.fail(String(error)),
  });
  const report = async (...of: Parameters<typeof w.report>) => arbiter.told(await w.report(...of));
  const answer = async (host: string) => arbiter.told(await w.answer(host));
  /** Goes on, and lets what began come to its end. */
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const look = async (times = 1) => {
    for (let at = 0; at < times; at++) {
      await pass(1_000);
      await arbiter.look();
    }
  };
  const cut = { paths: { tunnel: 'down', management: 'down' } } as const;
  await report('h1', { state: 'active' });
  w.pass(1_000);
  return { ...w, cut, said, report, answer, wait: w.pass, pass, look };
}

test('who answers that it is active makes a dispute, which is settled when its time has come, and not before', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active', hears: true });
  await s.answer('h1');
  await s.pass(349);
  assert.deepEqual(s.orders(), { h1: 'tell' });
  await s.pass(1);
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'yield' });
  assert.deepEqual(s.said, ['router-role', 'router-role', 'alert two-active', 'router-order']);
});

test('who finds out first that nothing is reached is not the worse one: the others get time to find out too', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active' });
  await s.report('h1', { ...s.cut, order: s.row('h1').order?.epoch ?? null });
  await s.pass(200);
  assert.deepEqual(s.orders(), { h1: 'tell' });
  await s.report('h2', s.cut);
  await s.pass(50);
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'fault' }, 'h1 was first, and no worse');
});

test('the leader finds what got lost: it asks, and decides when there is an answer', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active' });
  await s.run((tx) => tx.routerBindings.update({}, { order: null }));
  await s.look();
  assert.deepEqual(s.orders(), {});
  await s.look();
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'tell' });
  await s.run((tx) => tx.routerBindings.update({ host: ['h1', 'h2'] }, { leaving: false }));
  for (const host of ['h1', 'h2']) await s.report(host, { order: s.row(host).order?.epoch ?? null });
  await s.pass(50);
  assert.deepEqual(Object.values(s.orders()).sort(), ['fault', 'tell']);
});

test('who knows that it is to yield and does not is told to step back at once', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active', hears: true });
  await s.answer('h1');
  await s.pass(350);
  await s.answer('h2');
  await s.look(2);
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'yield' });
  await s.look(2);
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'fault' });
});

test('a dead agent is not one of two: the alert ends, and nobody is told to go', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active', hears: true });
  await s.answer('h1');
  s.kill(s.agents.get('h1')!);
  await s.pass(350);
  assert.deepEqual(s.alerts(), ['alert two-active', 'alert-ended two-active']);
  assert.deepEqual(s.orders(), { h1: 'tell' });
});

test('who stepped back for one that then died is let go', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active' });
  await s.answer('h1');
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'fault' });
  s.kill(s.agents.get('h1')!);
  await s.look(2);
  assert.deepEqual(s.alerts(), ['alert two-active', 'alert-ended two-active']);
  await s.report('h2', { state: 'fault', order: s.row('h2').order?.epoch ?? null });
  await s.look(3);
  assert.deepEqual(s.orders(), { h1: 'tell' });
});

test('leases are renewed every few seconds while the one that serves answers, and end when it does not', async () => {
  const s = await stage();
  await s.report('h2', { state: 'active', ...s.cut });
  await s.report('h1', { ...s.cut, order: s.row('h1').order?.epoch ?? null });
  await s.pass(50);
  assert.equal(s.orders()['h2'], 'fault');
  const { epoch } = s.row('h2').order!;
  await s.report('h2', { state: 'fault', order: epoch });
  const answered = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await s.look();
      await s.answer('h1');
    }
  };
  await answered(4);
  const renewed = s.row('h2').order!;
  assert.ok(renewed.epoch > epoch);
  assert.deepEqual([renewed.seq, s.orders()['h1']], [s.row('h2').role_seq, 'tell']);
  await answered(3);
  assert.ok(s.row('h2').order!.epoch > renewed.epoch);
  await s.look(2);
  assert.equal(s.orders()['h2'], 'fault', 'it is asked, and has time to answer');
  await s.look(1);
  assert.equal(s.orders()['h2'], undefined);
});

test('a planned move that does not come about is given up', async () => {
  const s = await stage();
  const rows = s.store.rows('routerBindings');
  const orders = [
    { host: 'h1', do: 'yield', why: '' },
    { host: 'h2', do: 'prefer', why: '' },
  ] as const;
  await s.run((tx) => giveOrders(tx, rows, orders));
  await s.look(15);
  assert.deepEqual(s.orders(), { h1: 'yield', h2: 'prefer' });
  await s.look(2);
  assert.deepEqual([s.orders(), s.said.at(-1)], [{}, 'router-order']);
});

/** h1 is to give the router to h2. */
async function moving() {
  const s = await stage();
  for (const host of ['h2', 'h3']) await s.report(host);
  const orders = [
    { host: 'h1', do: 'yield', why: '' },
    { host: 'h2', do: 'prefer', why: '' },
  ] as const;
  await s.run((tx) => giveOrders(tx, s.store.rows('routerBindings'), orders));
  const words = () =>
    s.store
      .rows('events')
      .filter(({ kind }) => kind === 'router-order')
      .map(({ message }) => message.replaceAll(s.router.id, 'R'));
  return { ...s, words };
}

test('who was to have the router and has it not in time takes it from nobody later: another got it', async () => {
  const s = await moving();
  await s.report('h1', { state: 'standby' });
  await s.report('h3', { state: 'active' });
  assert.deepEqual(s.orders(), { h2: 'prefer' }, 'it may yet come to h2');
  await s.look(15);
  assert.deepEqual(s.orders(), { h2: 'prefer' });
  await s.look();
  assert.deepEqual(s.orders(), {});
  assert.deepEqual(s.words(), [
    'Router R has not moved to h2: h3 became active instead. It is not to move any more.',
  ]);
  await s.look(20);
  assert.equal(s.words().length, 1);
});

test('the same where nobody has it, and not where it came about late', async () => {
  const s = await moving();
  await s.report('h1', { state: 'fault' });
  await s.look(16);
  assert.deepEqual(s.orders(), {});
  assert.match(s.words()[0] ?? '', /has not moved to h2: nobody is known to be active/);

  const late = await moving();
  await late.report('h1', { state: 'standby' });
  await late.look(14);
  await late.report('h2', { state: 'active' });
  await late.look(5);
  assert.deepEqual([late.orders(), late.words()], [{}, []]);
});

test('one that was forced upon a replica and came about is no move that is under way', async () => {
  const s = await moving();
  const orders = [{ host: 'h2', do: 'prefer', why: '', forgives: 60 }] as const;
  await s.run((tx) => giveOrders(tx, s.store.rows('routerBindings'), orders));
  await s.report('h1', { state: 'standby' });
  await s.report('h2', { state: 'active', penalty: 60 });
  await s.look(20);
  assert.deepEqual([s.orders(), s.words()], [{ h2: 'prefer' }, []]);
});

/** h1 keeps the router, h2 and h3 stand back for it; then h1 says that it reaches nobody. */
async function wronglyKept() {
  const s = await stage();
  for (const host of ['h2', 'h3']) {
    await s.report(host, { state: 'active' });
    await s.answer('h1');
    await s.pass(350);
    await s.report(host, { state: 'fault', order: s.row(host).order?.epoch ?? null });
  }
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'fault', h3: 'fault' });
  const words = () =>
    s.store
      .rows('events')
      .filter(({ kind, data }) => kind === 'router-order' && data['revises'] !== undefined)
      .map(({ message }) => message.replaceAll(s.router.id, 'R'));
  const ail = () => s.report('h1', { ...s.cut, penalty: 120, order: s.row('h1').order?.epoch ?? null });
  const [best = '', last = ''] = ['h2', 'h3'].sort((one, other) => s.row(one).rank - s.row(other).rank);
  return { ...s, words, ail, best, last };
}

test('a verdict that is not borne out by what is known since is revised: the better one comes, then the other goes', async () => {
  const s = await wronglyKept();
  await s.ail();
  await s.pass(499);
  assert.deepEqual(s.orders(), { h1: 'tell', h2: 'fault', h3: 'fault' }, 'others may yet find out the same');
  await s.pass(1);
  const { best, last } = s;
  assert.deepEqual(s.orders(), { h1: 'tell', [best]: 'prefer', [last]: 'fault' });
  assert.deepEqual(s.words(), [
    `Router R: h1 keeps it, though its tunnel is down by now, that of ${best} up; ${best} is to have it.`,
  ]);
  await s.report(best, { state: 'standby', order: s.row(best).order?.epoch ?? null });
  assert.equal(s.orders()['h1'], 'tell', 'it serves until the other has come');
  await s.report(best, { state: 'active' });
  assert.equal(s.orders()['h1'], 'fault', 'at once');
  await s.report('h1', { state: 'fault', order: s.row('h1').order?.epoch ?? null });
  assert.deepEqual(s.orders(), { h1: 'fault', [last]: 'fault' });
  await s.answer(best);
  assert.deepEqual(
    s.orders(),
    { h1: 'fault', [best]: 'tell', [last]: 'fault' },
    'it is asked like any other',
  );
});

test('the leader does what nobody was told of, when it has seen it twice', async () => {
  const s = await wronglyKept();
  const [h1] = s.store.rows('routerBindings').filter(({ host }) => host === 'h1');
  const role_details = { ...h1!.role_details!, ...s.cut, penalty: 120 };
  await s.run((tx) => tx.routerBindings.update({ host: 'h1' }, { role_details }));
  await s.look();
  assert.equal(s.orders()[s.best], 'fault');
  await s.look();
  assert.equal(s.orders()[s.best], 'prefer');
});

test('others that find out the same in time are left where they are', async () => {
  const s = await wronglyKept();
  await s.ail();
  for (const host of ['h2', 'h3']) await s.report(host, { ...s.cut, penalty: 120 });
  await s.pass(500);
  assert.deepEqual([s.orders(), s.words()], [{ h1: 'tell', h2: 'fault', h3: 'fault' }, []]);
});

test('one whose agent is dead or does not answer is not let go', async () => {
  const dead = await wronglyKept();
  for (const host of ['h2', 'h3']) dead.kill(dead.agents.get(host)!);
  await dead.ail();
  await dead.pass(500);
  assert.deepEqual(dead.words(), []);

  const silent = await wronglyKept();
  for (const host of ['h2', 'h3']) await silent.report(host, { order: null });
  await silent.ail();
  await silent.pass(500);
  assert.deepEqual(silent.words(), []);
});

test('whoever has it next is revised as well, three times a minute at most, though who has it ails and who had it is well by turns', async () => {
  const s = await wronglyKept();
  await s.ail();
  await s.pass(500);
  let [has, had] = [s.best, 'h1'];
  let revised = 1;
  for (let second = 0; second < 150; second++) {
    await s.report(has, { state: 'active', paths: { tunnel: 'up', management: 'up' }, penalty: 0 });
    await s.answer(had);
    await s.report(had, { state: 'fault', paths: { tunnel: 'up', management: 'up' }, penalty: 0 });
    await s.answer(had);
    await s.report(has, { ...s.cut, penalty: 120 });
    await s.answer(has);
    s.wait(1_000);
    await s.look();
    if (s.words().length === revised) continue;
    revised = s.words().length;
    const target = s.store.rows('routerBindings').find(({ order }) => order?.do === 'prefer')!.host;
    [has, had] = [target, has];
  }
  assert.ok(revised >= 7 && revised <= 9, `${revised} in 150 s`);
});
