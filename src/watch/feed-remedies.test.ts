/** What the feed tells of what it sent, and what it does when the ladder asks. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { addHosts } from '../../test/support/watch-workload.ts';
import { networkRow, portRow, subnetRow, WatchWorld, watchRequest } from '../../test/support/watch-world.ts';
import { integerBetween } from '../lib/random.ts';
import type { Sent } from './feed-options.ts';
import type { Frame, RemedyFrame } from './protocol.ts';

let world: WatchWorld;
let sent: Sent[];
afterEach(() => world.close());

async function worldWith(hosts: readonly string[]): Promise<void> {
  sent = [];
  world = new WatchWorld({ onSent: (one) => sent.push(one) });
  await addHosts(world, hosts);
  await world.clock.advance(1_000);
}

/** One network with a port on each host. */
async function networkOn(hosts: readonly string[], prefix = 'port'): Promise<string> {
  const id = world.random.uuid();
  await world.transact(async (tx) => {
    await tx.networks.insert([networkRow(id, integerBetween(world.random, 1, 2 ** 40))]);
    await tx.subnets.insert([subnetRow(world.random.uuid(), id)]);
    await tx.ports.insert(hosts.map((host) => portRow(`${prefix}-${host}`, id, { host })));
  });
  return id;
}

const framesOf = (lines: readonly string[]): Frame[] => lines.map((line) => JSON.parse(line) as Frame);
const remedyFor = (keys: readonly string[]): RemedyFrame => ({
  ...{ type: 'remedy', id: 'r1', role: 'dhcp', how: 'resync' },
  keys,
});

test('each change that is sent is told: to whom, where, what it bears on, how old', async () => {
  await worldWith(['a', 'b']);
  world.attach(watchRequest('a'));
  await world.clock.advance(100);
  assert.deepEqual(sent.splice(0), [], 'what comes whole is not a change');

  const network = await networkOn(['a', 'b']);
  await world.clock.advance(100);
  const [entered, ...more] = sent.splice(0);
  assert.deepEqual(more, [], 'nothing is told of b, which is not connected');
  assert.equal(entered?.host, 'a');
  assert.equal(entered.position, world.store.head().position);
  const refs = entered.refs.map((ref) => ref.replaceAll(network, 'N')).sort();
  for (const ref of [
    'dhcp/N|lease/port-a',
    'host/a|port/port-a',
    'host/b|port/port-b',
    'network/N|network/N',
  ]) {
    assert.ok(refs.includes(ref), `${ref} in ${refs}`);
  }
  const groups = ['host/a', 'host/b', `network/${network}`, `dhcp/${network}`];
  assert.deepEqual(groups.map(entered.sees), [true, false, true, false]);
  assert.ok(entered.ageMs < 100, `${entered.ageMs}`);

  await world.transact((tx) => tx.networks.update({ id: network }, { name: 'new' }));
  await world.clock.advance(6_000);
  const [renamed] = sent.splice(0);
  assert.deepEqual(renamed?.refs, [`network/${network}|network/${network}`]);
  assert.equal(sent.length, 0, 'bookmarks are nothing');

  await world.transact((tx) => tx.ports.remove({ id: 'port-a' }));
  await world.clock.advance(100);
  const [left] = sent.splice(0);
  assert.equal(left?.sees(`network/${network}`), true, 'had it until then');
});

test('of several changes at once each is told to those whom it concerns', async () => {
  await worldWith(['a', 'b']);
  for (const host of ['a', 'b']) world.attach(watchRequest(host));
  const one = await networkOn(['a']);
  await world.clock.advance(100);
  sent.splice(0);
  const from = world.store.head().position;
  // the first goes at once, the others together
  for (const name of ['x', 'y', 'z']) await world.transact((tx) => tx.networks.update({ id: one }, { name }));
  const two = await networkOn(['b'], 'q');
  await world.clock.advance(100);
  assert.deepEqual(
    sent.map(({ host, position }) => `${host} ${position - from}`).sort(),
    ['a 1', 'a 2', 'a 3', 'b 4'],
    two,
  );
});

test('who was away is told what it missed, from its return on', async () => {
  await worldWith(['a']);
  const network = await networkOn(['a']);
  await world.startAgent('a');
  await world.clock.advance(500);
  await world.stopAgent('a');
  await world.transact((tx) => tx.networks.update({ id: network }, { name: 'new' }));
  sent.splice(0);
  await world.startAgent('a');
  await world.clock.advance(500);
  const ref = `network/${network}|network/${network}`;
  assert.deepEqual(
    sent.map(({ refs, ageMs }) => ({ refs, ageMs })),
    [{ refs: [ref], ageMs: 0 }],
  );
});

test('those who are told alike share one list', async () => {
  const hosts = Array.from({ length: 50 }, (_, at) => `h${at}`);
  await worldWith(hosts);
  const network = await networkOn(hosts);
  for (const host of hosts) world.attach(watchRequest(host));
  await world.clock.advance(500);
  sent.splice(0);
  await world.transact((tx) => tx.networks.update({ id: network }, { name: 'new' }));
  await world.clock.advance(100);
  assert.equal(sent.length, 50);
  assert.equal(new Set(sent.map((one) => one.refs)).size, 1);
});

test('a remedy goes to who takes it, and only to who is here', async () => {
  await worldWith(['a', 'b', 'c']);
  const { sink } = world.attach(watchRequest('a', { takes: ['remedy'] }));
  const old = world.attach(watchRequest('b'));
  await world.clock.advance(100);
  const remedy = remedyFor(['network/n']);
  assert.equal(world.feed().remedy('a', remedy), true);
  assert.equal(world.feed().remedy('b', remedy), false);
  assert.equal(world.feed().remedy('c', remedy), false);
  assert.deepEqual(framesOf(sink.lines).at(-1), remedy);
  assert.ok(framesOf(old.sink.lines).every(({ type }) => type !== 'remedy'));
  sink.blocked = true;
  assert.equal(world.feed().remedy('a', remedy), true);
  assert.equal(world.feed().remedy('a', remedy), false, 'what it is told does not pile up');
});

test('an audit that is asked for comes at once, to whoever watches the group', async () => {
  await worldWith(['a', 'b', 'c']);
  const network = await networkOn(['a', 'b']);
  const sinks = ['a', 'b', 'c'].map((host) => world.attach(watchRequest(host)).sink);
  await world.clock.advance(100);
  assert.equal(world.feed().auditNow([`network/${network}`, 'network/of-nobody']), true);
  await world.clock.advance(10);
  const digests = sinks.map((sink) =>
    framesOf(sink.lines).flatMap((frame) => (frame.type === 'digest' ? [Object.keys(frame.groups)] : [])),
  );
  assert.deepEqual(digests, [[[`network/${network}`]], [[`network/${network}`]], []]);
});

test('an audit that is asked for finds a mirror that went wrong, and repairs it', async () => {
  await worldWith(['a']);
  const network = await networkOn(['a']);
  await world.startAgent('a');
  await world.clock.advance(500);
  const mirror = world.mirror('a');
  mirror.apply({
    ...{ type: 'batch', from: mirror.place as never, to: mirror.place as never, enter: {}, leave: [] },
    changes: { [`network/${network}`]: { 'endpoint/a': null } },
  });
  assert.throws(() => world.assertConverged());
  world.feed().auditNow([`network/${network}`]);
  await world.clock.advance(1_000);
  assert.ok(world.mirror('a').group(`network/${network}`)?.has('endpoint/a'));
  assert.equal(world.feed().metrics().mismatches, 1);
});

test('a watch that is cut ends with a goodbye, and its agent comes again', async () => {
  await worldWith(['a']);
  await world.startAgent('a');
  await world.clock.advance(500);
  assert.equal(world.feed().cut('a', 'its reports stopped'), true);
  assert.equal(world.feed().cut('a', 'its reports stopped'), false);
  await world.clock.advance(2_000);
  assert.deepEqual(world.feed().connected(), ['a']);
  assert.deepEqual(world.presence, ['+a', '-a', '+a']);
  assert.equal(world.feed().metrics().cuts.asked, 1);
});
