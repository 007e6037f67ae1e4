import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dnsDomain, dnsName } from './dns-names.ts';

test('names: letters, digits and hyphens; stored in lower case', () => {
  assert.deepEqual(dnsName.read('Web-1.example'), { value: 'web-1.example' });
  for (const good of ['', 'a', '1', 'a.b.', 'x'.repeat(63)]) assert.ok('value' in dnsName.read(good), good);
  for (const bad of [
    '-a',
    'a-',
    'a..b',
    '.',
    'a b',
    'a_b',
    'x'.repeat(64),
    'a.1',
    'a\n',
    'ä',
    5,
    null,
    'a,b',
    'x.'.repeat(200),
  ])
    assert.ok('reason' in dnsName.read(bad), String(bad));
});

test('domains end in a dot', () => {
  assert.deepEqual(dnsDomain.read('Example.ORG.'), { value: 'example.org.' });
  assert.deepEqual(dnsDomain.read('example.org'), { reason: "'example.org' is not a FQDN" });
});
