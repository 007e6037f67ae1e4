/**
 * `npm test`: every kind of test, in this order, closing with `N passed, N failed, N skipped`.
 * `npm test -- WORD ...` runs the files whose path has a WORD; `--only KIND` one kind; `--list` names them.
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { offerCluster } from './support/postgres.ts';

interface Kind {
  readonly name: string;
  readonly files: string;
  /** Of them, those whose text it says yes to. */
  readonly holds?: (text: string) => boolean;
}

/** One role or verb on real Linux, alone in namespaces of the test's own: it disturbs nobody, unlike a whole lab. */
const isApart = (text: string): boolean => text.includes('inOwnNamespaces(');

/** Kinds that are run together, as so many files at a time; what is named first is begun first. */
interface Round {
  readonly kinds: readonly Kind[];
  readonly concurrency: number;
}

const ROUNDS: readonly Round[] = [
  { kinds: [{ name: 'tidy', files: 'test/tidy.test.ts' }], concurrency: 1 },
  {
    kinds: [{ name: 'unit', files: 'src/**/*.test.ts', holds: (text) => !isApart(text) }],
    concurrency: availableParallelism(),
  },
  {
    // What takes longest is first, what is short fills the cores at the end.
    kinds: [
      { name: 'model', files: 'test/model/**/*.test.ts' },
      { name: 'simulation', files: 'test/simulation/**/*.test.ts' },
      { name: 'store', files: 'test/store/**/*.test.ts' },
      { name: 'api', files: 'test/api/**/*.test.ts' },
    ],
    // Some only wait: for an agent to be dead, for a device to be asked again.
    concurrency: availableParallelism() + 1,
  },
  {
    kinds: [{ name: 'linux', files: '{src,test/lab}/**/*.test.ts', holds: isApart }],
    concurrency: availableParallelism(),
  },
  {
    // It has the machine to itself: its stories measure and break things.
    kinds: [{ name: 'lab', files: 'test/lab/**/*.test.ts', holds: (text) => !isApart(text) }],
    concurrency: 1,
  },
];
const KINDS = ROUNDS.flatMap(({ kinds }) => kinds);

/** So many of the files are named at the end that took longest. */
const SLOWEST = 15;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  readonly tookMs: Map<string, number>;
}

const filesOf = ({ files, holds = () => true }: Kind): string[] =>
  globSync(files)
    .sort()
    .filter((file) => holds(readFileSync(file, 'utf8')));

/** Runs the files of kinds and adds to `tally`. */
async function runRound(
  { concurrency, kinds }: Round,
  words: readonly string[],
  tally: Tally,
): Promise<void> {
  const isChosen = (file: string) => words.length === 0 || words.some((word) => file.includes(word));
  const files = kinds.flatMap(filesOf).filter(isChosen);
  if (files.length === 0) return;
  const names = kinds.map(({ name }) => name).join(', ');
  process.stdout.write(`\n== ${names}: ${files.length} files\n`);
  const began = performance.now();
  // Half of a short file's time goes into reading what it imports. In the lab it would make our programs start as no user's do.
  if (names === 'lab') delete process.env['NODE_COMPILE_CACHE'];
  else process.env['NODE_COMPILE_CACHE'] = resolve('.cache/compiled');
  const offered = /store|api/.test(names) ? await offerCluster() : undefined;
  try {
    await runFiles(files, concurrency, tally);
  } finally {
    await offered?.close();
  }
  process.stdout.write(`== ${names}: ${seconds(performance.now() - began)} s\n`);
}

async function runFiles(files: string[], concurrency: number, tally: Tally): Promise<void> {
  const stream = run({ files, concurrency, isolation: 'process', timeout: 15 * 60_000 });
  stream.on('test:summary', ({ file, counts, duration_ms: tookMs }) => {
    if (file !== undefined) return void tally.tookMs.set(file, tookMs);
    tally.passed += counts.passed;
    tally.failed += counts.tests - counts.passed - counts.skipped - counts.todo;
    tally.skipped += counts.skipped;
  });
  await new Promise<void>((ended, reject) => {
    stream.on('end', ended);
    stream.on('error', reject);
    stream.compose(new spec()).pipe(process.stdout, { end: false });
  });
}

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

/** What would have to be quicker for all to be. */
function tellSlowest({ tookMs }: Tally): void {
  if (tookMs.size < 2) return;
  const slowest = [...tookMs].sort(([, one], [, other]) => other - one).slice(0, SLOWEST);
  const lines = slowest.map(([file, ms]) => `${seconds(ms).padStart(8)} s  ${relative('.', file)}\n`);
  process.stdout.write(`\n== the slowest files\n${lines.join('')}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, list: { type: 'boolean' } },
});
const isWanted = ({ name }: Kind) => values.only === undefined || name === values.only;
const rounds = ROUNDS.map((round) => ({ ...round, kinds: round.kinds.filter(isWanted) }));
if (!KINDS.some(isWanted)) {
  process.stderr.write(`no such kind: ${values.only} (${KINDS.map((k) => k.name).join(', ')})\n`);
  process.exit(2);
}
if (values.list) {
  for (const kind of KINDS.filter(isWanted)) process.stdout.write(`${filesOf(kind).join('\n')}\n`);
  process.exit(0);
}

/** Types and lint are checks like the others: each counts as one test. */
async function runTool(name: string, argv: readonly string[], tally: Tally): Promise<void> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: 'inherit' });
  const code = await new Promise<number>((resolve) => child.on('close', (c) => resolve(c ?? 1)));
  process.stdout.write(`== ${name}: ${code === 0 ? 'passed' : 'FAILED'}\n`);
  if (code === 0) tally.passed += 1;
  else tally.failed += 1;
}

const tally: Tally = { passed: 0, failed: 0, skipped: 0, tookMs: new Map() };
if (values.only === undefined && positionals.length === 0) {
  await runTool('types', ['tsc', '-p', '.'], tally);
  await runTool('lint', ['biome', 'check', '--error-on-warnings', '.'], tally);
}
for (const round of rounds) await runRound(round, positionals, tally);
tellSlowest(tally);
process.stdout.write(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
