/** Rows in which two are made to be active: as Neutron lets them be, and with the servers' verdict. */
import { readFileSync } from 'node:fs';
import { logOf } from '../../../src/lab/processes.ts';
import { serviceName } from '../../../src/lab/services.ts';
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

interface LogLine {
  readonly time: string;
  readonly event?: {
    readonly kind: string;
    readonly object: string;
    readonly data: { readonly alert?: string };
  };
}

/** When the server's log told of two active replicas of the router (epoch ms), from then on; undefined: not yet. */
function alertedAt({ grounds }: Affair, from: number): number | undefined {
  const { stage, routerId } = grounds;
  const { layout } = stage.lab;
  const path = logOf(layout.stateDirectory, serviceName(stage.lab.node('ctl1'), 'server'));
  const lines = readFileSync(path, 'utf8').split('\n');
  const times = lines.flatMap((text) => {
    if (!text.includes('two-active') || !text.endsWith('}')) return [];
    const { time, event } = JSON.parse(text) as LogLine;
    const isIt = event?.kind === 'alert' && event.object === `router/${routerId}`;
    return isIt ? [Date.parse(time)] : [];
  });
  return times.find((at) => at >= from);
}

export const twoForced: Row = eventRow({
  name: 'two-active-forced',
  needsFresh: true,
  lookMs: 250,
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
    const began = epochMs();
    await keepHostsApart(stage.lab, ['tunnel', 'management']);
    // Not by asking the API, which would have the server work for it meanwhile.
    const told = await stage.until('an alert on two active replicas', () => alertedAt(affair, began));
    affair.memory.set('alert', told);
  },
  heal: ({ grounds }) => letHostsMeet(grounds.stage.lab),
  async figures(affair, { causedAt, endedAt }) {
    const spans = [...affair.grounds.holders.spans(affair.grounds.gateway).values()].flat();
    const begun = spans.map(({ from }) => from).filter((from) => from > causedAt && from < endedAt);
    return { alert_after_ms: affair.memory.get('alert')! - Math.min(...begun) };
  },
});

/** Both ways of heartbeats, in and out. */
const NO_HEARTBEATS = `table inet firewall {
  chain arrivals { type filter hook input priority 0; udp dport { 4789, 14789 } drop; }
  chain departures { type filter hook output priority 0; udp dport { 4789, 14789 } drop; }
}`;

export const silentActive: Row = eventRow({
  name: 'silent-active',
  needsFresh: true,
  summary:
    'the active’s agent is gone for good and its heartbeats are lost on both paths, its external link is well: two are active until somebody acts, and an alert says so',
  budget: null,
  figure: 'overlap',
  pinged: 'elsewhere',
  serves: 'several',
  lastsMs: { short: 300, long: 5_000 },
  async cause(affair) {
    const { grounds, active, note } = affair;
    const { lab } = grounds.stage;
    const began = epochMs();
    await lab.kill(active, 'agent');
    await lab.run(active, ['nft', NO_HEARTBEATS]);
    const told = await grounds.stage.until(
      'an alert on another host that answers outside',
      () => alertedAt(affair, began),
      30_000,
    );
    note(`the alert came ${Math.round(told - began)} ms after the cause`);
    affair.memory.set('alert', told);
  },
  async heal({ grounds, active }) {
    const { lab } = grounds.stage;
    await lab.run(active, ['nft', 'delete table inet firewall']);
    await lab.start(active);
  },
  async figures({ grounds, memory }, { causedAt }) {
    const { stage, routerId } = grounds;
    await stage.until('the alert has ended', async () => {
      const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?open=true');
      return !(events as LogLine['event'][]).some(
        (one) => one?.data.alert === 'two-active' && one.object === `router/${routerId}`,
      );
    });
    return { told_after_ms: memory.get('alert')! - causedAt };
  },
});

export const ROWS_OF_TWO: readonly Row[] = [bugReproduced, twoForced, silentActive];
