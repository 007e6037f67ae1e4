import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainHost, showDrain } from './host-drain.ts';
import { l3AgentsOfRouter } from './l3-bindings.ts';
import { failoverRouter } from './router-failover.ts';
import { roleStage } from './router-stage.ts';
import { showRoles } from './router-view.ts';
import { fault } from './testing.ts';

async function stage() {
  const w = await roleStage();
  for (const host of ['h1', 'h2', 'h3'])
    await w.report(host, { state: host === 'h1' ? 'active' : 'standby' });
  const states = () =>
    w.store.view(async (view) => {
      const found = await l3AgentsOfRouter(view, w.call, w.router.id);
      return Object.fromEntries(found.map(({ agent, haState }) => [agent.host, haState]));
    });
  const show = () => w.store.view((view) => showRoles(view, w.call, w.router.id));
  const move = (to?: string, force?: boolean) =>
    w.run((tx) =>
      failoverRouter(tx, w.call, {
        ...{ routerId: w.router.id, force: force ?? false },
        ...(to === undefined ? {} : { to }),
      }),
    );
  return { ...w, states, show, move };
}

test('a planned move: the active yields, the healthiest is preferred; both orders end with it', async () => {
  const s = await stage();
  await s.report('h2', { penalty: 60 });
  const { from, to, events } = await s.move();
  assert.deepEqual([from, to, events.length], ['h1', 'h3', 1]);
  assert.deepEqual(s.orders(), { h1: 'yield', h3: 'prefer' });
  await s.report('h3', { state: 'active' });
  assert.deepEqual(s.orders(), { h1: 'yield', h3: 'prefer' });
  assert.deepEqual(await s.states(), { h1: 'unknown', h2: 'standby', h3: 'active' });
  await s.report('h1', { state: 'standby' });
  assert.deepEqual([s.orders(), s.alerts()], [{}, []]);
});

test('to a host: where it stands by; it may be active already, and is refused with the reason else', async () => {
  const s = await stage();
  assert.deepEqual(await s.move('h1'), { from: 'h1', to: 'h1', events: [] });
  await s.report('h3', { state: 'fault' });
  await assert.rejects(s.move('h3'), fault('RouterNotMovable', 'its replica on h3 is fault, not standby'));
  await assert.rejects(s.move('h9'), fault('RouterNotMovable', 'h9 has no replica of it'));
  s.kill(s.agents.get('h2')!);
  await assert.rejects(s.move('h2'), fault('RouterNotMovable', 'the agent of h2 is taken for dead'));
  await assert.rejects(s.move(), fault('RouterNotMovable', 'no other replica is fit to take it'));
  assert.deepEqual(s.orders(), {});
});

const NO_CARRIER = 'eth1 has no carrier';

test('not to one that ails more than another that takes part, nor to one that is switched off or leaves', async () => {
  const s = await stage();
  await s.report('h2', { penalty: 150, reasons: [NO_CARRIER] });
  const ails = `its replica on h2 ails by 150 (${NO_CARRIER}), that on h1 by 0: it would move there at once`;
  await assert.rejects(s.move('h2'), fault('RouterNotMovable', ails));
  await s.report('h3', { penalty: 60 });
  await assert.rejects(s.move(), fault('RouterNotMovable', 'its replica on h3 ails by 60, that on h1 by 0'));
  await s.report('h1', { penalty: 60 });
  assert.equal((await s.move()).to, 'h3', 'where all ail alike it stays where it is moved to');
  const off = s.agents.get('h3')!;
  await s.run((tx) => tx.agents.update({ id: off.id }, { admin_state_up: false }));
  await assert.rejects(s.move('h3'), fault('RouterNotMovable', 'the agent of h3 is switched off'));
  await s.run((tx) => tx.agents.update({ id: off.id }, { admin_state_up: true, liveness: 'held' }));
  await assert.rejects(s.move('h3'), fault('RouterNotMovable', 'the agent of h3 is held back'));
  await s.run((tx) => tx.agents.update({ id: off.id }, { liveness: 'alive' }));
  const of = { router_id: s.router.id, agent_id: off.id };
  await s.run((tx) => tx.routerBindings.update(of, { leaving: true }));
  await assert.rejects(s.move('h3'), fault('RouterNotMovable', 'its replica on h3 is about to leave'));
  assert.equal((await s.move('h3', true)).to, 'h3');
  assert.equal(s.row('h3').order?.forgives, undefined, 'nothing ails it more than another');
});

test('forced, what ails it then does not count there, until it is well or another has taken it', async () => {
  const s = await stage();
  const force = async () => {
    await s.report('h2', { penalty: 150, reasons: [NO_CARRIER] });
    assert.deepEqual((await s.move('h2', true)).to, 'h2');
    const { do: what, forgives } = s.row('h2').order!;
    assert.deepEqual([what, forgives, s.orders()['h1']], ['prefer', 150, 'yield']);
    await s.report('h2', { state: 'active' });
    await s.report('h1', { state: 'standby' });
    assert.deepEqual(s.orders(), { h2: 'prefer' });
  };
  await force();
  await s.report('h2', { penalty: 75 });
  assert.deepEqual(s.orders(), { h2: 'prefer' });
  await s.report('h2', { penalty: 0, reasons: [] });
  assert.deepEqual(s.orders(), {}, 'it is well');
  await s.report('h1', { state: 'active' });
  await s.report('h2', { state: 'standby' });
  assert.deepEqual(s.orders(), {});
  await force();
  await s.report('h3', { state: 'active' });
  await s.report('h2', { state: 'standby' });
  assert.deepEqual(s.orders(), {}, 'another has taken it');
});

test('no force reaches a dead agent, or a replica that takes no part', async () => {
  const s = await stage();
  await s.report('h2', { state: 'fault', reasons: ['keepalived is not there'] });
  const why = 'its replica on h2 is fault, not standby (keepalived is not there)';
  await assert.rejects(s.move('h2', true), fault('RouterNotMovable', why));
  await s.report('h2', { state: 'standby' });
  const held = { epoch: 9, do: 'fault', incarnation: 1, seq: 1, why: 'two were active' } as const;
  const of = { router_id: s.router.id, agent_id: s.row('h2').agent_id };
  await s.run((tx) => tx.routerBindings.update(of, { order: held, epoch: 9 }));
  await assert.rejects(s.move('h2', true), fault('RouterNotMovable', 'told to step back: two were active'));
  s.kill(s.agents.get('h3')!);
  await assert.rejects(s.move('h3', true), fault('RouterNotMovable', 'the agent of h3 is taken for dead'));
  assert.equal((await s.states())['h1'], 'active');
});

test('a host is drained to whoever is well, else it says who ails; forced, it goes there', async () => {
  const s = await stage();
  const drain = (force = false) =>
    s.run((tx) => drainHost(tx, s.call, { host: 'h1', draining: true, force }));
  for (const host of ['h2', 'h3']) await s.report(host, { penalty: 90, reasons: ['check uplink fails'] });
  const { moved, stuck } = await drain();
  assert.equal(moved, 0);
  assert.match(stuck[0]?.why ?? '', /h2 ails by 90 \(check uplink fails\).*h3 ails by 90/);
  assert.deepEqual(s.orders(), {});
  assert.equal((await drain(true)).moved, 1);
  await s.report('h3', { penalty: 0 });
  await s.run((tx) => tx.routerBindings.update({ router_id: s.router.id }, { order: null }));
  await drain();
  assert.deepEqual(s.orders(), { h1: 'yield', h3: 'prefer' });
});

test('what the API says of roles: the dead are not active where another is, nor who does not answer', async () => {
  const s = await stage();
  assert.deepEqual(await s.states(), { h1: 'active', h2: 'standby', h3: 'standby' });
  await s.report('h2', { state: 'active' });
  assert.deepEqual(await s.states(), { h1: 'unknown', h2: 'active', h3: 'standby' });
  assert.equal((await s.show()).state, 'served');
  await s.answer('h1');
  assert.deepEqual(await s.states(), { h1: 'active', h2: 'active', h3: 'standby' });
  assert.equal((await s.show()).state, 'disputed');
  s.kill(s.agents.get('h1')!);
  assert.deepEqual(await s.states(), { h1: 'standby', h2: 'active', h3: 'standby' });
  s.kill(s.agents.get('h2')!);
  assert.deepEqual(await s.states(), { h1: 'unknown', h2: 'unknown', h3: 'standby' });
  assert.equal((await s.show()).state, 'unknown');
});

test('a drained host gives its active routers away at once, and gets none; undone, it takes part again', async () => {
  const s = await stage();
  const drain = (draining: boolean, host = 'h1') => s.run((tx) => drainHost(tx, s.call, { host, draining }));
  await assert.rejects(drain(true, 'h9'), fault('HostNotFound'));
  assert.deepEqual((await drain(true)).moved, 1);
  assert.deepEqual(Object.values(s.orders()).sort(), ['prefer', 'yield']);
  const show = () => s.store.view((view) => showDrain(view, s.call, 'h1'));
  assert.deepEqual(await show(), {
    ...{ host: 'h1', draining: true, active_routers: 1, replicas: 1, networks: 0, ports: 0 },
  });
  const to = Object.entries(s.orders()).find(([, what]) => what === 'prefer')![0];
  await s.report(to, { state: 'active' });
  await s.report('h1', { state: 'standby' });
  assert.equal((await show()).active_routers, 0);
  const other = ['h2', 'h3'].find((host) => host !== to)!;
  await drain(true, to);
  assert.deepEqual(s.orders(), { [to]: 'yield', [other]: 'prefer' }, 'not back to what is drained');
  await drain(false);
  assert.equal((await show()).draining, false);
});

test('what cannot move is said', async () => {
  const s = await stage();
  for (const host of ['h2', 'h3']) await s.report(host, { state: 'fault' });
  const whys = [2, 3].map((n) => `its replica on h${n} is fault, not standby`).join('; ');
  const { moved, stuck } = await s.run((tx) => drainHost(tx, s.call, { host: 'h1', draining: true }));
  assert.deepEqual(
    [moved, stuck],
    [0, [{ router: s.router.id, why: `no other replica is fit to take it (${whys})` }]],
  );
});

test('what is said of a router that is switched off, and of one whose active is not heard of any more', async () => {
  const s = await stage();
  s.kill(s.agents.get('h1')!);
  const lost = await s.show();
  assert.equal(lost.state, 'unknown');
  assert.match(
    lost.summary,
    /^Whether h1 still is active, as it was since 2026-01-31T12:00:00Z, is not known: its agent is not heard since 2026-01-31T12:00:00Z; h[23] and h[23] stand by\.$/,
  );
  await s.report('h2', { state: 'active' });
  assert.equal((await s.show()).state, 'served', 'another has taken it over');
  await s.run((tx) => tx.routers.update({ id: s.router.id }, { admin_state_up: false }));
  const { state, summary } = await s.show();
  assert.deepEqual([state, summary], ['off', 'It is switched off (admin_state_up is false).']);
});

test('who asked for a move is named where that is known', async () => {
  const s = await stage();
  const call = { ...s.call, caller: { ...s.call.caller, userId: '' } };
  const moved = async (by: typeof call, to: string) =>
    (await s.run((tx) => failoverRouter(tx, by, { routerId: s.router.id, to }))).events[0]?.message;
  assert.equal(
    await moved(s.call, 'h2'),
    `Router ${s.router.id} is to move from h1 to h2, as asked by someone.`,
  );
  assert.equal(await moved(call, 'h3'), `Router ${s.router.id} is to move from h1 to h3, as asked.`);
});
