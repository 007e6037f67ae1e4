/** The database itself is killed, or comes back from an older copy of its files. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/main/embedded-postgres.ts';
import { type OpenedStore, openStore } from '../../src/store/open.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import type { Place } from '../../src/resources/place.ts';
import { quietLog, startTestCluster, withClient } from '../support/postgres.ts';
import { freePort } from '../support/server-process.ts';
import { network, networkId } from './rows.ts';

const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

interface Crashing {
  readonly directory: string;
  readonly store: OpenedStore;
  postgres: EmbeddedPostgres;
  /** Starts it again after `kill` or `stop`. */
  start(): Promise<void>;
}

async function withCrashing(work: (crashing: Crashing) => Promise<void>): Promise<void> {
  const { directory, postgres } = await startTestCluster(DURABLE);
  const store = await openStore({
    connection: postgres.config,
    clock: realClock,
    random: realRandom,
    log: quietLog,
  });
  const crashing: Crashing = {
    directory,
    store,
    postgres,
    async start() {
      const options = { dataDirectory: directory, socketDirectory: directory, log: quietLog };
      crashing.postgres = await startEmbeddedPostgres({ ...options, settings: DURABLE });
    },
  };
  try {
    await work(crashing);
  } finally {
    await crashing.postgres.stop();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Processes of the cluster, backends included. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

/** kill -9 of everything at once. */
async function killAll(postgres: EmbeddedPostgres): Promise<void> {
  const backends = childrenOf(postgres.pid);
  const gone = postgres.kill();
  for (const pid of backends) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
    }
  }
  await gone;
}

test('kill -9 under load loses no acknowledged place, and what was refused is not there', () =>
  withCrashing(async (crashing) => {
    const { store } = crashing;
    const acknowledged = new Map<number, Place>();
    const refused = new Set<number>();
    let next = 0;
    let stopping = false;
    const writer = async () => {
      while (!stopping) {
        const id = ++next;
        try {
          const { place } = await store.transact((tx) => tx.networks.insert([network(id)]));
          assert.ok(place);
          acknowledged.set(id, place);
        } catch (error) {
          assert.ok(error instanceof StoreUnavailable, String(error));
          refused.add(id);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const writers = Array.from({ length: 8 }, writer);
    const more = async (count: number) => {
      const goal = acknowledged.size + count;
      while (acknowledged.size < goal) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    for (let round = 0; round < 3; round++) {
      await more(100);
      await killAll(crashing.postgres);
      await crashing.start();
    }
    await more(20);
    stopping = true;
    await Promise.all(writers);

    await store.view(async (view) => {
      const changes = await view.changesFrom(0, 100_000);
      for (const [at, change] of changes.entries()) assert.equal(change.position, at);
      const present = new Set((await view.networks.find({})).map((row) => row.id));
      for (const [id, place] of acknowledged) {
        assert.ok(present.has(networkId(id)), `network ${id}`);
        assert.equal(changes[place.position]?.tag, place.tag);
        assert.deepEqual(changes[place.position]?.refs, [
          `network/${networkId(id)}|network/${networkId(id)}`,
        ]);
      }
      for (const id of refused) assert.ok(!present.has(networkId(id)), `network ${id} was refused`);
      assert.equal(present.size, acknowledged.size);
      assert.equal(changes.length, acknowledged.size + 1);
    });
  }));

test('a restored older copy has lost the tail: known by the tag, also when the positions are taken again', () =>
  withCrashing(async (crashing) => {
    const { store, directory } = crashing;
    const insert = async (n: number) => {
      const { place } = await store.transact((tx) => tx.networks.insert([network(n)]));
      assert.ok(place);
      return place;
    };
    const cluster = join(directory, 'postgres');
    const copy = join(directory, 'copy');
    const kept = await insert(1);
    await crashing.postgres.stop();
    cpSync(cluster, copy, { recursive: true });
    chmodSync(copy, 0o700);
    await crashing.start();
    const lost = await insert(2);
    const lostToo = await insert(3);
    await crashing.postgres.stop();
    rmSync(cluster, { recursive: true });
    renameSync(copy, cluster);
    await crashing.start();

    const holds = (place: Place) =>
      store.view(async (view) => (await view.changesFrom(place.position, 1))[0]?.tag === place.tag);
    assert.deepEqual([await holds(kept), await holds(lost), await holds(lostToo)], [true, false, false]);
    const instead = await insert(4);
    assert.equal(instead.position, lost.position);
    assert.notEqual(instead.tag, lost.tag);
    await insert(5);
    assert.deepEqual([await holds(kept), await holds(lost), await holds(lostToo)], [true, false, false]);
    assert.equal(await holds(instead), true);
  }));

test('after an epoch no place from before it is held, whichever lineage it is of', () =>
  withCrashing(async ({ store }) => {
    const insert = async (n: number) =>
      (await store.transact((tx) => tx.networks.insert([network(n)]))).place;
    const places = [await insert(1), await insert(2)];
    const epoch = await store.beginEpoch();
    places.push(epoch, await insert(3));
    const held = await store.view(async (view) => {
      const changes = await view.changesFrom(0, 100);
      return places.map((place) => changes.some((one) => one.tag === place?.tag));
    });
    assert.deepEqual(held, [false, false, true, true]);
    assert.equal((await store.view((view) => view.networks.find({}))).length, 3);
  }));

test('the launcher takes over what a killed predecessor left: socket, locks, a process id of a stranger', async () => {
  const { directory, postgres, close } = await startTestCluster();
  try {
    await killAll(postgres);
    const pidFile = join(directory, 'postgres/postmaster.pid');
    const left = readFileSync(pidFile, 'utf8');
    assert.equal(Number(left.split('\n')[0]), postgres.pid);
    const stranger = left.replace(/^\d+/, String(process.pid));
    writeFileSync(pidFile, stranger);
    writeFileSync(join(directory, '.s.PGSQL.5432.lock'), stranger);
    const again = await startEmbeddedPostgres({
      dataDirectory: directory,
      socketDirectory: directory,
      log: quietLog,
    });
    const found = await withClient(again.config, (client) => client.query('select 1 as one'));
    assert.equal(found.rows[0]?.one, 1);
    await again.stop();
  } finally {
    await close();
  }
});

test('on a TCP port it asks for the password that lies beside the data', async () => {
  const port = await freePort();
  const { directory, postgres, close } = await startTestCluster();
  try {
    await postgres.stop();
    const onPort = await startEmbeddedPostgres({
      dataDirectory: directory,
      socketDirectory: directory,
      log: quietLog,
      port,
    });
    const tcp = { host: '127.0.0.1', port, user: 'deuteron', database: 'postgres' };
    const password = readFileSync(join(directory, 'password'), 'utf8').trim();
    const ask = (connection: object) => withClient(connection, (client) => client.query('select 1 as one'));
    assert.equal((await ask({ ...tcp, password })).rows[0]?.one, 1);
    await assert.rejects(ask({ ...tcp, password: 'guess' }));
    assert.equal((await ask(onPort.config)).rows[0]?.one, 1);
    await onPort.stop();
  } finally {
    await close();
  }
});
