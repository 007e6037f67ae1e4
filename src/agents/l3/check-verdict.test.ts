import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuardedResult } from '../../host/host.ts';
import { type Answer, freshVerdict, judge, runOf } from './check-verdict.ts';

const script = { fall: 2, rise: 3, timeoutMs: 3_000 };
const result = (fields: Partial<GuardedResult>): GuardedResult => ({
  ...{ ending: 'exited', code: 0, durationMs: 5, output: '' },
  ...fields,
});

test('what a run says, by how it ended', () => {
  const said = (fields: Partial<GuardedResult>) => {
    const { answer, text } = runOf(result(fields), script);
    return [answer, text];
  };
  assert.deepEqual(said({ output: 'fine\n' }), ['yes', 'fine']);
  assert.deepEqual(said({ code: 1, output: 'asking\n10.0.0.1: no answer\n\n' }), [
    'no',
    '10.0.0.1: no answer',
  ]);
  assert.deepEqual(said({ code: 7 }), ['no', 'exit code 7']);
  assert.deepEqual(said({ ending: 'timed-out', code: 137 }), ['no', 'no end within 3 s']);
  assert.deepEqual(said({ code: 127, output: 'x: not found' }), [
    'nothing',
    'it could not be run (exit code 127): x: not found',
  ]);
  assert.deepEqual(said({ ending: 'signalled', code: 139 }), ['nothing', 'it was ended by signal 11']);
  assert.deepEqual(said({ ending: 'flooded', code: 141, output: 'x' }), [
    'nothing',
    'it was ended because it wrote too much',
  ]);
  assert.equal(said({ ending: 'not-started', code: 1, output: 'no namespace' })[0], 'nothing');
  assert.equal(said({ code: 1, output: `\x1b[31m${'x'.repeat(4096)}` })[1]?.length, 200);
});

/** Standing after each answer. */
function play(answers: readonly Answer[]) {
  let verdict = freshVerdict(0);
  return answers.map((answer, now) => {
    verdict = judge(verdict, { answer, text: answer }, { script, now });
    return verdict.standing;
  });
}

test('it takes as many in a row as rise and fall say, but for the first yes', () => {
  assert.deepEqual(play(['yes', 'no', 'no', 'yes', 'yes', 'yes']), [
    ...['passes', 'passes', 'fails', 'fails', 'fails', 'passes'],
  ]);
  assert.deepEqual(play(['no', 'yes', 'no', 'yes']), ['unknown', 'passes', 'passes', 'passes']);
  assert.deepEqual(play(['no', 'no', 'nothing', 'nothing', 'no']), [
    ...['unknown', 'fails', 'fails', 'broken', 'broken'],
  ]);
});

test('since when, the last words and the last runs are kept', () => {
  let verdict = freshVerdict(0);
  for (const [now, answer] of (['yes', 'no', 'no', 'no'] as const).entries())
    verdict = judge(verdict, { answer, text: `${answer} ${now}` }, { script, now });
  assert.deepEqual([verdict.since, verdict.text, verdict.history], [2, 'no 3', '---+']);
});
