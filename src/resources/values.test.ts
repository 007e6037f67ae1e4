import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  boolean,
  canonicalUuid,
  constant,
  display,
  integer,
  jsonObject,
  listOf,
  matching,
  name,
  nullable,
  nullIsAbsent,
  oneOf,
  oneOfNumbers,
  record,
  text,
  uuid,
  type ValueType,
} from './values.ts';

const refused = (type: ValueType, ...values: unknown[]) => {
  for (const value of values) assert.ok('reason' in type.read(value), JSON.stringify(value));
};
const read = (type: ValueType, value: unknown): unknown => {
  const reading = type.read(value);
  assert.ok('value' in reading, JSON.stringify(reading));
  return reading.value;
};

test('text: length in characters, and what PostgreSQL can store', () => {
  assert.equal(read(text(3), 'äöü'), 'äöü');
  assert.deepEqual(text(3).read('abcd'), { reason: "'abcd' exceeds maximum length of 3" });
  assert.deepEqual(text(3).read(null), { reason: "'None' is not a valid string" });
  refused(text(9), 5, 'a\0', '\ud800', ['a']);
});

test('names: printable, one line, no blanks at the ends', () => {
  for (const good of ['', 'a b', '网络', 'e\u0301', '🚀', "'"]) assert.equal(read(name(20), good), good);
  refused(name(20), ' a', 'a ', 'a\nb', 'a\tb', '\u200b', 'a\u2028b', '\u00a0x');
});

test('booleans are read as oslo does', () => {
  for (const yes of [true, 1, '1', 'true', ' True ', 'YES', 'on', 't', 'y'])
    assert.equal(read(boolean, yes), true);
  for (const no of [false, 0, '0', 'False', 'no', 'off', 'f', 'n']) assert.equal(read(boolean, no), false);
  refused(boolean, 2, 'maybe', '', null, [], {});
});

test('integers: whole, in range, also as digits', () => {
  const type = integer(1, 10);
  for (const [given, found] of [
    [1, 1],
    ['10', 10],
    [' +5 ', 5],
  ] as const)
    assert.equal(read(type, given), found);
  assert.deepEqual(type.read(0), { reason: "'0' is too small - must be at least '1'" });
  assert.deepEqual(type.read(11), { reason: "'11' is too large - must be no larger than '10'" });
  refused(type, 1.5, '1.5', true, null, '', '0x1', Number.NaN, 1e300);
  assert.deepEqual(type.filter('5'), { value: 5 });
  assert.equal(type.filter('11'), undefined);
  assert.equal(type.filter('9'.repeat(40)), undefined);
  assert.ok('reason' in (type.filter('x') ?? {}));
});

test('UUIDs are stored in lower case; a filter by another text finds nothing', () => {
  const id = '3B1FCB9E-0000-4000-8000-00000000DEAD';
  assert.equal(read(uuid, id), id.toLowerCase());
  refused(uuid, `${id} `, `{${id}}`, id.replaceAll('-', ''), 5, `${id}\n`);
  assert.equal(uuid.filter('x'), undefined);
  assert.equal(canonicalUuid(undefined), undefined);
});

test('one of a few', () => {
  assert.deepEqual(oneOf(['a', 'b']).read('c'), { reason: "'c' is not in ['a', 'b']" });
  refused(oneOf(['a']), null, ['a']);
  assert.equal(read(oneOfNumbers([4, 6]), '6'), 6);
  refused(oneOfNumbers([4, 6]), 5, 'x', null);
});

test('null is null, something else, or as if not given', () => {
  assert.equal(read(nullable(boolean), null), null);
  assert.equal(read(nullable(text(5), ''), null), '');
  assert.equal(read(nullIsAbsent(text(5)), null), undefined);
});

test('lists: different items, not too many', () => {
  const type = listOf(integer(0, 9), { max: 2, what: 'digit', nullIs: [] });
  assert.deepEqual(read(type, [1, '2']), [1, 2]);
  assert.deepEqual(read(type, null), []);
  assert.deepEqual(type.read([1, '1']), { reason: "Duplicate digit '1'" });
  refused(type, [1, 2, 3], 'x', {}, [10]);
  refused(listOf(boolean, { max: 2, what: 'x' }), null);
});

test('records: exactly their keys', () => {
  const type = record({ a: boolean, b: text(3) }, { what: 'thing', optional: ['b'] });
  assert.deepEqual(read(type, { a: 'yes' }), { a: true });
  refused(type, {}, { a: true, c: 1 }, { a: true, b: 'long' }, [], null, 'x', { toString: 1, a: true });
});

test('objects of any shape, as far as they can be stored', () => {
  const value = { a: [1, null, { b: 'c' }] };
  assert.deepEqual(read(jsonObject(100), value), value);
  refused(
    jsonObject(100),
    [],
    'x',
    { a: '\0' },
    { '\0': 1 },
    { a: 'x'.repeat(100) },
    { a: Number.POSITIVE_INFINITY },
  );
});

test('a constant is taken as it is, and nothing else is', () => {
  assert.deepEqual(read(constant([], 'not yet'), []), []);
  assert.deepEqual(constant([], 'not yet').read(['x']), { reason: `'["x"]' is refused: not yet` });
  assert.equal(constant(null, 'not yet').filter('x'), undefined);
});

test('a grammar holds from end to end', () => {
  refused(matching(/^[a-z]+$/, 5, 'a word'), 'a b', '', 'abcdef', 'a\n', 5);
});

test('long values are cut in messages', () => assert.equal(display('x'.repeat(600)).length, 503));
