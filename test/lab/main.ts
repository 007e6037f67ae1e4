/** `npm run lab`: see USAGE. Stories are told in their long form, each in a lab of its own, with a timeline. Faults: `faults/main.ts`; HA routers: `ha/main.ts`. */
import { leftovers } from '../../src/lab/lifecycle.ts';
import { isRunning, readRecords } from '../../src/lab/processes.ts';
import { missingForLab } from '../../src/lab/requirements.ts';
import { tailOfLog } from '../../src/lab/services.ts';
import { parseCommandLine, refuse, wholeNumber } from '../support/command-line.ts';
import { tryFaults } from './faults/main.ts';
import { FAULTS } from './faults/list.ts';
import { ROWS } from './ha/list.ts';
import { tryHa } from './ha/main.ts';
import { STORIES, setStage, stageName, strikeStage, tellStory } from './playbill.ts';
import type { Story } from './story.ts';

const ID = 'story';
const out = (line: string) => void process.stdout.write(`${line}\n`);

const USAGE = `usage: npm run lab -- [STORY...] [--short] [--seed N] [--keep]
       npm run -s lab -- faults [--only NAME]... [--rounds N] [--json] [--short] [--seed N] [--keep]
       npm run -s lab -- l3-ha [--only NAME]... [--n N] [--routers N] [--json] [--short] [--keep]
       npm run lab -- --list

  STORY        which stories to tell (all)
  --short      in their short form
  --seed N     what chance decides by (drawn)
  --keep       the lab stays up afterwards, or after a fault that failed, for looking around
  --only NAME  a fault, or a row of l3-ha, to try (all)
  --rounds N   how often to try each fault (1)
  --n N        how often to try each row of l3-ha (1)
  --routers N  how many HA routers each host has in busy-hosts (100; with --short 5)
  --json       faults, l3-ha: the table as JSON on standard output, all else on standard error (npm without -s prints lines
               of its own before it)
  --list       names the stories, the faults, and the rows of l3-ha
Exit codes: 0 all ended well, 1 something did not or a lab cannot run here, 2 wrong usage.
`;

const { values, positionals } = parseCommandLine(USAGE, {
  allowPositionals: true,
  options: {
    keep: { type: 'boolean', default: false },
    seed: { type: 'string' },
    short: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '1' },
    n: { type: 'string', default: '1' },
    routers: { type: 'string' },
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

/** Told by programs of their own, each alone. */
const TABLES = ['faults', 'l3-ha'] as const;
type Table = (typeof TABLES)[number];
const isTable = (name: string): name is Table => (TABLES as readonly string[]).includes(name);
/** Options that only these take. */
const FOR_TABLES = {
  only: TABLES,
  json: TABLES,
  rounds: ['faults'],
  n: ['l3-ha'],
  routers: ['l3-ha'],
} as const satisfies Record<string, readonly Table[]>;

const wasGiven = (name: string) =>
  process.argv.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));

async function main(): Promise<number> {
  if (values.list) {
    for (const story of STORIES) out(`${story.name.padEnd(32)}${story.summary}`);
    out(`${'faults'.padEnd(32)}each of these, and a table: --only NAME, --rounds N, --json`);
    for (const fault of FAULTS) out(`  ${fault.name.padEnd(30)}${fault.summary}`);
    out(`${'l3-ha'.padEnd(32)}what happens to HA routers, and a table: --only NAME, --n N, --json`);
    for (const row of ROWS) out(`  ${row.name.padEnd(30)}${row.summary}`);
    return 0;
  }
  const unknown = positionals.filter(
    (name) => !isTable(name) && !STORIES.some((story) => story.name === name),
  );
  if (unknown.length > 0) {
    const names = [...TABLES, ...STORIES.map((story) => story.name)].join(', ');
    refuse(`no such story: ${unknown.join(', ')}; there are ${names}`, USAGE);
  }
  const table = positionals.find(isTable);
  if (table !== undefined && positionals.length > 1)
    refuse(`${table} is told alone, not beside others; name what to try with --only`, USAGE);
  for (const [name, tables] of Object.entries(FOR_TABLES))
    if (wasGiven(name) && !(tables as readonly (Table | undefined)[]).includes(table))
      refuse(`--${name} is for ${tables.join(' and ')} only`, USAGE);
  const rounds = wholeNumber({ name: 'rounds', text: values.rounds, usage: USAGE }, 1);
  const n = wholeNumber({ name: 'n', text: values.n, usage: USAGE }, 1);
  const routers =
    values.routers === undefined
      ? undefined
      : wholeNumber({ name: 'routers', text: values.routers, usage: USAGE }, 1);
  const drawn = String(Math.floor(Math.random() * 1e9));
  const seed = wholeNumber({ name: 'seed', text: values.seed ?? drawn, usage: USAGE });
  const missing = await missingForLab();
  if (missing.length > 0) {
    out(`A lab cannot run here:\n${missing.map((line) => `  - ${line}`).join('\n')}`);
    return 1;
  }
  if (table === 'faults') return tryFaults({ ...values, rounds, seed });
  if (table === 'l3-ha') return tryHa({ ...values, n, routers, id: 'l3ha' });
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
