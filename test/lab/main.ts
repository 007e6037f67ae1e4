/**
 * `npm run lab -- [STORY...] [--keep] [--seed N] [--short] [--list]`: tells stories in their long form, each in a lab of its
 * own, with a timeline. With --keep the lab stays up afterwards, for looking around.
 * `npm run lab -- faults ...` tries faults instead: `faults/main.ts`.
 */
import { parseArgs } from 'node:util';
import { leftovers } from '../../src/lab/lifecycle.ts';
import { isRunning, readRecords } from '../../src/lab/processes.ts';
import { missingForLab } from '../../src/lab/requirements.ts';
import { tailOfLog } from '../../src/lab/services.ts';
import { tryFaults } from './faults/main.ts';
import { FAULTS } from './faults/list.ts';
import { STORIES, setStage, stageName, strikeStage, tellStory } from './playbill.ts';
import type { Story } from './story.ts';

const ID = 'story';
const out = (line: string) => void process.stdout.write(`${line}\n`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    keep: { type: 'boolean', default: false },
    seed: { type: 'string' },
    short: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

/** The ends of the logs, and which processes run: what one looks at first. */
function showRemains(): void {
  const { stateDirectory } = stageName(ID);
  for (const record of readRecords(stateDirectory)) {
    out(`-- ${record.name}: ${isRunning(record) ? `runs (pid ${record.pid})` : 'has ended'}`);
    if (/server|agent|database/.test(record.name)) out(tailOfLog(stateDirectory, record.name, 8));
  }
}

/** Says whether it ended well. */
async function tellAlone(story: Story, seed: number): Promise<boolean> {
  out(`\n${story.name}: ${story.summary} (seed ${seed})`);
  try {
    const stage = await setStage(ID, story, { report: (text) => out(`           ${text}`) });
    await tellStory(story, stage, { form: values.short ? 'short' : 'long', seed, out });
    out(`${story.name}: well`);
    return true;
  } catch (error) {
    out(`${story.name}: FAILED\n${error instanceof Error ? error.stack : error}`);
    showRemains();
    out(`again: npm run lab -- ${story.name} --seed ${seed}`);
    return false;
  } finally {
    if (values.keep) {
      out(`the lab stays: deuteron lab status --id ${ID}; deuteron lab down --id ${ID}`);
    } else {
      await strikeStage(ID);
      for (const left of await leftovers(stageName(ID))) out(`LEFT BEHIND: ${left}`);
    }
  }
}

async function main(): Promise<number> {
  if (values.list) {
    for (const story of STORIES) out(`${story.name.padEnd(32)}${story.summary}`);
    out(`${'faults'.padEnd(32)}each of these, and a table: --only NAME, --rounds N, --json`);
    for (const fault of FAULTS) out(`  ${fault.name.padEnd(30)}${fault.summary}`);
    return 0;
  }
  const unknown = positionals.filter(
    (name) => name !== 'faults' && !STORIES.some((story) => story.name === name),
  );
  if (unknown.length > 0) {
    out(`no such story: ${unknown.join(', ')}; there are ${STORIES.map((story) => story.name).join(', ')}`);
    return 2;
  }
  const missing = await missingForLab();
  if (missing.length > 0) {
    out(`A lab cannot run here:\n${missing.map((line) => `  - ${line}`).join('\n')}`);
    return 1;
  }
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
  if (positionals[0] === 'faults')
    return tryFaults({ ...values, rounds: Math.max(1, Number(values.rounds) || 1), seed });
  process.on('SIGINT', () => void strikeStage(ID).finally(() => process.exit(130)));
  const wanted = STORIES.filter((story) => positionals.length === 0 || positionals.includes(story.name));
  let failed = 0;
  for (const story of wanted) {
    if (!(await tellAlone(story, seed))) failed++;
    if (values.keep && failed > 0) break;
  }
  out(`\n${wanted.length - failed} of ${wanted.length} stories ended well`);
  return failed === 0 ? 0 : 1;
}

process.exit(await main());
