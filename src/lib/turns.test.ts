import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('work is done one after another, also after one that failed', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const work = (name: string) => async () => {
    done.push(`${name} begins`);
    await Promise.resolve();
    if (name === 'b') throw new Error('it cannot be done');
    done.push(`${name} ends`);
    return name;
  };
  const [a, b, c] = [turns.take(work('a')), turns.take(work('b')), turns.take(work('c'))];
  await assert.rejects(b, /it cannot be done/);
  assert.deepEqual([await a, await c], ['a', 'c']);
  assert.deepEqual(done, ['a begins', 'a ends', 'b begins', 'c begins', 'c ends']);
});
