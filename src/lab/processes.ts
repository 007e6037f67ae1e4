/**
 * The lab's long-running processes. Each is recorded in a file by name with its pid and start time, so that a pid that was
 * given to somebody else is never signalled; each carries the lab's directory in its environment, so that one whose record
 * was not written any more is found too.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { STATE_VARIABLE } from '../host/linux/processes.ts';
import type { Clock } from '../lib/clock.ts';
import { NotInTime, until } from './until.ts';

/** The environment variable that marks every process of a lab with its state directory. */
export const LAB_MARK = 'DEUTERON_LAB';

export interface ProcessRecord {
  /** `<place>.<what>`, e.g. `h1.agent`. */
  readonly name: string;
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. */
  readonly startTime: string;
}

export interface Identity {
  readonly pid: number;
  readonly startTime: string;
}

export type SignalName = 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGHUP' | 'SIGINT';

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: string;
}

/** proc(5); undefined when there is no such process. */
export function readStat(pid: number): Stat | undefined {
  const text = readProc(pid, 'stat');
  if (text === undefined) return undefined;
  // The name, in parentheses, may hold blanks and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, parent: Number(fields[1]), startTime: fields[19]! };
}

/** A file of /proc/<pid>; undefined when the process is gone or hides it. */
export function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** The program's name as the kernel has it, cut at 15 characters. */
export const programName = (pid: number): string => readProc(pid, 'comm')?.trimEnd() ?? '';

/** Whether that very process still runs; a zombie does not. */
export function isRunning(process: Identity): boolean {
  const stat = readStat(process.pid);
  return stat !== undefined && stat.startTime === process.startTime && !/[ZX]/.test(stat.state);
}

/** Whether it is stopped by SIGSTOP. */
export const isStopped = (process: Identity): boolean =>
  isRunning(process) && readStat(process.pid)?.state === 'T';

export function identityOf(pid: number): Identity | undefined {
  const stat = readStat(pid);
  return stat && !/[ZX]/.test(stat.state) ? { pid, startTime: stat.startTime } : undefined;
}

const recordDirectory = (stateDirectory: string) => join(stateDirectory, 'processes');

export interface LaunchOptions {
  readonly stateDirectory: string;
  readonly name: string;
  readonly argv: readonly string[];
  /** Instead of the environment that this process has; the lab's mark is added. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts it in a session of its own, its output appended to `logs/<name>.log`; resolves once it exists and is recorded. */
export async function launch(options: LaunchOptions): Promise<ProcessRecord> {
  const { stateDirectory, name, argv } = options;
  const [file, ...args] = argv as [string, ...string[]];
  const logPath = logOf(stateDirectory, name);
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, 'a', 0o600);
  try {
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...(options.env ?? process.env), [LAB_MARK]: stateDirectory },
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new Error(`cannot start ${name}`, { cause: error })));
    });
    child.unref();
    const pid = child.pid!;
    const stat = readStat(pid);
    if (!stat) throw new Error(`${name} ended at once: see ${logPath}`);
    const record = { name, pid, startTime: stat.startTime };
    writeRecord(stateDirectory, record);
    return record;
  } finally {
    closeSync(log);
  }
}

export const logOf = (stateDirectory: string, name: string): string =>
  join(stateDirectory, 'logs', `${name}.log`);

function writeRecord(stateDirectory: string, record: ProcessRecord): void {
  const directory = recordDirectory(stateDirectory);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${record.name}.json`);
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
}

/** All that were started under the directory and not forgotten, whether or not they still run. */
export function readRecords(stateDirectory: string): ProcessRecord[] {
  let names: string[];
  try {
    names = readdirSync(recordDirectory(stateDirectory)).filter((name) => name.endsWith('.json'));
  } catch {
    return [];
  }
  return names
    .map(
      (name) =>
        JSON.parse(readFileSync(join(recordDirectory(stateDirectory), name), 'utf8')) as ProcessRecord,
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The record of that name, if its process runs. */
export function findRunning(stateDirectory: string, name: string): ProcessRecord | undefined {
  return readRecords(stateDirectory).find((record) => record.name === name && isRunning(record));
}

export function forget(stateDirectory: string, name: string): void {
  rmSync(join(recordDirectory(stateDirectory), `${name}.json`), { force: true });
}

/** Sends the signal if that very process still runs; says whether it did. */
export function signal(target: Identity, name: SignalName): boolean {
  if (!isRunning(target)) return false;
  try {
    return process.kill(target.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** TERM to all, KILL to what is left after `graceMs`; resolves once none runs. */
export function end(clock: Clock, targets: readonly Identity[], graceMs: number): Promise<void> {
  return endBy(clock, targets, { first: 'SIGTERM', graceMs });
}

/** As `end`, by INT: a server sends nobody elsewhere first, PostgreSQL does not wait for its clients to leave. */
export function interrupt(clock: Clock, targets: readonly Identity[], graceMs: number): Promise<void> {
  return endBy(clock, targets, { first: 'SIGINT', graceMs });
}

async function endBy(
  clock: Clock,
  targets: readonly Identity[],
  { first, graceMs }: { readonly first: SignalName; readonly graceMs: number },
): Promise<void> {
  const gone = () => targets.every((one) => !isRunning(one)) || undefined;
  for (const one of targets) {
    signal(one, first);
    // A stopped process takes it only once it goes on.
    signal(one, 'SIGCONT');
  }
  try {
    if (graceMs > 0)
      return void (await until(clock, { what: 'processes end', timeoutMs: graceMs, everyMs: 10 }, gone));
  } catch (error) {
    if (!(error instanceof NotInTime)) throw error;
  }
  for (const one of targets) signal(one, 'SIGKILL');
  await until(clock, { what: 'killed processes end', timeoutMs: 10_000, everyMs: 5 }, gone);
}

/** The network or mount namespace of a process as the kernel names it, e.g. `net:[4026532281]`. */
export function namespaceOf(pid: number, kind: 'net' | 'mnt' | 'user'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined;
  }
}

/** Every process that `belongs` says yes to, but for this one. */
export function scanProcesses(belongs: (pid: number) => boolean): Identity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && belongs(pid))
    .flatMap((pid) => identityOf(pid) ?? []);
}

/** Whether the process carries the mark of the lab in that directory, or of an agent whose state is below it, which gives none of its own environment on. */
export function isMarked(pid: number, stateDirectory: string): boolean {
  const variables = readProc(pid, 'environ')?.split('\0') ?? [];
  return variables.some(
    (one) =>
      one === `${LAB_MARK}=${stateDirectory}` || one.startsWith(`${STATE_VARIABLE}=${stateDirectory}/`),
  );
}
