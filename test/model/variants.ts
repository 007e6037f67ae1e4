/** What is checked: the model as it is, within bounds, and broken ones in which an error must be found. */
import type { Defines } from './spin.ts';

interface Bounds {
  readonly name: string;
  readonly defines: Defines;
}

/** Part of every test run: half a minute. */
export const SMALLEST: Bounds = {
  name: '3 commits, 1 promotion, 1 trim, 1 fault',
  defines: { COMMITS: 3, FAULTS: 1 },
};

export const SHORT: readonly Bounds[] = [
  SMALLEST,
  {
    name: 'the same, old frames still coming',
    defines: { COMMITS: 3, FAULTS: 1, OLD_FRAMES: true },
  },
];

/** Minutes, and some gigabytes. */
export const LONG: readonly Bounds[] = [
  ...SHORT,
  { name: '3 commits, 1 promotion, 1 trim, 2 faults', defines: { COMMITS: 3, FAULTS: 2 } },
  { name: '4 commits, 1 promotion, 1 trim, 1 fault', defines: { COMMITS: 4, FAULTS: 1 } },
  { name: '3 commits, 2 promotions, 1 trim, 1 fault', defines: { COMMITS: 3, FAULTS: 1, PROMOTIONS: 2 } },
];

/** What no longer protects; each is found by the same check. */
export const BROKEN: readonly { readonly name: string; readonly defines: Defines }[] = [
  { name: 'a batch is applied without comparing its `from`', defines: { FROM_IGNORED: true } },
  { name: 'places are compared by position, the tag is ignored', defines: { TAG_IGNORED: true } },
  { name: 'a feed does not look whether the log holds its place', defines: { LINEAGE_IGNORED: true } },
  { name: 'a feed answers from before what it remembers', defines: { TAIL_IGNORED: true } },
  { name: '`synced` does not count the groups that were sent', defines: { SENT_IGNORED: true } },
  {
    name: 'frames of an ended connection are taken',
    defines: { CONNECTION_IGNORED: true, OLD_FRAMES: true },
  },
].map(({ name, defines }) => ({ name, defines: { COMMITS: 3, FAULTS: 1, ...defines } as Defines }));

/** Larger than what can be searched: for random runs. */
export const RANDOM: Defines = { COMMITS: 5, FAULTS: 4, PROMOTIONS: 2, TRIMS: 2 };
