import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Attention } from './attention.ts';

test('a loop that comes round late begins attention anew, a little late does not', () => {
  const attention = new Attention(500, 0);
  attention.ticked(50, 50);
  attention.ticked(600, 50);
  assert.equal(attention.since(600), 0);
  attention.ticked(60_600, 50);
  assert.equal(attention.since(60_600), 60_600);
  attention.ticked(60_650, 50);
  assert.equal(attention.since(60_650), 60_600);
});

test('a pause counts also before the next tick has found it', () => {
  const attention = new Attention(500, 0);
  attention.ticked(1_000, 50);
  assert.equal(attention.since(1_900), 1_000);
  assert.equal(attention.since(61_000), 61_000);
});

test('a database that answers late, or not at all, is not attended through', () => {
  const attention = new Attention(500, 0);
  const tick = (now: number) => attention.ticked(now, 400);
  const prompt = attention.asks(0);
  prompt(300, true);
  assert.equal(attention.since(300), 0);
  const late = attention.asks(300);
  for (const now of [400, 800]) tick(now);
  assert.equal(attention.since(800), 0);
  tick(1_200);
  assert.equal(attention.since(1_200), 1_200, 'while it is waited for');
  tick(1_600);
  late(1_700, true);
  assert.equal(attention.since(1_700), 1_700);
  tick(2_000);
  attention.asks(2_000)(2_001, false);
  assert.equal(attention.since(2_100), 2_001);
});
