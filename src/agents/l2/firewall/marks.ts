/**
 * Numbers that tables and the kernel's connection tracking know things by. They are made of ids, so that a later life of the
 * agent, and another host, gives the same ones.
 *
 *   packet      bit 31   it is in a bridge that is filtered
 *               bit 30   the filter of connections let it pass: what it never saw is not let through
 *               bit 29   its connection is not to be tracked
 *               0-27     how the link is treated by which it came, later that by which it goes
 *   connection  16-31    the rule that let it out of a port of this host, 0-15 the one that let it in
 */
import { createHash } from 'node:crypto';

export const OURS = 0x8000_0000;
export const PASSED = 0x4000_0000;
export const UNTRACKED = 0x2000_0000;
/** Of links that are not filtered. */
export const OPEN = OURS + 1;
/** Of links that are about to leave. */
export const CLOSED = OURS + 2;
const LEAST = 16;
const MOST = 0x0fff_ffff;

export const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Of ports of one network with the same groups. `isTaken`: another treatment has that number. */
export function treatmentMark(name: string, isTaken: (mark: number) => boolean): number {
  for (let attempt = 0; ; attempt += 1) {
    const number = digest(`${attempt} ${name}`).readUInt32BE() & MOST;
    const mark = OURS + Math.max(number, LEAST);
    if (!isTaken(mark)) return mark;
  }
}

/** Two rules may have the same one: then what the one let in ends with the other, and begins anew. */
export function ruleMark(ruleId: string): number {
  return digest(ruleId).readUInt16BE() || 1;
}
