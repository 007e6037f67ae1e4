/** Rows without servers, without the switch of two segments, and of what the API says. */
import { hostsOf } from '../../../src/lab/layout.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { switchOff } from '../power.ts';
import { PATIENCE_MS } from '../stage.ts';
import { cutHosts } from './cuts.ts';
import { type Affair, eventRow } from './event.ts';
import { powerOn } from './grounds.ts';
import type { Row } from './row.ts';
import { shownActive } from './view.ts';

const SERVER = 'ctl1';
const hosts = ({ grounds }: Affair) => hostsOf(grounds.stage.lab.layout).map(({ name }) => name);
const healAll = ({ grounds }: Affair) => grounds.stage.lab.heal();

const killServer = ({ grounds }: Affair) => grounds.stage.lab.kill(SERVER, 'server');
const startServer = async ({ grounds }: Affair) => {
  const { lab } = grounds.stage;
  await lab.start(SERVER);
  await lab.waitForServer(SERVER, { timeoutMs: PATIENCE_MS });
};

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
  async cause({ grounds, active }) {
    const at = epochMs();
    const off = switchOff(grounds.stage.lab, active);
    grounds.holders.off(active, at);
    await off;
  },
  async heal(affair) {
    await startServer(affair);
    await powerOn(affair.grounds, affair.active);
  },
});

export const switchReboots: Row = eventRow({
  name: 'switch-reboots',
  summary: 'the switch of tunnel and management is away for 10 s: no carrier on either, on any host',
  untested: 'until carriers that are gone are told before heartbeats are missed, standbys rise for a moment',
  budget: null,
  figure: 'silence',
  pinged: 'beside',
  serves: 'one',
  lastsMs: { short: 3_000, long: 10_000 },
  cause: (affair) =>
    cutHosts(affair.grounds.stage.lab, hosts(affair), {
      segments: ['tunnel', 'management'],
      kind: 'carrier',
    }),
  heal: healAll,
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

export const ROWS_OF_SERVERS: readonly Row[] = [withoutServer, switchReboots, apiAfterRestart];
