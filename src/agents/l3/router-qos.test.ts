/** Limits of what goes by a router's gateway: set, changed, mended after another hand, gone with their policies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, TestWorld } from '../../../test/support/network-objects.ts';
import { subnetOf, TestRouter } from '../../../test/support/router-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import type { FloatingIpBody } from '../../resources/agent-view.ts';
import type { QosBody } from '../../resources/qos-body.ts';
import { createL3Agent } from './reconciler.ts';
import { limitedOf, limitsRuleset, QOS_TABLE, withRouterQos } from './router-qos.ts';

const NEVER = new AbortController().signal;
const GOLD: QosBody = {
  egress: { max_kbps: 8000, max_burst_kbps: 0 },
  ingress: { max_kbps: 800, max_burst_kbps: 0, max_kpps: 1, max_burst_kpps: 1 },
};

function stage() {
  const world = new TestWorld('h1');
  const router = new TestRouter(world, 1);
  router.attach(0xaa1, id(0xa), subnetOf('10.0.1.0/24', '10.0.1.1'));
  const fields = { owner: 'network:router_gateway', ip: '203.0.113.5' } as const;
  router.attach(0xee1, id(0xe), subnetOf('203.0.113.0/24', '203.0.113.1'), fields);
  const floating = `floating-ip/${router.float(0xf1, '203.0.113.20', '10.0.1.10')}`;
  const limit = (qos?: QosBody) => {
    router.float(0xf1, '203.0.113.20', '10.0.1.10');
    const body = world.group(router.key)?.get(floating) as FloatingIpBody;
    world.put(router.key, floating, { ...body, ...(qos ? { qos } : {}) });
  };
  const host = new FakeHost();
  const agent = withRouterQos(createL3Agent({ host, world, clock: new ManualClock() }), { host, world });
  const mark = () => host.rulesetMark(router.namespace, QOS_TABLE);
  return { host, world, router, floating, limit, agent, mark, run: () => agent.reconcile(router.key, NEVER) };
}

test('what leaves is looked at under the address outside, what comes before it is translated', () => {
  const { world, router, limit } = stage();
  assert.equal(limitsRuleset(limitedOf(world, router.id)), null);
  limit(GOLD);
  router.set({ qos: { egress: { max_kbps: 80, max_burst_kbps: 0 } } });
  const { text = '', mark = '' } = limitsRuleset(limitedOf(world, router.id)) ?? {};
  assert.equal(
    text,
    `table inet deuteron_l3_qos
delete table inet deuteron_l3_qos
table inet deuteron_l3_qos {
  comment "${mark}"
  chain out_203_0_113_20 {
    limit rate over 1000000 bytes/second burst 65536 bytes counter drop
  }
  chain in_203_0_113_20 {
    limit rate over 100000 bytes/second burst 65536 bytes counter drop
    limit rate over 1000/second burst 1000 packets counter drop
  }
  chain out_203_0_113_5 {
    limit rate over 10000 bytes/second burst 65536 bytes counter drop
  }
  chain leaving {
    type filter hook postrouting priority srcnat + 10; policy accept;
    oifname "qg-*" ip saddr vmap { 203.0.113.20 : jump out_203_0_113_20, 203.0.113.5 : jump out_203_0_113_5 }
  }
  chain coming {
    type filter hook prerouting priority mangle; policy accept;
    iifname "qg-*" ip daddr vmap { 203.0.113.20 : jump in_203_0_113_20 }
  }
}
`,
  );
  router.set({ admin_state_up: false });
  assert.deepEqual(limitedOf(world, router.id), []);
});

test('the table follows the policies, and a later life of the agent knows it', async () => {
  const { host, world, router, limit, agent, mark, run } = stage();
  await run();
  assert.equal(await mark(), null);
  limit(GOLD);
  assert.deepEqual((await run()).shortfalls, []);
  const gold = await mark();
  assert.notEqual(gold, null);
  assert.ok(!(await run()).repaired);
  limit({ egress: GOLD.egress! });
  await run();
  assert.ok(![gold, null].includes(await mark()));
  limit();
  const later = withRouterQos(createL3Agent({ host, world, clock: new ManualClock() }), { host, world });
  await later.observeAll();
  await later.reconcile(router.key, NEVER);
  assert.equal(await mark(), null);
  limit(GOLD);
  await agent.observeAll();
  await run();
  router.set({ admin_state_up: false });
  assert.deepEqual((await run()).shortfalls, []);
  router.set({ admin_state_up: true });
  await run();
  assert.equal(await mark(), gold);
});

test('what another hand takes away is there again', async () => {
  const { host, router, limit, agent, mark, run } = stage();
  limit(GOLD);
  await run();
  const gold = await mark();
  host.meddleTable(router.namespace, QOS_TABLE);
  assert.equal(agent.keysOfHostEvent({ type: 'inside', what: QOS_TABLE }), 'patrol');
  assert.ok([...((await agent.patrol?.('all')) ?? [])].includes(router.key));
  await run();
  assert.equal(await mark(), gold);
});

test('what the host refuses, the floating IP falls short of, and is tried again', async () => {
  const { host, floating, limit, mark, run } = stage();
  await run();
  limit(GOLD);
  const { applyRuleset } = host;
  host.applyRuleset = () => Promise.reject(new Error('no limits here'));
  assert.deepEqual((await run()).shortfalls, [
    { object: floating, state: 'failed', reason: 'QoS: no limits here' },
  ]);
  host.applyRuleset = applyRuleset;
  assert.deepEqual((await run()).shortfalls, []);
  assert.notEqual(await mark(), null);
});
