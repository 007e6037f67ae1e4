/** Who is connected, and what is written of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { AgentPresence } from './presence.ts';
import { registerAgent } from '../operations/agent.ts';
import type { Call } from '../operations/operation.ts';
import { openMemoryStore } from '../store/memory/memory-store.ts';
import type { Store } from '../store/store.ts';

const settle = async () => {
  for (let turn = 0; turn < 200; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
};

async function begin() {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const memory = openMemoryStore({ clock, random });
  let broken = false;
  const failures: string[] = [];
  const store = {
    ...memory,
    transact: (work) => (broken ? Promise.reject(new Error('no database')) : memory.transact(work)),
  } as Store;
  const call = () => ({ clock, random, isAlive: () => true }) as unknown as Call;
  const presence = new AgentPresence({
    ...{ store, clock, call, serverId: 's1', downTimeMs: 10_000 },
    onFailure: (what) => failures.push(what),
  });
  await presence.beat();
  await memory.transact((tx) =>
    tx.hosts.insert([
      { name: 'h1', credential_hash: null, tunnel_ip: '', physical_networks: [], created_at: '' },
    ]),
  );
  const registration = {
    host: 'h1',
    incarnation: 1,
    tunnel_ip: '',
    physical_networks: [],
    configurations: {},
  };
  await memory.transact((tx) => registerAgent(tx, call(), { ...registration, role: 'l2', server_id: 's1' }));
  const serverOfAgent = () => memory.rows('agents')[0]?.server_id;
  const fail = (now: boolean) => {
    broken = now;
  };
  return { clock, presence, serverOfAgent, fail, failures };
}

test('an agent that comes back within the grace was never gone', async () => {
  const { clock, presence, serverOfAgent } = await begin();
  presence.changed('h1', true);
  presence.changed('h1', false);
  clock.advance(1_000);
  presence.changed('h1', true);
  clock.advance(5_000);
  await settle();
  assert.equal(serverOfAgent(), 's1');
  assert.equal(presence.isAlive({ server_id: 's1' }), true);
});

test('one that stays away is written as gone, also when the database fails meanwhile', async () => {
  const { clock, presence, serverOfAgent, fail, failures } = await begin();
  presence.changed('h1', true);
  presence.changed('h1', false);
  fail(true);
  clock.advance(2_000);
  await settle();
  assert.deepEqual([serverOfAgent(), failures], ['s1', ['presence']]);
  fail(false);
  clock.advance(2_000);
  await settle();
  assert.equal(serverOfAgent(), '');
});

test('one that an earlier process of the same name held, and that did not come back, is gone', async () => {
  const { clock, presence, serverOfAgent } = await begin();
  await presence.forgetLost();
  clock.advance(2_000);
  await settle();
  assert.equal(serverOfAgent(), '');
});
