/** Runs spin on the model: all states, random runs, and the way to an error. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun, runProgram } from '../../src/lab/program.ts';

const MODEL = fileURLToPath(new URL('protocol.pml', import.meta.url));
const NAME = 'protocol.pml';
const MEMORY_MB = 6_000;
const DEPTH = 100_000;

/** Bounds and variants of the model: `COMMITS` 3, or a name alone. */
export type Defines = Readonly<Record<string, number | true>>;

/** What keeps the model from being checked here, as a sentence; undefined when nothing does. */
export async function missingForModel(): Promise<string | undefined> {
  for (const [program, pack] of [
    ['spin', 'spin'],
    ['cc', 'gcc'],
  ] as const) {
    const found = await runProgram(['sh', '-c', `command -v ${program}`]);
    if (found.code !== 0) return `the program ${program} is missing (Debian package ${pack})`;
  }
  return undefined;
}

const flags = (defines: Defines): string[] =>
  Object.entries(defines).map(([name, value]) => (value === true ? `-D${name}` : `-D${name}=${value}`));

async function inDirectory<Result>(work: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-model-'));
  try {
    copyFileSync(MODEL, join(directory, NAME));
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const inside = (directory: string, argv: readonly string[]): string[] => [
  ...['sh', '-c', 'cd "$0" && exec "$@"', directory],
  ...argv,
];

export interface Checked {
  /** States stored; each that can be reached, if there is no error. */
  readonly states: number;
  /** What was violated, and the steps to it; undefined: nothing was. */
  readonly error: { readonly what: string; readonly steps: string } | undefined;
}

/**
 * Visits every state that can be reached. `safety`: no assertion fails anywhere, and every run that ends, ends as it
 * should. `termination`: no run goes on for ever (what goes wrong is bounded, so then it must end).
 */
export function check(defines: Defines, property: 'safety' | 'termination' = 'safety'): Promise<Checked> {
  return inDirectory(async (directory) => {
    const isSafety = property === 'safety';
    await mustRun(inside(directory, ['spin', ...flags(defines), '-a', NAME]));
    const how = isSafety ? '-DSAFETY' : '-DNP';
    const compile = ['cc', '-O2', '-w', how, '-DNOCLAIM', '-DCOLLAPSE', `-DMEMLIM=${MEMORY_MB}`];
    await mustRun(inside(directory, [...compile, '-o', 'pan', 'pan.c']));
    const { stdout } = await runProgram(
      inside(directory, ['./pan', `-m${DEPTH}`, ...(isSafety ? [] : ['-l'])]),
    );
    const states = Number(/(\d+(?:\.\d+)?(?:e\+\d+)?) states, stored/.exec(stdout)?.[1] ?? Number.NaN);
    const errors = /errors: (\d+)/.exec(stdout)?.[1];
    if (
      errors === undefined ||
      Number.isNaN(states) ||
      /max search depth too small|out of memory/.test(stdout)
    )
      throw new Error(`the model was not searched to its end:\n${stdout.slice(-2_000)}`);
    if (errors === '0') return { states, error: undefined };
    const what = /^pan:1: (.*)$/m.exec(stdout)?.[1] ?? 'a run that does not end';
    const trail = existsSync(join(directory, `${NAME}.trail`));
    const steps = trail
      ? await mustRun(inside(directory, ['spin', '-T', '-t', ...flags(defines), NAME]))
      : '';
    return { states, error: { what, steps } };
  });
}

/** One random run of the model: its steps. */
export function randomRun(defines: Defines, seed: number): Promise<string> {
  return inDirectory((directory) =>
    mustRun(inside(directory, ['spin', '-T', `-n${seed}`, ...flags(defines), NAME])),
  );
}
