/**
 * What /proc says of processes. Reads are synchronous: procfs never waits for a disk, and a few hundred of them cost
 * less than as many turns of the thread pool.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Ticks since boot: with the pid it names one process for as long as the machine is up. */
  readonly startTime: number;
}

export interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** CPU time used, user and system, in clock ticks. */
  readonly ticks: number;
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
  return {
    state: fields[0],
    parent: Number(fields[1]),
    session: Number(fields[3]),
    ticks: Number(fields[11]) + Number(fields[12]),
    startTime,
  };
}

/** Of the UDP sockets of a network namespace. */
export interface SocketCounts {
  /** Bytes that wait to be read. */
  readonly unread: number;
  /** Datagrams that were read since the namespace was made; 0 where nothing waits. */
  readonly read: number;
}

/** Parses /proc/net/udp (proc(5)): the fifth column is `tx_queue:rx_queue` in hexadecimal. */
export function unreadBytes(text: string): number {
  let sum = 0;
  for (const [, unread = ''] of text.matchAll(/^\s*\d+: \S+ \S+ \S+ [0-9A-F]+:([0-9A-F]+) /gm))
    sum += Number.parseInt(unread, 16);
  return sum;
}

/** Parses a line pair `Udp: names` and `Udp: values` of /proc/net/snmp, or `Udp6InDatagrams n` of snmp6. */
export function datagramsRead(snmp: string, snmp6: string): number {
  const [names = '', values = ''] = snmp.split('\n').filter((line) => line.startsWith('Udp: '));
  const at = names.split(' ').indexOf('InDatagrams');
  const four = at < 0 ? 0 : Number(values.split(' ')[at]);
  return four + Number(/^Udp6InDatagrams\s+(\d+)/m.exec(snmp6)?.[1] ?? 0);
}

/** As the process's namespace has them; IPv6 only on demand: it is a second file, and mostly the same story. */
export function readSockets(pid: number, withIpv6: boolean): SocketCounts {
  const of = (file: string) => read(`/proc/${pid}/net/${file}`) ?? '';
  const unread = unreadBytes(of('udp')) + (withIpv6 ? unreadBytes(of('udp6')) : 0);
  return { unread, read: unread === 0 ? 0 : datagramsRead(of('snmp'), of('snmp6')) };
}

/** null: there is no such process, or only its zombie. */
export function readStat(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  const stat = text === null ? null : parseStat(text);
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat;
}

/** Of a zombie too; 0: there is no such process. */
export function readParent(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  return (text === null ? null : parseStat(text))?.parent ?? 0;
}

/** A shell that guards a program, which has a child of its own. */
const GENERATIONS = 2;

/** Whether one that it started, or one that such a one started, is stopped by a signal. */
export function hasStoppedChild(pid: number, generations = GENERATIONS): boolean {
  const children = (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number);
  return children.some(
    (child) => readStat(child)?.state === 'T' || (generations > 1 && hasStoppedChild(child, generations - 1)),
  );
}

export function isAlive(identity: ProcessIdentity): boolean {
  return readStat(identity.pid)?.startTime === identity.startTime;
}

/** The inode number of its network namespace, as the namespace's name has it; null: it is gone. */
export function readNamespace(pid: number): number | null {
  try {
    return Number(/^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1] ?? Number.NaN);
  } catch {
    return null;
  }
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
