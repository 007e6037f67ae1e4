/**
 * Programs of the operator's, run so that a bad one harms nothing but itself:
 *
 *   nsenter      the namespace that it is to look from
 *   timeout      ends it even if this process is gone by then
 *   prlimit      processes, memory, CPU time, size of files
 *   choom        where memory runs short it is the first to be ended
 *   unshare      a process namespace of its own: when its first process ends, all that it forked end with it, whatever
 *                session they made; and it can signal nobody outside. Mounts and interprocess communication of its own too
 *   sh           mounts one small file system in memory wherever everybody may write, which goes with the run; takes away shared
 *                memory; and changes the root to where all is mounted once more, for the sake of what that forbids
 *   setpriv      an ordinary user, no groups, no capability, none to be gained by a set-user-ID program
 *   sh           says that what follows is the program itself, and is that first process
 *
 * What cannot be had is not done without: then the program is not begun, and the answer says why.
 *
 * What it writes is read up to a limit; then its output is closed, and whoever writes on gets SIGPIPE.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { assert } from '../../lib/assert.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { namespaceName } from '../grammar.ts';
import type { GuardedRun, GuardedResult, Host } from '../host.ts';
import { allPids, isAlive, parseStat, type ProcessIdentity, readParent } from './proc.ts';
import { PROGRAM_PATH } from './program-path.ts';
import { inNamespace } from './spawner.ts';

const MOST_AT_ONCE = 16;
const MOST_OUTPUT = 4096;
/** More than a check needs, and too few to be felt. */
const MOST_PROCESSES = 64;
const MOST_MEMORY = 256 * 2 ** 20;
const MOST_FILE = 2 ** 20;
const MOST_FILES = 256;
/** Of the directories below together. */
const MOST_KEPT = 16 * 2 ** 20;
const MOST_NAMES = 1024;
/** Where everybody may write on an ordinary host: one file system in memory is under all these names. */
const SCRATCH = ['/tmp', '/var/tmp', '/dev/shm', '/run/lock'];
/** Where all of the host's files are once more, as the run's own root. */
const ROOT = `${SCRATCH[0]}/.root`;
/** The program that ends it in time is given this long to do so. */
const GRACE_MS = 500;
const COUNT_KEPT_MS = 10_000;
/** How often is looked whether what did not end has ended: this often at first, ever less often later. */
const LEFT_LOOK_MS = 20;
const LEFT_LOOK_MOST_MS = 1_000;
const DIRECTORY_OPTIONS = `size=${MOST_KEPT},nr_inodes=${MOST_NAMES},mode=1777,nosuid,nodev`;
/**
 * Its argument is a directory below one of those, or nothing: it is the program's own and stays to be seen, but not to be
 * written. It is found by being the working directory, for its path leads into the new file system by then.
 */
const COVER = [
  'set -e; umask 022; own=$0; [ -z "$own" ] || cd "$own"',
  `mount -n -t tmpfs -o ${DIRECTORY_OPTIONS} tmpfs ${SCRATCH[0]}`,
  `for at in ${SCRATCH.slice(1).join(' ')}; do [ ! -d "$at" ] || mount -n --bind ${SCRATCH[0]} "$at"; done`,
  'if [ "$own" ]; then mkdir -p "$own"; mount -n -c --bind . "$own"',
  'mount -n -o remount,bind,ro,nosuid,nodev "$own"; fi',
  // Shared memory and messages of System V would be counted against nobody; the file is of the new namespace (ipc_namespaces(7)).
  'for at in shmall msgmni; do echo 0 > /proc/sys/kernel/$at; done',
  // Who is in a changed root can make no user namespace (user_namespaces(7)), and so mount no memory of its own.
  `mkdir ${ROOT}; mount -n --rbind / ${ROOT}`,
  `cd /; unset OLDPWD; exec chroot ${ROOT} "$@"`,
].join('; ');
/**
 * The program is not the first process itself: that one would not feel SIGPIPE, nor any other signal of its own kind. It
 * tells its own line of proc(5), in which the numbers are those of whoever mounted /proc.
 */
const START = 'umask 077; read -r me < /proc/self/stat; echo "$me" >&3; "$0" "$@" 3>&-; exit "$?"';
const SIGPIPE = 13;

export interface GuardedOptions {
  readonly clock: Clock;
  /** Put before every program. */
  readonly enter: readonly string[];
}

/** A directory that the program's own files are in and that would be covered; '' where it is none, or all of such a one. */
function coveredDirectory(program: string): string {
  const directory = dirname(program);
  return SCRATCH.some((covered) => directory.startsWith(`${covered}/`)) ? directory : '';
}

/** The whole command line. `processes`: how many its user may have, whatever they are of. */
export function guardedArgv(run: GuardedRun, processes: number): string[] {
  const seconds = run.timeoutMs / 1000;
  const { user } = run;
  return [
    ...['timeout', '-s', 'KILL', String(seconds), 'prlimit'],
    ...[`--nproc=${processes}`, `--data=${MOST_MEMORY}`, `--fsize=${MOST_FILE}`],
    ...[`--cpu=${Math.ceil(seconds)}`, `--nofile=${MOST_FILES}`, '--core=0', '--'],
    ...['nice', '-n', '10', 'choom', '-n', '1000', '--', 'unshare', '--pid', '--fork', '--kill-child=KILL'],
    // Of the host's mounts, what comes and goes is followed: a run holds none that the host has done with.
    ...['--ipc', '--mount', '--propagation', 'slave', '--'],
    ...['sh', '-c', COVER, coveredDirectory(run.argv[0] ?? ''), 'setpriv'],
    ...(user === null ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']),
    ...['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', '--pdeathsig=KILL', '--'],
    ...['sh', '-c', START, ...run.argv],
  ];
}

/**
 * How many of the processes, given with their parents, belong to none of `runs`, which are given by their first processes:
 * whatever else belongs to a run has that one for an ancestor (pid_namespaces(7)).
 */
export function countOthers(parents: ReadonlyMap<number, number>, runs: ReadonlySet<number>): number {
  const isOfRun = (pid: number): boolean => {
    let at: number | undefined = pid;
    for (let steps = 0; at !== undefined && steps <= parents.size; steps++) {
      if (runs.has(at)) return true;
      at = parents.get(at);
    }
    return false;
  };
  return [...parents.keys()].filter((pid) => !isOfRun(pid)).length;
}

/** Processes of a user with their parents, those in other process namespaces below this one included. */
function processesOf(uid: number): Map<number, number> {
  const parents = new Map<number, number>();
  for (const pid of allPids())
    if (statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid) parents.set(pid, readParent(pid));
  return parents;
}

export function createGuarded({ clock, enter }: GuardedOptions): Pick<Host, 'runGuarded'> {
  let running = 0;
  const waiting: (() => void)[] = [];
  /** First processes of the runs that are under way. */
  const first = new Set<number>();
  const counts = new Map<number, { count: number; at: number }>();

  function others(uid: number): number {
    const known = counts.get(uid);
    if (known !== undefined && clock.now() - known.at < COUNT_KEPT_MS) return known.count;
    const fresh = { count: countOthers(processesOf(uid), first), at: clock.now() };
    counts.set(uid, fresh);
    return fresh.count;
  }

  /** The kernel counts by user. So much for each run, and never more by what runs make of it: one that forks on and on
   * would have more each time. What is left of a run that does not end is among the others, and can make no more. */
  const processes = (uid: number) => others(uid) + MOST_PROCESSES * running;

  async function runOne(run: GuardedRun): Promise<GuardedResult> {
    const namespace = run.namespace === null ? null : namespaceName(run.namespace);
    const uid = run.user?.uid ?? process.getuid?.() ?? 0;
    const argv = inNamespace(namespace, guardedArgv(run, processes(uid)));
    let began: ProcessIdentity | null = null;
    const onBegin = (identity: ProcessIdentity) => {
      began = identity;
      first.add(identity.pid);
    };
    const result = await runToEnd([...enter, ...argv], run, { clock, onBegin });
    const identity = began as ProcessIdentity | null;
    if (identity === null) return result;
    first.delete(identity.pid);
    if (!isAlive(identity)) return result;
    counts.delete(uid);
    return { ...result, gone: untilGone(identity, clock) };
  }

  return {
    async runGuarded(run) {
      const [program = ''] = run.argv;
      assert(program === resolve(program), 'an absolute path');
      assert(
        run.argv.every((word) => !word.includes('\0')),
        'words without an end in them',
      );
      if (running >= MOST_AT_ONCE) await new Promise<void>((go) => waiting.push(go));
      else running++;
      try {
        return await runOne(run);
      } finally {
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}

/** The first process of a namespace is the last to go: it waits for all others (pid_namespaces(7)). */
async function untilGone(identity: ProcessIdentity, clock: Clock): Promise<void> {
  for (let waitMs = LEFT_LOOK_MS; isAlive(identity); waitMs = Math.min(waitMs * 2, LEFT_LOOK_MOST_MS))
    await sleep(clock, waitMs);
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

interface RunParts {
  readonly clock: Clock;
  readonly onBegin: (first: ProcessIdentity) => void;
}

function runToEnd(
  argv: readonly string[],
  run: GuardedRun,
  { clock, onBegin }: RunParts,
): Promise<GuardedResult> {
  return new Promise((settle) => {
    const begunAt = clock.now();
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      env: { ...run.environment, PATH: PROGRAM_PATH, LC_ALL: 'C' },
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    const started = child.stdio[3] as Readable | null;
    let told = '';
    started?.on('data', (chunk: Buffer) => {
      told += chunk.toString('latin1');
      if (!told.includes('\n')) return;
      const stat = parseStat(told);
      if (stat !== null) onBegin({ pid: Number.parseInt(told, 10), startTime: stat.startTime });
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
      if (told === '') finish('not-started', code);
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
