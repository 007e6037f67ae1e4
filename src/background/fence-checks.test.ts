import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../operations/testing.ts';
import { fenceCheckDuty } from './fence-checks.ts';
import type { PowerAnswer } from './fencing.ts';

const HOUR = 3600;
const FAR = 1.1 * HOUR;

/** Two hosts that are heard, their devices, and two servers of which one leads. */
async function stage() {
  const b = bench();
  const hosts = new Map([
    ['h1', await b.host('h1')],
    ['h2', await b.host('h2')],
  ]);
  const answers = new Map<string, PowerAnswer>();
  const asked: string[] = [];
  const said: string[] = [];
  const named = new Set(['h1', 'h2']);
  const lead = { by: 's1', term: 1 };
  const then: { ask: (host: string) => unknown } = { ask: () => undefined };
  const devices = {
    hosts: async () => new Set(named),
    act: async (host: string, action: 'status' | 'off'): Promise<PowerAnswer> => {
      asked.push(action === 'status' ? host : `${action} ${host}`);
      await then.ask(host);
      return answers.get(host) ?? { power: 'on', text: 'Status: ON' };
    },
  };
  const server = (name: string) =>
    fenceCheckDuty({
      ...{ store: b.store, call: () => b.call, clock: b.call.clock, devices },
      leader: {
        get isLeader() {
          return lead.by === name;
        },
        get term() {
          return lead.by === name ? lead.term : 0;
        },
        guard: () => (lead.by === name ? Promise.resolve() : Promise.reject(new Error('another leads'))),
      },
      rules: { everyMs: HOUR * 1000, silentMs: 2_000 },
      onEvent: ({ kind, host, data }) => said.push(`${kind} ${host} ${data['alert']}`),
    });
  const [one, two] = [server('s1'), server('s2')];
  /** Who was asked meanwhile. */
  const look = async (seconds = 0, duty = one) => {
    b.pass(seconds * 1000);
    await duty.perform();
    return asked.splice(0);
  };
  const row = (host: string) => b.store.rows('fenceChecks').find((it) => it.host === host);
  const silence = (host: string) =>
    b.run((tx) => tx.agents.update({ host }, { liveness: 'dead', server_id: '' }));
  const locked = { power: 'unknown', text: 'no way in' } as const;
  return { ...b, hosts, answers, said, named, lead, then, look, row, silence, two, locked };
}

test('each device is asked once in an hour, and what it says is kept', async () => {
  const s = await stage();
  assert.deepEqual(await s.look(), ['h1', 'h2']);
  assert.deepEqual([s.row('h1')?.ok, s.row('h1')?.message], [true, 'Status: ON']);
  assert.deepEqual(await s.look(0.89 * HOUR), []);
  assert.deepEqual((await s.look(FAR - 0.89 * HOUR)).sort(), ['h1', 'h2']);
  assert.deepEqual(s.said, []);
});

test('one that fails twice in a row is an alert, once, until it answers again', async () => {
  const s = await stage();
  await s.look();
  const well = s.row('h1')?.since;
  s.answers.set('h1', s.locked);
  await s.look(FAR);
  assert.deepEqual([s.said, s.row('h1')?.ok], [[], true], 'once is nothing');
  assert.deepEqual(await s.look(20), ['h1']);
  assert.deepEqual(s.said, ['alert h1 fence-device']);
  assert.deepEqual([s.row('h1')?.ok, /no way in/.test(s.row('h1')?.message ?? '')], [false, true]);
  assert.deepEqual(await s.look(0.28 * HOUR), ['h1'], 'a quarter of an hour later');
  assert.equal(s.said.length, 1);
  s.answers.delete('h1');
  assert.deepEqual(await s.look(0.28 * HOUR), ['h1']);
  assert.deepEqual(s.said.slice(1), ['alert-ended h1 fence-device']);
  assert.deepEqual([s.row('h1')?.ok, s.row('h1')?.since === well], [true, false]);
});

test('a device that takes a host which is heard for off is another host’s', async () => {
  const s = await stage();
  s.answers.set('h2', { power: 'off', text: 'Status: OFF' });
  await s.look();
  await s.look(20);
  assert.deepEqual(s.said, ['alert h2 fence-device']);
  assert.match(s.row('h2')?.message ?? '', /another host's/);
});

test('a host that is not heard is not asked about, nor what its device says as it falls silent', async () => {
  const s = await stage();
  s.answers.set('h1', { power: 'off', text: 'Status: OFF' });
  await s.look();
  s.then.ask = (host) => s.silence(host);
  await s.look(20);
  assert.deepEqual([s.said, s.row('h1')], [[], undefined]);
  s.then.ask = () => undefined;
  assert.deepEqual(await s.look(2 * FAR), ['h2']);
});

test('a new leader goes on where the one before was; one that leads no more writes nothing', async () => {
  const s = await stage();
  await s.look();
  s.pass(0.5 * HOUR * 1000);
  s.lead.by = 's2';
  assert.deepEqual(await s.look(0, s.two), []);
  assert.deepEqual((await s.look(0.6 * HOUR, s.two)).sort(), ['h1', 'h2']);
  s.answers.set('h1', s.locked);
  await s.look(FAR, s.two);
  s.then.ask = () => {
    s.lead.by = 's1';
  };
  await assert.rejects(s.look(20, s.two), { message: 'another leads' });
  assert.deepEqual([s.said, s.row('h1')?.ok], [[], true]);
});

test('a host that has no device any more, or was removed, has nothing open', async () => {
  const s = await stage();
  for (const host of ['h1', 'h2']) s.answers.set(host, s.locked);
  await s.look();
  await s.look(20);
  assert.deepEqual(s.said, ['alert h1 fence-device', 'alert h2 fence-device']);
  s.named.delete('h1');
  await s.look();
  assert.deepEqual([s.row('h1'), s.said.at(-1)], [undefined, 'alert-ended h1 fence-device']);
  await s.run((tx) => tx.hosts.remove({ name: 'h2' }));
  assert.deepEqual(await s.look(FAR), []);
  assert.deepEqual([s.row('h2'), s.said.at(-1)], [undefined, 'alert-ended h2 fence-device']);
});
