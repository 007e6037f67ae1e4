import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkQueue } from './workqueue.ts';

function drain(queue: WorkQueue): string[] {
  const taken: string[] = [];
  for (let key = queue.take(); key !== undefined; key = queue.take()) taken.push(key);
  return taken;
}

test('a key waits once, in the order in which it came', () => {
  const queue = new WorkQueue();
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key, false);
  assert.equal(queue.size, 3);
  assert.ok(queue.has('b'));
  assert.deepEqual(drain(queue), ['a', 'b', 'c']);
  assert.equal(queue.take(), undefined);
});

test('urgent keys go first, and one that becomes urgent moves up', () => {
  const queue = new WorkQueue();
  for (const key of ['a', 'b', 'c']) queue.add(key, false);
  queue.add('d', true);
  queue.add('c', true);
  queue.add('d', false);
  assert.equal(queue.size, 4);
  assert.deepEqual(drain(queue), ['d', 'c', 'a', 'b']);
});

test('a stream of urgent keys does not stop the others', () => {
  const queue = new WorkQueue();
  queue.add('ordinary', false);
  for (let taken = 0; taken < 20; taken++) {
    queue.add(`urgent-${taken}`, true);
    if (queue.take() === 'ordinary') return;
  }
  assert.fail('the ordinary key starved');
});
