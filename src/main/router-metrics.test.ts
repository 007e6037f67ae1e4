import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { roleStage } from '../operations/router-stage.ts';
import { registerRouterMetrics, RouterFigures } from './router-metrics.ts';

test('what a server shows of HA routers: counted rows, and what it was told', async () => {
  const s = await roleStage();
  const routers = new RouterFigures(s.store, () => s.call);
  const registry = new Registry();
  registerRouterMetrics(registry, { routers });
  const report = async (...of: Parameters<typeof s.report>) => {
    for (const event of (await s.report(...of)).events ?? []) routers.tell(event);
  };
  await report('h1', { state: 'active' });
  await report('h2', { state: 'active' });
  for (const event of (await s.answer('h1')).events ?? []) routers.tell(event);
  await routers.count();
  const shown = (await registry.metrics()).split('\n').filter((line) => /^deuteron.* [1-9]\d*$/.test(line));
  assert.deepEqual(shown, [
    'deuteron_ha_routers{actives="2+"} 1',
    'deuteron_router_alerts_open{alert="two-active"} 1',
    'deuteron_router_role_changes_total{host="h1"} 1',
    'deuteron_router_role_changes_total{host="h2"} 1',
    'deuteron_router_verdicts_total{order="fault"} 1',
  ]);
});

test('a fleet of any size has a hundred series of hosts at most', async () => {
  const s = await roleStage();
  const routers = new RouterFigures(s.store, () => s.call);
  await s.report('h1', { state: 'active' });
  const [event] = s.store.rows('events').filter(({ kind }) => kind === 'router-role');
  assert.ok(event);
  for (let host = 0; host < 150; host++) routers.tell({ ...event, host: `host${host}` });
  routers.tell({ ...event, host: 'host0' });
  assert.deepEqual(
    [routers.changes.size, routers.changes.get('host0'), routers.changes.get('others')],
    [101, 2, 50],
  );
});
