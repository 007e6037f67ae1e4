/**
 * Programs of the operator's, run so that a bad one harms nothing but itself:
 *
 *   nsenter      the namespace that it is to look from
 *   timeout      ends it even if this process is gone by then
 *   prlimit      processes, memory, CPU time, size of files
 *   unshare      a process namespace of its own: when its first process ends, all that it forked end with it, whatever
 *                session they made; and it can signal nobody outside
 *   setpriv      an ordinary user, no groups, no capability, none to be gained by a set-user-ID program
 *   sh           says that what follows is the program itself, and is that first process
 *
 * What it writes is read up to a limit; then its output is closed, and whoever writes on gets SIGPIPE.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { assert } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { namespaceName } from '../grammar.ts';
import type { GuardedRun, GuardedResult, Host } from '../host.ts';
import { allPids } from './proc.ts';
import { inNamespace } from './spawner.ts';

const MOST_AT_ONCE = 16;
const MOST_OUTPUT = 4096;
/** More than a check needs, and too few to be felt. */
const MOST_PROCESSES = 64;
const MOST_MEMORY = 256 * 2 ** 20;
const MOST_FILE = 2 ** 20;
const MOST_FILES = 256;
/** The program that ends it in time is given this long to do so. */
const GRACE_MS = 500;
const COUNT_KEPT_MS = 10_000;
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
/** The program is not the first process itself: that one would not feel SIGPIPE, nor any other signal of its own kind. */
const START = 'umask 077; echo >&3; "$0" "$@" 3>&-; exit "$?"';
const SIGPIPE = 13;

export interface GuardedOptions {
  readonly clock: Clock;
  /** Put before every program. */
  readonly enter: readonly string[];
}

/** The whole command line. `others`: processes that the user has already, which count against its limit too. */
export function guardedArgv(run: GuardedRun, others: number): string[] {
  const seconds = run.timeoutMs / 1000;
  const { user } = run;
  return [
    ...['timeout', '-s', 'KILL', String(seconds), 'prlimit'],
    ...[`--nproc=${others + MOST_PROCESSES}`, `--data=${MOST_MEMORY}`, `--fsize=${MOST_FILE}`],
    ...[`--cpu=${Math.ceil(seconds)}`, `--nofile=${MOST_FILES}`, '--core=0', '--'],
    ...['nice', '-n', '10', 'unshare', '--pid', '--fork', '--kill-child=KILL', '--', 'setpriv'],
    ...(user === null ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']),
    ...['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', '--pdeathsig=KILL', '--'],
    ...['sh', '-c', START, ...run.argv],
  ];
}

/** Processes of a user, those in other process namespaces below this one included. */
function countProcesses(uid: number): number {
  let count = 0;
  for (const pid of allPids()) if (statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid) count++;
  return count;
}

export function createGuarded({ clock, enter }: GuardedOptions): Pick<Host, 'runGuarded'> {
  let running = 0;
  const waiting: (() => void)[] = [];
  const counts = new Map<number, { count: number; at: number }>();

  function others(uid: number): number {
    const known = counts.get(uid);
    if (known !== undefined && clock.now() - known.at < COUNT_KEPT_MS) return known.count;
    const fresh = { count: countProcesses(uid), at: clock.now() };
    counts.set(uid, fresh);
    return fresh.count;
  }

  return {
    async runGuarded(run) {
      const [program = ''] = run.argv;
      assert(program === resolve(program), 'an absolute path');
      assert(
        run.argv.every((word) => !word.includes('\0')),
        'words without an end in them',
      );
      const namespace = run.namespace === null ? null : namespaceName(run.namespace);
      if (running >= MOST_AT_ONCE) await new Promise<void>((go) => waiting.push(go));
      else running++;
      try {
        const uid = run.user?.uid ?? process.getuid?.() ?? 0;
        const argv = inNamespace(namespace, guardedArgv(run, others(uid)));
        return await runToEnd([...enter, ...argv], run, clock);
      } finally {
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}

/** Reads up to the limit, then closes. */
function takeOutput(streams: readonly (Readable | null)[]) {
  const chunks: Buffer[] = [];
  const taken = { bytes: 0, isFlood: false };
  const close = () => {
    for (const stream of streams) stream?.destroy();
  };
  for (const stream of streams)
    stream?.on('data', (chunk: Buffer) => {
      if (taken.bytes < MOST_OUTPUT) chunks.push(chunk.subarray(0, MOST_OUTPUT - taken.bytes));
      taken.bytes += chunk.length;
      if (taken.bytes <= MOST_OUTPUT) return;
      taken.isFlood = true;
      close();
    });
  return { taken, close, text: () => Buffer.concat(chunks).toString() };
}

function runToEnd(argv: readonly string[], run: GuardedRun, clock: Clock): Promise<GuardedResult> {
  return new Promise((settle) => {
    const begunAt = clock.now();
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      env: { ...run.environment, PATH, LC_ALL: 'C' },
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    const started = child.stdio[3] as Readable | null;
    let hasStarted = false;
    started?.on('data', () => {
      hasStarted = true;
    });
    const output = takeOutput([child.stdout, child.stderr]);
    const cancel = clock.after(run.timeoutMs + GRACE_MS, () => {
      if (child.pid !== undefined) killGroup(child.pid);
      // A grandchild that got away would hold them open.
      output.close();
      started?.destroy();
    });
    const finish = (ending: GuardedResult['ending'], code: number) => {
      cancel();
      settle({ ending, code, durationMs: clock.now() - begunAt, output: output.text() });
    };
    child.once('error', () => finish('not-started', 127));
    child.once('close', (exit) => {
      const code = exit ?? 137;
      if (!hasStarted) finish('not-started', code);
      else if (output.taken.isFlood && code === 128 + SIGPIPE) finish('flooded', code);
      else if (code > 128 && clock.now() - begunAt >= run.timeoutMs) finish('timed-out', code);
      else finish(code > 128 ? 'signalled' : 'exited', code);
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
