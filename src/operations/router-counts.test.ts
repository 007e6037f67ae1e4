import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countRouters } from './router-counts.ts';
import { roleStage } from './router-stage.ts';

const down = { paths: { tunnel: 'down', management: 'up' } } as const;

async function stage() {
  const s = await roleStage();
  for (const host of ['h1', 'h2', 'h3'])
    await s.report(host, { state: host === 'h1' ? 'active' : 'standby' });
  return { ...s, count: () => s.store.view((view) => countRouters(view, s.call)) };
}

const found = (counts: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));

test('HA routers by how many of their replicas are active; those that are switched off are none', async () => {
  const s = await stage();
  const byActives = async () => found((await s.count()).byActives);
  assert.deepEqual(await byActives(), { '1': 1 });
  await s.report('h2', { state: 'active', hears: true });
  await s.answer('h1');
  assert.deepEqual(await byActives(), { '2+': 1 });
  assert.deepEqual(found((await s.count()).alerts), { 'two-active': 1 });
  for (const host of ['h1', 'h2']) await s.report(host, { state: 'fault' });
  assert.deepEqual(await byActives(), { '0': 1 });
  assert.deepEqual(found((await s.count()).alerts), {});
  await s.run((tx) => tx.routers.update({ id: s.router.id }, { admin_state_up: false }));
  assert.deepEqual(await byActives(), {});
});

test('what ails replicas, by kind, and paths that are down, by host; of dead agents nothing counts', async () => {
  const s = await stage();
  const reasons = ['check a fails: no', 'check b fails: no', 'bond0p1 is down: bond0 has 1 of 2 links left'];
  await s.report('h2', { reasons, ...down });
  await s.report('h3', { reasons: ['check a fails: no'], ...down });
  const counts = await s.count();
  assert.deepEqual(found(counts.ailing), { check: 2, bond: 1 });
  assert.deepEqual(counts.pathsDown, { tunnel: 2, management: 0 });
  s.kill(s.agents.get('h2')!);
  assert.deepEqual(found((await s.count()).ailing), { check: 1 });
});
