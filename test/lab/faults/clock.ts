/**
 * The wall clock is set: that of servers, database, agents and dnsmasq, by Debian's libfaketime, which they were started
 * with. The machine's own clock is left alone, and the monotonic clock goes on as it does when a real clock is set.
 */
import { writeFileSync } from 'node:fs';
import type { Fault, Trouble } from './fault.ts';
import { findFaketime, offsetFile } from './grounds.ts';

const set = ({ stage }: Trouble, offset: string) =>
  writeFileSync(offsetFile(stage.lab.layout.id), `${offset}\n`);

/** A step that nobody may notice: it lasts, so that whatever counts by that clock has time to go wrong. */
function step(name: string, summary: string, offset: string): Fault {
  return {
    name,
    summary,
    lab: 'clocks',
    losesHost: false,
    isHarmless: true,
    lasts: { short: 4, long: 30 },
    countedFrom: 'cause',
    mender: 'none needed: nothing counts by the wall clock',
    async cause(trouble) {
      set(trouble, offset);
      trouble.note(`every clock is set by ${offset} s`);
    },
    async heal(trouble) {
      set(trouble, '+0');
      trouble.note('every clock is set right');
    },
  };
}

export const CLOCK_FAULTS: readonly Fault[] =
  findFaketime() === undefined
    ? []
    : [
        step('clock-stepped-forward', 'all clocks are set forward by an hour, and back', '+3600'),
        step('clock-stepped-back', 'all clocks are set back by an hour, and forward', '-3600'),
      ];
