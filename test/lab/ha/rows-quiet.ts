/** Rows in which nothing may happen at all: to whoever pings, on standby replicas' links, on the HA segment. */
import { runInMachine } from '../../../src/lab/machine.ts';
import { OUTSIDE } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { addressOf, type Stage } from '../stage.ts';
import { countFrames, countNoMore, tapsOf } from './frames.ts';
import { type HaGrounds, type HaSeat, outside, seatOn, untilCalm } from './grounds.ts';
import { PING_MS, Pinger } from './pings.ts';
import type { Row, Sample, Trial } from './row.ts';
import { type Six, withSix } from './six.ts';

const NOTHING: Omit<Sample, 'ms' | 'also' | 'complaints'> = {
  maxActives: 1,
  doubleAnswers: 0,
  lostAfterHealMs: null,
};

export const agentRestarts: Row = {
  name: 'agent-restarts',
  summary:
    'agents are killed (-9) and started again, one host after the other, 100 times (in the short form: twice)',
  kind: 'protected',
  figure: 'pings lost at each, as time',
  budget: { p50Ms: 0, maxMs: 0 },
  enough: 1,
  async measure({ grounds, form, note }) {
    const { seats, holders, gateway } = grounds;
    const active = await untilCalm(grounds);
    const first = seats.findIndex((seat) => seat.host === active);
    const pinger = new Pinger(outside(grounds), seatOn(grounds, active).floating.address);
    const from = epochMs() + 500;
    const begun: number[] = [];
    try {
      await sleep(realClock, 500);
      for (let at = 0; at < (form === 'short' ? 2 : 100); at++) {
        const { host } = seats[(first + at) % seats.length]!;
        begun.push(epochMs());
        await restartAgent(grounds, host);
        note(`the agent of ${host} is back`);
      }
      await sleep(realClock, 300);
    } finally {
      await pinger.stop();
    }
    const end = epochMs() - 100;
    const { sent, lost } = pinger.log.count(from, end);
    const each = begun.map((at, n) => pinger.log.count(at, begun[n + 1] ?? end).lost * PING_MS);
    const moves = [...holders.spans(gateway)].flatMap(([host, spans]) =>
      spans
        .filter((span) => span.from > from)
        .map((span) => `${host} after ${Math.round(span.from - from)} ms`),
    );
    const complaints = [
      ...(lost > 0 ? [`${lost} of ${sent} pings were lost`] : []),
      ...moves.map((to) => `the active changed to ${to}`),
    ];
    return { ...NOTHING, ms: lost * PING_MS, each, also: { pings: sent, lost_pings: lost }, complaints };
  },
};

/** Killed and started again; resolves once its new life is heard and has done all. */
async function restartAgent({ stage }: HaGrounds, host: string): Promise<void> {
  const before = await begunAt(stage, host);
  await stage.lab.kill(host, 'agent');
  await stage.lab.start(host);
  await stage.until(`the agent of ${host} is heard`, async () => (await begunAt(stage, host)) !== before);
  await stage.settle();
}

/** When the host's agent began, as the API shows it. */
async function begunAt({ lab }: Stage, host: string): Promise<string> {
  const { agents } = await lab.api('GET', `/v2.0/agents?host=${host}`);
  return agents.map((agent: { started_at: string }) => agent.started_at).join();
}

/** What makes hosts talk that should not: questions to all of them, from outside and from machines. */
const QUESTIONS = `
ping -n -q -c 1 -W 0.2 -I "$0" ff02::1
ping -n -q -c 1 -W 0.2 -I "$0" ff02::2
test "$1" = - || ping -n -q -b -c 1 -W 0.2 "$1"
for a in $2; do case $a in
*:*) ip -6 neighbor flush dev "$0"; ping -n -q -c 1 -W 0.2 "$a" ;;
*) arping -q -b -c 1 -w 1 -I "$0" "$a" ;;
esac; done
:`;

async function askAll({ stage, gateway }: HaGrounds, beside: HaSeat, six: Six): Promise<void> {
  const { place } = stage.lab;
  const ask = ['sh', '-c', QUESTIONS];
  await stage.lab.runOutside([...ask, OUTSIDE.device, '203.0.113.255', `${gateway} ${six.gateway}`]);
  await runInMachine(place, beside.machine, [...ask, 'eth0', '10.30.1.255', '10.30.1.1']);
  await runInMachine(place, six.machine, [...ask, 'eth0', '-', six.router]);
}

export const backupsMute: Row = {
  name: 'backups-mute',
  summary:
    'frames (of any kind, v4 and v6) that come out of a standby replica’s links to networks and outside',
  kind: 'protected',
  figure: 'none: frames are counted',
  budget: null,
  enough: 1,
  async measure(trial) {
    const active = await untilCalm(trial.grounds);
    return withSix(trial.grounds, active, (six) => countStandbys(trial, { active, six }));
  },
};

async function countStandbys(
  { grounds, form, note }: Trial,
  { active, six }: { active: string; six: Six },
): Promise<Sample> {
  const { stage, seats } = grounds;
  const standbys = seats.map(({ host }) => host).filter((host) => host !== active);
  const taps = await tapsOf(grounds, 'served');
  // What an active said a moment ago is not a standby's.
  await sleep(realClock, form === 'short' ? 500 : 3_000);
  const counts = await Promise.all(standbys.map((host) => countFrames(stage, host, { taps, match: '' })));
  const lasts = form === 'short' ? 4_000 : 600_000;
  const until = epochMs() + lasts;
  try {
    while (epochMs() < until) {
      await askAll(grounds, seatOn(grounds, active), six);
      await sleep(realClock, 500);
    }
    const frames = await Promise.all(counts.map((count) => count()));
    const also: Record<string, number> = { seconds: lasts / 1000 };
    for (const [at, host] of standbys.entries()) also[`frames_${host}`] = frames[at]!;
    note(`frames of ${standbys.join(' and ')}: ${frames.join(' and ')}`);
    const complaints = frames.every((count) => count === 0)
      ? []
      : [`standbys said ${frames.join(' and ')} frames`];
    return { ...NOTHING, ms: null, also, complaints };
  } finally {
    await countNoMore(stage, standbys);
  }
}

/** To each address of the segment and to its group, by what a replica would listen to: pings, VRRP's group, conntrackd. */
const KNOCKS = `
ip route replace 169.254.0.0/16 via "$0"
for a in $1 169.254.0.1 224.0.0.18 225.0.0.50; do
  ping -n -q -c 2 -i 0.02 -W 0.2 "$a" > /dev/null && echo "$a answers"
  for p in 3780 3781; do (echo x > /dev/udp/$a/$p) 2> /dev/null; done
done
:`;

export const tenantToHa: Row = {
  name: 'tenant-to-ha',
  summary: 'a machine’s packets to addresses of the HA segment, through its own router',
  kind: 'protected',
  figure: 'none: packets are counted',
  budget: null,
  enough: 1,
  async measure({ grounds, note }) {
    const { stage, seats, routerId } = grounds;
    const active = await untilCalm(grounds);
    const hosts = seats.map(({ host }) => host);
    const seat = seatOn(grounds, hosts.find((host) => host !== active)!);
    const { ports } = await stage.lab.api(
      'GET',
      `/v2.0/ports?device_id=${routerId}&device_owner=network:router_ha_interface`,
    );
    const targets = (ports as { fixed_ips: { ip_address: string }[] }[]).flatMap(({ fixed_ips }) =>
      fixed_ips.map(({ ip_address }) => ip_address),
    );
    const taps = await tapsOf(grounds, 'ha');
    const match = `ip saddr ${addressOf(seat.port)}`;
    const counts = await Promise.all(hosts.map((host) => countFrames(stage, host, { taps, match })));
    try {
      const argv = ['bash', '-c', KNOCKS, '10.30.1.1', targets.join(' ')];
      const { stdout } = await runInMachine(stage.lab.place, seat.machine, argv);
      const passed = (await Promise.all(counts.map((count) => count()))).reduce(
        (sum, count) => sum + count,
        0,
      );
      const answers = stdout.split('\n').filter((line) => line !== '');
      note(
        `${targets.length} addresses of the segment: ${passed} packets passed, ${answers.length} answered`,
      );
      const complaints = [...answers, ...(passed > 0 ? [`${passed} packets reached the HA segment`] : [])];
      return { ...NOTHING, ms: null, also: { packets: passed, answers: answers.length }, complaints };
    } finally {
      await runInMachine(stage.lab.place, seat.machine, ['ip', 'route', 'delete', '169.254.0.0/16']);
      await countNoMore(stage, hosts);
    }
  },
};

export const ROWS_OF_QUIET: readonly Row[] = [agentRestarts, backupsMute, tenantToHa];
