/**
 * Tells a process that is alive and does nothing from one that is merely slow or idle, without a packet sent: what /proc
 * says at two looks. Pure but for the reading of /proc.
 */
import { hasStoppedChild, readSockets, readStat, type SocketCounts, type Stat } from './proc.ts';

/** What was seen of a process at one moment. */
export interface Look {
  readonly at: number;
  readonly stat: Stat;
  /** null: not looked at. */
  readonly sockets: SocketCounts | null;
}

/** Stopped by a signal for that long: nobody goes on soon. */
const STOPPED_MS = 400;
/** Asleep for that long with datagrams before its door. */
const UNREAD_MS = 600;
/** The same of one that computes or waits for a disk: it may be reading a large file. */
const UNREAD_BUSY_MS = 10_000;

/**
 * 'suspect': look again soon, and compare with this same first look. A process counts as stuck only if at both looks
 * there was something for it to do and in between it did nothing of it.
 */
export function judge(first: Look, second: Look): { stuck: string } | 'suspect' | 'well' {
  const elapsedMs = second.at - first.at;
  if (second.stat.state === 'T') {
    if (first.stat.state !== 'T') return 'suspect';
    return elapsedMs >= STOPPED_MS ? { stuck: 'is stopped' } : 'suspect';
  }
  const before = first.sockets;
  const now = second.sockets;
  if (before === null || now === null || before.unread === 0 || now.unread === 0) return 'well';
  if (now.read !== before.read) return 'well';
  const isIdle =
    /[St]/.test(first.stat.state) && /[St]/.test(second.stat.state) && first.stat.ticks === second.stat.ticks;
  if (elapsedMs < (isIdle ? UNREAD_MS : UNREAD_BUSY_MS)) return 'suspect';
  return { stuck: 'does not read what it is sent' };
}

/** Whether this look alone gives reason for another. */
export const isSuspicious = (look: Look): boolean =>
  look.stat.state === 'T' || (look.sockets?.unread ?? 0) > 0;

/** undefined: it is gone. */
export function lookAt(pid: number, now: number, withIpv6: boolean): Look | undefined {
  const own = readStat(pid);
  if (own === null) return undefined;
  // Whatever the program itself does, it does by what it started.
  const stat = own.state !== 'T' && hasStoppedChild(pid) ? { ...own, state: 'T' } : own;
  return { at: now, stat, sockets: stat.state === 'T' ? null : readSockets(pid, withIpv6) };
}
