import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { Expiring } from './expiring.ts';

test('each value has its own end', () => {
  const clock = new ManualClock();
  const known = new Expiring<string>(clock, 10);
  known.set('a', 'short', 100);
  known.set('b', 'long', 1_000);
  clock.advance(99);
  assert.deepEqual([known.get('a'), known.get('b')], ['short', 'long']);
  clock.advance(1);
  assert.deepEqual([known.get('a'), known.get('b'), known.size], [undefined, 'long', 1]);
  known.set('c', 'never', 0);
  assert.equal(known.get('c'), undefined);
});

test('it never holds more than its size, and keeps what was used last', () => {
  const known = new Expiring<number>(new ManualClock(), 3);
  for (let name = 0; name < 3; name++) known.set(String(name), name, 1_000);
  known.get('0');
  known.set('2', 22, 1_000);
  known.set('3', 3, 1_000);
  assert.equal(known.size, 3);
  assert.deepEqual(
    ['0', '1', '2', '3'].map((name) => known.get(name)),
    [0, undefined, 22, 3],
  );
});
