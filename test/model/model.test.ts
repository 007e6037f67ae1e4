/** The model of the watch protocol: checked in all its states, able to fail, and true to the code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replayError, replayRun } from './replay.ts';
import { check, missingForModel, randomRun } from './spin.ts';
import { readTrace } from './trace.ts';
import { BROKEN, RANDOM, SMALLEST } from './variants.ts';

const missing = await missingForModel();
const skip = missing === undefined ? false : `SKIPPED: ${missing}`;
const RUNS = 40;

test(`every state within bounds is right: ${SMALLEST.name}`, { skip }, async (t) => {
  const { states, error } = await check(SMALLEST.defines);
  assert.equal(error, undefined, `${error?.what}\n${error?.steps}`);
  t.diagnostic(`${states} states`);
});

test('no run goes on for ever', { skip }, async (t) => {
  const { states, error } = await check(SMALLEST.defines, 'termination');
  assert.equal(error, undefined, `${error?.what}\n${error?.steps}`);
  t.diagnostic(`${states} states`);
});

for (const { name, defines } of BROKEN) {
  test(`it is found that ${name}; the code goes another way`, { skip }, async (t) => {
    const { states, error } = await check(defines);
    assert.ok(error, 'an error is found');
    const moments = readTrace(error.steps);
    const { refused, skipped } = await replayError(moments);
    t.diagnostic(`after ${states} states, ${moments.length} steps; refused ${refused}, not done ${skipped}`);
  });
}

test('random runs of the model go the same way on the code', { skip }, async (t) => {
  let steps = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const moments = readTrace(await randomRun(RANDOM, seed));
    await replayRun(moments);
    steps += moments.length;
  }
  t.diagnostic(`${RUNS} runs, ${steps} steps`);
});
