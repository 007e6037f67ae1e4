/** Every fact in every state; what no sequence of facts may do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  holdMs,
  type LivenessEffect,
  type LivenessEvent,
  type LivenessRecord,
  type LivenessState,
  livenessTimes,
  startLiveness,
  stepLiveness,
} from './liveness.ts';

const NOW = 1_000_000;
const times = livenessTimes(10_000);
const context = { now: NOW, times };
const DECLARED = NOW + 5_000;
const WINDOW = NOW + 10_000;
const ORPHAN = NOW + times.orphanMs - 10_000;
const FORGET = NOW + 600_000;

const record = (state: LivenessState, changes: Partial<LivenessRecord> = {}): LivenessRecord => ({
  ...{ state, due: NOW, deaths: 2, isOrphan: false, isHeld: state === 'held' },
  ...changes,
});

const BEFORE: Record<LivenessState, LivenessRecord> = {
  alive: record('alive'),
  suspect: record('suspect'),
  muffled: record('muffled', { due: null }),
  dead: record('dead', { due: null }),
  held: record('held'),
};

/** State, due, deaths, effect; '-': nothing at all changes. */
type Expected = readonly [LivenessState, number | null, number, LivenessEffect | null] | '-';

const NOTHING = {
  heard: '-',
  silent: '-',
  orphaned: '-',
  time: '-',
  blind: '-',
  mass: '-',
  'mass-over': '-',
} as const;

const TABLE: Record<LivenessState, Record<LivenessEvent, Expected>> = {
  alive: {
    ...NOTHING,
    silent: ['suspect', DECLARED, 2, null],
    orphaned: ['suspect', ORPHAN, 2, null],
    time: ['alive', FORGET, 1, 'forgiven'],
  },
  suspect: {
    ...NOTHING,
    heard: ['alive', FORGET, 2, null],
    time: ['dead', null, 3, 'died'],
    blind: ['suspect', WINDOW, 2, null],
    mass: ['muffled', null, 2, null],
  },
  muffled: {
    ...NOTHING,
    heard: ['alive', FORGET, 2, null],
    'mass-over': ['suspect', WINDOW, 2, null],
  },
  dead: { ...NOTHING, heard: ['held', NOW + 30_000, 2, 'returned'] },
  held: {
    ...NOTHING,
    silent: ['suspect', DECLARED, 2, null],
    orphaned: ['suspect', ORPHAN, 2, null],
    time: ['alive', FORGET, 2, 'released'],
  },
};

test('each fact in each state', () => {
  for (const [state, row] of Object.entries(TABLE)) {
    for (const [event, expected] of Object.entries(row)) {
      const before = BEFORE[state as LivenessState];
      const step = stepLiveness(before, event as LivenessEvent, context);
      const where = `${state}, ${event}`;
      if (expected === '-') {
        assert.deepEqual(step, { record: before, effect: null }, where);
        continue;
      }
      const { record: after, effect } = step;
      assert.deepEqual([after.state, after.due, after.deaths, effect], expected, where);
    }
  }
});

test('time changes nothing before it is due', () => {
  for (const before of Object.values(BEFORE)) {
    const step = stepLiveness(before, 'time', { ...context, now: NOW - 1 });
    assert.deepEqual(step, { record: before, effect: null });
  }
});

test('a held agent that falters begins its hold anew; one that never died twice is never held', () => {
  const suspect = stepLiveness(BEFORE.held, 'silent', context).record;
  const back = stepLiveness(suspect, 'heard', { ...context, now: NOW + 3_000 }).record;
  assert.deepEqual([back.state, back.due], ['held', NOW + 33_000]);
  const once = stepLiveness(record('dead', { deaths: 1 }), 'heard', context).record;
  assert.deepEqual([once.state, once.due], ['alive', FORGET]);
});

test('holds double up to half an hour', () => {
  const holds = [0, 1, 2, 3, 4, 8, 9, 100].map((deaths) => holdMs(deaths) / 1000);
  assert.deepEqual(holds, [0, 0, 30, 60, 120, 1_800, 1_800, 1_800]);
});

test('an orphan gets the time to find out and to go elsewhere, and a blind server gives it all again', () => {
  const orphan = stepLiveness(record('alive', { due: null, deaths: 0 }), 'orphaned', context).record;
  assert.ok((orphan.due ?? 0) - NOW > times.idleMs);
  assert.equal(stepLiveness(orphan, 'blind', context).record.due, NOW + times.orphanMs);
});

test('what follows from the detection time leaves room for several heartbeats, down to two seconds', () => {
  for (const detectMs of [2_000, 3_000, 10_000, 60_000]) {
    const its = livenessTimes(detectMs);
    assert.equal(its.silentMs + its.declareMs, detectMs);
    // every agent of a mass is seen silent before the first is declared dead
    assert.ok(its.declareMs >= its.heartbeatMs + its.lookMs, `${detectMs}`);
    assert.ok(its.silentMs >= 2 * its.heartbeatMs && its.tickMs <= its.promptMs, `${detectMs}`);
  }
});

/** One agent and its server: said silent after half of the time, looked at by the leader every tick. */
function follow(gaps: readonly number[], detectMs: number, tailMs: number) {
  const its = livenessTimes(detectMs);
  let state = startLiveness({ liveness: 'alive', deaths: 0 }, { now: 0, times: its });
  let diedAt: number | undefined;
  let last = 0;
  const tick = 20;
  const beats: number[] = [];
  for (const gap of gaps) beats.push((beats.at(-1) ?? 0) + gap);
  const end = (beats.at(-1) ?? 0) + tailMs;
  for (let now = 0; now <= end; now += tick) {
    while (beats[0] !== undefined && beats[0] <= now) last = beats.shift() as number;
    const fact = now - last >= its.silentMs ? 'silent' : 'heard';
    for (const event of [fact, 'time'] as const) {
      const step = stepLiveness(state, event, { now, times: its });
      state = step.record;
      if (step.effect === 'died') diedAt ??= now;
    }
  }
  return { state, diedAt, last };
}

test('no sequence of gaps below the detection time is a death', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2_000, max: 12_000 }),
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 30 }),
      (detectMs, gaps) => {
        const found = follow(
          gaps.map((gap) => gap * detectMs),
          detectMs,
          0,
        );
        assert.equal(found.diedAt, undefined);
      },
    ),
    { numRuns: 300, seed: 7 },
  );
});

test('one that is silent for good is dead within the detection time, and little more', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2_000, max: 12_000 }),
      fc.array(fc.double({ min: 0, max: 0.9, noNaN: true }), { maxLength: 10 }),
      (detectMs, gaps) => {
        const found = follow(
          gaps.map((gap) => gap * detectMs),
          detectMs,
          2 * detectMs,
        );
        const took = (found.diedAt ?? Number.POSITIVE_INFINITY) - found.last;
        assert.ok(took >= detectMs && took <= detectMs + 60, `${took} of ${detectMs}`);
        assert.equal(found.state.state, 'dead');
      },
    ),
    { numRuns: 200, seed: 7 },
  );
});

test('whatever comes, the deaths are those that were told, and held or dead say so', () => {
  const events = ['heard', 'silent', 'orphaned', 'time', 'blind', 'mass', 'mass-over'] as const;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...events), fc.integer({ min: 0, max: 40_000 })), { maxLength: 60 }),
      (facts) => {
        let now = 0;
        let state = startLiveness({ liveness: 'alive', deaths: 0 }, { now, times });
        let deaths = 0;
        for (const [event, pause] of facts) {
          now += pause;
          const step = stepLiveness(state, event, { now, times });
          if (step.effect === 'died') deaths++;
          if (step.effect === 'forgiven') deaths--;
          // a death needs a whole window of suspicion that nothing broke
          if (step.effect === 'died') assert.equal(state.state, 'suspect');
          state = step.record;
          assert.equal(state.deaths, deaths);
          assert.equal(state.state === 'suspect' ? state.due === null : false, false);
        }
      },
    ),
    { numRuns: 500, seed: 7 },
  );
});
