import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { callApi, endpointFrom } from './api-client.ts';

/** The headers of one request that is made with these flags and this environment. */
async function sent(
  flags: Parameters<typeof endpointFrom>[0],
  env: Record<string, string>,
): Promise<IncomingHttpHeaders> {
  let headers: IncomingHttpHeaders = {};
  const server = createServer((request, response) => {
    headers = request.headers;
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await callApi(endpointFrom({ ...flags, endpoint }, env), 'GET', '/v2.0/networks');
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  return headers;
}

test('a token goes along as a token, a user and password as HTTP basic, nothing as nothing', async () => {
  const { 'x-auth-token': token, authorization } = await sent(
    { token: 'from-flag' },
    { OS_TOKEN: 'from-env' },
  );
  assert.deepEqual([token, authorization], ['from-flag', undefined]);
  assert.equal((await sent({}, { OS_TOKEN: 'from-env' }))['x-auth-token'], 'from-env');
  const basic = await sent({ username: 'ann' }, { OS_PASSWORD: 'secret', OS_TOKEN: '' });
  const expected = `Basic ${Buffer.from('ann:secret').toString('base64')}`;
  assert.deepEqual([basic['x-auth-token'], basic.authorization], [undefined, expected]);
  const none = await sent({}, {});
  assert.deepEqual([none['x-auth-token'], none.authorization], [undefined, undefined]);
});
