/** R33, R34: three replicas whose scripts answer by chance. The election is keepalived's: whoever has strictly more takes over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../lib/random.ts';
import { parseCheck } from './check-script.ts';
import { freshVerdict, judge } from './check-verdict.ts';
import { checkTimes, hold, UNHELD } from './hold-down.ts';
import { renderTracked } from './keepalived.ts';

const SCRIPT = parseCheck('gateway /etc/checks/gateway');
const RANKS = [0, 1, 2] as const;
const MINUTE_MS = 60_000;

interface Played {
  /** When the active changed. */
  readonly moves: readonly number[];
  readonly active: number;
}

/** `fails`: whether the script of a replica says no at that time. */
function play(durationMs: number, fails: (rank: number, isActive: boolean, now: number) => boolean): Played {
  const verdicts = RANKS.map(() => freshVerdict(0));
  const held = RANKS.map(() => UNHELD);
  const asActive = new Set<number>();
  const moves: number[] = [];
  let active = 0;
  for (let now = 0; now < durationMs; now += SCRIPT.intervalMs) {
    for (const rank of RANKS) {
      const answer = fails(rank, rank === active, now) ? 'no' : 'yes';
      verdicts[rank] = judge(verdicts[rank]!, { answer, text: '' }, { script: SCRIPT, now });
      const penalty = verdicts[rank]?.standing === 'fails' ? SCRIPT.weight : 0;
      const before = held[rank]!;
      const times = checkTimes(60_000, rank !== active && asActive.has(rank));
      const after = hold(before, penalty, { now, times });
      held[rank] = after;
      if (after.penalty <= before.penalty) continue;
      if (rank === active) asActive.add(rank);
      else asActive.delete(rank);
    }
    const priority = (rank: number) =>
      250 - Number(renderTracked({ rank, isPrimary: rank === active, penalty: held[rank]?.penalty ?? 0 }));
    const best = RANKS.reduce((one, other) => (priority(other) > priority(one) ? other : one));
    if (priority(best) <= priority(active)) continue;
    active = best;
    moves.push(now);
  }
  return { moves, active };
}

const mostWithin = (moves: readonly number[], spanMs: number): number =>
  moves.reduce((most, at) => Math.max(most, moves.filter((one) => one >= at && one < at + spanMs).length), 0);

test('scripts that answer by chance move the active a bounded number of times', (t) => {
  const worst = { tenMinutes: 0, laterHour: 0 };
  for (const chance of [0.05, 0.3, 0.5, 0.8])
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const { moves } = play(360 * MINUTE_MS, () => random.next() < chance);
      worst.tenMinutes = Math.max(worst.tenMinutes, mostWithin(moves, 10 * MINUTE_MS));
      const later = moves.filter((at) => at >= 120 * MINUTE_MS);
      worst.laterHour = Math.max(worst.laterHour, mostWithin(later, 60 * MINUTE_MS));
    }
  assert.ok(worst.tenMinutes <= 6, `${worst.tenMinutes} within ten minutes`);
  assert.ok(worst.laterHour <= 6, `${worst.laterHour} within an hour, later on`);
  t.diagnostic(
    `most moves within 10 minutes ${worst.tenMinutes}, later on within an hour ${worst.laterHour}`,
  );
});

test('what fails everywhere at once moves nothing, then or when it is well again', () => {
  const { moves, active } = play(60 * MINUTE_MS, (_, __, now) => now >= MINUTE_MS && now < 20 * MINUTE_MS);
  assert.deepEqual([moves, active], [[], 0]);
});

test('what only the active can see, and sees fail wherever it is, moves it ever more seldom', (t) => {
  const { moves } = play(360 * MINUTE_MS, (_, isActive) => isActive);
  assert.ok(mostWithin(moves, 10 * MINUTE_MS) <= 4, `${mostWithin(moves, 10 * MINUTE_MS)}`);
  const lastHour = moves.filter((at) => at >= 300 * MINUTE_MS).length;
  assert.ok(lastHour <= 4, `${lastHour}`);
  t.diagnostic(
    `seen by the active alone: ${mostWithin(moves, 10 * MINUTE_MS)} within 10 minutes, ${lastHour} in the sixth hour`,
  );
});

test('a host that alone fails is left once, and taken again only when the others fail', () => {
  const { moves, active } = play(60 * MINUTE_MS, (rank) => rank === 0);
  assert.deepEqual([moves.length, active], [1, 1]);
});
