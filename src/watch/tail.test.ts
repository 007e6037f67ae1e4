import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integerBetween, seededRandom } from '../lib/random.ts';
import { type Hint, Tail } from './tail.ts';

const groups = ['network/1', 'network/2', 'host/a'];

test('a tail knows what was hinted after each place that it holds, and which it holds', () => {
  const random = seededRandom(4);
  const tail = new Tail(300);
  const all: Hint[] = [];
  for (let position = 10; position < 4_000; position++) {
    const refs = Array.from({ length: integerBetween(random, 0, 4) }, () => {
      return `${groups[integerBetween(random, 0, 2)]}|port/${integerBetween(random, 1, 9)}`;
    });
    const hint = { position, tag: position * 3, refs: [...new Set(refs)] };
    all.push(hint);
    tail.append(hint);
    if (position % 50 > 0) continue;
    const held = all.slice(-tail.length);
    assert.ok(held.flatMap((it) => it.refs).length <= 300 && tail.length <= all.length);
    for (const { position: at } of [...held.slice(0, 3), ...held.slice(-3)]) {
      assert.ok(tail.holds({ position: at, tag: at * 3 }));
      assert.ok(!tail.holds({ position: at, tag: 1 }));
      for (const group of groups) {
        const keys = new Set<string>();
        tail.keysSince(group, at, keys);
        const later = held.filter((it) => it.position > at).flatMap((it) => it.refs);
        const expected = later
          .filter((ref) => ref.startsWith(`${group}|`))
          .map((ref) => ref.split('|')[1] ?? '');
        assert.deepEqual([...keys].sort(), [...new Set(expected)].sort());
      }
    }
    const before = (held[0] as Hint).position - 1;
    assert.ok(!tail.holds({ position: before, tag: before * 3 }), 'forgotten');
    assert.ok(!tail.holds({ position: position + 1, tag: (position + 1) * 3 }), 'not yet');
  }
  assert.ok(tail.length < 300);
});
