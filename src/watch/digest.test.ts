import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Body } from '../resources/agent-view.ts';
import { canonicalJson, DigestSum, digestOf, EMPTY_DIGEST } from './digest.ts';

const body = (name: string, tunnel_ip = ''): Body => ({ name, tunnel_ip });

test('canonical JSON does not depend on the order of keys, and does on that of lists', () => {
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: 'x' }], a: true }),
    '{"a":true,"b":[1,{"c":"x","d":null}]}',
  );
  assert.notEqual(canonicalJson([1, 2]), canonicalJson([2, 1]));
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      // -0 has no JSON of its own
      assert.equal(canonicalJson(JSON.parse(JSON.stringify(value))), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a digest kept by adding and removing equals the one computed at once', () => {
  const objects = fc.dictionary(fc.string(), fc.string());
  fc.assert(
    fc.property(objects, objects, (first, second) => {
      const sum = new DigestSum();
      for (const [key, name] of Object.entries(first)) sum.add(key, body(name));
      for (const [key, name] of Object.entries(second).reverse()) sum.add(key, body(name));
      for (const [key, name] of Object.entries(first)) sum.remove(key, body(name));
      const whole = digestOf(Object.entries(second).map(([key, name]) => [key, body(name)] as const));
      assert.equal(sum.toString(), whole);
    }),
  );
});

test('digests tell apart key, body and absence', () => {
  const digests = [
    digestOf([]),
    digestOf([['a', body('x')]]),
    digestOf([['b', body('x')]]),
    digestOf([['a', body('y')]]),
    digestOf([['a', body('x', '1')]]),
  ];
  assert.equal(digests[0], EMPTY_DIGEST);
  assert.equal(new Set(digests).size, digests.length);
});
