/** Rows in which two are made to be active: as Neutron lets them be, and with the servers' verdict. */
import { epochMs } from '../../support/dhcp-prober.ts';
import { keepHostsApart, letHostsMeet } from './cuts.ts';
import { cutEvery, healAll, killServer, startServer } from './deeds.ts';
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
  before: killServer,
  cause: cutEvery({ segments: ['tunnel'], kind: 'silent' }),
  async heal(affair) {
    await healAll(affair);
    await startServer(affair);
  },
});

interface ShownEvent {
  readonly id: string;
  readonly kind: string;
  readonly object: string;
  readonly data: { readonly alert?: string };
}

/** The alerts on two active replicas of the router, by id. */
async function alertsOf({ grounds }: Affair): Promise<string[]> {
  const { stage, routerId } = grounds;
  const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?limit=100');
  return (events as ShownEvent[])
    .filter(
      ({ kind, object, data }) =>
        kind === 'alert' && data.alert === 'two-active' && object === `router/${routerId}`,
    )
    .map(({ id }) => id);
}

export const twoForced: Row = eventRow({
  name: 'two-active-forced',
  needsFresh: true,
  summary: 'replicas hear each other on neither path, servers hear all of them: how long two are active',
  budget: { p50Ms: 250, maxMs: 500 },
  figure: 'overlap',
  pinged: 'beside',
  serves: 'one',
  // Three seconds would be no verdict, but the leader's look.
  graceMs: 3_000,
  lastsMs: { short: 1_500, long: 5_000 },
  async cause(affair) {
    const { stage } = affair.grounds;
    const known = new Set(await alertsOf(affair));
    await keepHostsApart(stage.lab, ['tunnel', 'management']);
    await stage.until('an alert on two active replicas', async () => {
      return (await alertsOf(affair)).some((id) => !known.has(id));
    });
    affair.memory.set('alert', epochMs());
  },
  heal: ({ grounds }) => letHostsMeet(grounds.stage.lab),
  async figures(affair, { causedAt, endedAt }) {
    const spans = [...affair.grounds.holders.spans(affair.grounds.gateway).values()].flat();
    const begun = spans.map(({ from }) => from).filter((from) => from > causedAt && from < endedAt);
    return { alert_after_ms: affair.memory.get('alert')! - Math.min(...begun) };
  },
});

export const ROWS_OF_TWO: readonly Row[] = [bugReproduced, twoForced];
