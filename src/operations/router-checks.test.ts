import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roleStage } from './router-stage.ts';

const checks = (ok: boolean) => [{ name: 'gateway', ok, forMs: 0, text: ok ? '' : 'no answer' }];

test('a check that fails on every replica is an alert, once, until one of them passes', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active', checks: checks(true) });
  for (const host of ['h2', 'h3']) await w.report(host, { checks: checks(true) });
  await w.report('h1', { checks: checks(false), penalty: 90 });
  await w.report('h2', { checks: checks(false), penalty: 90 });
  assert.deepEqual(w.alerts(), []);
  const { events } = await w.report('h3', { checks: checks(false), penalty: 90 });
  assert.match(events?.[0]?.message ?? '', /check gateway fails on every replica \(h1, h2, h3\): no answer/);
  await w.report('h3', { checks: checks(false), penalty: 90, reasons: ['still'] });
  assert.deepEqual(w.alerts(), ['alert check-fails-everywhere']);
  assert.deepEqual(w.orders(), {});
  await w.report('h2', { checks: checks(true) });
  await w.report('h2', { checks: checks(true), reasons: ['well'] });
  assert.deepEqual(w.alerts(), ['alert check-fails-everywhere', 'alert-ended check-fails-everywhere']);
});

test('it is looked at again when nothing is known any more of a replica', async () => {
  const w = await roleStage();
  await w.report('h1', { state: 'active', checks: checks(false) });
  await w.report('h2', { checks: checks(false) });
  assert.deepEqual(w.alerts(), ['alert check-fails-everywhere']);
  await w.report('h2', { checks: [], state: 'unknown' });
  assert.deepEqual(w.alerts().length, 2);
});

test('what a check said last is shown; since when it stands as it does stays', async () => {
  const w = await roleStage();
  const say = (forMs: number, text: string) =>
    w.report('h1', { state: 'active', checks: [{ name: 'gateway', ok: true, forMs, text }] });
  await say(5_000, ' [+]');
  const [first] = w.row('h1').role_details?.checks ?? [];
  assert.equal(first?.text, ' [+]');
  await say(14_900, ' [+++]');
  assert.deepEqual(w.row('h1').role_details?.checks, [{ ...first, text: ' [+++]' }]);
});
