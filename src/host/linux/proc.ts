/**
 * What /proc says of processes. Reads are synchronous: procfs never waits for a disk, and a few hundred of them cost
 * less than as many turns of the thread pool.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Ticks since boot: with the pid it names one process for as long as the machine is up. */
  readonly startTime: number;
}

interface Stat {
  readonly state: string;
  readonly session: number;
  readonly startTime: number;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // Gone, or of another user: either way not one of ours.
    return null;
  }
}

/** Parses /proc/PID/stat (proc(5)): the program's name in parentheses may itself hold blanks and parentheses. */
export function parseStat(text: string): Stat | null {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(fields[19]);
  if (fields[0] === undefined || !Number.isInteger(startTime)) return null;
  return { state: fields[0], session: Number(fields[3]), startTime };
}

/** null: there is no such process, or only its zombie. */
export function readStat(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  const stat = text === null ? null : parseStat(text);
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat;
}

export function isAlive(identity: ProcessIdentity): boolean {
  return readStat(identity.pid)?.startTime === identity.startTime;
}

export function readArguments(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1);
}

/** The start environment of a process; empty when it may not be read. */
export function readEnvironment(pid: number): Map<string, string> {
  const variables = new Map<string, string>();
  const text = read(`/proc/${pid}/environ`);
  if (text === null || text === '') return variables;
  for (const entry of Buffer.from(text, 'latin1').toString('utf8').split('\0')) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return variables;
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Whether a process's netlink socket has joined a multicast group: then it misses nothing any more. */
export function listensOnNetlink(pid: number): boolean {
  for (const line of (read(`/proc/${pid}/net/netlink`) ?? '').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[2] === String(pid) && Number.parseInt(fields[3] ?? '0', 16) !== 0) return true;
  }
  return false;
}
