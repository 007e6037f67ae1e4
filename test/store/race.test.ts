/** Interleavings forced on the real PostgreSQL: each step waits for the state it needs, never for time. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Client } from 'pg';
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
import {
  floatingIp,
  floatingIpId,
  host,
  network,
  networkId,
  port,
  portId,
  qosPolicy,
  qosPolicyId,
  qosRule,
  router,
  routerId,
  securityGroup,
} from './rows.ts';

// Held open, so that the cluster serves the whole file.
let first: TestDatabase;
before(async () => {
  first = await openTestDatabase();
});
after(() => first.close());

/** Looks again until `condition` holds. */
async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const someoneWaits = (client: Client, count = 1) =>
  until(`${count} sessions wait for a lock`, async () => {
    const found = await client.query<{ waiting: string }>(
      `select count(1) as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return Number(found.rows[0]?.waiting) >= count;
  });

function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: () => resolve(), opened: promise };
}

test('with eight writers, readers see neither hole nor disorder, and the rows of each change they see', () =>
  withDatabase(async ({ store, openAnother }) => {
    const other = await openAnother();
    const WRITERS = 8;
    const EACH = 60;
    let writing = true;
    const writer = async (w: number) => {
      const to = w % 2 === 0 ? store : other;
      for (let n = 0; n < EACH; n++) {
        await to.transact((tx) => tx.networks.insert([network(w * EACH + n)]));
      }
    };
    const began = await store.view((view) => view.head());
    const reader = async (from: OpenedStore) => {
      let last = began;
      let read = 0;
      for (;;) {
        const finishing = !writing;
        await from.view(async (view) => {
          const changes = await view.changesFrom(last.position, 1000);
          assert.equal(changes[0]?.tag, last.tag, 'the first row is the one we know');
          for (const [at, change] of changes.entries()) assert.equal(change.position, last.position + at);
          const ids = changes.slice(1).flatMap((change) => change.refs.map((ref) => ref.slice(-36)));
          assert.equal((await view.networks.find({ id: ids })).length, ids.length);
          const head = await view.head();
          assert.equal(head.position, changes.at(-1)?.position);
          read += changes.length - 1;
          last = head;
        });
        if (finishing) return read;
      }
    };
    const readers = [reader(store), reader(other), reader(store)];
    await Promise.all(Array.from({ length: WRITERS }, (_, w) => writer(w)));
    writing = false;
    assert.deepEqual(await Promise.all(readers), [WRITERS * EACH, WRITERS * EACH, WRITERS * EACH]);
  }));

test('a writer that stands still before its commit holds up nobody, and gets a later position', () =>
  withDatabase(async ({ store }) => {
    const written = gate();
    const resumed = gate();
    const slow = store.transact(async (tx) => {
      await tx.networks.insert([network(1)]);
      written.open();
      await resumed.opened;
    });
    await written.opened;
    for (let n = 2; n <= 5; n++) {
      const { place } = await store.transact((tx) => tx.networks.insert([network(n)]));
      assert.equal(place?.position, n - 1);
    }
    resumed.open();
    assert.equal((await slow).place?.position, 5);
  }));

test('who waits for the position lock gets the position after the one that its holder commits', () =>
  withDatabase(async ({ store, connection }) => {
    await withClient(connection, (watcher) =>
      withClient(connection, async (holder) => {
        await holder.query('begin');
        await holder.query(`insert into hosts values ('a', null, '', '[]', '', '')`);
        await holder.query('select append_changes(77)');
        const waiting = store.transact((tx) => tx.networks.insert([network(1)]));
        await someoneWaits(watcher);
        const view = await store.view(async (v) => [await v.head(), await v.networks.count({})] as const);
        assert.deepEqual([view[0].position, view[1]], [0, 0]);
        await holder.query('commit');
        assert.equal((await waiting).place?.position, 2);
        const changes = await store.view((v) => v.changesFrom(1, 10));
        assert.deepEqual(
          changes.map((change) => change.position),
          [1, 2],
        );
        assert.equal(changes[0]?.tag, 77);
      }),
    );
  }));

test('a holder of the position lock that dies gives its position to the next', () =>
  withDatabase(async ({ store, connection }) => {
    await withClient(connection, (watcher) =>
      withClient(connection, async (holder) => {
        await holder.query('begin');
        await holder.query(`insert into hosts values ('a', null, '', '[]', '', '')`);
        await holder.query('select append_changes(77)');
        const waiting = store.transact((tx) => tx.networks.insert([network(1)]));
        await someoneWaits(watcher);
        await holder.query('rollback');
        assert.equal((await waiting).place?.position, 1);
      }),
    );
  }));

test('a row lock is waited for, and the row is then read as its holder left it', () =>
  withDatabase(async ({ store, connection }) => {
    await store.transact((tx) => tx.networks.insert([network(1)]));
    const locked = gate();
    const resumed = gate();
    const holder = store.transact(async (tx) => {
      await tx.networks.lock({ id: networkId(1) });
      locked.open();
      await resumed.opened;
      await tx.networks.update({ id: networkId(1) }, { name: 'left so' });
    });
    await locked.opened;
    const waiting = store.transact((tx) => tx.networks.lock({ id: networkId(1) }));
    await withClient(connection, (watcher) => someoneWaits(watcher));
    resumed.open();
    await holder;
    assert.equal((await waiting).result[0]?.name, 'left so');
  }));

test('a deadlock is broken: one runs again, both happen', () =>
  withDatabase(async ({ store }) => {
    await store.transact((tx) => tx.networks.insert([network(1), network(2)]));
    const gates = [gate(), gate()] as const;
    let attempts = 0;
    const cross = (mine: 0 | 1) =>
      store.transact(async (tx) => {
        attempts += 1;
        await tx.networks.lock({ id: networkId(mine + 1) });
        gates[mine].open();
        await gates[mine === 0 ? 1 : 0].opened;
        const [row] = await tx.networks.lock({ id: networkId(2 - mine) });
        await tx.networks.update({ id: networkId(2 - mine) }, { mtu: (row?.mtu ?? 0) + 1 });
      });
    await Promise.all([cross(0), cross(1)]);
    assert.equal(attempts, 3);
    const mtus = await store.view(async (view) => (await view.networks.find({})).map((row) => row.mtu));
    assert.deepEqual(mtus, [1451, 1451]);
  }));

test('a serialization failure runs the whole again, also when work swallowed or renamed it', () =>
  withDatabase(async ({ store, connection }) => {
    await withClient(connection, async (client) => {
      await client.query(`create sequence tries;
        create function refuse() returns trigger language plpgsql as $$
        begin
          if nextval('tries') % 3 <> 0 then raise 'not now' using errcode = '40001'; end if;
          return new;
        end $$;
        create trigger refuse before insert on quotas for each row execute function refuse()`);
    });
    const row = { project_id: 'p', resource: 'port', limit: 1 };
    for (const onError of [
      (error: unknown) => Promise.reject(error),
      () => Promise.reject(new Error('renamed')),
      () => undefined,
    ]) {
      let attempts = 0;
      await store.transact(async (tx) => {
        attempts += 1;
        await tx.quotas.remove({});
        await tx.quotas.insert([row]).catch(onError);
      });
      assert.equal(attempts, 3);
      assert.deepEqual(await store.view((view) => view.quotas.find({})), [row]);
    }
  }));

test('a lock that does not come in time is StoreUnavailable, and nothing is left', () =>
  withDatabase(async ({ store, openAnother }) => {
    await store.transact((tx) => tx.networks.insert([network(1)]));
    const hurried = await openAnother({ statementTimeoutMs: 1_500 });
    await store.transact(async (tx) => {
      await tx.networks.lock({ id: networkId(1) });
      const waiting = hurried.transact(async (other) => {
        await other.hosts.insert([host('h')]);
        await other.networks.lock({ id: networkId(1) });
      });
      await assert.rejects(waiting, StoreUnavailable);
    });
    assert.equal(await store.view((view) => view.hosts.count({})), 0);
  }));

test('a client that freezes inside a transaction loses it, and others get its lock', () =>
  withDatabase(async ({ store, openAnother }) => {
    await store.transact((tx) => tx.networks.insert([network(1)]));
    const freezing = await openAnother({ statementTimeoutMs: 1_500 });
    const locked = gate();
    const thawed = gate();
    const frozen = freezing.transact(async (tx) => {
      await tx.networks.update({ id: networkId(1) }, { name: 'frozen' });
      locked.open();
      await thawed.opened;
      await tx.networks.update({ id: networkId(1) }, { name: 'thawed' });
    });
    await locked.opened;
    const next = await store.transact((tx) => tx.networks.lock({ id: networkId(1) }));
    assert.equal(next.result[0]?.name, 'net1');
    thawed.open();
    await assert.rejects(frozen, StoreUnavailable);
    assert.equal((await freezing.transact((tx) => tx.networks.count({}))).result, 1);
  }));

test('sessions cut in the middle: StoreUnavailable, and the next transaction gets a new one', () =>
  withDatabase(async ({ store, connection }) => {
    await store.transact((tx) => tx.networks.insert([network(1)]));
    const cutAll = () =>
      withClient(connection, (client) =>
        client.query(
          `select pg_terminate_backend(pid, 5000) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()`,
        ),
      );
    const work = store.transact(async (tx) => {
      await tx.ports.insert([port(1, 1)]);
      await cutAll();
      await tx.ports.update({ id: portId(1) }, { name: 'x' });
    });
    await assert.rejects(work, StoreUnavailable);
    await until('a session again', async () => {
      try {
        return (await store.transact((tx) => tx.ports.count({}))).result === 0;
      } catch (error) {
        assert.ok(error instanceof StoreUnavailable);
        return false;
      }
    });
  }));

test('others are woken by notification, also after their listening session was cut', () =>
  withDatabase(async ({ store, openAnother, connection }) => {
    const other = await openAnother();
    let woken = 0;
    other.onAppend(() => {
      woken += 1;
    });
    const writeAndHear = async (n: number) => {
      const before = woken;
      await store.transact((tx) => tx.networks.insert([network(n)]));
      await until('woken', async () => woken > before);
    };
    await writeAndHear(1);
    const listening = () =>
      withClient(connection, async (client) => {
        const found = await client.query<{ pid: number }>(
          `select pid from pg_stat_activity where datname = current_database() and application_name = 'deuteron listener' and state = 'idle'`,
        );
        return found.rows.map((row) => row.pid);
      });
    const cut = await listening();
    assert.equal(cut.length > 0, true);
    await withClient(connection, (client) =>
      client.query('select pg_terminate_backend(pid, 5000) from unnest($1::int[]) as pid', [cut]),
    );
    await until('both listen again', async () => (await listening()).length === 2);
    await writeAndHear(2);
  }));

test('servers that start at once on an empty database make the schema once', () =>
  withDatabase(async ({ connection }) => {
    await withClient(connection, (client) => client.query('create database empty_one template template0'));
    const open = () =>
      openStore({
        connection: { ...connection, database: 'empty_one' },
        clock: realClock,
        random: realRandom,
        log: quietLog,
      });
    const stores = await Promise.all([open(), open(), open()]);
    const heads = await Promise.all(stores.map((store) => store.view((view) => view.head())));
    assert.deepEqual(heads[0], heads[1]);
    assert.deepEqual(heads[0], heads[2]);
    await Promise.all(stores.map((store) => store.close()));
  }));

test('servers on one database know who of them lives', () =>
  withDatabase(async ({ store, openAnother }) => {
    const other = await openAnother();
    await store.beat('one');
    await other.beat('two');
    await other.beat('two');
    assert.deepEqual(await store.beat('one'), [
      { id: 'one', beat: 2 },
      { id: 'two', beat: 2 },
    ]);
  }));

test('a port that comes into a group while it is bound, or given another address, is hinted as it then is', () =>
  withDatabase(async ({ store, connection }) => {
    const [P, G] = [portId(1), securityGroup(1).id];
    await store.transact(async (tx) => {
      await tx.networks.insert([network(1)]);
      await tx.hosts.insert([host('a')]);
      await tx.ports.insert([port(1, 1)]);
      await tx.securityGroups.insert([securityGroup(1)]);
    });
    const join = (tx: Transaction): Promise<unknown> =>
      tx.portSecurityGroups.insert([{ port_id: P, security_group_id: G }]);
    const change = (tx: Transaction): Promise<unknown> =>
      tx.ports.update(
        { id: P },
        { host: 'a', generation: 1, fixed_ips: [{ subnet_id: P, ip_address: '10.0.0.9' }] },
      );
    await withClient(connection, async (watcher) => {
      for (const [first, second] of [
        [join, change],
        [change, join],
      ] as const) {
        const written = gate();
        const resumed = gate();
        const holder = store.transact(async (tx) => {
          await first(tx);
          written.open();
          await resumed.opened;
        });
        await written.opened;
        const later = store.transact(second);
        await someoneWaits(watcher);
        resumed.open();
        await holder;
        const { place } = await later;
        const [last] = await store.view((view) => view.changesFrom(place?.position ?? 0, 1));
        assert.ok(last?.refs.includes(`members/${G}|member/${P}`), 'who hears of the members');
        assert.ok(last?.refs.includes(`host/a|port/${P}`), 'the port itself');
        assert.deepEqual(last?.hosts, ['a'], 'and who hears of the group now');
        await store.transact(async (tx) => {
          await tx.portSecurityGroups.remove({});
          await tx.ports.update({ id: P }, { host: '', fixed_ips: [] });
        });
      }
    });
  }));

test('what gets a QoS policy, or comes to a host with one, while its rules change is hinted as it then is', () =>
  withDatabase(async ({ store, connection }) => {
    const policy = { qos_policy_id: qosPolicyId(1) };
    await store.transact(async (tx) => {
      await tx.qosPolicies.insert([qosPolicy(1)]);
      await tx.qosRules.insert([qosRule(1, 1)]);
      await tx.networks.insert([network(1), network(2, policy)]);
      await tx.hosts.insert([host('a')]);
      await tx.ports.insert([port(1, 1), port(2, 1, policy), port(3, 1)]);
      await tx.routers.insert([router(1)]);
      await tx.floatingIps.insert([floatingIp(1, 1, 3, policy)]);
    });
    const bound = { host: 'a', generation: 1 };
    const deeds: readonly (readonly [ref: string, deed: (tx: Transaction) => Promise<unknown>])[] = [
      [`host/a|port/${portId(1)}`, (tx) => tx.ports.update({ id: portId(1) }, { ...bound, ...policy })],
      [`host/a|port/${portId(2)}`, (tx) => tx.ports.update({ id: portId(2) }, bound)],
      [`host/a|port/${portId(4)}`, (tx) => tx.ports.insert([port(4, 1, { ...bound, ...policy })])],
      [
        `host/a|port/${portId(5)}`,
        async (tx) => {
          await tx.networks.lock({ id: networkId(2) });
          await tx.ports.insert([port(5, 2, bound)]);
        },
      ],
      [
        `router/${routerId(1)}|floating-ip/${floatingIpId(1)}`,
        (tx) => tx.floatingIps.update({}, { router_id: routerId(1) }),
      ],
    ];
    await withClient(connection, async (watcher) => {
      for (const [at, [ref, deed]] of deeds.entries()) {
        const written = gate();
        const resumed = gate();
        const holder = store.transact(async (tx) => {
          await deed(tx);
          written.open();
          await resumed.opened;
        });
        await written.opened;
        const later = store.transact((tx) => tx.qosRules.update({}, { parameters: { max_kbps: at + 1 } }));
        await someoneWaits(watcher);
        resumed.open();
        await holder;
        const { place } = await later;
        const [last] = await store.view((view) => view.changesFrom(place?.position ?? 0, 1));
        assert.ok(last?.refs.includes(ref), ref);
      }
    });
  }));
