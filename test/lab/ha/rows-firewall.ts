/** Rows in which a host answers to its addresses, and yet what goes by VXLAN does not arrive. */
import { epochMs } from '../../support/dhcp-prober.ts';
import { type Affair, eventRow } from './event.ts';
import type { Row } from './row.ts';

/** As somebody's firewall that was loaded anew without Deuteron in mind. */
const dropping = (port: number) =>
  `table inet firewall { chain input { type filter hook input priority 0; udp dport ${port} drop; }; }`;
/** Both ways of heartbeats, in and out: whoever is behind it hears nobody and is not heard, and its addresses answer. */
const APART = `table inet firewall {
  chain arrivals { type filter hook input priority 0; udp dport { 4789, 14789 } drop; }
  chain departures { type filter hook output priority 0; udp dport { 4789, 14789 } drop; }
}`;
const shut = (port: number) =>
  ({
    cause: ({ grounds, active }: Affair) => grounds.stage.lab.run(active, ['nft', dropping(port)]),
    heal: ({ grounds, active }: Affair) =>
      grounds.stage.lab.run(active, ['nft', 'delete table inet firewall']),
  }) as const;

const tunnelPortLost: Row = eventRow({
  name: 'tunnel-port-lost',
  needsFresh: true,
  summary: 'a firewall on the active’s host drops what comes by tunnels; its addresses answer as before',
  budget: { p50Ms: 3_000, maxMs: 5_000 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: { short: 300, long: 2_000 },
  ...shut(4789),
});

const SHOWN = 'shown';
const TOLD = 'told';

/** Until the API shows the active's path as down, and an alert is open about its host. */
async function untilTold({ grounds, active, memory }: Affair): Promise<void> {
  const { stage, routerId } = grounds;
  const begunAt = epochMs();
  await stage.until('the path is shown as down', async () => {
    const { router } = await stage.lab.api('GET', `/v2.0/deuteron/routers/${routerId}`);
    const replicas: readonly { host: string; paths: { management: string } }[] = router.replicas;
    return replicas.find(({ host }) => host === active)?.paths.management === 'down';
  });
  memory.set(SHOWN, epochMs() - begunAt);
  await stage.until('an alert tells of it', async () => {
    const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?open=true');
    const open: readonly { host: string; data: { alert?: string } }[] = events;
    return open.some(({ host, data }) => host === active && data.alert === 'heartbeat-path');
  });
  memory.set(TOLD, epochMs() - begunAt);
}

const heartbeatPortLost: Row = eventRow({
  name: 'heartbeat-port-lost',
  summary: 'the same of the second path of heartbeats (UDP 14789): nothing moves, it is shown and told',
  budget: { p50Ms: 10_000, maxMs: 15_000 },
  figure: 'own',
  own: ({ memory }) => memory.get(TOLD) ?? Number.NaN,
  pinged: 'elsewhere',
  serves: 'same',
  lastsMs: { short: 0, long: 2_000 },
  ...shut(14_789),
  cause: async (affair) => {
    await shut(14_789).cause(affair);
    await untilTold(affair);
  },
  figures: async ({ memory }) => ({ shown_after_ms: memory.get(SHOWN) ?? Number.NaN }),
});

/** The others rise, are told to step back for the one that had it, and all learn only then who of them is cut off. */
const bothPortsLost: Row = eventRow({
  name: 'both-ports-lost',
  needsFresh: true,
  summary:
    'a firewall on the active’s host drops both VXLAN ports, in and out; servers and its addresses are reached as before',
  budget: { p50Ms: 5_000, maxMs: 8_000 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  // others rise before anybody knows better, and the one that is to have it does so beside the one that goes
  graceMs: 1_000,
  lastsMs: { short: 6_000, long: 15_000 },
  cause: ({ grounds, active }) => grounds.stage.lab.run(active, ['nft', APART]),
  heal: ({ grounds, active }) => grounds.stage.lab.run(active, ['nft', 'delete table inet firewall']),
  async figures({ grounds, active }, { causedAt }) {
    const { stage, routerId } = grounds;
    const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events');
    const all: readonly { at: string; object: string; data: { revises?: string } }[] = events;
    const isIt = (one: (typeof all)[number]) =>
      one.object === `router/${routerId}` && one.data.revises === active && Date.parse(one.at) >= causedAt;
    return { revisions: all.filter(isIt).length };
  },
});

export const ROWS_OF_FIREWALLS: readonly Row[] = [tunnelPortLost, heartbeatPortLost, bothPortsLost];
