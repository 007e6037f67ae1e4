/** A row of the table of `npm run lab -- l3-ha`: what happens to an HA router, and what is measured of it. */
import type { HaGrounds, HaKind } from './grounds.ts';

/** What one trial found. */
export interface Sample {
  /** The row's figure, in ms; null: it did not come to that. */
  readonly ms: number | null;
  /** Where it is many trials in one: the figure of each. */
  readonly each?: readonly number[];
  /** Most replicas that held the addresses at once for longer than the row's grace. */
  readonly maxActives: number;
  /** ARP requests from outside that two hosts answered, from the cause to the end. */
  readonly doubleAnswers: number;
  /** For how long pings were lost from the heal on; null where nothing is healed. */
  readonly lostAfterHealMs: number | null;
  /** Other figures, by name with unit. */
  readonly also: Readonly<Record<string, number>>;
  /** What should hold and did not, a sentence each. */
  readonly complaints: readonly string[];
  /** What lasted too long, which on a busy machine it may: the table tells of it, and no test fails of it. */
  readonly late?: readonly string[];
  /** The lab is sooner taken down than put in order. */
  readonly isSpent?: true;
}

export interface Trial {
  readonly grounds: HaGrounds;
  /** short: as part of all tests; long: to be measured. */
  readonly form: 'short' | 'long';
  /** Routers on each host, for rows of many; undefined: as many as the row says. */
  readonly routers?: number | undefined;
  /** A line of the timeline. */
  readonly note: (text: string) => void;
}

export interface Row {
  /** As on the command line: `npm run lab -- l3-ha --only host-off`. */
  readonly name: string;
  readonly summary: string;
  readonly kind: HaKind;
  /** What the figure is: a few words. */
  readonly figure: string;
  /** Half of the trials, and all, must stay within these; null: the row has no such figure. */
  readonly budget: { readonly p50Ms: number; readonly maxMs: number } | null;
  /** So many trials are as good as any number: what it measures takes many at once, or minutes. */
  readonly enough?: number;
  /** Each trial to be measured is in a lab of its own: what ailed a replica in one would weigh on it in the next. */
  readonly needsFresh?: true;
  /** Why its short form is not among all tests; undefined: it is. */
  readonly untested?: string;
  /** Leaves the world as it was. Throws where that cannot be said. */
  measure(trial: Trial): Promise<Sample>;
}
