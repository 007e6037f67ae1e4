import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { addHosts, changeAnything } from '../../test/support/watch-workload.ts';
import {
  networkRow,
  portRow,
  WatchWorld,
  type WorldOptions,
  watchRequest,
} from '../../test/support/watch-world.ts';
import { integerBetween } from '../lib/random.ts';
import { StoreUnavailable } from '../store/store.ts';
import type { FeedSource } from './source.ts';

const HOSTS = ['a', 'b', 'c', 'd'];

let world: WatchWorld;
afterEach(() => world.close());

async function worldWith(options: WorldOptions, agents: readonly string[] = HOSTS): Promise<WatchWorld> {
  world = new WatchWorld(options);
  await addHosts(world, HOSTS);
  for (const host of agents) await world.startAgent(host);
  await world.clock.advance(1_000);
  return world;
}

/** One network with a port on each host. */
async function networkOn(hosts: readonly string[]): Promise<string> {
  const id = world.random.uuid();
  await world.transact(async (tx) => {
    await tx.networks.insert([networkRow(id, integerBetween(world.random, 1, 2 ** 40))]);
    await tx.ports.insert(hosts.map((host) => portRow(world.random.uuid(), id, { host })));
  });
  return id;
}

const rename = (id: string, name: string) => world.transact((tx) => tx.networks.update({ id }, { name }));

test('whatever is changed, every mirror is at each place exactly what the rows were, and in the end what they are', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    await worldWith({ seed, servers: 2 });
    for (let i = 0; i < 60; i++) {
      await changeAnything(world);
      const chance = world.random.next();
      if (chance < 0.5) await world.clock.advance(integerBetween(world.random, 0, 30));
      if (chance < 0.05) world.cutAll();
      if (chance > 0.9 && chance < 0.93) await world.store.trim({ ageMs: 0, keep: 1 });
      if (chance > 0.97) await world.restartServer(integerBetween(world.random, 0, 1));
      if (chance > 0.94 && chance < 0.97) {
        const host = world.pick(HOSTS) ?? 'a';
        await world.stopAgent(host);
        if (world.random.next() < 0.5) world.tearDisk(host);
        await changeAnything(world);
        await world.startAgent(host);
      }
    }
    await world.clock.advance(3_000);
    world.assertConverged();
    assert.deepEqual(world.errors, []);
    if (seed < 25) await world.close();
  }
});

test('tails that are lost at any moment, seen by some and not by others, leave no trace', async () => {
  for (let seed = 1; seed <= 15; seed++) {
    await worldWith({ seed, servers: 2 });
    for (let i = 0; i < 60; i++) {
      await changeAnything(world);
      if (world.random.next() < 0.5) await world.clock.advance(integerBetween(world.random, 0, 30));
      if (world.random.next() < 0.05) {
        const depth = integerBetween(world.random, 1, 3);
        world.store.loseTail(Math.min(depth, world.store.head().position - 1));
        if (world.random.next() < 0.3) await world.restartServer(integerBetween(world.random, 0, 1));
      }
    }
    await world.clock.advance(6_000);
    world.assertConverged();
    if (seed < 15) await world.close();
  }
});

test('without faults nobody reconnects, however scopes change', async () => {
  await worldWith({ seed: 77 });
  for (let i = 0; i < 300; i++) {
    await changeAnything(world);
    await world.clock.advance(integerBetween(world.random, 0, 20));
  }
  const { resumes, snapshots, streams } = world.feed().metrics();
  assert.deepEqual(
    { resumes, snapshots, streams },
    { resumes: 0, snapshots: { empty: 4, lineage: 0, behind: 0 }, streams: 4 },
  );
});

test('a port more on a host that has some is not told to the hosts that share its network', async () => {
  await worldWith({}, []);
  const network = await networkOn(['a', 'b']);
  const { sink } = world.attach(watchRequest('b'));
  await world.clock.advance(100);
  const add = (host: string) =>
    world.transact((tx) => tx.ports.insert([portRow(world.random.uuid(), network, { host })]));
  const before = sink.lines.length;
  await add('a');
  await world.clock.advance(100);
  assert.equal(sink.lines.length, before);
  await add('c');
  await world.clock.advance(100);
  assert.equal(sink.lines.length, before + 1);
  await world.transact((tx) => tx.hosts.update({ name: 'a' }, { tunnel_ip: '192.0.2.77' }));
  await world.clock.advance(100);
  assert.equal(sink.lines.length, before + 2);
});

test('who is left out of a hint stands at its place soon all the same', async () => {
  await worldWith({}, []);
  const network = await networkOn(['a', 'b']);
  const { sink } = world.attach(watchRequest('b'));
  await world.clock.advance(1_100);
  const before = sink.lines.length;
  await world.transact((tx) => tx.ports.insert([portRow(world.random.uuid(), network, { host: 'a' })]));
  await world.clock.advance(1_600);
  assert.equal(sink.lines.length, before + 1);
  const bookmark = JSON.parse(sink.lines.at(-1) ?? '');
  assert.deepEqual([bookmark.to.position, bookmark.changes], [world.store.head().position, {}]);
});

test('the first change after a quiet time goes at once', async () => {
  await worldWith({});
  const network = await networkOn(['a', 'b']);
  await world.clock.advance(2_000);
  await rename(network, 'new');
  await world.clock.advance(2);
  world.assertConverged();
});

test('a lost notification costs no more than the poll', async () => {
  const deaf = (source: FeedSource): FeedSource => ({ view: source.view, onAppend: () => () => undefined });
  await worldWith({ source: deaf });
  await networkOn(['a', 'b']);
  await world.clock.advance(500);
  world.assertConverged();
});

test('a log that lost its tail is noticed, and agents go back to what is', async () => {
  for (const restarted of [false, true]) {
    await worldWith({ servers: 2 });
    const network = await networkOn(['a', 'b', 'c']);
    await world.clock.advance(500);
    await rename(network, 'lost');
    await networkOn(['c', 'd']);
    await world.clock.advance(500);
    world.assertConverged();
    world.store.loseTail(2);
    if (restarted) {
      await world.restartServer(0);
      await world.restartServer(1);
    } else {
      await world.clock.advance(1_000);
    }
    await world.clock.advance(4_000);
    world.assertConverged();
    if (!restarted) await world.close();
  }
});

test('a lost tail that has grown over is noticed by its tag', async () => {
  await worldWith({});
  const network = await networkOn(['a', 'b']);
  await rename(network, 'lost');
  await world.clock.advance(1_000);
  world.store.loseTail(1);
  await rename(network, 'other');
  await rename(network, 'other still');
  await world.clock.advance(2_000);
  world.assertConverged();
  assert.equal(world.feed().metrics().lineages, 1);
});

test('an agent that holds what a restored log does not know is compared soon', async () => {
  await worldWith({}, []);
  const network = await networkOn(['a']);
  await rename(network, 'kept');
  await world.startAgent('a');
  await world.clock.advance(1_000);
  await rename(network, 'lost');
  await world.clock.advance(1_000);
  const mirror = await world.stopAgent('a');
  world.store.loseTail(1);
  await world.restartServer(0);
  const { sink } = world.attach(watchRequest('a', mirror.holdings()));
  await world.clock.advance(300);
  const types = sink.frames().map((frame) => (frame.type === 'group' ? frame.group : frame.type));
  assert.deepEqual(types, ['hello', `network/${network}`, 'synced']);
});

test('an agent that is far behind gets only the groups that differ', async () => {
  await worldWith({ limits: { tailRefs: 20, tailChanges: 5 } });
  const networks = [await networkOn(['a']), await networkOn(['a']), await networkOn(['a'])];
  await world.clock.advance(1_000);
  const mirror = await world.stopAgent('a');
  for (let i = 0; i < 30; i++) await rename(networks[1] as string, `name ${i}`);
  await world.clock.advance(1_000);
  const { sink } = world.attach(watchRequest('a', mirror.holdings()));
  await world.clock.advance(100);
  const types = sink.frames().map((frame) => (frame.type === 'group' ? frame.group : frame.type));
  assert.deepEqual(types, ['hello', `network/${networks[1]}`, 'synced']);
  assert.equal(world.feed().metrics().snapshots.behind, 1);
});

test('what changed last comes first, in a fill and in deltas', async () => {
  await worldWith({});
  const networks: string[] = [];
  for (let i = 0; i < 5; i++) networks.push(await networkOn(['a']));
  await rename(networks[2] as string, 'renamed');
  const { sink } = world.attach(watchRequest('a'));
  await world.clock.advance(100);
  const groups = sink.frames().flatMap((frame) => (frame.type === 'group' ? [frame.group] : []));
  const order = [2, 4, 3, 1, 0].map((at) => `network/${networks[at]}`);
  assert.deepEqual(
    groups.filter((group) => group.startsWith('network/')),
    order,
  );
  const mirror = await world.stopAgent('a');
  for (const at of [1, 4, 0]) await rename(networks[at] as string, 'renamed');
  const back = world.attach(watchRequest('a', mirror.holdings()));
  await world.clock.advance(100);
  const changed = back.sink
    .frames()
    .map((frame) => (frame.type === 'batch' ? Object.keys(frame.changes) : []));
  assert.deepEqual(
    changed.flat(),
    [0, 4, 1].map((at) => `network/${networks[at]}`),
  );
});

test('agents that come back are answered from memory, with deltas', async () => {
  let counts: Record<string, number> = {};
  const counted = <Arguments extends unknown[], Result>(
    name: string,
    read: (...them: Arguments) => Result,
  ) => {
    return (...them: Arguments): Result => {
      counts[name] = (counts[name] ?? 0) + 1;
      return read(...them);
    };
  };
  const counting = (source: FeedSource): FeedSource => ({
    onAppend: source.onAppend,
    view: (work) =>
      source.view((view) =>
        work({
          ...view,
          scopes: counted('scopes', view.scopes),
          objects: counted('objects', view.objects),
          groups: counted('groups', view.groups),
        }),
      ),
  });
  const audit = { minPeriodMs: 60_000, maxPeriodMs: 60_000, perTick: 1, tickMs: 60_000 };
  await worldWith({ source: counting, limits: { audit } });
  for (let i = 0; i < 20; i++) await networkOn(HOSTS);
  await world.clock.advance(1_000);
  counts = {};
  await world.restartServer(0);
  await world.clock.advance(1_500);
  assert.equal(world.feed().metrics().resumes, HOSTS.length);
  assert.deepEqual(counts, { scopes: 1 }, 'once for all hosts, at the start');
  world.assertConverged();
});

test('a host that changes its address while a port is bound to it: all see the new one', async () => {
  await worldWith({});
  const network = await networkOn(['a']);
  await world.clock.advance(500);
  // the trigger of the host's change does not see the port that is not committed yet
  let commitHost: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (commitHost = resolve));
  const change = world.transact(async (tx) => {
    await tx.hosts.update({ name: 'b' }, { tunnel_ip: '192.0.2.99' });
    await held;
  });
  await world.transact((tx) => tx.ports.insert([portRow(world.random.uuid(), network, { host: 'b' })]));
  await world.clock.advance(500);
  commitHost();
  await change;
  await world.clock.advance(500);
  world.assertConverged();
});

test('a slow reader waits for its connection, is cut when it falls behind, and resumes', async () => {
  await worldWith({ limits: { ringBytes: 20_000 } }, ['b']);
  const network = await networkOn(['a', 'b']);
  await world.clock.advance(500);
  const { sink, handle } = world.attach(watchRequest('a'));
  await world.clock.advance(100);
  sink.blocked = true;
  await rename(network, 'one');
  await world.clock.advance(100);
  const before = sink.lines.length;
  await rename(network, 'two');
  await world.clock.advance(100);
  assert.equal(sink.lines.length, before, 'nothing is written before it drains');
  sink.blocked = false;
  handle.drained();
  assert.equal(sink.lines.length, before + 1);

  sink.blocked = true;
  for (let i = 0; i < 300; i++) {
    await rename(network, `${'long '.repeat(20)}${i}`);
    await world.clock.advance(20);
  }
  assert.equal(sink.state, 'ended');
  assert.equal(world.feed().metrics().cuts['fell out'], 1);
  assert.ok(world.feed().metrics().ringBytes < 20_000);
  assert.ok(!world.feed().connected().includes('a'));
  world.assertConverged();
});

test('a reader that does not drain at all is cut in time', async () => {
  await worldWith({}, []);
  const network = await networkOn(['a']);
  const { sink } = world.attach(watchRequest('a'));
  sink.blocked = true;
  await world.clock.advance(100);
  await rename(network, 'x');
  await world.clock.advance(19_000);
  assert.equal(sink.state, 'open');
  await world.clock.advance(2_000);
  assert.equal(sink.state, 'ended');
  assert.equal(world.feed().metrics().cuts.stalled, 1);
});

test('an agent that was heard and falls silent is cut; one that never said anything is not', async () => {
  await worldWith({}, []);
  const quiet = world.attach(watchRequest('a'));
  const silent = world.attach(watchRequest('b'));
  await world.clock.advance(100);
  silent.handle.heard();
  await world.clock.advance(8_000);
  assert.equal(silent.sink.state, 'open');
  await world.clock.advance(2_000);
  assert.deepEqual([quiet.sink.state, silent.sink.state], ['open', 'ended']);
  assert.deepEqual(world.presence, ['+a', '+b', '-b']);
});

test('an agent whose request says that it will be heard is cut also if it never is', async () => {
  await worldWith({}, []);
  const { sink, handle } = world.attach(watchRequest('a'));
  handle.heard();
  await world.clock.advance(100);
  const [hello] = sink.frames();
  assert.ok(hello?.type === 'hello' && (hello.heartbeatMs ?? 0) > 0 && (hello.idleMs ?? 0) > 0);
  await world.clock.advance(10_000);
  assert.equal(sink.state, 'ended');
});

test('an agent that waits for its answer is heard', async () => {
  let answer: () => void = () => undefined;
  const answers = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const source = (one: FeedSource): FeedSource => ({
    onAppend: one.onAppend,
    view: (work) => answers.then(() => one.view(work)),
  });
  await worldWith({ source }, []);
  const { handle } = world.attach(watchRequest('a'));
  handle.heard();
  await world.clock.advance(3_000);
  handle.heard();
  handle.closed();
  handle.heard();
  assert.deepEqual([world.heard, world.presence], [['a', 'a'], []]);
  answer();
});

test('bookmarks come while nothing happens, and while the database is gone', async () => {
  let isDown = false;
  const failing = (source: FeedSource): FeedSource => ({
    onAppend: source.onAppend,
    view: (work) => (isDown ? Promise.reject(new StoreUnavailable('down')) : source.view(work)),
  });
  await worldWith({ source: failing });
  isDown = true;
  await world.clock.advance(60_000);
  assert.deepEqual(
    world.presence,
    HOSTS.map((host) => `+${host}`),
    'nobody had to reconnect',
  );
  assert.ok(world.errors.every((error) => error instanceof StoreUnavailable));
  const late = world.attach(watchRequest('a', { incarnation: 100 }));
  await world.clock.advance(6_000);
  assert.equal(late.sink.state, 'refused');
  isDown = false;
  await networkOn(HOSTS);
  await world.clock.advance(5_000);
  world.assertConverged();
});

test('the newest life of a host is the one that watches', async () => {
  await worldWith({}, []);
  const first = world.attach(watchRequest('a', { incarnation: 5 }));
  await world.clock.advance(50);
  const second = world.attach(watchRequest('a', { incarnation: 6 }));
  await world.clock.advance(50);
  assert.deepEqual([first.sink.state, second.sink.state], ['ended', 'open']);
  first.handle.closed();
  const late = world.attach(watchRequest('a', { incarnation: 5 }));
  await world.clock.advance(50);
  assert.deepEqual([second.sink.state, late.sink.state], ['open', 'refused']);
  second.handle.closed();
  assert.deepEqual(world.presence, ['+a', '-a']);
});

test('an agent whose host is removed is told so and let go', async () => {
  await worldWith({}, []);
  const { sink } = world.attach(watchRequest('a'));
  await world.clock.advance(50);
  await world.transact((tx) => tx.hosts.remove({ name: 'a' }));
  await world.clock.advance(50);
  assert.deepEqual(
    sink
      .frames()
      .slice(-2)
      .map((frame) => frame.type),
    ['batch', 'goodbye'],
  );
  assert.equal(sink.state, 'ended');
});

test('whole comparisons are admitted a few at a time; deltas always', async () => {
  await worldWith({ limits: { snapshots: { perSecond: 1, burst: 2 } } }, []);
  const all = HOSTS.map((host) => world.attach(watchRequest(host)));
  await world.clock.advance(50);
  const states = all.map(({ sink }) => sink.state);
  assert.deepEqual(states, ['open', 'open', 'refused', 'refused']);
  assert.ok(all.slice(2).every(({ sink }) => sink.refusal.retryAfterMs >= 1_000));
  const last = all[0]?.sink.frames().at(-1);
  assert.ok(last?.type === 'synced');
  const resumed = world.attach(watchRequest('a', { place: last.at, incarnation: 2 }));
  await world.clock.advance(50);
  assert.equal(resumed.sink.state, 'open');
});

test('an audit finds what a feed left out, and the group is sent whole', async () => {
  let dropped = 0;
  const forgetful = (source: FeedSource): FeedSource => ({
    onAppend: source.onAppend,
    view: (work) =>
      source.view((view) =>
        work({
          ...view,
          changesFrom: async (position, limit) => {
            const changes = await view.changesFrom(position, limit);
            const isHit = (ref: string) => ref.includes('|network/');
            return changes.map((change) => {
              if (dropped > 0 || change.refs.length !== 1 || !change.refs.some(isHit)) return change;
              dropped = change.position;
              return { ...change, refs: [] };
            });
          },
        }),
      ),
  });
  const audit = { minPeriodMs: 10_000, maxPeriodMs: 60_000, perTick: 20, tickMs: 1_000 };
  await worldWith({ source: forgetful, limits: { audit }, unchecked: true });
  const network = await networkOn(['a', 'b']);
  await world.clock.advance(1_000);
  await rename(network, 'not told');
  await world.clock.advance(1_000);
  assert.ok(dropped > 0);
  assert.throws(() => world.assertConverged());
  await world.clock.advance(30_000);
  world.assertConverged();
  assert.equal(world.feed().metrics().mismatches, 2);
});

test('a server that stops sends its agents to another', async () => {
  await worldWith({ servers: 2 });
  await networkOn(HOSTS);
  await world.clock.advance(1_000);
  await world.restartServer(0);
  await networkOn(HOSTS);
  await world.clock.advance(1_000);
  world.assertConverged();
  assert.equal(world.feed(0).metrics().streams + world.feed(1).metrics().streams, HOSTS.length);
});
