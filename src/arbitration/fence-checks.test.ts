import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askAgainIn, type CheckAnswer, judgeCheck } from './fence-checks.ts';

test('a device is well if it says that a host which is heard is on', () => {
  const of = (power: CheckAnswer['power'], isHeard: boolean) =>
    judgeCheck({ power, isHeard, text: 'so' })?.ok ?? null;
  assert.deepEqual([of('on', true), of('on', false)], [true, true]);
  assert.deepEqual([of('off', true), of('unknown', true)], [false, false]);
  assert.deepEqual([of('off', false), of('unknown', false)], [null, null]);
  assert.match(judgeCheck({ power: 'off', isHeard: true, text: 'so' })!.why, /another host's: so$/);
});

test('what is well is asked about once in a while, what is not soon, and then seldom', () => {
  const rules = { everyMs: 3_600_000, silentMs: 2_000 };
  assert.deepEqual(
    [0, 0.5].map((chance) => askAgainIn('well', rules, chance)),
    [3_240_000, 3_600_000],
  );
  assert.equal(askAgainIn('doubted', rules, 0.9), 20_000);
  assert.equal(askAgainIn('doubted', { ...rules, silentMs: 75_000 }, 0), 150_000);
  assert.equal(askAgainIn('failing', rules, 0.5), 900_000);
  assert.equal(askAgainIn('failing', { ...rules, everyMs: 60_000 }, 0), 20_000);
});
