/**
 * The same with real dnsmasq: a host of a lab is cut off from all networks, silently, with all the DHCP there is; until others serve it
 * as the servers see it (links wired, floods known), and, once it is back, until nothing stray runs there.
 */
import type { Stage } from '../lab/stage.ts';
import { withLab } from './lab-stage.ts';
import { type Figures, round } from './measure.ts';

const HOSTS = 4;
const DETECTION_S = 2;
const VICTIM = 'h1';

interface MoveDone {
  readonly host: string;
  readonly data: { readonly count: number };
}

async function switchOthers(stage: Stage, on: boolean): Promise<void> {
  const { agents } = await stage.lab.api('GET', '/v2.0/agents?binary=deuteron-agent');
  for (const { id, host, agent_type } of agents) {
    if (host === VICTIM || agent_type !== 'DHCP agent') continue;
    await stage.lab.api('PUT', `/v2.0/agents/${id}`, { agent: { admin_state_up: on } });
  }
}

async function measure(stage: Stage, count: number, say: (text: string) => void): Promise<Figures> {
  await switchOthers(stage, false);
  for (let at = 0; at < count; at++) await stage.port(await stage.network(), 'h2');
  const running = () => stage.lab.find(VICTIM, 'dnsmasq').length;
  await stage.until(`${count} dnsmasq on ${VICTIM}`, () => running() === count, 120_000);
  await stage.settle();
  await switchOthers(stage, true);
  say(`${VICTIM} is cut off with ${count} networks`);
  const began = performance.now();
  for (const segment of ['management', 'tunnel'] as const) {
    await stage.lab.cut({ node: VICTIM, segment, kind: 'silent', direction: 'both' });
  }
  const isMoved = async () => {
    const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?kind=move-done');
    const done = (events as MoveDone[]).filter((event) => event.host === VICTIM);
    return done.reduce((sum, event) => sum + event.data.count, 0) >= count;
  };
  await stage.until('all are served elsewhere', isMoved, 120_000);
  const movedS = (performance.now() - began) / 1000;
  say(`${VICTIM} is back`);
  const backAt = performance.now();
  await stage.lab.heal();
  await stage.until('nothing stray is left', () => running() === 0, 120_000);
  return {
    lab_networks: count,
    lab_moved_s: round(movedS, 2),
    lab_clean_after_return_s: round((performance.now() - backAt) / 1000, 2),
  };
}

/** Seconds from the cut until every network is served elsewhere, and from the host's return until it serves none. */
export const measureLab = (count: number, say: (text: string) => void): Promise<Figures> =>
  withLab(
    {
      ...{ id: 'bresched', hosts: HOSTS, say },
      serverOptions: { 'agent-down-seconds': String(DETECTION_S), 'rebalance-per-minute': '0' },
    },
    (stage) => measure(stage, count, say),
  );
