/** What is seen of pings, addresses and ARP answers is read and reckoned right. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doubles, pairAnswers } from './answerers.ts';
import { parseAddressEvent } from './holders.ts';
import { percentile, renderTable, summarise, summariseBeside } from './measured.ts';
import { PingLog } from './pings.ts';
import { ROWS } from './list.ts';
import type { Row, Sample } from './row.ts';
import { aloneSince, begunAt, crowds, longestWith, mostAtOnce } from './spans.ts';

test('a silence lasts from the first lost ping to the next that is answered', () => {
  const log = new PingLog();
  const answered = (seq: number, at: number, ms = 1) =>
    log.add(`[${at / 1000}] 64 bytes from 203.0.113.9: icmp_seq=${seq} ttl=63 time=${ms} ms`);
  const late = (seq: number, at: number) => log.add(`[${at / 1000}] no answer yet for icmp_seq=${seq}`);
  answered(1, 1_001);
  late(2, 1_010);
  // Late is not lost.
  answered(2, 1_012, 7);
  late(3, 1_015);
  late(4, 1_020);
  answered(5, 1_021);
  answered(5, 1_022);
  late(6, 1_030);
  assert.deepEqual(log.silences(1_000, 2_000), [
    { from: 1_010, to: 1_020 },
    { from: 1_025, to: Number.POSITIVE_INFINITY },
  ]);
  assert.deepEqual(log.count(1_000, 1_026), { sent: 6, lost: 3 });
  assert.equal(log.answered, 3);
  assert.equal(log.duplicates, 1);
  assert.equal(log.firstAnswerAt, 1_001);
});

test('the kernel tells to the microsecond when an address came and went, in whichever namespace', () => {
  const text =
    '2: qg    inet 203.0.113.5/24 scope global qg-1\\       valid_lft forever preferred_lft forever';
  const stamp = '2026-11-21T11:14:29.626500';
  const at = Date.UTC(2026, 10, 21, 11, 14, 29) + 626.5;
  assert.deepEqual(parseAddressEvent(`[${stamp}] [nsid 0]${text}`), {
    at,
    address: '203.0.113.5',
    isHeld: true,
  });
  assert.deepEqual(parseAddressEvent(`[${stamp}] [nsid current]Deleted ${text}`), {
    at,
    address: '203.0.113.5',
    isHeld: false,
  });
  assert.equal(parseAddressEvent('nothing of the kind'), null);
});

test('who held it, piece by piece', () => {
  const spans = new Map([
    ['h1', [{ from: 0, to: 100 }]],
    ['h2', [{ from: 90, to: Number.POSITIVE_INFINITY }]],
    ['h3', [{ from: 95, to: 98 }]],
  ]);
  const pieces = crowds(spans, 50, 200);
  assert.deepEqual(
    pieces.map(({ who, span }) => [who.join(), span.from, span.to]),
    [
      ['h1', 50, 90],
      ['h1,h2', 90, 95],
      ['h1,h2,h3', 95, 98],
      ['h1,h2', 98, 100],
      ['h2', 100, 200],
    ],
  );
  assert.equal(longestWith(pieces, 2), 10);
  assert.equal(mostAtOnce(pieces, 0), 3);
  assert.equal(mostAtOnce(pieces, 5), 2);
  assert.equal(mostAtOnce(pieces, 10), 1);
  assert.deepEqual(aloneSince(pieces), { who: 'h2', at: 100 });
  assert.equal(aloneSince(crowds(spans, 0, 96)), undefined);
});

test('a cause counts from the first silence while it was brought about, else from when that began', () => {
  const silences = [
    { from: 40, to: 45 },
    { from: 130, to: 500 },
    { from: 600, to: 610 },
  ];
  assert.equal(begunAt(silences, 100, 200), 130);
  assert.equal(begunAt(silences, 100, 120), 100);
  assert.equal(begunAt(silences, 42, 120), 42);
  assert.equal(begunAt([], 100, 200), 100);
});

test('an ARP request that two hosts answer counts, one that a host answers twice does not', () => {
  const seen = (at: number, host: string | null) => ({ at, host });
  const answers = pairAnswers([
    seen(0, 'h9'),
    seen(1, null),
    seen(2, 'h1'),
    seen(3, 'h1'),
    seen(11, null),
    seen(12, 'h1'),
    seen(13, 'h2'),
    seen(21, null),
  ]);
  assert.deepEqual(doubles(answers, 0, 100), [{ at: 11, hosts: ['h1', 'h2'] }]);
  assert.deepEqual(doubles(answers, 12, 100), []);
});

test('a trial in which it never came makes the worst figure unknown', () => {
  assert.equal(percentile([3, 1, null, 2], 0.5), 2);
  assert.equal(percentile([3, 1, null, 2], 1), null);
  const row = { name: 'x', figure: '', budget: { p50Ms: 3, maxMs: 5 } } as Row;
  const sample = (ms: number | null): Sample => ({
    ms,
    maxActives: 1,
    doubleAnswers: 2,
    lostAfterHealMs: null,
    also: { lost_pings: ms ?? 0 },
    complaints: [],
  });
  const entry = summarise(row, [sample(2), sample(5), sample(3)]);
  assert.deepEqual([entry.p50_ms, entry.max_ms, entry.within_budget], [3, 5, true]);
  assert.deepEqual(
    [entry.double_answers, entry.lost_after_heal_ms, entry.also],
    [6, null, { lost_pings: 5 }],
  );
  assert.equal(summarise(row, [sample(2), sample(null)]).within_budget, false);
});

const FOUND: Sample = {
  ms: 3_000,
  maxActives: 1,
  doubleAnswers: 0,
  lostAfterHealMs: 10,
  also: { api_behind_ms: 60, alert_after_ms: 90 },
  complaints: [],
};

test('what rows find beside their own figure has entries, of those rows that can tell', () => {
  const named = (name: string, kind: Row['kind'] = 'protected') => ({ name, kind }) as Row;
  const beside = summariseBeside([
    { row: named('host-off'), samples: [FOUND, { ...FOUND, lostAfterHealMs: null }] },
    { row: named('no-server-host-off'), samples: [{ ...FOUND, also: { api_behind_ms: 9_000 } }] },
    { row: named('as-it-was', 'one-path'), samples: [{ ...FOUND, lostAfterHealMs: 5_000, also: {} }] },
  ]);
  assert.deepEqual(
    beside.map(({ event, n, max_ms, within_budget }) => [event, n, max_ms, within_budget]),
    [
      ['api-behind', 2, 60, true],
      ['alert-of-two', 2, 90, true],
      ['heal', 2, 10, true],
    ],
  );
  assert.deepEqual(summariseBeside([{ row: named('tcp'), samples: [] }]), []);
});

test('the table of all rows fits a terminal of 120 columns, also with p99', () => {
  const many = Array.from({ length: 100 }, (_, at) => at * 100);
  const tried = ROWS.map((row) => ({ row, samples: [{ ...FOUND, each: many }] }));
  const entries = [...tried.map(({ row, samples }) => summarise(row, samples)), ...summariseBeside(tried)];
  assert.deepEqual([entries[0]!.n, entries[0]!.p99_ms, entries[0]!.max_ms], [100, 9_800, 9_900]);
  const lines = renderTable(entries);
  assert.equal(lines.length, entries.length + 1);
  assert.ok(Math.max(...lines.map((line) => line.length)) <= 120, lines.join('\n'));
});

test('what is counted and has no milliseconds is told below the table', () => {
  const row = { name: 'mute', figure: '', budget: null } as Row;
  const sample = { ...FOUND, ms: null, also: { frames_h2: 0, seconds: 600 } };
  assert.equal(renderTable([summarise(row, [sample])]).at(-1), 'mute: frames h2 0, seconds 600');
});
