import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { TestWorld } from '../../../test/support/network-objects.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import { Takeovers } from './takeover.ts';

const CLAIM = { link: 'ext0', address: '203.0.113.5' };

function stage(t: TestContext) {
  const clock = new ManualClock();
  const said = {
    /** null: it cannot be found out. */
    answers: [] as string[] | null,
    asked: 0,
    changed: [] as string[],
    isThere: false,
  };
  const evidence = {
    async ask() {
      said.asked += 1;
      said.isThere = true;
      if (said.answers === null) throw new Error('no nft');
      return new Set(said.answers);
    },
    async end() {
      said.isThere = false;
    },
  };
  const takeovers = new Takeovers({
    ...{ evidence, clock, world: new TestWorld('h1'), asksBy: new Map() },
    onChange: (id) => void said.changed.push(id),
    onFailure: () => undefined,
  });
  const stop = new AbortController();
  const running = takeovers.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    assert.equal(said.isThere, false, 'nothing is left on the host');
  });
  const pass = async (ms: number) => {
    for (let left = ms; left >= 0; left -= 50) {
      for (let turn = 0; turn < 8; turn++) await new Promise(setImmediate);
      if (left > 0) clock.advance(Math.min(50, left));
    }
  };
  return { said, takeovers, pass, waits: () => takeovers.waitsFor('r', CLAIM, false) };
}

test('nobody answers: taken up after one question, and nobody is asked any more', async (t) => {
  const { said, pass, waits } = stage(t);
  assert.match(waits() ?? '', /it is asked whether another host answers for 203.0.113.5/);
  await pass(0);
  assert.deepEqual([waits(), said.changed, said.asked], [null, ['r'], 1]);
  said.answers = [CLAIM.address];
  await pass(5_000);
  assert.deepEqual([waits(), said.asked, said.isThere], [null, 1, false]);
});

test('somebody answers: asked often at first, then each second; taken up after three silences in a row', async (t) => {
  const { said, pass, waits } = stage(t);
  said.answers = [CLAIM.address];
  waits();
  await pass(0);
  assert.match(waits() ?? '', /another host answers for 203.0.113.5/);
  await pass(3_000);
  const soon = said.asked;
  assert.ok(soon > 10 && soon < 20, `${soon}`);
  await pass(10_000);
  assert.ok(said.asked - soon >= 9 && said.asked - soon <= 12, `${said.asked - soon}`);
  assert.deepEqual(said.changed, ['r']);
  said.answers = [];
  await pass(2_000);
  assert.ok(waits() !== null);
  said.answers = [CLAIM.address];
  await pass(1_000);
  said.answers = [];
  await pass(2_000);
  assert.ok(waits() !== null, 'in a row');
  await pass(1_000);
  assert.deepEqual([waits(), said.changed], [null, ['r', 'r']]);
});

test('who has the addresses goes on, and so does who cannot ask', async (t) => {
  const { said, takeovers, pass, waits } = stage(t);
  assert.equal(takeovers.waitsFor('held', CLAIM, true), null);
  assert.equal(takeovers.waitsFor('inside', null, false), null);
  await pass(100);
  assert.equal(said.asked, 0);
  assert.equal(takeovers.waitsFor('held', CLAIM, false), null, 'in this life');
  takeovers.forget('held');
  assert.notEqual(takeovers.waitsFor('held', CLAIM, false), null);
  said.answers = null;
  waits();
  await pass(0);
  assert.notEqual(waits(), null);
  await pass(500);
  assert.deepEqual([waits(), takeovers.waitsFor('held', CLAIM, false)], [null, null]);
});
