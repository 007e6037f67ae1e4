import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { CONVERGED, type Controller, createController, type Outcome } from './controller.ts';

interface Run {
  readonly key: string;
  readonly at: number;
  readonly signal: AbortSignal;
  end(outcome?: Outcome): Promise<void>;
  fail(error: unknown): Promise<void>;
}

interface Bench {
  readonly controller: Controller;
  readonly clock: ManualClock;
  /** Every run that has begun. */
  readonly runs: Run[];
  readonly stalled: string[];
  readonly outcomes: [string, Outcome][];
  readonly stop: AbortController;
  readonly finished: Promise<void>;
  /** Lets `durationMs` pass, and all that follows from it happen. */
  pass(durationMs: number): Promise<void>;
}

/** Lets every promise that can settle do so: nothing here waits for anything but the manual clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function bench(t: TestContext, concurrency = 2): Bench {
  const clock = new ManualClock();
  const runs: Run[] = [];
  const stalled: string[] = [];
  const outcomes: [string, Outcome][] = [];
  const controller = createController({
    name: 'test',
    clock,
    random: seededRandom(7),
    concurrency,
    timeoutMs: 60_000,
    onStall: (key) => stalled.push(key),
    onOutcome: (key, outcome) => outcomes.push([key, outcome]),
    reconcile: (key, signal) =>
      new Promise((resolve, reject) => {
        const end = async (outcome: Outcome = CONVERGED) => {
          resolve(outcome);
          await settle();
        };
        const fail = async (error: unknown) => {
          reject(error);
          await settle();
        };
        runs.push({ key, at: clock.now(), signal, end, fail });
      }),
  });
  const stop = new AbortController();
  const finished = controller.run(stop.signal);
  t.after(() => stop.abort());
  const pass = async (durationMs: number) => {
    clock.advance(durationMs);
    await settle();
  };
  return { controller, clock, runs, stalled, outcomes, stop, finished, pass };
}

const keys = (runs: readonly Run[]) => runs.map((run) => run.key);
const failed = (object: string): Outcome => ({ shortfalls: [{ object, state: 'failed', reason: 'no' }] });
const waiting = (object: string): Outcome => ({
  shortfalls: [{ object, state: 'waiting', reason: 'not there' }],
});

test('a mark runs its key and is realised when the run converges', async (t) => {
  const { controller, runs } = bench(t);
  controller.mark('a', 5);
  assert.deepEqual(keys(runs), [], 'not within the turn of the caller');
  await settle();
  assert.deepEqual(keys(runs), ['a']);
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 5, shortfalls: [] }]);
  await runs[0]!.end();
  assert.deepEqual(controller.pending(), []);
});

test('many marks make one run, the oldest position counts', async (t) => {
  const { controller, runs } = bench(t);
  for (const position of [9, 4, 6]) controller.mark('a', position);
  await settle();
  assert.deepEqual(keys(runs), ['a']);
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 4, shortfalls: [] }]);
});

test('a mark during a run runs the key again afterwards, and is not realised by the run under way', async (t) => {
  const { controller, runs } = bench(t);
  controller.mark('a', 5);
  await settle();
  controller.mark('a', 8);
  await settle();
  assert.deepEqual(keys(runs), ['a'], 'never two at once');
  await runs[0]!.end();
  assert.deepEqual(keys(runs), ['a', 'a']);
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 8, shortfalls: [] }]);
  await runs[1]!.end();
  assert.deepEqual(controller.pending(), []);
});

test('no more runs at once than allowed, urgent keys before others', async (t) => {
  const { controller, runs } = bench(t, 2);
  for (const key of ['a', 'b', 'c', 'd']) controller.mark(key, 1);
  controller.mark('d', 2, { urgent: true });
  await settle();
  assert.deepEqual(keys(runs), ['d', 'a']);
  await runs[0]!.end();
  assert.deepEqual(keys(runs), ['d', 'a', 'b']);
});

test('a failure backs off its own key only', async (t) => {
  const { controller, runs, clock, pass } = bench(t);
  controller.mark('a', 3);
  controller.mark('b', 4);
  await settle();
  await runs[0]!.end(failed('port/x'));
  await runs[1]!.end();
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 3, shortfalls: failed('port/x').shortfalls }]);
  assert.equal(runs.length, 2);
  const gaps: number[] = [];
  for (let retry = 0; retry < 12; retry++) {
    const before = clock.now();
    while (runs.length === 2 + retry) await pass(10);
    gaps.push(clock.now() - before);
    await runs.at(-1)!.end(failed('port/x'));
  }
  assert.ok(gaps[0]! <= 260 && gaps.at(-1)! > 14_000 && gaps.at(-1)! <= 30_010, gaps.join(' '));
  await pass(30_000);
  await runs.at(-1)!.end();
  assert.deepEqual(controller.pending(), []);
  controller.mark('a', 0);
  await pass(100);
  await runs.at(-1)!.end(failed('port/x'));
  await pass(260);
  assert.equal(runs.length, 17, 'a success forgets the failures before it');
});

test('what waits for the world is not retried, but a mark runs it at once', async (t) => {
  const { controller, runs, pass } = bench(t);
  controller.mark('a', 3);
  await settle();
  await runs[0]!.end(waiting('port/x'));
  await pass(3_600_000);
  assert.equal(runs.length, 1);
  controller.mark('a', 0);
  await settle();
  assert.equal(runs.length, 2);
  await runs[1]!.end(waiting('port/x'));
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 3, shortfalls: waiting('port/x').shortfalls }]);
});

test('a key owes its shortfalls and its new marks apart', async (t) => {
  const { controller, runs } = bench(t);
  controller.mark('a', 3);
  await settle();
  await runs[0]!.end(waiting('port/x'));
  controller.mark('a', 9);
  await settle();
  assert.deepEqual(controller.pending(), [
    { key: 'a', since: 3, shortfalls: waiting('port/x').shortfalls },
    { key: 'a', since: 9, shortfalls: [] },
  ]);
  await runs[1]!.end(waiting('port/x'));
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 3, shortfalls: waiting('port/x').shortfalls }]);
});

test('`again` looks once more after that long', async (t) => {
  const { controller, runs, pass } = bench(t);
  controller.mark('a', 3);
  await settle();
  await runs[0]!.end({ shortfalls: [], again: 5000 });
  await pass(4999);
  assert.equal(runs.length, 1);
  await pass(1);
  assert.equal(runs.length, 2);
});

test('drift owes nothing until it is found, then it owes everything', async (t) => {
  const { controller, runs } = bench(t);
  controller.mark('a', 0);
  assert.deepEqual(controller.pending(), []);
  await settle();
  await runs[0]!.end(waiting('port/x'));
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 0, shortfalls: waiting('port/x').shortfalls }]);
});

test('drift runs a key five times in a row, then ten times a second, or each second while it fails', async (t) => {
  const { controller, runs, pass } = bench(t);
  for (let run = 1; run <= 5; run++) {
    controller.mark('a', 0, { urgent: true });
    await settle();
    assert.equal(runs.length, run);
    await runs.at(-1)!.end();
  }
  controller.mark('a', 0, { urgent: true });
  let idle = false;
  void controller.idle().then(() => {
    idle = true;
  });
  await pass(99);
  assert.equal(runs.length, 5);
  assert.equal(idle, false, 'a mark is still to be worked on');
  await pass(1);
  assert.equal(runs.length, 6);
  await runs.at(-1)!.end();
  await settle();
  assert.equal(idle, true);
  controller.mark('a', 9);
  await settle();
  assert.equal(runs.length, 7, 'a change does not wait');
  for (let failure = 0; failure < 5; failure++) {
    await runs.at(-1)!.end(failed(''));
    controller.mark('a', 9);
    await settle();
  }
  await runs.at(-1)!.end(failed(''));
  const before = runs.length;
  controller.mark('a', 0);
  await pass(999);
  assert.equal(runs.length, before);
  await pass(1);
  assert.equal(runs.length, before + 1);
});

test('drift does not wait while the key has not run for drift lately', async (t) => {
  const { controller, runs } = bench(t);
  controller.mark('a', 3);
  await settle();
  await runs[0]!.end(failed('port/x'));
  controller.mark('a', 0);
  await settle();
  assert.equal(runs.length, 2);
});

test('one that throws is a failure with the error as its reason', async (t) => {
  const { controller, runs, outcomes } = bench(t);
  controller.mark('a', 3);
  controller.mark('b', 3);
  await settle();
  await runs[0]!.fail(new Error('boom'));
  await runs[1]!.end();
  const shortfalls = [{ object: '', state: 'failed', reason: 'boom' }] as const;
  assert.deepEqual(outcomes, [
    ['a', { shortfalls }],
    ['b', CONVERGED],
  ]);
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 3, shortfalls }]);
});

test('a run that takes too long is a stall, its signal aborts, and its key gets no second worker', async (t) => {
  const { controller, runs, stalled, pass } = bench(t);
  controller.mark('a', 3);
  await settle();
  await pass(59_999);
  assert.deepEqual(stalled, []);
  await pass(1);
  assert.deepEqual(stalled, ['a']);
  assert.ok(runs[0]!.signal.aborted);
  controller.mark('a', 4);
  await settle();
  assert.equal(runs.length, 1);
});

test('a stop waits for the runs under way and keeps what is not done', async (t) => {
  const { controller, runs, stop, finished, pass } = bench(t, 1);
  controller.mark('a', 3);
  controller.mark('b', 4);
  await settle();
  let ended = false;
  void finished.then(() => {
    ended = true;
  });
  stop.abort();
  await settle();
  assert.equal(ended, false);
  assert.ok(runs[0]!.signal.aborted);
  await runs[0]!.end();
  assert.equal(ended, true);
  await pass(60_000);
  assert.deepEqual(keys(runs), ['a']);
  assert.deepEqual(controller.pending(), [{ key: 'b', since: 4, shortfalls: [] }]);

  const second = new AbortController();
  const later = controller.run(second.signal);
  await settle();
  assert.deepEqual(keys(runs), ['a', 'b']);
  await runs[1]!.end();
  await controller.idle();
  second.abort();
  await later;
});

test('no timer is left for keys that owe nothing', async (t) => {
  const { controller, runs, clock, pass } = bench(t);
  for (let n = 0; n < 50; n++) {
    controller.mark(`key-${n}`, 1);
    await settle();
    await runs.at(-1)!.end();
  }
  await controller.idle();
  await pass(500);
  assert.equal(clock.next(), undefined);
});

test('a change that may wait is owed at once, and done with others of its key', async (t) => {
  const { controller, runs, pass } = bench(t);
  controller.mark('a', 4, { afterMs: 100 });
  await pass(60);
  controller.mark('a', 5, { afterMs: 100 });
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 4, shortfalls: [] }]);
  let isIdle = false;
  void controller.idle().then(() => {
    isIdle = true;
  });
  await pass(39);
  assert.deepEqual([runs.length, isIdle], [0, false]);
  await pass(1);
  assert.equal(runs.length, 1, 'counted from the first');
  await runs[0]!.end();
  assert.deepEqual([controller.pending(), isIdle], [[], true]);
  await pass(1_000);
  assert.equal(runs.length, 1);
});

test('a change that may wait goes along with a run that something else asks for', async (t) => {
  const { controller, runs, pass } = bench(t);
  controller.mark('a', 4, { afterMs: 100 });
  controller.mark('a', 0, { urgent: true });
  await settle();
  assert.equal(runs.length, 1);
  await runs[0]!.end();
  assert.deepEqual(controller.pending(), []);
  controller.mark('a', 5);
  controller.mark('a', 6, { afterMs: 100 });
  await pass(1_000);
  assert.equal(runs.length, 2);
  await runs[1]!.end();
  await pass(1_000);
  assert.deepEqual([runs.length, controller.pending()], [2, []]);
});

test('a change that may wait and comes during a run waits on after it, but for no backoff', async (t) => {
  const { controller, runs, pass } = bench(t);
  controller.mark('a', 4);
  await settle();
  controller.mark('a', 5, { afterMs: 100 });
  await pass(40);
  controller.mark('a', 6, { afterMs: 100 });
  await runs[0]!.end();
  assert.deepEqual(controller.pending(), [{ key: 'a', since: 5, shortfalls: [] }]);
  await pass(59);
  assert.equal(runs.length, 1);
  await pass(1);
  assert.equal(runs.length, 2);
  controller.mark('a', 7, { afterMs: 100 });
  await pass(200);
  assert.equal(runs.length, 2, 'never a second worker');
  for (let failure = 0; failure < 8; failure++) {
    await runs.at(-1)!.end(failed('x'));
    controller.mark('a', 8 + failure, { afterMs: 100 });
    controller.mark('a', 0);
    await pass(100);
    assert.equal(runs.length, 3 + failure);
  }
});

test('a change that still waits when the loop is stopped is done by the next', async (t) => {
  const { controller, runs, stop, finished } = bench(t);
  controller.mark('a', 4, { afterMs: 100 });
  await settle();
  stop.abort();
  await finished;
  const second = new AbortController();
  const later = controller.run(second.signal);
  await settle();
  assert.deepEqual(keys(runs), ['a']);
  await runs[0]!.end();
  second.abort();
  await later;
});
