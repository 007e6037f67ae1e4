/** `npm run sim`: see USAGE. */
import { availableParallelism } from 'node:os';
import { parseCommandLine, refuse, wholeNumber } from '../support/command-line.ts';
import { type Kit, KITS } from './kits.ts';
import type { Plan } from './plan.ts';
import { playMany } from './play-many.ts';
import { kindOf, type RunResult } from './run.ts';
import { readScenarioFile, type ScenarioFile, writeScenarioFile } from './scenario-file.ts';
import { shrink } from './shrink.ts';
import { Totals } from './totals.ts';

const namesOf = (what: 'scenarios' | 'plants') =>
  Object.entries(KITS)
    .map(([world, kit]) => `${kit[what].join(', ')}${world === 'networks' ? '' : ` (${world})`}`)
    .join('; ');

const USAGE = `usage: npm run -s sim -- [--seed N [--shrink] | --seeds N [--from N] | --file PATH] [more options]

  --seed N         play one seed
  --seeds N        play N seeds, from --from on (1)
  --file PATH      play a scenario file
  --shrink         of a seed or file that fails: find the fewest faults with which it still does, and write a scenario file
  --write PATH     where to, instead of scenario-N.json
  --world NAME     networks: ports and DHCP on many hosts; l3: HA routers, their wires and keepalived
  --scenario NAME  what is played: ${namesOf('scenarios')}
  --plant BUG      with a bug of ours in it, to see it found: ${namesOf('plants')}
  --jobs N         threads for many seeds (as many as there are processors)
  --coverage       print which faults met which states, and what never met
  --trace          print the story of a seed
  --json           print one object for each seed, and one for all (npm without -s prints lines of its own before them)
Exit codes: 0 nothing found, 1 a violation, 2 wrong usage.
`;
const SHRINK_BUDGET = 600;

const fail = (problem: string): never => refuse(problem, USAGE);

const { values } = parseCommandLine(USAGE, {
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    file: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    write: { type: 'string' },
    world: { type: 'string', default: 'networks' },
    scenario: { type: 'string', default: 'chaos' },
    plant: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    coverage: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});

const numberOf = (name: string, text: string) => wholeNumber({ name, text, usage: USAGE }, 1);

const say = (text: string) => process.stdout.write(text);
/** What is for reading: out of the way of the objects where those are asked for. */
const note = (text: string) => (values.json ? process.stderr : process.stdout).write(text);

function tell(result: RunResult): void {
  if (values.trace) note(`${result.story.join('\n')}\n`);
  if (values.json) {
    const { story: _, coverage: __, ...rest } = result;
    say(`${JSON.stringify(rest)}\n`);
  } else if (result.failure !== undefined) {
    say(`seed ${result.seed}: ${result.failure}\n  again: ${result.replay}\n`);
  }
}

function tellOne(result: RunResult): void {
  tell(result);
  if (values.json || result.failure !== undefined) return;
  const converged = ((result.convergedInMs ?? 0) / 1000).toFixed(1);
  const virtual = (result.virtualMs / 1000).toFixed(1);
  say(`seed ${result.seed}: trace ${result.trace}, ${result.steps} steps, ${result.deliveries} deliveries, `);
  say(`${virtual} s of virtual time, converged ${converged} s after the worst\n`);
}

/** The command that plays a scenario file again. */
function replayOf(path: string): string {
  const { world, plant } = values;
  return [
    `npm run sim -- --file ${path}`,
    ...(world === 'networks' ? [] : [`--world ${world}`]),
    ...(plant === undefined ? [] : [`--plant ${plant}`]),
  ].join(' ');
}

/** Makes a failing plan small, and writes it. Returns whether it failed at all. */
async function shrinkPlan(kit: Kit, plan: Plan, path: string): Promise<boolean> {
  const { plant } = values;
  const first = await kit.runPlan(plan, plant);
  if (first.failure === undefined) {
    note('it does not fail: there is nothing to make smaller\n');
    return false;
  }
  const kind = kindOf(first.failure);
  const found = await shrink(plan, {
    budget: SHRINK_BUDGET,
    fails: async (one) => kindOf((await kit.runPlan(one, plant)).failure ?? '') === kind,
    onSmaller: ({ faults, requests, hosts, servers }) =>
      process.stderr.write(
        `${faults.length} faults, ${requests.length} requests, ${hosts} hosts, ${servers} servers\n`,
      ),
  });
  const { failure = '', story } = await kit.runPlan(found.plan, plant);
  if (values.trace) note(`${story.join('\n')}\n`);
  note(`${failure}\n${found.tries} tries; what is left:\n`);
  for (const { kind: name, atMs } of found.plan.faults) note(`  ${(atMs / 1000).toFixed(3)} ${name}\n`);
  for (const line of story.filter((text) => / fault: | asked to /.test(text))) note(`  ${line}\n`);
  const { requests, hosts, servers, durationMs } = found.plan;
  note(`  ${requests.length} requests, ${hosts} hosts, ${servers} servers, ${durationMs / 1000} s\n`);
  writeScenarioFile(path, { about: failure.split('\n', 1)[0] ?? '', plan: found.plan });
  note(`again: ${replayOf(path)}\n`);
  return true;
}

function scenarioOf(path: string): ScenarioFile {
  try {
    return readScenarioFile(path);
  } catch (error) {
    return fail(`--file ${path}: ${(error as Error).message}`);
  }
}

async function main(): Promise<boolean> {
  const { world, scenario, plant } = values;
  const kit = KITS[world] ?? fail(`no such world: ${world}`);
  if (!kit.scenarios.includes(scenario)) fail(`no such scenario: ${scenario}`);
  if (plant !== undefined && !kit.plants.includes(plant)) fail(`no such plant: ${plant}`);
  const file = values.file === undefined ? undefined : scenarioOf(values.file);
  const seed = values.seed === undefined ? undefined : numberOf('seed', values.seed);
  if (values.shrink) {
    const plan =
      file?.plan ?? (seed === undefined ? fail('--shrink needs a seed or a file') : kit.drawPlan(seed));
    return shrinkPlan(kit, plan, values.write ?? `scenario-${plan.seed}.json`);
  }
  if (file !== undefined || seed !== undefined || values.seeds === undefined) {
    const result = file
      ? { ...(await kit.runPlan(file.plan, plant)), replay: replayOf(values.file ?? '') }
      : await kit.run(seed ?? 1, { scenario, plant });
    tellOne(result);
    if (values.coverage) note(kit.coverageText(result.coverage));
    return result.failure !== undefined;
  }
  const totals = new Totals(kit.boundMs);
  await playMany({
    ...{ world, scenario, plant },
    first: numberOf('from', values.from),
    count: numberOf('seeds', values.seeds),
    jobs: numberOf('jobs', values.jobs),
    onResult(result) {
      totals.add(result);
      if (values.json || result.failure !== undefined) tell(result);
      // a planted bug is found once
      return plant !== undefined && result.failure !== undefined;
    },
  });
  say(values.json ? `${JSON.stringify({ total: totals.figures() })}\n` : totals.text());
  if (values.coverage) note(kit.coverageText(totals.coverage));
  return totals.failed > 0;
}

process.exitCode = (await main()) ? 1 : 0;
