import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_AT_ONCE, Slots } from './check-slots.ts';

/** Who began, in order. */
function line(names: number) {
  const slots = new Slots(names);
  const began: string[] = [];
  const ask = (name: string, times = 1) => {
    for (let n = 0; n < times; n++) void slots.enter(name).then(() => began.push(name));
  };
  const count = async (name: string): Promise<number> => {
    await new Promise(setImmediate);
    return began.filter((one) => one === name).length;
  };
  return { slots, ask, count };
}

test('one script has all places, and of two each a half, whoever came first', async () => {
  const alone = line(1);
  alone.ask('hangs', 100);
  assert.equal(await alone.count('hangs'), MOST_AT_ONCE);
  const { slots, ask, count } = line(2);
  ask('hangs', 100);
  ask('well', 3);
  assert.deepEqual([await count('hangs'), await count('well')], [MOST_AT_ONCE / 2, 3]);
  slots.leave('well');
  ask('hangs', 100);
  assert.equal(await count('hangs'), MOST_AT_ONCE / 2);
  slots.leave('hangs');
  assert.equal(await count('hangs'), MOST_AT_ONCE / 2 + 1);
});

test('more scripts than places take turns', async () => {
  const { slots, ask, count } = line(MOST_AT_ONCE + 2);
  const names = Array.from({ length: MOST_AT_ONCE + 2 }, (_, n) => `n${n}`);
  for (const name of names) ask(name, 2);
  const last = names.slice(-2);
  for (const name of last) assert.equal(await count(name), 0);
  slots.leave('n0');
  slots.leave('n1');
  for (const name of last) assert.equal(await count(name), 1, name);
  for (const name of ['n0', 'n1']) assert.equal(await count(name), 1, name);
});
