/** What follows from what agents say of the roles of their replicas, on the store in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventRow } from '../resources/event.ts';
import type { ReplicaReport, ReplicaState } from '../resources/replica-report.ts';
import { applyReport, takeRoles } from './agent-report.ts';
import { createRouter } from './router.ts';
import { renewLeases } from './router-orders.ts';
import { roleStage } from './router-stage.ts';

const SAYS: Omit<ReplicaReport, 'router' | 'state' | 'seq'> = {
  ...{ forMs: 0, penalty: 0, reasons: [], hears: false, checks: [], order: null },
  paths: { tunnel: 'up', management: 'up' },
};

const kinds = (events: readonly EventRow[] = []) => events.map(({ kind, host }) => `${kind} ${host}`.trim());

test('a role is kept with since when and why; the same again writes nothing, and takes no place', async () => {
  const w = await roleStage();
  const before = w.store.head();
  assert.deepEqual(kinds((await w.report('h1', { state: 'active', forMs: 500 })).events), ['router-role h1']);
  const checks = [{ name: 'uplink', ok: false, forMs: 2_000, text: 'no answer' }];
  const told = await w.report('h2', { penalty: 60, reasons: ['h3 is not reached'], checks });
  assert.deepEqual(told, { accepted: true, registered: true });
  assert.deepEqual(w.store.head(), before);
  const { ha_state, role_since, role_incarnation, role_seq } = w.row('h1');
  assert.deepEqual(
    [ha_state, role_since, role_incarnation, role_seq],
    ['active', '2026-01-31T11:59:59.500Z', 1, 1],
  );
  const since = '2026-01-31T11:59:58.000Z';
  assert.deepEqual(w.row('h2').role_details, {
    ...{ state: 'standby', penalty: 60, reasons: ['h3 is not reached'], hears: false, order: null },
    ...{ paths: { tunnel: 'up', management: 'up' } },
    checks: [{ name: 'uplink', ok: false, since, text: 'no answer' }],
  });
  w.pass(5_000);
  await w.report('h2', { checks: [{ ...checks[0]!, forMs: 7_000, text: 'still none' }] });
  await w.report('h1', { forMs: 5_500 });
  assert.equal(w.row('h2').role_details?.checks[0]?.since, since);
  assert.equal(w.row('h1').role_since, role_since);
  await w.report('h1', { state: 'fault', penalty: 200 });
  assert.deepEqual([w.row('h1').ha_state, w.row('h1').role_details?.state], ['standby', 'fault']);
});

test('what an agent says no more is not known; of replicas that it does not have it says nothing', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  const other = (await w.run((tx) => createRouter(tx, w.call, [{ ha: true }])))[0]!;
  await w.report('h1', { router: w.agents.get('h1')!.id });
  const rows = w.store.rows('routerBindings').filter((one) => one.host === 'h1');
  const states = Object.fromEntries(rows.map((one) => [one.router_id, one.ha_state]));
  assert.deepEqual(states, { [w.router.id]: 'unknown', [other.id]: 'standby' });
});

test('a failover is no dispute: who was active is asked, and does not answer, or says that it no longer is', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  const { position } = w.store.head();
  assert.equal((await w.report('h2', { state: 'active' })).disputes, undefined);
  assert.deepEqual([w.orders(), w.store.head().position], [{ h1: 'tell' }, position + 1]);
  assert.deepEqual(await w.settle(), []);
  assert.deepEqual([w.orders(), w.alerts()], [{ h1: 'tell' }, []]);
  await w.report('h1', { state: 'standby' });
  assert.deepEqual([w.orders(), w.alerts()], [{}, []]);
});

test('two actives that hear nobody: with the answer an alert and the verdict, which any server gives once', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(1_000);
  await w.report('h2', { state: 'active' });
  const { events, disputes } = await w.answer('h1');
  assert.deepEqual([kinds(events), disputes], [['alert', 'router-order'], undefined]);
  assert.deepEqual((await w.report('h2')).events, undefined, 'told once');
  assert.deepEqual(await w.settle(), []);
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'fault' });
  const { incarnation, seq, epoch } = w.row('h2').order!;
  assert.deepEqual([incarnation, seq, epoch], [1, 1, 2]);
  await w.report('h2', { state: 'fault', order: epoch });
  assert.deepEqual(
    [w.orders(), w.alerts()],
    [{ h1: 'tell', h2: 'fault' }, ['alert two-active', 'alert-ended two-active']],
  );
  await w.report('h2', { hears: true, state: 'standby' });
  assert.deepEqual(w.orders(), {});
});

test('a stand-by that reaches nobody has the active asked: once both are active, that is settled at once', async () => {
  const w = await roleStage();
  const paths = { tunnel: 'down', management: 'down' } as const;
  await w.report('h1', { state: 'active' });
  w.pass(60_000);
  await w.report('h2', { paths });
  assert.deepEqual(w.orders(), { h1: 'tell' });
  await w.answer('h1');
  await w.report('h3', { paths });
  assert.deepEqual([w.orders(), w.row('h1').order?.epoch], [{ h1: 'tell' }, 1], 'asked once');
  w.pass(300);
  const { events } = await w.report('h2', { state: 'active' });
  assert.deepEqual(kinds(events), ['router-role h2', 'alert', 'router-order']);
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'fault' });
});

test('that one more stand-by reaches nobody is written down while others hold the router', async () => {
  const cut = { paths: { tunnel: 'down', management: 'down' } } as const;
  for (const first of ['h1', 'h2']) {
    const w = await roleStage();
    for (const host of ['h2', 'h3']) await w.report(host);
    await w.report('h1', { state: 'active' });
    await w.report(first, cut);
    const { epoch } = w.row('h1');
    await w.run(async (tx) => {
      await tx.routers.lock({ id: w.router.id });
      await w.report('h3', cut);
    });
    assert.ok(w.row('h3').role_details?.cut_off_at, `${first} said so before`);
    assert.equal(w.row('h1').epoch, epoch);
  }
});

test('a stand-by that reaches nobody, and does again: nothing has come of it; later, the answer is too old', async () => {
  const w = await roleStage();
  const [down, up] = (['down', 'up'] as const).map((is) => ({ paths: { tunnel: is, management: is } }));
  await w.report('h1', { state: 'active' });
  await w.report('h2', down);
  await w.answer('h1');
  w.pass(5_000);
  assert.deepEqual(kinds((await w.report('h2', { state: 'active' })).events), ['router-role h2']);
  assert.deepEqual([w.orders(), w.row('h1').order?.epoch], [{ h1: 'tell' }, 2], 'asked anew');
  await w.report('h2', { state: 'standby' });
  assert.deepEqual(w.orders(), { h1: 'tell' }, 'while it reaches nobody');
  await w.report('h2', up);
  assert.deepEqual([w.orders(), w.alerts()], [{}, []]);
});

test('two actives that hear one another get time to settle it; then two servers give one verdict', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(1_000);
  await w.report('h2', { state: 'active', hears: true });
  const { events, disputes } = await w.answer('h1');
  assert.deepEqual([kinds(events), disputes], [['alert'], [{ routerId: w.router.id, settleMs: 350 }]]);
  const verdicts = await Promise.all([w.settle(), w.settle()]);
  assert.deepEqual(kinds(verdicts.flat()), ['router-order']);
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'yield' });
});

test('three one after another: each that answers is judged, and none is asked twice', async () => {
  const w = await roleStage();
  for (const host of ['h1', 'h2', 'h3']) {
    await w.report(host, { state: 'active' });
    w.pass(400);
  }
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'tell' });
  const asked = w.row('h1').order!.epoch;
  assert.equal(asked, 1, 'not again for the third');
  await w.answer('h1');
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'tell', h3: 'fault' });
  await w.answer('h2');
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'fault', h3: 'fault' });
});

test('stand-bys that become active together: who was before is asked once, and with its answer all are judged', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(5_000);
  await w.report('h2', { state: 'active' });
  w.pass(20);
  assert.deepEqual((await w.report('h3', { state: 'active' })).disputes, [
    { routerId: w.router.id, settleMs: 350 },
  ]);
  assert.deepEqual([w.orders(), w.alerts()], [{ h1: 'tell' }, []]);
  const { events } = await w.answer('h1');
  assert.deepEqual(kinds(events), ['alert', 'router-order']);
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'fault', h3: 'fault' });
});

test('who was before has said that it reaches nobody: the alert and the verdict come with the first word of another', async () => {
  const cut = { paths: { tunnel: 'down', management: 'down' } } as const;
  for (const isFirst of [true, false]) {
    const w = await roleStage();
    await w.report('h1', { state: 'active' });
    await w.report('h1', { paths: { tunnel: 'down', management: 'up' } });
    w.pass(5_000);
    const says = {
      h1: () => w.report('h1', cut),
      h2: () => w.report('h2', { state: 'active', ...cut }),
    };
    const before = await (isFirst ? says.h1() : says.h2());
    assert.ok(!kinds(before.events).includes('alert'));
    w.pass(30);
    const { events } = await (isFirst ? says.h2() : says.h1());
    assert.deepEqual(kinds(events).slice(-2), ['alert', 'router-order'], `${isFirst}`);
    assert.equal(w.orders()['h2'], 'fault');
    w.pass(20);
    await w.report('h3', { state: 'active', ...cut });
    assert.equal(w.orders()['h3'], 'fault');
  }
});

test('an active that seems to reach nobody is believed; who keeps it waits for what it finds out', async () => {
  const cut = { paths: { tunnel: 'down', management: 'down' } } as const;
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  await w.report('h2');
  w.pass(5_000);
  await w.report('h1', { doubts: true });
  assert.equal(w.row('h1').role_details?.doubts, true);
  w.pass(50);
  const { events, disputes } = await w.report('h2', { state: 'active', ...cut, penalty: 120 });
  assert.deepEqual(kinds(events).slice(-1), ['alert']);
  assert.deepEqual([disputes?.map(({ settleMs }) => settleMs), w.orders()], [[330], {}]);
  w.pass(50);
  await w.report('h1', { ...cut, penalty: 120, doubts: false });
  assert.deepEqual(w.orders(), { h2: 'fault' });
});

test('who doubts and is then silent is no better than one whose tunnel is well', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  await w.report('h2');
  w.pass(5_000);
  await w.report('h1', { doubts: true });
  w.pass(150);
  const { disputes } = await w.report('h2', { state: 'active' });
  assert.deepEqual([disputes?.map(({ settleMs }) => settleMs), w.orders()], [[330], {}]);
  w.pass(330);
  await w.settle();
  assert.deepEqual(w.orders(), { h1: 'fault' });
});

test('that somebody reaches nobody, of whom it was known before, is no answer', async () => {
  const cut = { paths: { tunnel: 'down', management: 'down' } } as const;
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  await w.report('h1', cut);
  w.pass(5_000);
  await w.report('h1', { ...cut, penalty: 60 });
  await w.report('h2', { state: 'active', ...cut });
  assert.deepEqual([w.orders(), w.alerts()], [{ h1: 'tell' }, []]);
});

test('the third of them comes after the answer: it is judged at once', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(5_000);
  await w.report('h2', { state: 'active' });
  await w.answer('h1');
  w.pass(20);
  assert.deepEqual(kinds((await w.report('h3', { state: 'active' })).events), [
    'router-role h3',
    'router-order',
  ]);
  assert.deepEqual(w.orders(), { h1: 'tell', h2: 'fault', h3: 'fault' });
});

test('who was before never answers: after a while those that became active together are judged', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(5_000);
  await w.report('h2', { state: 'active' });
  w.pass(20);
  await w.report('h3', { state: 'active' });
  w.pass(350);
  assert.deepEqual(kinds(await w.settle()), ['alert', 'router-order']);
  assert.deepEqual(w.orders(), { h1: 'tell', h3: 'fault' });
});

test('both at once, on two servers: one of them sees the other', async () => {
  for (const first of ['h1', 'h2']) {
    const w = await roleStage();
    const second = first === 'h1' ? 'h2' : 'h1';
    await Promise.all([w.report(first, { state: 'active' }), w.report(second, { state: 'active' })]);
    const asked = Object.keys(w.orders());
    assert.equal(asked.length, 1);
    const { events } = await w.answer(asked[0]!);
    assert.deepEqual(kinds(events), ['alert', 'router-order']);
  }
});

test('a lease goes on while the one that serves answers, and ends when it does not', async () => {
  const w = await roleStage();
  const cut = { paths: { tunnel: 'down', management: 'down' } } as const;
  await w.report('h1', { state: 'active', ...cut });
  await w.report('h2', { state: 'active', ...cut });
  await w.answer('h1');
  await w.settle();
  const told = Object.entries(w.orders()).find(([, what]) => what === 'fault')![0];
  const serving = told === 'h1' ? 'h2' : 'h1';
  await w.report(told, { state: 'fault', order: w.row(told).order!.epoch });
  const renew = () => w.run((tx) => renewLeases(tx, w.router.id, { isDue: true, isLate: true }));
  const { epoch } = w.row(told).order!;
  assert.deepEqual(w.orders(), { [told]: 'fault', [serving]: 'tell' });
  await w.answer(serving);
  await renew();
  assert.deepEqual(w.orders(), { [told]: 'fault', [serving]: 'tell' });
  assert.ok(w.row(told).order!.epoch > epoch);
  await w.answer(serving);
  const { epoch: second } = w.row(told).order!;
  await renew();
  assert.ok(w.row(told).order!.epoch > second);
  await renew();
  assert.deepEqual(w.orders(), { [serving]: 'tell' }, 'nobody is known to serve');
});

/** h1 was active, and its agent is dead; h2 became active. */
async function silentFormer() {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(1_000);
  await w.report('h2', { state: 'active' });
  w.kill(w.agents.get('h1')!);
  return w;
}

test('one that is asked in vain and still answers outside: an alert names it, until nobody answers there any more', async () => {
  const w = await silentFormer();
  assert.deepEqual([w.orders(), w.alerts()], [{ h1: 'tell' }, []], 'that nobody answers is no evidence');
  const [alert] = (await w.report('h2', { rival: true })).events ?? [];
  assert.equal(
    alert?.message,
    `Router ${w.router.id} is active on h2, and another host answers for its addresses on the external network; ` +
      'the agent of h1, which was active, is not heard.',
  );
  assert.deepEqual(alert?.data, { alert: 'two-active', hosts: ['h2', 'h1'], seen_by: ['h2'] });
  assert.equal(w.row('h2').role_details?.rival, true);
  await w.settle();
  await w.report('h2', { penalty: 60 });
  assert.deepEqual(
    [w.orders(), w.alerts()],
    [{ h1: 'tell' }, ['alert two-active']],
    'told once, no role changed',
  );
  await w.report('h2', { rival: false });
  assert.deepEqual(w.alerts(), ['alert two-active', 'alert-ended two-active']);
});

test('two actives, one of which falls silent and still answers outside: the alert does not end', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active' });
  w.pass(1_000);
  await w.report('h2', { state: 'active', hears: true });
  await w.answer('h1');
  await w.report('h2', { rival: true });
  w.kill(w.agents.get('h1')!);
  await w.settle();
  assert.deepEqual(w.alerts(), ['alert two-active']);
  await w.report('h2', { rival: false });
  assert.deepEqual(w.alerts(), ['alert two-active', 'alert-ended two-active']);
});

test('somebody else answers outside while all other replicas stand by', async () => {
  const w = await roleStage();
  for (const host of ['h1', 'h2', 'h3']) await w.report(host);
  const [, alert] = (await w.report('h1', { state: 'active', rival: true })).events ?? [];
  assert.match(alert?.message ?? '', /all others say that they are not active/);
  await w.report('h1', { state: 'standby' });
  assert.deepEqual(w.alerts(), ['alert two-active', 'alert-ended two-active']);
});

test('roles are taken ahead of the rest of a report, once, and never from an older one', async () => {
  const w = await roleStage();
  const body = (counter: number, state: ReplicaState, seq: number) => ({
    host: 'h1',
    report: {
      ...{
        role: 'l3' as const,
        incarnation: 1,
        counter,
        exceptions: [],
        exceptionCount: 0,
        configurations: {},
      },
      roles: [{ ...SAYS, router: w.router.id, state, seq }],
    },
  });
  const take = (told: ReturnType<typeof body>) => w.run((tx) => takeRoles(tx, w.call, told));
  const rest = (told: ReturnType<typeof body>) =>
    w.run((tx) => applyReport(tx, w.call, { ...told, place: w.store.head(), hasRoles: true }));
  const [first, second, third] = [body(1, 'active', 1), body(2, 'fault', 2), body(3, 'fault', 2)];
  assert.deepEqual(kinds((await take(first))?.events), ['router-role h1']);
  assert.equal(await take(first), undefined, 'not twice');
  await take(second);
  assert.equal(w.row('h1').role_details?.state, 'fault');
  assert.equal(await take(first), undefined);
  assert.equal(w.row('h1').role_details?.state, 'fault');
  assert.equal((await rest(first)).accepted, false, 'the rest of an older one is nothing to go by either');
  assert.equal((await rest(second)).accepted, true);
  assert.equal(await take(third), undefined, 'it says nothing new of roles');
});
