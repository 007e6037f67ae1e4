import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from './admission.ts';

test('so much at once, so much a second after that', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 20 }, 0);
  const taken = (now: number, tries: number) =>
    Array.from({ length: tries }, () => bucket.take(now, 1)).filter(Boolean).length;
  assert.equal(taken(0, 30), 20);
  assert.equal(taken(50, 5), 0);
  assert.equal(taken(1_000, 30), 10);
  assert.equal(taken(100_000, 30), 20, 'no more is saved up than the burst');
});

test('what is larger than the bucket passes when it is full, and is paid off', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 20 }, 0);
  assert.ok(bucket.take(0, 100));
  assert.ok(!bucket.take(7_900, 1));
  assert.ok(bucket.take(8_200, 1));
});

test('those who are turned away are told to come back one after another', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 1 }, 0);
  bucket.take(0, 1);
  const waits = Array.from({ length: 50 }, () => {
    assert.ok(!bucket.take(0, 1));
    return bucket.retryAfterMs(0);
  });
  assert.deepEqual([waits[0], waits[9], waits[49]], [100, 1_000, 5_000]);
  assert.equal(bucket.retryAfterMs(60_000), 100, 'forgotten in time');
});
