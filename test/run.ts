/**
 * `npm test`: every kind of test, in this order, closing with `N passed, N failed, N skipped`.
 * `npm test -- WORD ...` runs the files whose path has a WORD; `--only KIND` one kind; `--list` names them.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';

interface Kind {
  readonly name: string;
  readonly files: string;
  /** Files at a time; the lab has the machine to itself, its stories measure and break things. */
  readonly concurrency: number;
}

const KINDS: readonly Kind[] = [
  { name: 'tidy', files: 'test/tidy.test.ts', concurrency: 1 },
  { name: 'unit', files: 'src/**/*.test.ts', concurrency: availableParallelism() },
  { name: 'store', files: 'test/store/**/*.test.ts', concurrency: 1 },
  { name: 'api', files: 'test/api/**/*.test.ts', concurrency: availableParallelism() },
  { name: 'simulation', files: 'test/simulation/**/*.test.ts', concurrency: 1 },
  { name: 'model', files: 'test/model/**/*.test.ts', concurrency: 1 },
  { name: 'lab', files: 'test/lab/**/*.test.ts', concurrency: 1 },
];

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs one kind's files and adds to `count`. */
async function runKind(kind: Kind, words: readonly string[], count: Count): Promise<void> {
  const files = globSync(kind.files)
    .sort()
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (files.length === 0) return;
  process.stdout.write(`\n== ${kind.name}: ${files.length} files\n`);
  const began = performance.now();
  // Half of a short file's time goes into reading what it imports. In the lab it would make our programs start as no user's do.
  if (kind.name === 'lab') delete process.env['NODE_COMPILE_CACHE'];
  else process.env['NODE_COMPILE_CACHE'] = resolve('.cache/compiled');
  const stream = run({ files, concurrency: kind.concurrency, isolation: 'process', timeout: 15 * 60_000 });
  stream.on('test:summary', (summary) => {
    if (summary.file !== undefined) return;
    count.passed += summary.counts.passed;
    count.failed +=
      summary.counts.tests - summary.counts.passed - summary.counts.skipped - summary.counts.todo;
    count.skipped += summary.counts.skipped;
  });
  await new Promise<void>((ended, reject) => {
    stream.on('end', ended);
    stream.on('error', reject);
    stream.compose(new spec()).pipe(process.stdout, { end: false });
  });
  process.stdout.write(`== ${kind.name}: ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, list: { type: 'boolean' } },
});
const chosen = KINDS.filter((kind) => values.only === undefined || kind.name === values.only);
if (chosen.length === 0) {
  process.stderr.write(`no such kind: ${values.only} (${KINDS.map((k) => k.name).join(', ')})\n`);
  process.exit(2);
}
if (values.list) {
  for (const kind of chosen) process.stdout.write(`${globSync(kind.files).sort().join('\n')}\n`);
  process.exit(0);
}

/** Types and lint are checks like the others: each counts as one test. */
async function runTool(name: string, argv: readonly string[], count: Count): Promise<void> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: 'inherit' });
  const code = await new Promise<number>((resolve) => child.on('close', (c) => resolve(c ?? 1)));
  process.stdout.write(`== ${name}: ${code === 0 ? 'passed' : 'FAILED'}\n`);
  if (code === 0) count.passed += 1;
  else count.failed += 1;
}

const count: Count = { passed: 0, failed: 0, skipped: 0 };
if (values.only === undefined && positionals.length === 0) {
  await runTool('types', ['tsc', '-p', '.'], count);
  await runTool('lint', ['biome', 'check', '--error-on-warnings', '.'], count);
}
for (const kind of chosen) await runKind(kind, positionals, count);
process.stdout.write(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`);
process.exit(count.failed === 0 && count.passed > 0 ? 0 : 1);
