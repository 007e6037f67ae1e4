/** Rows in which the active replica, its host or its links fail. */
import assert from 'node:assert/strict';
import { epochMs } from '../../support/dhcp-prober.ts';
import { hostsOf } from '../../../src/lab/layout.ts';
import { switchOff } from '../power.ts';
import { cutHosts } from './cuts.ts';
import { type Affair, eventRow } from './event.ts';
import { powerOn } from './grounds.ts';
import type { Row } from './row.ts';

const BRIEFLY = { short: 300, long: 1_000 };
const A_WHILE = { short: 2_000, long: 8_000 };

async function powerOff({ grounds, active, note }: Affair): Promise<void> {
  const { stage, holders } = grounds;
  const at = epochMs();
  const off = switchOff(stage.lab, active);
  holders.off(active, at);
  note(`${active} is off: ${await off} processes ended`);
}

const healAll = ({ grounds }: Affair) => grounds.stage.lab.heal();

export const plannedMove: Row = eventRow({
  name: 'planned-move',
  summary: 'an operator moves the active role to another host',
  budget: { p50Ms: 30, maxMs: 100 },
  figure: 'silence',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: BRIEFLY,
  cause: ({ grounds }) =>
    grounds.stage.lab.api('POST', `/v2.0/deuteron/routers/${grounds.routerId}/failover`),
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

export const ownTunnelCut: Row = eventRow({
  name: 'own-tunnel-cut',
  needsFresh: true,
  summary: 'frames on the active’s own tunnel link vanish',
  budget: { p50Ms: 600, maxMs: 1_000 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: A_WHILE,
  cause: ({ grounds, active }) =>
    cutHosts(grounds.stage.lab, [active], { segments: ['tunnel'], kind: 'silent' }),
  heal: healAll,
});

export const ownTunnelDown: Row = eventRow({
  name: 'own-tunnel-down',
  needsFresh: true,
  summary: 'the active’s own tunnel link loses its carrier',
  budget: { p50Ms: 600, maxMs: 1_000 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: A_WHILE,
  cause: ({ grounds, active }) =>
    cutHosts(grounds.stage.lab, [active], { segments: ['tunnel'], kind: 'carrier' }),
  heal: healAll,
});

export const tunnelAndManagementCut: Row = eventRow({
  name: 'tunnel-and-management-cut',
  needsFresh: true,
  summary:
    'the active is cut off tunnel and management, the external segment is well: it gives up when it sees another holder',
  budget: { p50Ms: 3_000, maxMs: 3_000 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  graceMs: 3_000,
  lastsMs: A_WHILE,
  cause: ({ grounds, active }) =>
    cutHosts(grounds.stage.lab, [active], { segments: ['tunnel', 'management'], kind: 'silent' }),
  heal: healAll,
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
  cause: ({ grounds }) =>
    cutHosts(
      grounds.stage.lab,
      hostsOf(grounds.stage.lab.layout).map(({ name }) => name),
      { segments: ['tunnel'], kind: 'silent' },
    ),
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
