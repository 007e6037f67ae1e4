/**
 * `npm run model [-- --short] [--runs N] [--seed N]`: checks the model of the watch protocol in all its states, shows that
 * the check finds what is broken, and does runs of the model again on the code.
 */
import { parseCommandLine, wholeNumber } from '../support/command-line.ts';
import { replayError, replayRun } from './replay.ts';
import { check, missingForModel, randomRun } from './spin.ts';
import { readTrace } from './trace.ts';
import { BROKEN, LONG, RANDOM, SHORT } from './variants.ts';

const USAGE = `usage: npm run model [-- --short] [--runs N] [--seed N]

  --short   the small variants only
  --runs N  random runs of the model that are done again on the code (200)
  --seed N  the first of their seeds (1)
Exit codes: 0 all holds, 1 something does not or the model cannot be checked here, 2 wrong usage.
`;
const { values } = parseCommandLine(USAGE, {
  options: {
    short: { type: 'boolean', default: false },
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
  },
});
const runs = wholeNumber({ name: 'runs', text: values.runs, usage: USAGE });
const firstSeed = wholeNumber({ name: 'seed', text: values.seed, usage: USAGE });
const out = (line: string) => void process.stdout.write(`${line}\n`);
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
let failed = 0;

async function checkAll(): Promise<void> {
  for (const { name, defines } of values.short ? SHORT : LONG) {
    for (const property of ['safety', 'termination'] as const) {
      if (property === 'termination' && !SHORT.some((one) => one.name === name)) continue;
      const began = performance.now();
      const { states, error } = await check(defines, property);
      if (error) failed++;
      out(`${error ? 'FAILED' : 'holds '}  ${property}: ${name}: ${states} states, ${seconds(began)}`);
      if (error) out(`${error.what}\n${error.steps}`);
    }
  }
}

async function breakAll(): Promise<void> {
  for (const { name, defines } of BROKEN) {
    const { states, error } = await check(defines);
    if (!error) {
      failed++;
      out(`FAILED  not found: ${name}: ${states} states`);
      continue;
    }
    const moments = readTrace(error.steps);
    const { refused, skipped } = await replayError(moments);
    const code = `the code refuses ${refused} frame(s) of it, does not do ${skipped} step(s), and converges`;
    out(`found   ${name}: after ${states} states, ${moments.length} steps; ${code}`);
  }
}

async function replayRuns(): Promise<void> {
  let steps = 0;
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const moments = readTrace(await randomRun(RANDOM, seed));
    try {
      await replayRun(moments);
      steps += moments.length;
    } catch (error) {
      failed++;
      out(`FAILED  the code is not where the model is: seed ${seed}: ${(error as Error).message}`);
      out(`again: npm run model -- --short --runs 1 --seed ${seed}`);
    }
  }
  out(`same    ${runs} random runs of the model done again on the code, ${steps} steps compared`);
}

const missing = await missingForModel();
if (missing !== undefined) {
  out(`The model cannot be checked here: ${missing}`);
  process.exit(1);
}
await checkAll();
await breakAll();
await replayRuns();
process.exit(failed === 0 ? 0 : 1);
