import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, freshVerdict, judge } from './check-verdict.ts';
import { CheckWords, WORDS_MS } from './check-words.ts';

const script = { fall: 2, rise: 2 };

function stage() {
  const words = new CheckWords();
  let verdict = freshVerdict(0);
  const check = () => ({ routerId: 'r', name: 'gateway', verdict });
  return {
    /** The text, and whether it is news. */
    run(now: number, answer: Answer): [string, boolean] {
      verdict = judge(verdict, { answer, text: answer === 'no' ? 'no answer' : '' }, { script, now });
      const isNews = words.follow(now, [check()]);
      return [words.of(check()), isNews];
    },
    look: (now: number) => words.follow(now, [check()]),
  };
}

test('the last runs are told at most every ten seconds, and no more once they are as they were', () => {
  const s = stage();
  assert.deepEqual(s.run(0, 'yes'), [' [+]', true]);
  assert.deepEqual(s.run(5_000, 'yes'), [' [+]', false]);
  assert.deepEqual(s.run(WORDS_MS, 'yes'), [' [+++]', true]);
  assert.equal(s.look(WORDS_MS + 1_000), false);
  let news = 0;
  for (let at = 15_000; at <= 300_000; at += 5_000) if (s.run(at, 'yes')[1]) news += 1;
  assert.ok(news <= 10, `${news} times`);
  assert.deepEqual(s.run(305_000, 'yes'), [` [${'+'.repeat(20)}]`, false]);
  const once = s.run(310_000, 'no');
  assert.deepEqual(once, [` [-${'+'.repeat(19)}]`, true]);
});

test('a verdict that is another is told at once', () => {
  const s = stage();
  s.run(0, 'yes');
  s.run(1_000, 'no');
  assert.deepEqual(s.run(2_000, 'no'), ['no answer [--+]', true]);
  s.run(3_000, 'nothing');
  assert.deepEqual(s.run(4_000, 'nothing'), ['broken:  [??--+]', true]);
});
