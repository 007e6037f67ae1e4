/** What the API answers when something behind it fails: no database is needed for that. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { realClock } from '../lib/clock.ts';
import { seededRandom } from '../lib/random.ts';
import type { Settings } from '../operations/operation.ts';
import { StoreUnavailable, UniqueViolation } from '../store/store.ts';
import { createApi } from './app.ts';
import { noIdentity } from './identity.ts';

function apiOver(failure: Error) {
  const logged: object[] = [];
  const fail = () => Promise.reject(failure);
  const nothing = () => undefined;
  const app = createApi({
    store: { transact: fail, view: fail },
    identify: noIdentity('project'),
    settings: { quotas: {} } as unknown as Settings,
    clock: realClock,
    random: seededRandom(1),
    isAlive: () => true,
    isEligible: () => true,
    log: { debug: nothing, info: nothing, error: (fields) => logged.push(fields) },
    metrics: new Registry(),
    ready: () => Promise.resolve(null),
    secret: () => 'secret',
  });
  return { app, logged };
}

test('without its database it says 503 and when to come back', async () => {
  const { app, logged } = apiOver(new StoreUnavailable('no connection'));
  for (const [method, url] of [
    ['GET', '/v2.0/networks'],
    ['POST', '/v2.0/networks'],
  ] as const) {
    const payload = method === 'POST' ? { network: {} } : undefined;
    const answer = await app.inject({ method, url, ...(payload ? { payload } : {}) });
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.headers['retry-after'], '1');
    assert.equal(answer.json().NeutronError.type, 'ServiceUnavailable');
  }
  assert.deepEqual(logged, []);
});

test('a bug is a 500 that names the request, and is logged with its stack', async () => {
  for (const failure of [new TypeError('oops: a secret'), new UniqueViolation('ports_mac')]) {
    const { app, logged } = apiOver(failure);
    const answer = await app.inject({ method: 'GET', url: '/v2.0/ports' });
    assert.equal(answer.statusCode, 500);
    const { type, message, detail } = answer.json().NeutronError;
    assert.equal(type, 'HTTPInternalServerError');
    assert.equal(detail, answer.headers['x-openstack-request-id']);
    assert.ok(message.includes(detail) && !message.includes('oops') && !answer.body.includes('secret'));
    assert.deepEqual(
      logged.map((fields) => (fields as { err: Error }).err),
      [failure],
    );
  }
});

test('errors that look like the server’s own are bugs nevertheless', async () => {
  const { app, logged } = apiOver(Object.assign(new Error('x'), { statusCode: 404, code: 'ENOENT' }));
  assert.equal((await app.inject({ method: 'GET', url: '/v2.0/ports' })).statusCode, 500);
  assert.equal(logged.length, 1);
});
