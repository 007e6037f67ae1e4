/** Rows of size: a floating IP more on a router that has a thousand, and a hundred routers on busy hosts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { OUTSIDE } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { type HaGrounds, outside, seatOn, untilCalm } from './grounds.ts';
import { Holders } from './holders.ts';
import { addressOf, type Network, type Port } from '../stage.ts';
import { PING_MS, Pinger } from './pings.ts';
import type { Row, Sample, Trial } from './row.ts';
import { crowds, mostAtOnce } from './spans.ts';
import { shownActive } from './view.ts';

/** Enough addresses for a thousand floating IPs, and some beyond the pool; whatever the outside has there is on its link. */
const WIDE = {
  cidr: '198.18.0.0/20',
  gateway_ip: '198.18.0.1',
  allocation_pools: [{ start: '198.18.0.2', end: '198.18.14.255' }],
  enable_dhcp: false,
};
/** And as many for what is behind them. */
const WIDE_INSIDE = { cidr: '10.40.0.0/20' };
const AT_ONCE = 50;
const SIDE_BY_SIDE = 4;

interface Wide {
  readonly subnetId: string;
  readonly inside: Network;
}

/** By lab, once one was asked for. */
const wides = new WeakMap<HaGrounds, Wide>();

async function widen(grounds: HaGrounds): Promise<Wide> {
  const { stage, external, routerId } = grounds;
  const { lab } = stage;
  const { subnet } = await lab.api('POST', '/v2.0/subnets', {
    subnet: { network_id: external.id, ip_version: 4, ...WIDE },
  });
  await lab.runOutside(['ip', 'route', 'replace', WIDE.cidr, 'dev', OUTSIDE.device]);
  const inside = await stage.network(WIDE_INSIDE);
  const path = `/v2.0/routers/${routerId}/add_router_interface`;
  await lab.api('PUT', path, { subnet_id: inside.subnetId });
  const made = { subnetId: subnet.id, inside };
  wides.set(grounds, made);
  return made;
}

/** Floating IPs of the wide range on the router up to so many, each for a port of its own that is bound nowhere. */
async function fill(grounds: HaGrounds, count: number): Promise<string> {
  const { lab } = grounds.stage;
  const { subnetId, inside } = wides.get(grounds) ?? (await widen(grounds));
  const { floatingips } = await lab.api('GET', '/v2.0/floatingips?fields=id');
  const wanted = { floating_network_id: grounds.external.id, subnet_id: subnetId };
  for (let have = floatingips.length; have < count; have += AT_ONCE) {
    const bodies = Array.from({ length: Math.min(AT_ONCE, count - have) }, () => ({ network_id: inside.id }));
    const ports: Port[] = (await lab.api('POST', '/v2.0/ports', { ports: bodies })).ports;
    const one = async (): Promise<void> => {
      for (let port = ports.pop(); port; port = ports.pop())
        await lab.api('POST', '/v2.0/floatingips', { floatingip: { ...wanted, port_id: port.id } });
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, one));
  }
  return subnetId;
}

/** Each address once: one that was there before is still known outside. */
let asked = 0;

export const floatingIpMore: Row = {
  name: 'floating-ip-more',
  summary: 'a floating IP is added to a router with 1,000 (in the short form: 20) under pings to another',
  kind: 'protected',
  figure: 'from the answer to the POST until it answers',
  budget: { p50Ms: 50, maxMs: 50 },
  async measure({ grounds, form, note }) {
    const { stage, external, network } = grounds;
    const { lab } = stage;
    const active = await untilCalm(grounds);
    const subnetId = await fill(grounds, form === 'short' ? 20 : 1_000);
    // Else the outside itself asks for an address once a second only.
    await lab.runOutside(['sh', '-c', `echo 5 > /proc/sys/net/ipv4/neigh/${OUTSIDE.device}/retrans_time_ms`]);
    await stage.settle(120_000);
    const { port, machine } = await stage.machineThatAsks(network, active);
    await stage.lease(machine);
    // As machines do: the router would look for a moment for whoever had this one's address before.
    await stage.ping(machine, addressOf(port).replace(/\d+$/, '1'));
    // Pinged before it is there: what answers first is the router, not a ping that has just been started.
    const address = `198.18.15.${(asked++ % 250) + 1}`;
    const along = new Pinger(outside(grounds), seatOn(grounds, active).floating.address);
    const pinger = new Pinger(outside(grounds), address);
    let id: string | undefined;
    try {
      await stage.until('pings are answered', () => along.log.answered > 40);
      const from = epochMs();
      const made = await lab.api('POST', '/v2.0/floatingips', {
        floatingip: {
          floating_network_id: external.id,
          subnet_id: subnetId,
          floating_ip_address: address,
          port_id: port.id,
        },
      });
      const madeAt = epochMs();
      id = made.floatingip.id;
      await stage.until('the new one answers', () => pinger.log.answered > 0);
      const at = pinger.log.firstAnswerAt;
      await sleep(realClock, 1_000);
      const { lost, sent } = along.log.count(from, epochMs() - 100);
      note(`${address} answers ${Math.round(at - madeAt)} ms after its POST was answered`);
      return {
        ms: at - madeAt,
        maxActives: 1,
        doubleAnswers: 0,
        lostAfterHealMs: null,
        also: { post_ms: madeAt - from, lost_pings: lost, lost_ms: lost * PING_MS },
        complaints: lost > 0 ? [`${lost} of ${sent} pings to another floating IP were lost`] : [],
      };
    } finally {
      await Promise.all([along.stop(), pinger.stop()]);
      if (id !== undefined) await lab.api('DELETE', `/v2.0/floatingips/${id}`);
      await lab.api('DELETE', `/v2.0/ports/${port.id}`);
      await stage.remove(machine);
    }
  },
};

const SPIN = 'while :; do :; done';
const REST_MS = 5_000;

interface Busy {
  readonly id: string;
  readonly gateway: string;
}

export const busyHosts: Row = {
  name: 'busy-hosts',
  summary: '100 HA routers on each of three hosts (in the short form: 5), and every CPU busy for 60 s (3 s)',
  kind: 'protected',
  figure: 'none: failovers are counted',
  budget: null,
  enough: 1,
  async measure(trial) {
    const { grounds, form } = trial;
    const { stage } = grounds;
    await untilCalm(grounds);
    const count = trial.routers ?? (form === 'short' ? 5 : 100);
    const routers = await makeRouters(grounds, count - 1);
    const gateways = [...routers.map(({ gateway }) => gateway), grounds.gateway];
    const holders = new Holders(stage.lab, gateways);
    try {
      const sample = await keepBusy(trial, { routers, gateways, holders });
      return form === 'short' ? sample : { ...sample, isSpent: true };
    } finally {
      holders.stop();
      if (form === 'short') {
        for (const { id } of routers) await stage.lab.api('DELETE', `/v2.0/routers/${id}`);
        await stage.settle(300_000);
      }
    }
  },
};

async function makeRouters({ stage, external }: HaGrounds, count: number): Promise<Busy[]> {
  const routers: Busy[] = [];
  for (let at = 1; at <= count; at++) {
    const body = { name: `busy${at}`, ha: true, external_gateway_info: { network_id: external.id } };
    const { router } = await stage.lab.api('POST', '/v2.0/routers', { router: body });
    routers.push({ id: router.id, gateway: router.external_gateway_info.external_fixed_ips[0].ip_address });
  }
  return routers;
}

async function keepBusy(
  { grounds, form, note }: Trial,
  { routers, gateways, holders }: { routers: readonly Busy[]; gateways: readonly string[]; holders: Holders },
): Promise<Sample> {
  const begun = epochMs();
  await grounds.stage.settle(300_000);
  await holders.start();
  await untilEachServed(grounds, routers, holders);
  const settleMs = epochMs() - begun;
  note(
    `${gateways.length} routers, each active on one host ${Math.round(settleMs / 1000)} s after the last POST`,
  );
  const restShare = await cpuShare(REST_MS);
  const lasts = form === 'short' ? 3_000 : 60_000;
  const spinners: ChildProcess[] = [];
  const from = epochMs();
  try {
    for (let at = 0; at < 2 * availableParallelism(); at++)
      spinners.push(spawn('sh', ['-c', SPIN], { stdio: 'ignore' }));
    await sleep(realClock, lasts);
  } finally {
    for (const spinner of spinners) spinner.kill('SIGKILL');
  }
  const to = epochMs();
  const moved = gateways.filter((gateway) =>
    [...holders.spans(gateway).values()].flat().some((span) => span.from > from),
  );
  const crowd = gateways.map((gateway) => crowds(holders.spans(gateway), from, to));
  note(`${moved.length} of ${gateways.length} routers moved in ${lasts / 1000} s`);
  return {
    ms: null,
    maxActives: Math.max(...crowd.map((pieces) => mostAtOnce(pieces, 0))),
    doubleAnswers: 0,
    lostAfterHealMs: null,
    also: {
      ...{ routers: gateways.length, seconds: lasts / 1000, failovers: moved.length },
      ...{ cpu_at_rest_percent: Math.round(100 * restShare), settled_after_ms: settleMs },
    },
    complaints: moved.length > 0 ? [`${moved.length} routers moved for nothing`] : [],
  };
}

const untilEachServed = (
  { stage }: HaGrounds,
  routers: readonly Busy[],
  holders: Holders,
): Promise<boolean> =>
  stage.until(
    'every router has one active replica, and the API shows it',
    async () => {
      for (const { id, gateway } of routers) {
        const holding = holders.holding(gateway);
        const shown = await shownActive(stage.lab, id);
        if (holding.length !== 1 || shown.join() !== holding.join())
          throw new Error(
            `${gateway} is on ${holding.join(', ') || 'no host'}, shown on ${shown.join(', ')}`,
          );
      }
      return true;
    },
    120_000,
  );

/** The share of all CPUs that somebody uses for so long (proc_stat(5)). */
async function cpuShare(ms: number): Promise<number> {
  const read = () => {
    const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).slice(1, 9).map(Number);
    return { idle: ticks[3]! + ticks[4]!, all: ticks.reduce((sum, one) => sum + one, 0) };
  };
  const before = read();
  await sleep(realClock, ms);
  const after = read();
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
}

export const ROWS_OF_SIZE: readonly Row[] = [floatingIpMore, busyHosts];
