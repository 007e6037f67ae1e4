/** Rows without servers, without the switch of two segments, and of what the API says. */
import { epochMs } from '../../support/dhcp-prober.ts';
import { cutEvery, healAll, killServer, powerOff, startServer } from './deeds.ts';
import { eventRow, type HaEvent } from './event.ts';
import { powerOn } from './grounds.ts';
import type { Row } from './row.ts';
import { shownActive } from './view.ts';

/** R40: plain VRRP goes on. */
export const withoutServer: Row = eventRow({
  name: 'no-server-host-off',
  summary: 'the only server is down, and the active’s host loses its power',
  budget: { p50Ms: 350, maxMs: 500 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: { short: 500, long: 3_000 },
  before: killServer,
  cause: powerOff,
  async heal(affair) {
    await startServer(affair);
    await powerOn(affair.grounds, affair.active);
  },
});

/** One switch has both networks, so no replica hears any other, and no server hears any of them. */
const SWITCH_AWAY = {
  pinged: 'beside',
  serves: 'one',
  lastsMs: { short: 3_000, long: 10_000 },
  heal: healAll,
} as const satisfies Partial<HaEvent>;

export const switchReboots: Row = eventRow({
  ...SWITCH_AWAY,
  name: 'switch-reboots',
  summary: 'the switch of tunnel and management is away for 10 s (3 s): no carrier on either, on any host',
  budget: { p50Ms: 0, maxMs: 0 },
  figure: 'overlap',
  cause: cutEvery({ segments: ['tunnel', 'management'], kind: 'carrier' }),
});

/** R40, and the hosts' links stay up: nothing tells them but that nobody answers. */
export const switchSilent: Row = eventRow({
  ...SWITCH_AWAY,
  name: 'switch-silent',
  untested: 'how long several are active is the figure, and depends on how busy the machine is',
  summary: 'the same switch passes nothing for 10 s (3 s), and its ports stay up',
  budget: { p50Ms: 0, maxMs: 0 },
  figure: 'overlap',
  // On a busy machine a stand-by may rise before it has found out that it hears nobody.
  graceMs: 1_000,
  cause: cutEvery({ segments: ['tunnel', 'management'], kind: 'silent' }),
});

export const switchRebootsWithoutServer: Row = eventRow({
  ...SWITCH_AWAY,
  name: 'no-server-switch-reboots',
  summary: 'the only server is down, and the switch of tunnel and management is away for 10 s',
  untested: 'a host whose switch is away has no server either: switch-reboots is the same to it',
  budget: { p50Ms: 0, maxMs: 0 },
  figure: 'overlap',
  before: killServer,
  cause: cutEvery({ segments: ['tunnel', 'management'], kind: 'carrier' }),
  async heal(affair) {
    await healAll(affair);
    await startServer(affair);
  },
});

/** Until the API is right after the server's process began again. */
export const apiAfterRestart: Row = eventRow({
  name: 'api-after-restart',
  summary: 'the API’s view of who is active, from when a server that was killed answers again',
  budget: { p50Ms: 1_000, maxMs: 1_000 },
  figure: 'own',
  pinged: 'elsewhere',
  serves: 'same',
  lastsMs: { short: 0, long: 0 },
  async cause(affair) {
    await killServer(affair);
    await startServer(affair);
    affair.memory.set('answers', epochMs());
    const { stage, routerId } = affair.grounds;
    await stage.until('the API shows who is active', async () => {
      return (await shownActive(stage.lab, routerId)).join() === affair.active;
    });
    affair.memory.set('right', epochMs());
  },
  own: ({ memory }) => memory.get('right')! - memory.get('answers')!,
});

export const ROWS_OF_SERVERS: readonly Row[] = [
  withoutServer,
  switchReboots,
  switchRebootsWithoutServer,
  switchSilent,
  apiAfterRestart,
];
