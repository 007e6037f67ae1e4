/** `npm run sim -- --seed N | --seeds N [--from N] | --scenario NAME [--plant BUG] [--json] [--trace]`. */
import { parseArgs } from 'node:util';
import { PLANTS, type Plant } from './plants.ts';
import { run, type RunResult } from './run.ts';
import { SCENARIOS } from './scenarios.ts';

const USAGE = `usage: npm run sim -- [--seed N | --seeds N [--from N]] [--scenario NAME] [--plant BUG] [--json] [--trace]

  --seed N         play one seed
  --seeds N        play N seeds, from --from on (1)
  --scenario NAME  what is played: ${Object.keys(SCENARIOS).join(', ')}
  --plant BUG      with a bug of ours in it, to see it found: ${Object.keys(PLANTS).join(', ')}
  --trace          print the story of a seed
  --json           print one object for each seed
Exit codes: 0 nothing found, 1 a violation, 2 wrong usage.
`;

function fail(text: string): never {
  process.stderr.write(text);
  process.exit(2);
}

const { values } = (() => {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string' },
        from: { type: 'string', default: '1' },
        scenario: { type: 'string', default: 'chaos' },
        plant: { type: 'string' },
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    fail(`${(error as Error).message}\n${USAGE}`);
  }
})();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const scenario = SCENARIOS[values.scenario] ?? fail(`no such scenario: ${values.scenario}\n${USAGE}`);
const plant =
  values.plant === undefined
    ? undefined
    : ((PLANTS[values.plant] as Plant | undefined) ?? fail(`no such plant: ${values.plant}\n${USAGE}`));
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds ?? 1) : 1;
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) fail(USAGE);

function say(result: RunResult): void {
  if (values.trace) process.stdout.write(`${result.story.join('\n')}\n`);
  if (values.json) {
    const { story: _, ...rest } = result;
    process.stdout.write(`${JSON.stringify(rest)}\n`);
    return;
  }
  if (result.failure) {
    process.stdout.write(`seed ${result.seed}: ${result.failure}\n  again: ${result.replay}\n`);
  } else if (count === 1) {
    process.stdout.write(
      `seed ${result.seed}: trace ${result.trace}, ${result.steps} steps, ${(result.virtualMs / 1000).toFixed(1)} s of virtual time\n`,
    );
  }
}

const began = performance.now();
let failed = 0;
let played = 0;
let steps = 0;
for (let seed = first; seed < first + count; seed++) {
  const result = await run(scenario, { seed, ...(plant ? { plant } : {}) });
  steps += result.steps;
  played += 1;
  if (result.failure) failed += 1;
  say(result);
  if (plant && result.failure) break;
}
if (count > 1 && !values.json) {
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`${played} seeds, ${failed} failed, ${steps} steps, ${seconds.toFixed(1)} s\n`);
}
process.exit(failed > 0 ? 1 : 0);
