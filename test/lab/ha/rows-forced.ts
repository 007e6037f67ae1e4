/** Rows in which two are made to be active: as Neutron lets them be, and with the servers' verdict. */
import { hostsOf } from '../../../src/lab/layout.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { cutHosts, keepHostsApart, letHostsMeet } from './cuts.ts';
import { type Affair, eventRow } from './event.ts';
import type { Row } from './row.ts';

/** Nothing of ours decides: adverts have one way, and no server is there. Bug 1375625 as it was reported. */
export const bugReproduced: Row = eventRow({
  name: 'tunnels-cut-unprotected',
  summary:
    'bug 1375625 reproduced: one heartbeat path, no server to judge, no tunnel between any two hosts: several are active',
  kind: 'one-path',
  budget: null,
  figure: 'overlap',
  pinged: 'beside',
  serves: 'several',
  lastsMs: { short: 1_500, long: 10_000 },
  before: ({ grounds }) => grounds.stage.lab.kill('ctl1', 'server'),
  cause: ({ grounds }) =>
    cutHosts(
      grounds.stage.lab,
      hostsOf(grounds.stage.lab.layout).map(({ name }) => name),
      { segments: ['tunnel'], kind: 'silent' },
    ),
  async heal({ grounds }) {
    await grounds.stage.lab.heal();
    await grounds.stage.lab.waitForServer('ctl1', { timeoutMs: 30_000 });
  },
});

interface ShownEvent {
  readonly id: string;
  readonly kind: string;
  readonly severity: string;
  readonly message: string;
}

/** The first alert on this router since, looked for again and again: when it was seen. */
async function untilAlert({ grounds }: Affair, known: ReadonlySet<string>): Promise<number> {
  const { stage, routerId } = grounds;
  await stage.until('an alert on two active replicas', async () => {
    const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?limit=50');
    return (events as ShownEvent[]).some(
      (event) =>
        !known.has(event.id) && event.severity === 'alert' && JSON.stringify(event).includes(routerId),
    );
  });
  return epochMs();
}

export const twoForced: Row = eventRow({
  name: 'two-active-forced',
  summary: 'replicas hear each other on neither path, servers hear all of them: how long two are active',
  budget: { p50Ms: 250, maxMs: 500 },
  figure: 'overlap',
  pinged: 'beside',
  serves: 'one',
  graceMs: 500,
  lastsMs: { short: 1_500, long: 5_000 },
  async cause(affair) {
    const { stage } = affair.grounds;
    const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?limit=500');
    const known = new Set((events as ShownEvent[]).map(({ id }) => id));
    await keepHostsApart(stage.lab, ['tunnel', 'management']);
    affair.memory.set('alert', await untilAlert(affair, known));
  },
  heal: ({ grounds }) => letHostsMeet(grounds.stage.lab),
  async figures(affair, { causedAt, endedAt }) {
    const spans = [...affair.grounds.holders.spans(affair.grounds.gateway).values()].flat();
    const begun = spans.map(({ from }) => from).filter((from) => from > causedAt && from < endedAt);
    return { alert_after_ms: affair.memory.get('alert')! - Math.min(...begun) };
  },
});

export const ROWS_OF_TWO: readonly Row[] = [bugReproduced, twoForced];
