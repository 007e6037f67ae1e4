/** What QoS rules come to on a host, through the l2 role: set, changed, mended after another hand, taken away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, networkBody, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import type { QosBody } from '../../resources/qos-body.ts';
import { QOS_TABLE } from './qos-rules.ts';
import { createL2Agent } from './reconciler.ts';

const NETWORK = id(0xa0);
const TAP = 'tap00000001-00';
const LIMIT: QosBody = {
  egress: { max_kbps: 1000, max_burst_kbps: 0 },
  ingress: { max_kbps: 2000, max_burst_kbps: 1600 },
};

function stage(qos: QosBody) {
  const host = new FakeHost();
  const world = new TestWorld('h1');
  world.putNetwork(networkBody(NETWORK));
  world.putPort(portBody(id(1), NETWORK, { qos }));
  const agent = createL2Agent({
    ...{ host, world, hostName: 'h1', tunnelIp: '192.0.2.1', bridgeMappings: new Map() },
  });
  const run = () => agent.reconcile(`network/${NETWORK}`, new AbortController().signal);
  const change = (body: Partial<{ qos: QosBody }>) => {
    const after = portBody(id(1), NETWORK, body);
    world.putPort(after);
    const keys = agent.keysOf({ group: 'host/h1', key: `port/${id(1)}`, before: undefined, after });
    assert.deepEqual([...keys], [`network/${NETWORK}`]);
  };
  const plug = () => {
    host.plug({ name: TAP, kind: 'tun' });
    agent.keysOfHostEvent({ type: 'link', name: TAP, namespace: null, news: 'up' });
  };
  return { host, agent, run, change, plug };
}

test('a port is ready once its limits stand; they follow its rules and go with them', async () => {
  const { host, run, change, plug } = stage(LIMIT);
  await run();
  assert.deepEqual(await host.shapers(), new Map());
  plug();
  assert.deepEqual((await run()).shortfalls, []);
  const limits = new Map([[TAP, { bytesPerSecond: 250_000, burstBytes: 200_000 }]]);
  assert.deepEqual(await host.shapers(), limits);
  const mark = await host.rulesetMark(null, QOS_TABLE);
  assert.match(mark ?? '', /^deuteron:/);
  assert.ok(!(await run()).repaired);

  change({ qos: { dscp_mark: 8 } });
  assert.deepEqual((await run()).shortfalls, []);
  assert.deepEqual(await host.shapers(), new Map());
  assert.notEqual(await host.rulesetMark(null, QOS_TABLE), mark);
  change({});
  await run();
  assert.equal(await host.rulesetMark(null, QOS_TABLE), null);
});

test('what another hand takes away is there again', async () => {
  const { host, agent, run, plug } = stage(LIMIT);
  plug();
  await run();
  const before = await host.shapers();
  host.meddleTable(null, QOS_TABLE);
  assert.deepEqual([...agent.keysOfHostEvent({ type: 'ruleset', table: QOS_TABLE })], [`network/${NETWORK}`]);
  await run();
  assert.notEqual(await host.rulesetMark(null, QOS_TABLE), null);
  // a queue that went unseen is found when all is looked at
  await host.changeShapers([{ op: 'delete', link: TAP }]);
  await agent.observeAll();
  assert.ok((await run()).repaired);
  assert.deepEqual(await host.shapers(), before);
  // the machine starts anew
  host.meddle(null, { op: 'delete-link', name: TAP });
  agent.keysOfHostEvent({ type: 'link', name: TAP, namespace: null, news: 'gone' });
  plug();
  await run();
  assert.deepEqual(await host.shapers(), before);
});

test('what the host refuses, the port falls short of, and no other', async () => {
  const { host, run, plug } = stage(LIMIT);
  plug();
  host.changeShapers = (steps) => Promise.resolve(steps.map(() => 'Unknown qdisc "tbf"'));
  host.applyRuleset = () => Promise.reject(new Error('no tables here'));
  const { shortfalls } = await run();
  const own = shortfalls.filter(({ object }) => object === `port/${id(1)}`);
  assert.deepEqual(own, [{ object: `port/${id(1)}`, state: 'failed', reason: 'QoS: Unknown qdisc "tbf"' }]);
});
