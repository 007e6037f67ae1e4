/** Two servers that both decide to fence, on the real PostgreSQL: one of them begins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, ClientConfig } from 'pg';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { beginFencing } from '../../src/operations/fencing.ts';
import type { Call } from '../../src/operations/operation.ts';
import { SETTINGS } from '../../src/operations/testing.ts';
import { type Store, UniqueViolation } from '../../src/store/store.ts';
import { withClient, withDatabase } from '../support/postgres.ts';
import { agent, host } from './rows.ts';

const call: Call = {
  ...{
    clock: realClock,
    random: realRandom,
    settings: SETTINGS,
    isAlive: () => false,
    isEligible: () => false,
  },
  caller: { projectId: 'p', userId: 's', isAdmin: true },
};

/** Begins on the first store, and on the other so that it waits for the first, which has done its work and not committed. */
async function atOnce(
  connection: ClientConfig,
  stores: readonly [Store, Store],
  after: number,
): Promise<string[]> {
  const begin = (store: Store, name: string, then: () => Promise<unknown> = async () => undefined) =>
    store
      .transact(async (tx) => {
        const found = await beginFencing(tx, call, { host: name, after, serverId: `s-${name}`, why: 'so' });
        await then();
        return found === null ? 'not' : `number ${found.number}`;
      })
      .then(
        ({ result }) => result,
        (error) => (error instanceof UniqueViolation ? 'not' : String(error)),
      );
  let second: Promise<string> | undefined;
  const first = await begin(stores[0], 'h1', async () => {
    second = begin(stores[1], 'h2');
    await withClient(connection, untilSomeoneWaits);
  });
  return [first, await (second ?? 'never')];
}

const WAITING = `select count(1) as waiting from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock'`;

async function untilSomeoneWaits(client: Client): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (Number((await client.query(WAITING)).rows[0].waiting) === 0) {
    assert.ok(performance.now() < deadline, 'nobody ever waited');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('of two that begin at once one does, whether or not there was an action before', () =>
  withDatabase(async ({ store, openAnother, connection }) => {
    const other = await openAnother();
    await store.transact(async (tx) => {
      await tx.hosts.insert([host('h1'), host('h2')]);
      const dead = { liveness: 'dead', server_id: '' } as const;
      await tx.agents.insert([agent(1, 'h1', dead), agent(2, 'h2', dead)]);
    });
    for (const after of [0, 1]) {
      assert.deepEqual(await atOnce(connection, [store, other], after), [`number ${after + 1}`, 'not']);
      const rows = await store.view((view) => view.fencings.find({}));
      assert.deepEqual(
        rows.map((row) => [row.host, row.number]),
        [['h1', after + 1]],
      );
    }
    const stale = { host: 'h2', after: 0, serverId: 's', why: 'so' };
    const { result } = await other.transact((tx) => beginFencing(tx, call, stale));
    assert.equal(result, null, 'decided before it had seen the last one');
  }));

test('a host that is heard again is not begun with', () =>
  withDatabase(async ({ store }) => {
    await store.transact(async (tx) => {
      await tx.hosts.insert([host('h1')]);
      await tx.agents.insert([agent(1, 'h1', { liveness: 'dead', server_id: 's' })]);
    });
    const asked = { host: 'h1', after: 0, serverId: 's', why: 'so' };
    const { result } = await store.transact((tx) => beginFencing(tx, call, asked));
    assert.equal(result, null);
    assert.equal(await store.view((view) => view.fencings.count({})), 0);
  }));
