/** What only the in-memory store can do: delays, lost answers, lost tails. The contract itself: contract.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import type { MemoryHooks } from '../../src/store/memory/database.ts';
import { openMemoryStore } from '../../src/store/memory/memory-store.ts';
import { StoreUnavailable, UniqueViolation } from '../../src/store/store.ts';

const open = () => openMemoryStore({ clock: realClock, random: seededRandom(7) });

const host = (name: string) => ({
  name,
  credential_hash: null,
  tunnel_ip: '',
  management_ip: '',
  physical_networks: [],
  created_at: '2026-01-01T00:00:00Z',
});

const names = (store: ReturnType<typeof open>) => store.rows('hosts').map((row) => row.name);

test('a row lock makes the second holder wait, and it then sees what the first wrote', async () => {
  const store = open();
  await store.transact((tx) => tx.hosts.insert([host('a')]));
  const order: string[] = [];
  const add = (who: string) =>
    store.transact(async (tx) => {
      const [row] = await tx.hosts.lock({ name: 'a' });
      order.push(`${who} sees ${row?.tunnel_ip}`);
      await tx.hosts.update({ name: 'a' }, { tunnel_ip: `${row?.tunnel_ip}${who}` });
    });
  await Promise.all([add('x'), add('y'), add('z')]);
  assert.deepEqual(order, ['x sees ', 'y sees x', 'z sees xy']);
  assert.equal(store.rows('hosts')[0]?.tunnel_ip, 'xyz');
  assert.equal(store.head().position, 4);
});

test('a circle of waits is broken: one runs again, both happen', async () => {
  const store = open();
  await store.transact((tx) => tx.hosts.insert([host('a'), host('b')]));
  let attempts = 0;
  const touch = (first: string, second: string) =>
    store.transact(async (tx) => {
      attempts += 1;
      await tx.hosts.lock({ name: first });
      await tx.hosts.lock({ name: first });
      await tx.hosts.lock({ name: second });
      await tx.hosts.update({ name: second }, { tunnel_ip: first });
    });
  await Promise.all([touch('a', 'b'), touch('b', 'a')]);
  assert.equal(attempts, 3);
  assert.deepEqual(
    store.rows('hosts').map((row) => row.tunnel_ip),
    ['b', 'a'],
  );
});

test('two inserts of one key: the second waits for the first to end', async () => {
  const store = open();
  const insert = (fail: boolean) =>
    store.transact(async (tx) => {
      await tx.hosts.insert([host('a')]);
      await tx.hosts.find({});
      if (fail) throw new Error('no');
    });
  const [first, second] = await Promise.allSettled([insert(true), insert(false)]);
  assert.equal(first.status, 'rejected');
  assert.equal(second.status, 'fulfilled');
  await assert.rejects(insert(false), (error: UniqueViolation) => error.constraint === 'hosts_pkey');
});

test('a lost tail takes rows and positions with it, and breaks what is open', async () => {
  const store = open();
  for (const name of ['a', 'b', 'c']) await store.transact((tx) => tx.hosts.insert([host(name)]));
  const late = store.view(async (view) => {
    await view.head();
    store.loseTail(2);
    return view.head();
  });
  await assert.rejects(late, StoreUnavailable);
  assert.deepEqual(names(store), ['a']);
  assert.equal(store.head().position, 1);
  const { place } = await store.transact((tx) => tx.hosts.insert([host('b')]));
  assert.equal(place?.position, 2);
});

test('a COMMIT without an answer: found by its tag, or said to be unavailable', async () => {
  const store = open();
  let fate: ReturnType<NonNullable<MemoryHooks['commitFate']>> = 'unanswered';
  const server = store.connect({ commitFate: () => fate });
  const { place } = await server.transact((tx) => tx.hosts.insert([host('a')]));
  assert.deepEqual(place, store.head());
  fate = 'lost';
  await assert.rejects(
    server.transact((tx) => tx.hosts.insert([host('b')])),
    StoreUnavailable,
  );
  assert.deepEqual(names(store), ['a']);
});

test('a cut connection gives back its locks', async () => {
  const store = open();
  await store.transact((tx) => tx.hosts.insert([host('a')]));
  const stuck = store.connect({
    pause: (point) => (point === 'commit' ? new Promise<void>(() => undefined) : Promise.resolve()),
  });
  const never = stuck.transact((tx) => tx.hosts.update({ name: 'a' }, { tunnel_ip: 'x' }));
  never.catch(() => undefined);
  const after = store.transact((tx) => tx.hosts.update({ name: 'a' }, { credential_hash: 'y' }));
  await new Promise((resolve) => setImmediate(resolve));
  stuck.cut(false);
  await after;
  assert.equal(store.rows('hosts')[0]?.tunnel_ip, '');
});

test('a failed statement leaves the transaction fit only for rollback', async () => {
  const store = open();
  await store.transact((tx) => tx.hosts.insert([host('a')]));
  const swallowed = store.transact(async (tx) => {
    await tx.hosts.insert([host('b')]);
    await assert.rejects(tx.hosts.insert([host('a')]), UniqueViolation);
  });
  await assert.rejects(swallowed);
  assert.deepEqual(names(store), ['a']);
});
