import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokensUrl } from './keystone-client.ts';
import { ConfigurationError } from './options.ts';

test('an auth URL is taken as clouds write it', () => {
  for (const [given, asked] of [
    ['http://k:5000', 'http://k:5000/v3/auth/tokens?nocatalog'],
    ['http://k:5000/', 'http://k:5000/v3/auth/tokens?nocatalog'],
    ['http://k:5000/v3', 'http://k:5000/v3/auth/tokens?nocatalog'],
    ['https://k/identity/v3/', 'https://k/identity/v3/auth/tokens?nocatalog'],
    ['https://k/identity', 'https://k/identity/v3/auth/tokens?nocatalog'],
    ['http://k//identity/?x=1#y', 'http://k//identity/v3/auth/tokens?nocatalog'],
    ['https://[::1]:5000', 'https://[::1]:5000/v3/auth/tokens?nocatalog'],
  ] as const)
    assert.equal(tokensUrl(given).href, asked);
});

test('what is no auth URL is refused, also one with a password in it', () => {
  for (const wrong of ['', 'k:5000', 'ftp://k', '/v3', 'http://user@k'])
    assert.throws(() => tokensUrl(wrong), ConfigurationError, wrong);
  assert.throws(
    () => tokensUrl('http://user:secret@k:5000'),
    (error: Error) => error instanceof ConfigurationError && !error.message.includes('secret'),
  );
});
