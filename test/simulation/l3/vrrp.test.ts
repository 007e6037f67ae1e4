import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Advert, Vrrp, type VrrpState } from './vrrp.ts';

/** Instances on one segment on which every advert arrives at once, but from or to those that are cut off. */
function segment(priorities: readonly number[]) {
  let now = 0;
  const cut = new Set<number>();
  const log: string[] = [];
  const deliver = (from: number, advert: Advert) => {
    for (const [at, other] of all.entries())
      if (at !== from && !cut.has(from) && !cut.has(at)) other.hear(advert, now);
  };
  const all: Vrrp[] = priorities.map(
    (priority, at) =>
      new Vrrp({ advertMs: 100, source: at + 1 }, priority, {
        send: (advert) => deliver(at, advert),
        became: (state: VrrpState) => log.push(`${Math.round(now)} ${at} ${state}`),
      }),
  );
  const pass = (ms: number) => {
    const end = now + ms;
    for (;;) {
      const next = Math.min(...all.map((one) => one.deadline));
      if (next > end) break;
      now = Math.max(now, next);
      for (const one of all) one.expire(now);
    }
    now = end;
  };
  const primaries = () => all.flatMap((one, at) => (one.state === 'primary' ? [at] : []));
  const one = (at: number) => all[at] as Vrrp;
  for (const instance of all) instance.start(0, true);
  return { pass, primaries, one, cut, log, now: () => now };
}

test('the highest priority rises after three adverts and the skew', () => {
  const s = segment([250, 230, 210]);
  // 300 + (256 - 250) * 100 / 256
  s.pass(302);
  assert.deepEqual(s.primaries(), []);
  s.pass(1);
  assert.deepEqual(s.primaries(), [0]);
  s.pass(10_000);
  assert.deepEqual(s.primaries(), [0]);
});

test('one that leaves in order is followed within the skew, one that is cut off within the interval', () => {
  const s = segment([250, 230]);
  s.pass(1_000);
  s.one(0).stop();
  s.pass(11);
  assert.deepEqual(s.primaries(), [1]);
  const t = segment([250, 230]);
  t.pass(1_000);
  t.cut.add(0);
  t.pass(311);
  assert.deepEqual(t.primaries(), [0, 1]);
  t.cut.delete(0);
  t.pass(100);
  assert.deepEqual(t.primaries(), [0], 'the higher priority stays');
});

test('a primary whose priority falls below a backup loses its place, and a backup that rises takes it', () => {
  const s = segment([250, 230]);
  s.pass(1_000);
  s.one(0).setPriority(100);
  s.pass(450);
  assert.deepEqual(s.primaries(), [1]);
  s.one(0).setPriority(250);
  s.pass(450);
  assert.deepEqual(s.primaries(), [0]);
});

test('of equal priorities the higher address stays', () => {
  const s = segment([250, 250]);
  s.cut.add(0);
  s.pass(1_000);
  assert.deepEqual(s.primaries(), [0, 1]);
  s.cut.delete(0);
  s.pass(100);
  assert.deepEqual(s.primaries(), [1]);
});

test('in fault it takes no part, and comes back as a backup', () => {
  const s = segment([250, 230]);
  s.pass(1_000);
  s.one(0).fail();
  s.pass(11);
  assert.deepEqual(s.primaries(), [1]);
  s.one(0).recover(s.now());
  assert.equal(s.one(0).state, 'backup');
  s.pass(305);
  assert.deepEqual(s.primaries(), [0]);
});
