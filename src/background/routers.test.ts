import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRouter } from '../operations/router.ts';
import { roleStage } from '../operations/router-stage.ts';
import { bench } from '../operations/testing.ts';
import { routerDuty } from './routers.ts';

test('a new agent is given what lacked one at the next look, a dead one loses what is not HA', async () => {
  const b = bench();
  const said: string[] = [];
  let leads = true;
  const duty = routerDuty({
    ...{ store: b.store, call: () => b.call, clock: b.call.clock },
    leader: { guard: () => (leads ? Promise.resolve() : Promise.reject(new Error('another leads'))) },
    onEvent: (event) => void said.push(`${event.kind} ${event.host}`),
  });
  const [router] = await b.run((tx) => createRouter(tx, b.call, [{}]));
  const hosts = async () =>
    (await b.run((tx) => tx.routerBindings.find({ router_id: router?.id ?? '' })))
      .map(({ host, leaving }) => (leaving ? `(${host})` : host))
      .sort();
  await duty.perform();
  const h1 = await b.host('h1', [], ['l3']);
  leads = false;
  await assert.rejects(duty.perform(), { message: 'another leads' });
  assert.deepEqual(await hosts(), []);
  leads = true;
  await duty.perform();
  assert.deepEqual(await hosts(), ['h1']);
  await b.host('h2', [], ['l3']);
  await duty.perform();
  assert.deepEqual(await hosts(), ['h1'], 'it stays where it is well');
  b.kill(h1.l3);
  await duty.perform();
  assert.deepEqual(await hosts(), ['(h1)', 'h2'], 'its host may serve on');
  b.revive(h1.l3);
  await duty.perform();
  assert.deepEqual([await hosts(), said], [['h1'], ['move-done ', 'move-begun h1', 'move-done h2']]);
});

/** An HA router on h1 (active), h2 and h3, a fourth host, and the duty. */
async function replacing() {
  const s = await roleStage();
  const said: string[] = [];
  const duty = routerDuty({
    ...{
      store: s.store,
      call: () => s.call,
      clock: s.call.clock,
      leader: { guard: () => Promise.resolve() },
    },
    onEvent: ({ kind, host }) => void said.push(`${kind} ${host}`),
  });
  for (const host of ['h1', 'h2', 'h3'])
    await s.report(host, { state: host === 'h1' ? 'active' : 'standby' });
  const look = async (ms = 0) => {
    s.pass(ms);
    await duty.perform();
  };
  /** `h1`, or `(h1)` where it is leaving. */
  const hosts = () =>
    s.store
      .rows('routerBindings')
      .map(({ host, leaving }) => (leaving ? `(${host})` : host))
      .sort();
  return { ...s, said, look, hosts };
}

test('a replica whose agent stays dead is replaced once the new one is ready; a short death moves nothing', async () => {
  const s = await replacing();
  await s.look();
  s.kill(s.agents.get('h3')!);
  await s.look();
  await s.look(120_000);
  assert.deepEqual(s.hosts(), ['h1', 'h2', 'h3'], 'there is no other host');
  s.revive(s.agents.get('h3')!);
  await s.host('h4', [], ['l3']);
  await s.look();
  s.kill(s.agents.get('h3')!);
  await s.look();
  await s.look(59_000);
  assert.deepEqual(s.hosts(), ['h1', 'h2', 'h3']);
  await s.look(1_000);
  await s.look();
  assert.deepEqual(s.hosts(), ['(h3)', 'h1', 'h2', 'h4']);
  for (const host of ['h1', 'h2']) await s.report(host);
  await s.look();
  assert.deepEqual(s.hosts(), ['(h3)', 'h1', 'h2', 'h4'], 'h4 has not realised it');
  await s.report('h4');
  await s.look();
  assert.deepEqual(
    [s.hosts(), s.said],
    [
      ['h1', 'h2', 'h4'],
      ['move-begun h3', 'move-done h3'],
    ],
  );
});

test('what a dead agent may still serve is not taken from it, until another does', async () => {
  const s = await replacing();
  await s.host('h4', [], ['l3']);
  s.kill(s.agents.get('h1')!);
  await s.look();
  await s.look(60_000);
  for (const host of ['h2', 'h3', 'h4']) await s.report(host);
  await s.look();
  assert.deepEqual(s.hosts(), ['(h1)', 'h2', 'h3', 'h4']);
  await s.report('h2', { state: 'active' });
  await s.look();
  assert.deepEqual(s.hosts(), ['h2', 'h3', 'h4']);
});

test('a drained host keeps its active router until another has it, and then goes', async () => {
  const s = await replacing();
  await s.host('h4', [], ['l3']);
  await s.run((tx) => tx.agents.update({ host: 'h1' }, { admin_state_up: false }));
  await s.look();
  assert.deepEqual(s.hosts(), ['(h1)', 'h2', 'h3', 'h4']);
  for (const host of ['h1', 'h2', 'h3', 'h4']) await s.report(host);
  await s.look();
  await s.look();
  const told = Object.entries(s.orders());
  assert.deepEqual(told.map(([, what]) => what).sort(), ['prefer', 'yield']);
  const to = told.find(([, what]) => what === 'prefer')![0];
  await s.report(to, { state: 'active' });
  await s.report('h1', { state: 'standby' });
  await s.look();
  assert.deepEqual(s.hosts(), ['h2', 'h3', 'h4']);
});
