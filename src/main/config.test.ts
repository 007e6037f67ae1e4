import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isLoopback, parseListenAddress } from './config.ts';
import { configurationPage } from './configuration-page.ts';

test('listen addresses', () => {
  assert.deepEqual(parseListenAddress('127.0.0.1:9696'), { kind: 'tcp', host: '127.0.0.1', port: 9696 });
  assert.deepEqual(parseListenAddress('[::1]:80'), { kind: 'tcp', host: '::1', port: 80 });
  assert.deepEqual(parseListenAddress('unix:/run/x'), { kind: 'unix', path: '/run/x' });
  for (const wrong of ['9696', ':9696', 'host:99999', 'unix:', 'a:b:1', '']) {
    assert.equal(parseListenAddress(wrong), undefined, wrong);
  }
});

test('what only this machine can reach', () => {
  const loopback = (text: string) =>
    isLoopback(parseListenAddress(text) as NonNullable<ReturnType<typeof parseListenAddress>>);
  assert.deepEqual(['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1', 'unix:/x'].map(loopback), [
    true,
    true,
    true,
    true,
    true,
  ]);
  assert.deepEqual(['0.0.0.0:1', '10.0.0.1:1', '[::]:1', 'example.org:1'].map(loopback), [
    false,
    false,
    false,
    false,
  ]);
});

test('the configuration page is made from the option tables', () => {
  assert.equal(readFileSync('docs/operate/configuration.md', 'utf8'), configurationPage());
});
