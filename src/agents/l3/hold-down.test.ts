import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Held, heldUntil, hold, mostRises, UNHELD } from './hold-down.ts';

const times = { firstMs: 1_000, longestMs: 8_000, forgetMs: 60_000 };

/** Measurements as [time, penalty] to what counts after each. */
function play(measured: readonly (readonly [number, number])[]): number[] {
  let held: Held = UNHELD;
  return measured.map(([now, penalty]) => {
    held = hold(held, penalty, { now, times });
    return held.penalty;
  });
}

test('worse counts at once, better after the hold', () => {
  assert.deepEqual(
    play([
      [0, 60],
      [100, 0],
      [1_000, 0],
      [1_100, 0],
    ]),
    [60, 60, 60, 0],
  );
});

test('the hold begins anew with each relapse, and doubles', () => {
  assert.deepEqual(
    play([
      [0, 60],
      [100, 0],
      [900, 60],
      [1_000, 0],
      [1_999, 0],
      [2_000, 0],
      [3_000, 60],
      [3_100, 0],
      [5_099, 0],
      [5_100, 0],
    ]),
    [60, 60, 60, 60, 60, 0, 60, 60, 60, 0],
  );
});

test('it is forgotten after a long time without', () => {
  const flapped: Held = { ...UNHELD, rises: 9, worseAt: 0 };
  assert.equal(hold(flapped, 60, { now: 59_999, times }).rises, 10);
  assert.equal(hold(flapped, 60, { now: 60_000, times }).rises, 1);
});

test('partly better is held as well, and says until when', () => {
  let held = hold(UNHELD, 120, { now: 0, times });
  held = hold(held, 40, { now: 10, times });
  assert.equal(heldUntil(held, times), 1_010);
  assert.equal(hold(held, 40, { now: 1_010, times }).penalty, 40);
  assert.equal(heldUntil(UNHELD, times), null);
});

test('to get worse by steps is to get worse once', () => {
  let held: Held = UNHELD;
  for (const [now, penalty] of [24, 40, 120].entries()) held = hold(held, penalty, { now, times });
  assert.deepEqual([held.penalty, held.rises], [120, 1]);
});

test('whatever is measured, it gets worse a bounded number of times', () => {
  const bound = mostRises(60_000, times);
  assert.equal(bound, 10);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 500 }), fc.boolean()), { maxLength: 400 }),
      (steps) => {
        let held: Held = UNHELD;
        let now = 0;
        const rises: number[] = [];
        for (const [stepMs, isBad] of steps) {
          now += stepMs;
          const next = hold(held, isBad ? 60 : 0, { now, times });
          if (next.penalty > held.penalty) rises.push(now);
          held = next;
        }
        for (const at of rises)
          assert.ok(rises.filter((other) => other >= at && other < at + 60_000).length <= bound);
      },
    ),
  );
});
