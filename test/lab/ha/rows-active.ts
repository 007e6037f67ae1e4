/** Rows in which the active replica, its host or its links fail. */
import assert from 'node:assert/strict';
import { cutActive, cutEvery, healAll, moveAway, powerOff } from './deeds.ts';
import { eventRow, type HaEvent } from './event.ts';
import { powerOn } from './grounds.ts';
import type { Row } from './row.ts';

const BRIEFLY = { short: 300, long: 1_000 };
const A_WHILE = { short: 2_000, long: 8_000 };

export const plannedMove: Row = eventRow({
  name: 'planned-move',
  summary: 'an operator moves the active role to another host',
  budget: { p50Ms: 30, maxMs: 100 },
  figure: 'silence',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: BRIEFLY,
  cause: moveAway,
});

export const hostOff: Row = eventRow({
  name: 'host-off',
  summary: 'the active’s host loses its power: all links down, no process left',
  budget: { p50Ms: 350, maxMs: 500 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: BRIEFLY,
  cause: powerOff,
  heal: ({ grounds, active }) => powerOn(grounds, active),
});

export const keepalivedKilled: Row = eventRow({
  name: 'keepalived-killed',
  summary: 'the active’s keepalived is killed (-9, both processes)',
  budget: { p50Ms: 350, maxMs: 500 },
  figure: 'moved',
  pinged: 'elsewhere',
  // One that is started again at once may be the first.
  serves: 'any',
  graceMs: 500,
  lastsMs: BRIEFLY,
  async cause({ grounds, active }) {
    const killed = grounds.stage.lab.signal(active, 'keepalived', 'SIGKILL');
    assert.ok(killed.length >= 2, `keepalived of ${active}: ${killed.length} processes`);
  },
});

/** The active is cut off, and another is to serve. */
const CUT_OFF = {
  needsFresh: true,
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: A_WHILE,
  heal: healAll,
} as const satisfies Partial<HaEvent>;

export const ownTunnelCut: Row = eventRow({
  ...CUT_OFF,
  name: 'own-tunnel-cut',
  summary: 'frames on the active’s own tunnel link vanish',
  budget: { p50Ms: 600, maxMs: 1_000 },
  cause: cutActive({ segments: ['tunnel'], kind: 'silent' }),
});

export const ownTunnelDown: Row = eventRow({
  ...CUT_OFF,
  name: 'own-tunnel-down',
  summary: 'the active’s own tunnel link loses its carrier',
  budget: { p50Ms: 600, maxMs: 1_000 },
  cause: cutActive({ segments: ['tunnel'], kind: 'carrier' }),
});

export const tunnelAndManagementCut: Row = eventRow({
  ...CUT_OFF,
  name: 'tunnel-and-management-cut',
  summary:
    'the active is cut off tunnel and management, the external segment is well: it gives up when it sees another holder',
  budget: { p50Ms: 3_000, maxMs: 3_000 },
  graceMs: 3_000,
  cause: cutActive({ segments: ['tunnel', 'management'], kind: 'silent' }),
});

/** Where a machine beside the active is pinged: machines on other hosts are beyond the tunnels. */
export const tunnelsCut: Row = eventRow({
  name: 'tunnels-cut',
  summary: 'no tunnel between any two hosts, management is well (bug 1375625)',
  budget: null,
  figure: 'silence',
  pinged: 'beside',
  serves: 'same',
  lastsMs: { short: 2_500, long: 10_000 },
  cause: cutEvery({ segments: ['tunnel'], kind: 'silent' }),
  heal: healAll,
});

export const ROWS_OF_ACTIVE: readonly Row[] = [
  plannedMove,
  hostOff,
  keepalivedKilled,
  ownTunnelCut,
  ownTunnelDown,
  tunnelAndManagementCut,
  tunnelsCut,
];
