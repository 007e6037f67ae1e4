import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { Breaker, type FailureKind } from './breaker.ts';

function stage() {
  const clock = new ManualClock();
  const told: (string | null)[] = [];
  const breaker = new Breaker(clock, (failure) => told.push(failure?.message ?? null));
  let asked = 0;
  const ask = (outcome: FailureKind | 'answer'): Promise<string> =>
    breaker
      .through(
        () => {
          asked++;
          return outcome === 'answer' ? Promise.resolve('answer') : Promise.reject(new Error(outcome));
        },
        (error) => (error as Error).message as FailureKind,
      )
      .catch((error: Error) => error.message);
  return { clock, told, breaker, ask, asked: () => asked };
}

const SPARED = 'it did not answer lately';

test('after three waits in vain nobody waits but one at a time, ever more seldom', async () => {
  const { clock, ask, asked, told } = stage();
  for (let times = 0; times < 3; times++) assert.equal(await ask('silence'), 'silence');
  for (const pauseMs of [500, 1_000, 2_000, 4_000, 4_000]) {
    assert.equal(await ask('answer'), SPARED);
    clock.advance(pauseMs - 1);
    assert.equal(await ask('answer'), SPARED);
    clock.advance(1);
    assert.deepEqual(await Promise.all([ask('silence'), ask('answer')]), ['silence', SPARED]);
  }
  assert.equal(asked(), 8);
  clock.advance(4_000);
  assert.deepEqual([await ask('answer'), await ask('answer')], ['answer', 'answer']);
  assert.deepEqual(told, ['silence', null]);
});

test('an answer between them begins the count anew, also one that says no', async () => {
  for (const between of ['answer', 'other'] as const) {
    const { ask } = stage();
    for (const outcome of ['silence', 'silence', between, 'silence', 'silence', 'answer'] as const)
      assert.equal(await ask(outcome), outcome);
  }
});

test('failures that come at once stop nobody', async () => {
  const { ask } = stage();
  for (let times = 0; times < 20; times++) assert.equal(await ask('other'), 'other');
  assert.equal(await ask('answer'), 'answer');
});

test('after a refusal nothing is tried for half a minute', async () => {
  const { clock, ask } = stage();
  assert.equal(await ask('refusal'), 'refusal');
  clock.advance(29_999);
  assert.equal(await ask('answer'), SPARED);
  clock.advance(1);
  assert.equal(await ask('refusal'), 'refusal');
  clock.advance(4_000);
  assert.equal(await ask('answer'), SPARED);
});
