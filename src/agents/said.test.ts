import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '../watch/protocol.ts';
import { Said } from './said.ts';

const report = (counter: number, tunnel = 'up'): Report => ({
  ...{ version: 1, host: 'h1', role: 'l3', incarnation: 1, counter, realised: null },
  ...{ exceptions: [], exceptionCount: 0, configurations: { tunnel } },
});

test('what was taken is said again in 1, 2, 4, ... 12 intervals; what is new is at once', () => {
  const said = new Said(1_000);
  const pauses: number[] = [];
  let now = 0;
  for (let at = 1; at <= 6; at++) {
    const telling = said.weigh(report(at), now);
    assert.equal(telling.inMs, 0);
    said.taken(telling, now);
    pauses.push(said.weigh(report(at), now + 100).inMs + 100);
    now += pauses.at(-1)!;
  }
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 12_000, 12_000]);
  assert.deepEqual(said.weigh(report(9, 'down'), now), {
    ...said.weigh(report(9, 'down'), now),
    inMs: 0,
    nextMs: 1_000,
  });
});

test('who asks for it anew gets it once, also while a report is under way', () => {
  const said = new Said(1_000);
  const first = said.weigh(report(1), 0);
  said.again();
  said.taken(first, 10);
  assert.equal(said.weigh(report(2), 20).inMs, 0);
  assert.equal(said.weigh(report(3), 30).inMs, 980);
});

test('after a report that may have been taken or not everything is new', () => {
  const said = new Said(1_000);
  said.taken(said.weigh(report(1), 0), 0);
  said.weigh(report(2, 'down'), 10);
  said.forget();
  assert.equal(said.weigh(report(3), 20).inMs, 0);
});
