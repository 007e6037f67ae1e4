import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuditSchedule } from './audit.ts';

const limits = { minPeriodMs: 10_000, maxPeriodMs: 40_000, perTick: 5, tickMs: 1_000 };

/** What is audited from one time to another, and how many at a time. */
function audited(schedule: AuditSchedule, [from, to]: [number, number], count: number) {
  const groups = Array.from({ length: count }, (_, at) => `network/${at}`);
  const rounds: string[][] = [];
  for (let now = from; now < to; now += 200) {
    const due = schedule.due(now, () => ({ groups, hosts: ['a'] }));
    if (due.groups.length > 0) rounds.push([...due.groups]);
  }
  return rounds;
}

test('every group has its turn in a period, which grows while nothing is found and shrinks when something is', () => {
  const schedule = new AuditSchedule(limits, 0);
  const first = audited(schedule, [0, 11_000], 40);
  assert.deepEqual([first.flat().length, new Set(first.flat()).size], [40, 40]);
  const second = audited(schedule, [11_000, 31_000], 40);
  assert.deepEqual([second.flat().length, schedule.periodMs], [40, 20_000]);
  audited(schedule, [31_000, 130_000], 40);
  assert.equal(schedule.periodMs, 40_000, 'the longest');
  schedule.found();
  audited(schedule, [130_000, 131_200], 40);
  assert.equal(schedule.periodMs, 20_000, 'at once, not when the round is over');
  audited(schedule, [131_200, 160_000], 40);
  assert.equal(schedule.periodMs, 20_000, 'the round after one that found something is no slower');
  audited(schedule, [160_000, 180_000], 40);
  assert.equal(schedule.periodMs, 40_000);
});

test('a few groups are not compared more often for being few', () => {
  const schedule = new AuditSchedule({ ...limits, maxPeriodMs: 1_000_000 }, 0);
  // rounds of 10, 20, 40, 80, 160, 320 and 640 s
  const rounds = audited(schedule, [0, 1_262_000], 3);
  assert.equal(rounds.flat().length, 7 * 3);
  // what is found in the middle of a long round hurries what is left of it
  schedule.found();
  const before = schedule.periodMs;
  audited(schedule, [1_262_000, 1_264_000], 3);
  assert.equal(schedule.periodMs, before / 2);
});

test('however many there are, no more than so many at a time', () => {
  const rounds = audited(new AuditSchedule(limits, 0), [0, 60_000], 10_000);
  assert.ok(rounds.every((round) => round.length <= 5));
  assert.equal(new Set(rounds.flat()).size, rounds.flat().length);
});

test('what is asked for comes at once, so much a second, beside what has its turn', () => {
  const schedule = new AuditSchedule(limits, 0);
  const asked = Array.from({ length: 2_000 }, (_, at) => `network/${at}`);
  assert.equal(schedule.ask(asked), false, 'too many wait');
  assert.equal(schedule.ask(['network/0']), false);
  const watched = () => ({ groups: [], hosts: [] });
  assert.deepEqual(schedule.due(1, watched).groups, asked.slice(0, 50));
  assert.deepEqual(schedule.due(11, watched).groups, []);
  assert.equal(schedule.due(501, watched).groups.length, 25);
  let total = 75;
  for (let now = 1_000; now <= 60_000; now += 500) total += schedule.due(now, watched).groups.length;
  assert.equal(total, 1_000);
});
