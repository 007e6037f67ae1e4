import { spawn } from 'node:child_process';
import type { Clock } from '../../lib/clock.ts';

export interface Finished {
  /** Exit code; 128 + signal number is not used: -1 when it was ended by a signal or the time limit. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** A promise: the program is started, and waits for it. */
  readonly input?: string | Promise<string>;
  readonly timeoutMs?: number;
}

export interface Spawner {
  /** Runs a program to its end. Never throws for the program's failure; a program that is not there gives code 127. */
  run(argv: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Whether one of the last programs that it ran has, or had, this number. */
  isOwn(pid: number): boolean;
}

export interface SpawnerOptions {
  readonly clock: Clock;
  /** How many programs run at once; the others wait in order. */
  readonly limit: number;
  readonly timeoutMs: number;
  /** Put before every program. */
  readonly enter: readonly string[];
}

/** More than run while a message of the kernel is on its way. */
const REMEMBERED_PIDS = 256;

/** What programs need to behave the same everywhere; nothing of ours leaks into them. */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

export function createSpawner(options: SpawnerOptions): Spawner {
  let running = 0;
  const waiting: (() => void)[] = [];
  const pids = new Set<number>();
  const remember = (pid: number) => {
    pids.delete(pid);
    pids.add(pid);
    for (const oldest of pids) if (pids.size > REMEMBERED_PIDS) pids.delete(oldest);
  };

  async function enter(): Promise<void> {
    if (running < options.limit) {
      running++;
      return;
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function leave(): void {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }

  return {
    async run(argv, runOptions = {}) {
      await enter();
      try {
        return await runOne([...options.enter, ...argv], { ...options, remember }, runOptions);
      } finally {
        leave();
      }
    },
    isOwn: (pid) => pids.has(pid),
  };
}

function runOne(
  argv: readonly string[],
  options: SpawnerOptions & { remember: (pid: number) => void },
  runOptions: RunOptions,
): Promise<Finished> {
  const { input, timeoutMs = options.timeoutMs } = runOptions;
  return new Promise((resolve) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      env: PROGRAM_ENVIRONMENT,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    if (child.pid !== undefined) options.remember(child.pid);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let timedOut = false;
    const cancel = options.clock.after(timeoutMs, () => {
      timedOut = true;
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open; without this 'close' would wait for it.
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    // EPIPE when the program ends before it read everything: its exit code says what happened.
    child.stdin?.on('error', () => child.stdin?.destroy());
    // Who never says what it is to do has it do nothing.
    Promise.resolve(input).then(
      (text) => child.stdin?.end(text),
      () => child.stdin?.end(),
    );
    const finish = (code: number, extra: string) => {
      cancel();
      resolve({
        code,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString() + extra,
      });
    };
    child.on('error', (error) => finish(127, error.message));
    child.on('close', (code) => {
      if (timedOut) finish(-1, `${argv[0]}: no end within ${timeoutMs} ms`);
      else finish(code ?? -1, '');
    });
  });
}

/** `argv` made to run in a named namespace; the program keeps the pid that the spawn returned. */
export function inNamespace(namespace: string | null, argv: readonly string[]): readonly string[] {
  return namespace === null ? argv : ['nsenter', `--net=/run/netns/${namespace}`, '--', ...argv];
}

/** A program's complaint as one line. */
export function complaint(finished: Finished): string {
  const text = finished.stderr.trim().replace(/\s*\n\s*/g, '; ');
  return text === '' ? `exit code ${finished.code}` : text.slice(0, 500);
}
