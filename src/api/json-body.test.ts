import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../resources/errors.ts';
import { checkCharset, nestingOf, readJsonBody } from './json-body.ts';

const depth = (text: string): number => nestingOf(Buffer.from(text));

test('nesting counts brackets, but not those in strings', () => {
  assert.equal(depth('5'), 0);
  assert.equal(depth('{"a": [1, {"b": 2}], "c": []}'), 3);
  assert.equal(depth('["[[[[", "\\"[[[", "\\\\"]'), 1);
  assert.equal(depth('["ä[", {}]'), 2);
});

test('an empty body is none; what is not JSON, or far too deep, is refused', () => {
  assert.equal(readJsonBody(Buffer.alloc(0)), undefined);
  assert.deepEqual(readJsonBody(Buffer.from('{"a": [1]}')), { a: [1] });
  assert.ok(Array.isArray(readJsonBody(Buffer.from(`${'['.repeat(100)}${']'.repeat(100)}`))));
  for (const bad of ['{', '[1,]', "{'a': 1}", '['.repeat(101) + ']'.repeat(101)])
    assert.throws(() => readJsonBody(Buffer.from(bad)), Fault);
  assert.throws(() => readJsonBody(Buffer.from([0x22, 0xc3, 0x22])), Fault);
});

test('a charset other than UTF-8 is refused, however it is written', () => {
  const type = 'application/json';
  const good = ['', ';charset=utf-8', '; charset="UTF-8"', '; x=y; Charset = utf8 ', '; q=1'];
  for (const tail of good) checkCharset(type + tail);
  checkCharset(undefined);
  const bad = ['=utf-16', '=latin1', '=', '="utf-16"', '="latin1', '=utf-8; charset=utf-16'];
  for (const tail of bad) assert.throws(() => checkCharset(`${type}; charset${tail}`), Fault, tail);
});
