import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { Patrol } from './patrol.ts';

/** Each look takes `lookMs`; `at` moves the clock there and gives the looks that began until then. */
function bench(t: TestContext, lookMs = 0) {
  const clock = new ManualClock();
  const looks: string[] = [];
  const patrol = new Patrol({
    clock,
    isReady: () => true,
    look: async (scope) => {
      looks.push(`${clock.now()} ${scope}`);
      if (lookMs > 0) await new Promise<void>((resolve) => clock.after(lookMs, resolve));
    },
  });
  const stop = new AbortController();
  const running = patrol.run(stop.signal);
  t.after(async () => {
    stop.abort();
    clock.advance(lookMs);
    await running;
  });
  const at = async (ms: number) => {
    for (; clock.now() < ms; clock.advance(1)) await settled();
    await settled();
    return looks;
  };
  return { patrol, at };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a bit every four seconds; all at once when another hand was there, however often it says so', async (t) => {
  const { patrol, at } = bench(t);
  await at(1000);
  patrol.hurry();
  patrol.hurry();
  assert.deepEqual(await at(1100), ['1020 all']);
  assert.deepEqual(await at(5100), ['1020 all', '5020 next']);
});

test('looks at everything leave room for other work', async (t) => {
  const { patrol, at } = bench(t, 300);
  patrol.hurry();
  await at(100);
  patrol.hurry();
  assert.deepEqual(await at(1600), ['20 all', '1520 all']);
  patrol.hurry();
  assert.deepEqual(await at(3100), ['20 all', '1520 all', '3020 all']);
});
