/** What is written of agents that are heard, silent, dead and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestamp } from '../lib/clock.ts';
import {
  agentsHeard,
  agentsSilent,
  declareDead,
  declareReturned,
  declareStable,
  massAlerts,
  massBegan,
  massOver,
} from './liveness.ts';
import { bench } from './testing.ts';

async function world(...names: string[]) {
  const w = bench();
  for (const name of names) await w.host(name);
  const rows = (host: string) =>
    w.store
      .rows('agents')
      .filter((row) => row.host === host)
      .map(({ server_id, liveness, deaths }) => `${server_id} ${liveness} ${deaths}`);
  const kinds = () => w.store.rows('events').map(({ kind, host, object }) => `${kind} ${host}${object}`);
  const die = (host: string, deaths: number, living: string[] = []) =>
    w.run((tx) =>
      declareDead(tx, w.call, {
        ...{ verdicts: [{ host, deaths, heartbeatAt: timestamp(w.call.clock) }], silentMs: 2_000 },
        isHeard: (id) => living.includes(id),
      }),
    );
  return { ...w, rows, kinds, die };
}

test('a server takes back only its own word, and claims only what nobody living does', async () => {
  const w = await world('a', 'b');
  await w.run((tx) =>
    agentsSilent(tx, w.call, {
      silentMs: new Map([
        ['a', 2_000],
        ['b', 2_000],
      ]),
      serverId: 'other',
    }),
  );
  assert.deepEqual(w.rows('a'), ['server alive 0', 'server alive 0']);
  await w.run((tx) => agentsSilent(tx, w.call, { silentMs: new Map([['a', 2_000]]), serverId: 'server' }));
  assert.deepEqual(
    [w.rows('a'), w.rows('b')],
    [
      [' alive 0', ' alive 0'],
      ['server alive 0', 'server alive 0'],
    ],
  );
  await w.run((tx) => agentsHeard(tx, { hosts: ['a', 'b'], serverId: 'other', gone: [] }));
  assert.deepEqual([w.rows('a')[0], w.rows('b')[0]], ['other alive 0', 'server alive 0']);
  await w.run((tx) => agentsHeard(tx, { hosts: ['b'], serverId: 'other', gone: ['server'] }));
  assert.equal(w.rows('b')[0], 'other alive 0');
});

test('a row says when its agent was last heard, not when that was noticed', async () => {
  const w = await world('a', 'b', 'c');
  w.pass(60_000);
  const silentMs = new Map([
    ['a', 5_000],
    ['b', 12_000],
    ['c', 5_000],
  ]);
  await w.run((tx) => agentsSilent(tx, w.call, { silentMs, serverId: 'server' }));
  const heard = new Map(w.store.rows('agents').map((row) => [row.host, row.heartbeat_at]));
  assert.deepEqual(
    ['a', 'b', 'c'].map((host) => heard.get(host)),
    ['2026-01-31T12:00:55Z', '2026-01-31T12:00:48Z', '2026-01-31T12:00:55Z'],
  );
});

test('a death is written once, and not of one that a living server claims by now', async () => {
  const w = await world('a');
  assert.deepEqual(await w.die('a', 1, ['server']), []);
  assert.deepEqual(w.rows('a'), ['server alive 0', 'server alive 0']);
  assert.equal((await w.die('a', 1)).length, 1);
  assert.deepEqual(w.rows('a'), [' dead 1', ' dead 1']);
  assert.deepEqual(await w.die('a', 2), []);
  assert.deepEqual(await w.die('nobody', 1), []);
  assert.deepEqual(w.kinds(), ['agent-died a']);
});

test('a return needs a server that hears it; after many deaths it is held', async () => {
  const w = await world('a');
  await w.die('a', 3);
  const back = () => w.run((tx) => declareReturned(tx, w.call, [{ host: 'a', deaths: 3, holdMs: 60_000 }]));
  assert.deepEqual(await back(), []);
  await w.run((tx) => agentsHeard(tx, { hosts: ['a'], serverId: 'server', gone: [] }));
  const [event] = await back();
  assert.deepEqual(w.rows('a'), ['server held 3', 'server held 3']);
  assert.match(event?.message ?? '', /died 3 times lately.* 60 s/);
  await w.run((tx) => declareStable(tx, { host: 'a', deaths: 2 }));
  assert.deepEqual(w.rows('a'), ['server alive 2', 'server alive 2']);
  await w.die('a', 3);
  await w.run((tx) => declareStable(tx, { host: 'a', deaths: 0 }));
  assert.deepEqual(w.rows('a'), [' dead 3', ' dead 3'], 'the dead are not stable');
});

test('the areas where a mass is silent are those whose last alert has not ended', async () => {
  const w = await world();
  const open = () => w.store.view((view) => massAlerts(view));
  const began = (area: string) => w.run((tx) => massBegan(tx, w.call, { area, silent: 4, hosts: 9 }));
  await began('fleet');
  w.pass(1_000);
  await began('zone/east');
  w.pass(1_000);
  await w.run((tx) => massOver(tx, w.call, 'fleet'));
  assert.deepEqual(await open(), ['zone/east']);
  w.pass(1_000);
  await began('fleet');
  assert.deepEqual((await open()).sort(), ['fleet', 'zone/east']);
});

test('the end of a mass silence is its end whatever the clock said meanwhile', async () => {
  const w = await world();
  const open = () => w.store.view((view) => massAlerts(view));
  await w.run((tx) => massBegan(tx, w.call, { area: 'fleet', silent: 4, hosts: 9 }));
  w.pass(-3_600_000);
  const [end] = await w.run((tx) => massOver(tx, w.call, 'fleet'));
  const alert = w.store.rows('events').find((event) => event.kind === 'alert');
  assert.deepEqual([end?.data['ends'], await open()], [alert?.id, []]);
  await w.run((tx) => massBegan(tx, w.call, { area: 'fleet', silent: 4, hosts: 9 }));
  assert.deepEqual(await open(), ['fleet']);
});
