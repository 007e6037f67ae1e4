/** COMMIT whose answer does not come: `transact` finds out what happened before it returns. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type OpenedStore, openStore } from '../../src/store/open.ts';
import { StoreUnavailable, type Transaction } from '../../src/store/store.ts';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import {
  openTestDatabase,
  quietLog,
  type TestDatabase,
  withClient,
  withDatabase,
} from '../support/postgres.ts';
import { type CommitProxy, startProxy } from './proxy.ts';
import { network, networkId } from './rows.ts';

let first: TestDatabase;
before(async () => {
  first = await openTestDatabase();
});
after(() => first.close());

interface Setting extends TestDatabase {
  /** A store that reaches the database through the proxy. */
  readonly far: OpenedStore;
  readonly proxy: CommitProxy;
}

let proxies = 0;

/** A database with network 1, and a store behind a proxy. */
async function behindProxy(work: (setting: Setting) => Promise<void>): Promise<void> {
  await withDatabase(async (database) => {
    const proxy = await startProxy(database.connection.host as string, `p${++proxies}`);
    const far = await openStore({
      connection: { ...database.connection, host: proxy.directory },
      clock: realClock,
      random: realRandom,
      log: quietLog,
      commitPatienceMs: 5_000,
    });
    try {
      await database.store.transact((tx) => tx.networks.insert([network(1)]));
      await work({ ...database, far, proxy });
    } finally {
      await far.close();
      await proxy.close();
    }
  });
}

const hinted = (tx: Transaction) => tx.networks.insert([network(2)]);
/** Only a column that no agent reads: no row of the log bears its tag. */
const hintless = (tx: Transaction) => tx.networks.update({ id: networkId(1) }, { status: 'DOWN' });

const state = (store: OpenedStore) =>
  store.view(async (view) => ({
    head: await view.head(),
    networks: (await view.networks.find({})).map((row) => `${row.segmentation_id} ${row.status}`),
  }));

const openTransactions = (database: TestDatabase) =>
  withClient(database.connection, async (client) => {
    const found = await client.query(
      `select pid from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend' and xact_start is not null and pid <> pg_backend_pid()`,
    );
    return found.rows.length;
  });

test('it went through: the place is the one in the log', () =>
  behindProxy(async ({ far, store, proxy }) => {
    proxy.breakNextCommit('deliver');
    let tag = 0;
    const { place } = await far.transact(async (tx) => {
      tag = tx.tag;
      await hinted(tx);
    });
    assert.deepEqual(place, { position: 2, tag });
    assert.deepEqual(await state(store), { head: place, networks: ['1 ACTIVE', '2 ACTIVE'] });
  }));

test('it went through and has no place: found by the tag kept aside', () =>
  behindProxy(async ({ far, store, proxy }) => {
    proxy.breakNextCommit('deliver');
    const { place, result } = await far.transact(hintless);
    assert.equal(place, null);
    assert.equal(result[0]?.status, 'DOWN');
    assert.deepEqual((await state(store)).networks, ['1 DOWN']);
  }));

for (const [kind, work] of [
  ['with hints', hinted],
  ['without hints', hintless],
] as const) {
  test(`it never arrived, ${kind}: StoreUnavailable, nothing remains, the next one works`, () =>
    behindProxy(async ({ far, store, proxy }) => {
      proxy.breakNextCommit('lose');
      await assert.rejects(far.transact<unknown>(work), StoreUnavailable);
      assert.deepEqual((await state(store)).networks, ['1 ACTIVE']);
      assert.equal((await far.transact(hinted)).place?.position, 2);
    }));

  test(`it is still on its way, ${kind}: it is made sure that it never arrives`, () =>
    behindProxy(async (setting) => {
      const { far, store, proxy } = setting;
      proxy.breakNextCommit('hold');
      await assert.rejects(far.transact<unknown>(work), StoreUnavailable);
      assert.equal(await openTransactions(setting), 0);
      proxy.deliverHeld();
      assert.deepEqual((await state(store)).networks, ['1 ACTIVE']);
      assert.equal((await store.transact(hinted)).place?.position, 2);
      assert.deepEqual((await state(store)).networks, ['1 ACTIVE', '2 ACTIVE']);
    }));
}

test('many at once, each with its own fate: what was said is what happened', () =>
  behindProxy(async ({ far, store, proxy }) => {
    const said = new Map<number, 'there' | 'not there'>();
    const fates = ['deliver', 'lose', 'hold'] as const;
    const writer = async (w: number) => {
      for (let n = 0; n < 6; n++) {
        const id = 100 + w * 10 + n;
        proxy.breakNextCommit(fates[(w + n) % 3] as (typeof fates)[number]);
        try {
          await far.transact((tx) => tx.networks.insert([network(id)]));
          said.set(id, 'there');
        } catch (error) {
          assert.ok(error instanceof StoreUnavailable, String(error));
          said.set(id, 'not there');
        }
      }
    };
    await Promise.all([0, 1, 2, 3].map(writer));
    const { networks, head } = await state(store);
    for (const [id, fate] of said) {
      assert.equal(networks.includes(`${id} ACTIVE`) ? 'there' : 'not there', fate, `network ${id}`);
    }
    assert.equal(head.position, networks.length);
    assert.ok(networks.length > 1 && networks.length < 25);
  }));

test('a client that stands still at its commit holds up nobody: nothing of it is still to come', () =>
  behindProxy(async ({ far, store, proxy }) => {
    proxy.breakNextCommit('freeze');
    const frozen = far.transact(hinted);
    const deadline = performance.now() + 60_000;
    while ((await state(store)).head.position < 2) {
      assert.ok(performance.now() < deadline, 'what the server has must be enough to commit');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const next = await store.transact((tx) => tx.networks.insert([network(3)]));
    assert.equal(next.place?.position, 3);
    proxy.thaw();
    assert.equal((await frozen).place?.position, 2);
  }));
