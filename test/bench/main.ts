/**
 * `npm run -s bench -- NAME [--json] [...]`: measures, prints the figures with the machine's noise. `--json` prints one object
 * `{"bench", "machine", "figures": {...}}` a bench and nothing else on standard output.
 */
import { describeMachine, type Figures } from './measure.ts';

export interface Bench {
  readonly summary: string;
  /** Names of its own options, each with a number: `--agents=1000`. */
  readonly options?: readonly string[];
  readonly run: (options: BenchOptions) => Promise<Figures>;
}

export interface BenchOptions {
  readonly args: readonly string[];
  /** Besides the figures: rows of one shape. With `--json` they stand under this name beside `bench`. */
  readonly table: (name: string, rows: readonly Readonly<Record<string, string | number>>[]) => void;
  /** Progress, on standard error. */
  readonly say: (text: string) => void;
}

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  api: async () => (await import('./api.ts')).apiBench,
  ports: async () => (await import('./ports.ts')).portsBench,
  serve: async () => (await import('./serve.ts')).serveBench,
  restart: async () => (await import('./restart.ts')).restartBench,
  watch: async () => (await import('./watch.ts')).watchBench,
  drift: async () => (await import('./drift.ts')).driftBench,
  audit: async () => (await import('./audit.ts')).auditBench,
  liveness: async () => (await import('./liveness.ts')).livenessBench,
  'security-groups': async () => (await import('./security-groups.ts')).securityGroupsBench,
  idle: async () => (await import('./idle.ts')).idleBench,
  reschedule: async () => (await import('./reschedule.ts')).rescheduleBench,
};

async function usage(): Promise<string> {
  const lines = [
    'usage: npm run -s bench -- NAME... [--json] [--OPTION=N ...]',
    '',
    'NAME is all, or of',
    '',
  ];
  for (const [name, open] of Object.entries(BENCHES)) {
    lines.push(`  ${name.padEnd(12)}${(await open()).summary}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Columns by their longest cell, with their names above. */
function aligned(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) => `  ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`)
    .join('\n');
}

const argv = process.argv.slice(2);
const json = argv.includes('--json');
const names = argv.filter((word) => !word.startsWith('-'));
const chosen = names.includes('all') ? Object.keys(BENCHES) : names;
if (argv.includes('--help')) {
  process.stdout.write(await usage());
  process.exit(0);
}
if (chosen.length === 0 || chosen.some((name) => !Object.hasOwn(BENCHES, name))) {
  process.stderr.write(await usage());
  process.exit(2);
}
const benches = await Promise.all(chosen.map(async (name) => ({ name, bench: await BENCHES[name]!() })));
const known = benches.flatMap(({ bench }) => bench.options ?? []);
const isKnown = (word: string) => known.includes(/^--([a-z]+)=\d+$/.exec(word)?.[1] ?? '');
// Whatever is not understood is no reason to measure for minutes.
const strange = argv.filter((word) => word.startsWith('-') && word !== '--json' && !isKnown(word));
if (strange.length > 0) {
  const choice = ['--json', ...known.map((name) => `--${name}=N`)].join(', ');
  process.stderr.write(`bench: unknown option ${strange.join(', ')}; there is ${choice}\n`);
  process.exit(2);
}
for (const { name, bench } of benches) {
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  say(`${name}: ${bench.summary}`);
  const machine = describeMachine();
  const tables: Record<string, readonly Readonly<Record<string, string | number>>[]> = {};
  const figures = await bench.run({
    args: argv.filter((word) => word.startsWith('--')),
    say,
    table: (called, rows) => {
      tables[called] = rows;
    },
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ bench: name, machine, figures, ...tables })}\n`);
    continue;
  }
  for (const rows of Object.values(tables)) process.stdout.write(`${aligned(rows)}\n`);
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  for (const [key, value] of Object.entries(figures))
    process.stdout.write(`  ${key.padEnd(width)}  ${value}\n`);
  const { min, median, max } = machine.noise_ms;
  process.stdout.write(
    `  machine: ${machine.cores} cores, load ${machine.load1}, a fixed computation takes ${min} / ${median} / ${max} ms (min / median / max)\n`,
  );
}
process.exit(0);
