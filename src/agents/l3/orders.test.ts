import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplicaOrder } from '../../resources/router.ts';
import { follow, isOver, LEASE_MS, readInForce, renderInForce } from './orders.ts';

const order = (fields: Partial<ReplicaOrder> = {}): ReplicaOrder => ({
  ...{ epoch: 4, do: 'yield', incarnation: 7, seq: 2, why: 'two are active' },
  ...fields,
});
const own = { incarnation: 7, seq: 2, now: 1_000 };

test('an order is for the role that it names, and stays when the role changes by it', () => {
  const inForce = follow(null, order(), own);
  assert.deepEqual(inForce, { epoch: 4, do: 'yield', until: null });
  assert.equal(follow(inForce, order(), { ...own, seq: 3 }), inForce);
  assert.equal(follow(inForce, null, own), null);
  for (const other of [
    { ...own, seq: 3 },
    { ...own, incarnation: 8 },
  ]) {
    assert.equal(follow(null, order(), other), null);
    assert.equal(follow(inForce, order({ epoch: 5, do: 'fault' }), other), null);
    assert.equal(follow(null, order({ do: 'prefer' }), other)?.do, 'prefer');
    assert.equal(follow(null, order({ do: 'tell' }), other)?.do, 'tell');
  }
});

test('a lease ends by itself, and a higher epoch renews it', () => {
  const lease = follow(null, order({ do: 'fault' }), own);
  assert.equal(lease?.until, own.now + LEASE_MS);
  const later = { ...own, now: own.now + LEASE_MS - 1 };
  assert.equal(follow(lease, order({ do: 'fault' }), later), lease);
  const renewed = follow(lease, order({ do: 'fault', epoch: 5 }), later);
  assert.equal(renewed?.until, later.now + LEASE_MS);
  const end = { ...own, now: own.now + LEASE_MS };
  assert.ok(lease && isOver(lease, end.now));
  const over = follow(lease, order({ do: 'fault' }), end);
  assert.deepEqual(over, { epoch: 4, do: 'done', until: null });
  // also where no server can take the order back
  assert.equal(follow(over, order({ do: 'fault' }), { ...end, now: end.now + 1 }), over);
  assert.equal(follow(over, order({ do: 'fault', epoch: 5 }), end)?.do, 'fault');
  assert.equal(follow(over, null, end), null);
});

test('what is in force outlives the agent; a lease ends when it would have', () => {
  const then = { now: 900, wallMs: 1_000_000 };
  for (const what of ['tell', 'prefer', 'yield', 'done'] as const) {
    const inForce = { epoch: 12, do: what, until: null };
    assert.deepEqual(readInForce(renderInForce(inForce, then), { now: 5, wallMs: 1_000_700 }), inForce);
  }
  const kept = renderInForce({ epoch: 3, do: 'fault', until: then.now + LEASE_MS }, then);
  const until = (wallMs: number) => readInForce(kept, { now: 5, wallMs })?.until;
  assert.equal(until(1_000_700), 5 + LEASE_MS - 700);
  assert.equal(until(2_000_000), 5, 'over long ago');
  assert.equal(until(0), 5 + LEASE_MS, 'a wall clock that went back');
  assert.equal(readInForce('3 fault\n', { now: 5, wallMs: 0 })?.until, 5 + LEASE_MS, 'of an earlier version');
  for (const text of [null, '', '3\n', 'x yield\n', '3 dance\n'])
    assert.equal(readInForce(text, { now: 5, wallMs: 0 }), null);
  assert.equal(renderInForce(null, then), '');
});
