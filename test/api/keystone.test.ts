/** Who is let in by tokens: a fake Keystone over real HTTP, and the API before it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  CACHE_MS,
  CHALLENGE,
  type KeystoneUnderTest,
  startKeystone,
} from '../support/keystone-under-test.ts';
import type { Fault } from '../../src/resources/errors.ts';
import { ALLOW_EXPIRED_MS } from '../support/fake-keystone.ts';
import { startApi, type ApiUnderTest } from './api-under-test.ts';

let keystone: KeystoneUnderTest;
let api: ApiUnderTest;
let made = 0;
before(async () => {
  keystone = await startKeystone();
  api = await startApi({ identify: keystone.identify, challenge: CHALLENGE });
});
after(async () => {
  await api?.close();
  await keystone?.fake.close();
});
beforeEach(() => {
  keystone.fake.mood = 'well';
  // whatever was thought of Keystone before has ended
  keystone.clock.advance(60_000);
  keystone.fake.validations.length = 0;
  keystone.failures.length = 0;
});

/** A token that nobody has asked about. */
function fresh(facts?: Parameters<KeystoneUnderTest['issue']>[1]): string {
  const name = `token-${++made}`;
  keystone.issue(name, { project: 'red', ...facts });
  return name;
}

const status = async (token: string, headers: Record<string, string> = {}, method = 'GET') =>
  (await api.ask(method, '/v2.0/networks', { as: '', headers: { 'x-auth-token': token, ...headers } }))
    .status;

test('a token is what its roles and project say', async () => {
  const create = async (token: string) => {
    const { network } = await api.expect(201, 'POST', '/v2.0/networks', { as: token, body: { network: {} } });
    return [network.project_id, 'provider:network_type' in network];
  };
  assert.deepEqual(await create(fresh()), ['red', false]);
  assert.deepEqual(await create(fresh({ roles: ['Admin'] })), ['red', true]);
  const reader = fresh({ roles: ['reader'] });
  await api.expect(200, 'GET', '/v2.0/networks', { as: reader });
  const body = { network: {} };
  await api.refused([403, 'PolicyNotAuthorized', 'create_network'], 'POST', '/v2.0/networks', {
    as: reader,
    body,
  });
});

test('who has no role here, or no project, has no business here', async () => {
  for (const facts of [
    { roles: [] },
    { roles: ['heat_stack_owner'] },
    { project: null },
    { project: null, roles: [] },
  ])
    await api.refused([403, 'PolicyNotAuthorized'], 'GET', '/v2.0/networks', { as: fresh(facts) });
});

test('an admin without a project reads all, and says for whom he creates', async () => {
  const as = fresh({ project: null, roles: ['admin'] });
  await api.expect(200, 'GET', '/v2.0/networks', { as });
  await api.refused([400, 'HTTPBadRequest', 'tenant_id'], 'POST', '/v2.0/networks', {
    as,
    body: { network: {} },
  });
  const body = { network: { project_id: 'red' } };
  assert.equal((await api.expect(201, 'POST', '/v2.0/networks', { as, body })).network.project_id, 'red');
});

test('nobody is let in without a token that Keystone knows, whatever they say they are', async () => {
  const claims = {
    'x-user-id': 'root',
    'x-roles': 'admin',
    'x-project-id': 'red',
    'x-identity-status': 'Confirmed',
  };
  for (const headers of [
    {},
    claims,
    { 'x-auth-token': '', ...claims },
    { 'x-auth-token': 'unknown', ...claims },
    { 'x-auth-token': 'x'.repeat(5_000) },
    { 'x-auth-token': 'two words' },
    { 'x-service-token': fresh(), ...claims },
    { authorization: 'as admin' },
  ] as Record<string, string>[]) {
    const answer = await api.ask('GET', '/v2.0/networks', { as: '', headers });
    assert.equal(answer.status, 401, JSON.stringify(headers).slice(0, 100));
    assert.equal(answer.headers.get('www-authenticate'), CHALLENGE);
    assert.equal(answer.body.NeutronError.type, 'HTTPUnauthorized');
  }
  assert.deepEqual(keystone.fake.validations, ['unknown']);
  const body = { network: { shared: true } };
  const reader = { as: fresh({ roles: ['reader'] }), headers: claims, body };
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', '/v2.0/networks', reader);
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', '/v2.0/networks', { ...reader, as: fresh() });
});

test('discovery needs no token, and asks for none', async () => {
  for (const path of ['/', '/v2.0', '/healthz', '/openapi.json'])
    assert.equal((await api.ask('GET', path, { as: 'unknown' })).status, 200, path);
  assert.deepEqual(keystone.fake.validations, []);
});

test('a token is asked for once, however many requests it comes with, and again after the cache’s time', async () => {
  const token = fresh();
  const answers = await Promise.all(Array.from({ length: 20 }, () => status(token)));
  assert.deepEqual(new Set(answers), new Set([200]));
  assert.deepEqual(keystone.fake.validations, [token]);
  keystone.clock.advance(CACHE_MS - 1);
  assert.equal(await status(token), 200);
  assert.deepEqual(keystone.fake.validations, [token]);
  keystone.clock.advance(1);
  assert.equal(await status(token), 200);
  assert.deepEqual(keystone.fake.validations, [token, token]);
});

test('a token that ends counts no longer, also one that is remembered', async () => {
  const token = fresh({ forMs: 10_000 });
  assert.equal(await status(token), 200);
  keystone.clock.advance(9_999);
  assert.equal(await status(token), 200);
  keystone.clock.advance(1);
  assert.equal(await status(token), 401);
});

test('a revoked token counts until the cache’s time is over', async () => {
  const token = fresh();
  assert.equal(await status(token), 200);
  keystone.fake.tokens.delete(token);
  assert.equal(await status(token), 200);
  keystone.clock.advance(CACHE_MS);
  assert.equal(await status(token), 401);
});

test('an unknown token is remembered for seconds only', async () => {
  const token = `later-${++made}`;
  assert.deepEqual([await status(token), await status(token)], [401, 401]);
  assert.deepEqual(keystone.fake.validations, [token]);
  keystone.issue(token);
  keystone.clock.advance(5_000);
  assert.equal(await status(token), 200);
});

test('of many tokens the longest unused is forgotten', async () => {
  const first = fresh();
  await status(first);
  for (let more = 0; more < 99; more++) await status(fresh());
  await status(first);
  const second = keystone.fake.validations[1] as string;
  await status(fresh());
  keystone.fake.validations.length = 0;
  await status(first);
  await status(second);
  assert.deepEqual(keystone.fake.validations, [second]);
});

test('the service logs in once, anew before its token ends, and when it is refused', async () => {
  await status(fresh());
  const { logins } = keystone.fake;
  await Promise.all([status(fresh()), status(fresh())]);
  assert.equal(keystone.fake.logins, logins);
  keystone.fake.forgetService();
  const answers = await Promise.all(Array.from({ length: 10 }, () => status(fresh())));
  assert.deepEqual(new Set(answers), new Set([200]));
  assert.equal(keystone.fake.logins, logins + 1);
  keystone.clock.advance(3_600_000 - 60_000);
  assert.equal(await status(fresh()), 200);
  assert.equal(keystone.fake.logins, logins + 2);
  assert.deepEqual(keystone.failures, []);
});

test('while Keystone fails, new tokens get 503 and known ones are served; then all are again', async () => {
  const old = fresh();
  assert.equal(await status(old), 200);
  keystone.fake.mood = 'failing';
  for (let times = 0; times < 5; times++) {
    const answer = await api.ask('GET', '/v2.0/networks', { as: fresh() });
    assert.deepEqual([answer.status, answer.body.NeutronError.type], [503, 'ServiceUnavailable']);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal(answer.headers.get('www-authenticate'), null);
  }
  assert.equal(await status(old), 200);
  keystone.fake.mood = 'well';
  assert.equal(await status(fresh()), 200);
  assert.equal(keystone.failures.length, 2);
  assert.equal(keystone.failures[1], null);
});

test('a service user that Keystone refuses is a 503 for everybody, and not tried again for half a minute', async () => {
  keystone.fake.mood = 'refusing';
  keystone.fake.forgetService();
  assert.equal(await status(fresh()), 503);
  const { logins } = keystone.fake;
  keystone.clock.advance(29_000);
  assert.equal(await status(fresh()), 503);
  assert.equal(keystone.fake.logins, logins);
  keystone.fake.mood = 'well';
  keystone.clock.advance(1_000);
  assert.equal(await status(fresh()), 200);
});

test('whoever brings a token at which Keystone fails does not keep others out', async () => {
  for (const mood of ['forbidding', 'failing', 'hanging up'] as const) {
    keystone.fake.mood = mood;
    for (let times = 0; times < 10; times++) assert.equal(await status(fresh()), 503);
    keystone.fake.mood = 'well';
    assert.equal(await status(fresh()), 200);
  }
});

test('a connection that Keystone ends while it is kept is no failure of Keystone', async () => {
  await status(fresh());
  keystone.fake.mood = 'hanging up on what is kept';
  for (let times = 0; times < 3; times++) assert.equal(await status(fresh()), 200);
  assert.deepEqual(keystone.failures, []);
});

test('a Keystone that takes requests and never answers does not hold callers', async () => {
  const slow = await startKeystone({ timeoutMs: 50 });
  slow.fake.mood = 'silent';
  const ask = (token: string) =>
    slow.identify({ authorization: undefined, token }).then(
      () => 'in',
      (error: Error) => error.message,
    );
  const answers = await Promise.all(['a', 'b', 'c', 'd'].map(ask));
  assert.deepEqual(
    new Set(answers),
    new Set(['Keystone cannot be asked who you are at the moment. Please try again.']),
  );
  assert.match(slow.failures[0] ?? '', /no answer in time/);
  slow.fake.mood = 'well';
  slow.issue('e');
  assert.notEqual(await ask('e'), 'in');
  slow.clock.advance(4_000);
  assert.equal(await ask('e'), 'in');
  await slow.fake.close();
});

const SERVICE = { project: 'services', roles: ['service'] };

test('with the token of a service a token of a user that has ended goes on for a while', async () => {
  const user = fresh({ forMs: 1_000 });
  const by = { 'x-service-token': fresh(SERVICE) };
  keystone.clock.advance(1_000);
  assert.deepEqual([await status(user), await status(user, by)], [401, 200]);
  // what is remembered of it is so only for services
  assert.deepEqual([await status(user), await status(user, by)], [401, 200]);
  assert.deepEqual(keystone.fake.validations, [user, by['x-service-token'], `${user} ended`]);
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', {
    ...{ as: user, headers: by, body: { network: {} } },
  });
  assert.equal(network.project_id, 'red');
  keystone.clock.advance(ALLOW_EXPIRED_MS);
  assert.equal(await status(user, { 'x-service-token': fresh(SERVICE) }), 401);
});

test('a token of a user that was revoked counts no longer, also with that of a service', async () => {
  const user = fresh({ forMs: 1_000 });
  const by = { 'x-service-token': fresh(SERVICE) };
  keystone.clock.advance(1_000);
  assert.equal(await status(user, by), 200);
  keystone.fake.tokens.delete(user);
  keystone.clock.advance(CACHE_MS);
  assert.equal(await status(user, by), 401);
});

test('a service’s token that is none, or has ended, ends the request', async () => {
  const user = fresh();
  const ended = fresh({ ...SERVICE, forMs: 0 });
  for (const token of ['unknown', ended, 'two words', 'x'.repeat(5_000)])
    assert.equal(await status(user, { 'x-service-token': token }), 401);
  assert.equal(await status(user), 200);
});

test('a service’s token gives its user nothing, and without a role of services it changes nothing', async () => {
  const reader = fresh({ roles: ['reader'] });
  const admin = fresh({ roles: ['admin', 'service'] });
  const body = { network: {} };
  const asked = { as: reader, body, headers: { 'x-service-token': admin } };
  await api.refused([403, 'PolicyNotAuthorized', 'create_network'], 'POST', '/v2.0/networks', asked);
  const ended = fresh({ forMs: 1_000 });
  const member = { 'x-service-token': fresh() };
  assert.equal(await status(ended, member), 200);
  keystone.clock.advance(1_000);
  assert.equal(await status(ended, member), 401);
  assert.equal(await status('', { 'x-service-token': admin }), 401);
});

test('where roles of services are required, a token without one ends the request', async () => {
  const strict = await startKeystone({ serviceRolesRequired: true });
  for (const name of ['user', 'other']) strict.issue(name);
  strict.issue('service', SERVICE);
  const ask = (serviceToken?: string) =>
    strict.identify({ authorization: undefined, token: 'user', serviceToken }).then(
      ({ credentials }) => credentials?.['service_user_id'],
      (error: Fault) => error.type,
    );
  assert.deepEqual(
    [await ask(), await ask('other'), await ask('service')],
    [undefined, 'HTTPUnauthorized', 'user-services'],
  );
  await strict.fake.close();
});

test('no token, no password of anybody is logged', async () => {
  const secrets = [fresh(), fresh({ roles: ['reader'] }), 'nobody-knows-me'];
  for (const token of secrets) {
    await status(token);
    await status(token, {}, 'POST');
  }
  keystone.fake.mood = 'failing';
  const during = fresh();
  await status(during);
  const told = JSON.stringify([api.logged, keystone.failures]);
  assert.ok(told.includes('/v2.0/networks') && keystone.failures.length > 0);
  for (const secret of [...secrets, during, 'opensesame', 'service-'])
    assert.ok(!told.includes(secret), secret);
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
