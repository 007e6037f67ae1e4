import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  absence,
  company,
  isGone,
  type IsolationRule,
  NO_COMPANY,
  NOTHING_SEEN,
  PRESENT,
  type Stance,
  stance,
} from './isolation.ts';

test('alone is who was heard once and hears nobody', () => {
  assert.equal(company(NO_COMPANY, false, 5).aloneSince, null);
  const heard = company(NO_COMPANY, true, 5);
  const alone = company(heard, false, 10);
  assert.equal(alone.aloneSince, 10);
  assert.equal(company(alone, false, 20).aloneSince, 10);
  assert.equal(company(alone, true, 20).aloneSince, null);
  assert.equal(company(alone, null, 20).aloneSince, null);
});

test('gone is who was seen, and then is not, three times in a row and more by place', () => {
  const after = (...answers: readonly (boolean | null)[]) => answers.reduce(absence, NOTHING_SEEN);
  assert.equal(isGone(after(false, false, false, false, false), 0), false, 'never seen');
  assert.equal(isGone(after(true, false, false), 0), false);
  assert.equal(isGone(after(true, false, false, null, false), 0), true);
  assert.equal(isGone(after(true, false, false, true, false), 0), false);
  const six = [false, false, false, false, false, false];
  assert.equal(isGone(after(true, ...six.slice(1)), 1), false);
  assert.equal(isGone(after(true, ...six), 1), true);
});

const TICK_MS = 300;

interface Host {
  readonly rule: IsolationRule;
  readonly isAlone: boolean;
  /** When keepalived makes it active, if it may; null: it was from the beginning. */
  readonly takesOverAt: number | null;
}

/** Hosts that were cut off at 0, on an external network on which they see one another. Who is active at each tick. */
function play(
  hosts: readonly Host[],
  ticks: number,
  dies: { at: number; host: number } | null = null,
): number[][] {
  const stances: Stance[] = hosts.map(() => PRESENT);
  const since: (number | null)[] = hosts.map(({ takesOverAt }) => (takesOverAt === null ? -60_000 : null));
  const played: number[][] = [];
  for (let tick = 0; tick < ticks; tick++) {
    const now = tick * TICK_MS;
    const isDead = (host: number) => dies !== null && host === dies.host && now >= dies.at;
    const before = since.map((at, host) => at !== null && !isDead(host));
    for (const [host, { rule, isAlone, takesOverAt }] of hosts.entries()) {
      const other = before.some((active, one) => active && one !== host);
      stances[host] = stance(stances[host] ?? PRESENT, {
        ...{ now, aloneSince: isAlone ? 0 : null, activeSince: since[host] ?? null },
        ...{ other, rule, place: host, canAsk: true },
      });
      if (stances[host]?.isAway || isDead(host)) since[host] = null;
      else if (now >= (takesOverAt ?? 0)) since[host] ??= now;
    }
    played.push(since.flatMap((at, host) => (at === null ? [] : [host])));
  }
  return played;
}

const was = { rule: 'evidence', isAlone: true, takesOverAt: null } as const;
const newcomer = { rule: 'evidence', isAlone: true, takesOverAt: TICK_MS } as const;
const joined = { rule: 'evidence', isAlone: false, takesOverAt: TICK_MS } as const;

test('every path between all is cut: who was active stays, alone, throughout', () => {
  for (const active of play([was, newcomer, newcomer], 100)) assert.deepEqual(active, [0]);
});

test('the active alone is cut off: it gives up within three seconds, and one is left', () => {
  const played = play([was, joined], 100);
  const gaveUp = played.findIndex((active) => !active.includes(0));
  assert.ok(gaveUp > 0 && gaveUp * TICK_MS <= 3_000, `${gaveUp * TICK_MS} ms`);
  for (const active of played.slice(gaveUp)) assert.deepEqual(active, [1]);
});

test('the one that stayed dies: another, as alone as it was, takes over', () => {
  const played = play([was, newcomer, newcomer], 100, { at: 9_000, host: 0 });
  const taken = played.findIndex((active) => active.length > 0 && !active.includes(0));
  assert.ok(taken * TICK_MS <= 12_000, `${taken * TICK_MS} ms`);
  assert.equal(played.at(-1)?.length, 1);
});

test('strict: who is alone goes whatever it sees; off: it never does', () => {
  const strict = { ...was, rule: 'strict' } as const;
  assert.deepEqual(play([strict], 20).at(-1), []);
  const off = { ...was, rule: 'off' } as const;
  assert.deepEqual(play([off, joined], 20).at(-1), [0, 1]);
});

test('a stand-by that is alone asks before it begins, and begins when nobody answers, or when it is told nothing', () => {
  const at = { now: 0, aloneSince: 0, activeSince: null, rule: 'evidence', place: 1, canAsk: true } as const;
  let it = stance(PRESENT, { ...at, other: null });
  assert.equal(it.isAway, true);
  for (let look = 1; look <= 5; look++) it = stance(it, { ...at, other: false });
  assert.equal(it.isAway, true);
  it = stance(it, { ...at, other: false });
  assert.equal(it.isAway, false);
  assert.equal(stance(it, { ...at, other: null }).isAway, false, 'until it has risen');
  assert.equal(stance(it, { ...at, other: true }).isAway, true);
  const untold = stance(PRESENT, { ...at, other: null });
  assert.equal(stance(untold, { ...at, now: 2_999, other: null }).isAway, true);
  assert.equal(stance(untold, { ...at, now: 3_000, other: null }).isAway, false);
  assert.equal(stance(PRESENT, { ...at, canAsk: false, other: null }).isAway, false);
  assert.equal(stance(PRESENT, { ...at, activeSince: -60_000, other: null }).isAway, false);
});

test('company again ends it once adverts are heard, and without evidence nothing begins', () => {
  const away: Stance = { isAway: true, answers: 4, backSince: null };
  const at = {
    now: 9_000,
    aloneSince: null,
    activeSince: null,
    other: true,
    rule: 'evidence',
    place: 0,
    canAsk: true,
  } as const;
  const back = stance(away, at);
  assert.equal(back.isAway, true);
  assert.equal(stance(back, { ...at, now: 10_400 }).isAway, true);
  assert.deepEqual(stance(back, { ...at, now: 10_500 }), PRESENT);
  const unknown = { ...at, aloneSince: 0, activeSince: -60_000, other: null };
  assert.equal(stance(PRESENT, unknown).isAway, false);
});
