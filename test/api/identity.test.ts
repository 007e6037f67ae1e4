/** Who is let in: http_basic from a file, over real HTTP. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import bcrypt from 'bcryptjs';
import { httpBasic } from '../../src/api/http-basic.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

const hash = (password: string): string => bcrypt.hashSync(password, 4).replace(/^\$2b/, '$2y');

let text = '';
let version = 0;
let reads = 0;
let comparisons = 0;
let now = 0;
const clock: Clock = { now: () => now, wall: () => new Date(0), after: () => () => undefined };
const write = (lines: readonly string[]) => {
  text = `${lines.join('\n')}\n`;
  version += 1;
  now += 2_000;
};

const compare = (password: string, of: string) => {
  comparisons += 1;
  return bcrypt.compare(password, of);
};

let api: ApiUnderTest;
before(async () => {
  const file = {
    version: () => Promise.resolve(String(version)),
    read: () => {
      reads += 1;
      return Promise.resolve(text);
    },
  };
  api = await startApi({
    identify: httpBasic({ file, defaultProject: 'default', clock, key: new Uint8Array(32), compare }),
  });
  write([
    '# users',
    '',
    `root:${hash('s:e:cret')}`,
    `ann:${hash('ännchen')}:red`,
    `bob:${hash('b')}:blue:reader,admin`,
  ]);
});
after(() => api?.close());

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const ask = (headers: Record<string, string>, path = '/v2.0/networks') =>
  api.ask('GET', path, { as: '', headers });
const projectOf = async (user: string, password: string): Promise<[string, boolean]> => {
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', {
    headers: basic(user, password),
    body: { network: {} },
  });
  return [network.project_id, 'provider:network_type' in network];
};

test('a user without a project is an admin; with one, what its roles say', async () => {
  assert.deepEqual(await projectOf('root', 's:e:cret'), ['default', true]);
  assert.deepEqual(await projectOf('ann', 'ännchen'), ['red', false]);
  assert.deepEqual(await projectOf('bob', 'b'), ['blue', true]);
});

test('nobody else is let in, whatever they say they are', async () => {
  const bad: Record<string, string>[] = [
    {},
    basic('root', 'wrong'),
    basic('nobody', 's:e:cret'),
    basic('', ''),
    { authorization: 'Basic' },
    { authorization: 'Basic !!!' },
    { authorization: 'Bearer abc' },
    { authorization: `Basic ${Buffer.from('root').toString('base64')}` },
    { 'x-auth-token': 'abc', 'x-user-id': 'root', 'x-roles': 'admin', 'x-identity-status': 'Confirmed' },
  ];
  for (const headers of bad) {
    const answer = await ask(headers);
    assert.equal(answer.status, 401, JSON.stringify(headers));
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic realm=/);
    assert.equal(answer.body.NeutronError.type, 'HTTPUnauthorized');
  }
  assert.equal((await ask({}, '/v2.0/nothing')).status, 401);
  assert.equal((await ask({ ...basic('ann', 'ännchen'), 'x-roles': 'admin' }, '/v2.0/quotas')).status, 403);
});

test('a huge body of a stranger is not read', async () => {
  const raw = `{"network": {"name": "${'x'.repeat(1_000_000)}"}}`;
  assert.equal((await api.ask('POST', '/v2.0/networks', { as: '', raw })).status, 401);
});

test('discovery, health and metrics need nobody', async () => {
  for (const path of ['/', '/v2.0', '/healthz', '/readyz', '/metrics', '/openapi.json'])
    assert.equal((await ask({}, path)).status, 200, path);
  assert.equal((await ask({}, '/v2.0/extensions')).status, 401);
});

test('a changed file counts at once, and a broken one lets nobody in', async () => {
  assert.equal((await ask(basic('root', 's:e:cret'))).status, 200);
  write([`root:${hash('new')}`]);
  assert.equal((await ask(basic('root', 's:e:cret'))).status, 401);
  assert.equal((await ask(basic('root', 'new'))).status, 200);
  assert.equal((await ask(basic('ann', 'ännchen'))).status, 401);
  write(['root:plain']);
  assert.equal((await ask(basic('root', 'new'))).status, 500);
  assert.equal(api.bugs.length, 1);
  api.bugs.length = 0;
});

test('a verified pair is not verified again for a minute', async () => {
  write([`root:${hash('once')}`]);
  const before = comparisons;
  const enter = async () => {
    assert.equal((await ask(basic('root', 'once'))).status, 200);
    return comparisons - before;
  };
  assert.deepEqual([await enter(), await enter(), await enter()], [1, 1, 1]);
  const readsBefore = reads;
  now += 61_000;
  assert.equal(await enter(), 2);
  assert.equal(reads, readsBefore);
});

test('requests at once share one verification, and all are answered', async () => {
  write([`root:${hash('again')}`]);
  const before = comparisons;
  const answers: Json[] = await Promise.all(Array.from({ length: 40 }, () => ask(basic('root', 'again'))));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]));
  assert.ok(comparisons - before < 40);
});
