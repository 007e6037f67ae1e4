import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestNetwork, v4Subnet } from '../../../test/lab/dhcp-stage.ts';
import { TestWorld } from '../../../test/support/network-objects.ts';
import { VirtualClock } from '../../../test/support/virtual-clock.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import type { HostEvent } from '../../host/host.ts';
import { seededRandom } from '../../lib/random.ts';
import { createDhcpAgent } from './reconciler.ts';

const NEVER = new AbortController().signal;

/** An agent at work on one network, whose keys are worked off as the runner would, at once. */
async function stage(fields: { writeFiles?: FakeHost['writeFiles'] } = {}) {
  const program = () => ({ signalled: (signal: string) => (signal === 'HUP' ? 'stays' : 'ends') }) as const;
  const host = Object.assign(new FakeHost({ program }), fields);
  const world = new TestWorld('h1');
  const network = new TestNetwork(world, 1);
  network.port(5);
  const clock = new VirtualClock();
  const agent = createDhcpAgent({
    ...{ host, world, hostName: 'h1', clock, random: seededRandom(1), confirm: false },
  });
  const marked: string[] = [];
  const stop = new AbortController();
  await agent.reconcile(network.key, NEVER);
  await clock.advance(5_000);
  void host.follow((event: HostEvent) => {
    const keys = event.type === 'overflow' ? [] : agent.keysOfHostEvent(event);
    if (keys !== 'all') marked.push(...keys);
  }, stop.signal);
  const work = async () => {
    let outcome = await agent.reconcile(network.key, NEVER);
    for (let runs = 0; marked.length > 0 || outcome.again !== undefined; runs++) {
      assert.ok(runs < 10, 'it comes to rest');
      marked.length = 0;
      await clock.advance(outcome.again ?? 0);
      outcome = await agent.reconcile(network.key, NEVER);
    }
    return outcome;
  };
  const name = `dnsmasq-${network.id}`;
  const pid = () => host.process(name)?.pid;
  return { host, world, network, agent, marked, work, name, pid, namespace: `qdhcp-${network.id}` };
}

const inner = 'ns-0d000001-00';

test('each thing that another hand does marks the network, and is undone', async () => {
  const s = await stage();
  const { host, network, namespace } = s;
  const directory = `dhcp/${network.id}`;
  const picture = async () =>
    JSON.stringify([
      await host.linksIn([namespace]),
      await host.links(),
      host.files.read(host.absolute(`${directory}/conf`)),
      host.files.read(host.absolute(`${directory}/base`)),
    ]);
  const whole = await picture();
  const deeds: Record<string, () => void> = {
    address: () => host.meddle(namespace, { op: 'delete-address', link: inner, address: '10.20.0.2/16' }),
    down: () => host.meddle(namespace, { op: 'set-link', name: inner, up: false }),
    base: () => host.meddleFile(`${directory}/base`, ''),
    conf: () => host.meddleFile(`${directory}/conf`, null),
    name: () => host.meddleNamespace(namespace),
  };
  const before = s.pid();
  for (const [what, deed] of Object.entries(deeds)) {
    deed();
    assert.ok(s.marked.includes(network.key), what);
    assert.deepEqual((await s.work()).shortfalls, [], what);
    assert.equal(await picture(), whole, what);
    assert.equal(s.pid(), before, `${what}: what serves is left alone`);
  }
});

test('a dnsmasq that does nothing is replaced', async () => {
  const s = await stage();
  const before = s.pid();
  s.host.hangProcess(s.name);
  assert.deepEqual(s.marked, [s.network.key]);
  await s.work();
  assert.notEqual(s.pid(), before);
  assert.equal(s.host.process(s.name)?.stuck, null);
});

test('rebuild ends a dnsmasq that is stuck or has lost its link, and no other', async () => {
  const s = await stage();
  const before = s.pid();
  await s.agent.rebuild?.(s.network.key, NEVER);
  assert.equal(s.pid(), before);
  s.host.meddleNamespace(s.namespace);
  await s.agent.rebuild?.(s.network.key, NEVER);
  assert.equal(s.pid(), before, 'it serves in a namespace without a name');
  await s.work();
  assert.equal(s.pid(), before);
  s.host.hangProcess(s.name);
  await s.agent.rebuild?.(s.network.key, NEVER);
  assert.equal(s.pid(), undefined);
  await s.work();
  s.host.meddle(s.namespace, { op: 'delete-link', name: inner });
  await s.agent.rebuild?.(s.network.key, NEVER);
  assert.equal(s.pid(), undefined);
  await s.work();
  assert.notEqual(s.pid(), undefined);
});

test('without room on the disk nothing that serves is ended, and what ended comes back as it was', async () => {
  let isFull = false;
  const s = await stage({
    async writeFiles(texts, before) {
      if (isFull) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      await FakeHost.prototype.writeFiles.call(this, texts, before);
    },
  });
  isFull = true;
  const before = s.pid();
  s.network.port(6);
  s.network.subnet(v4Subnet(s.network.v4, { cidr: '10.20.0.0/17' }));
  const outcome = await s.agent.reconcile(s.network.key, NEVER);
  assert.match(outcome.shortfalls[0]?.reason ?? '', /ENOSPC/);
  assert.equal(outcome.again, 1_000);
  assert.equal(s.pid(), before);
  s.host.endProcess(s.name);
  await s.agent.reconcile(s.network.key, NEVER);
  const second = s.pid();
  assert.notEqual(second, undefined);
  isFull = false;
  assert.deepEqual((await s.work()).shortfalls, []);
  assert.notEqual(s.pid(), second, 'what is wanted is another configuration');
});
