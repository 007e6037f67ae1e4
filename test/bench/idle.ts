/**
 * `idle`: what it costs to be sure while nothing happens: bytes and CPU an hour of heartbeats, bookmarks, reports and digests
 * for an idle fleet (one role a host). Measured over some minutes at the pace of a server that has just started, when it compares every group
 * once in two minutes; a quiet server slows down to once an hour. So CPU is an upper bound, and digests are
 * given for the hour of a quiet server: one round.
 */
import type { Frame } from '../../src/watch/protocol.ts';
import { cores, type Ground, onGround, withAgents } from './heartbeats.ts';
import type { HollowAgent } from './hollow-agent.ts';
import type { Bench } from './main.ts';
import { type Figures, round } from './measure.ts';

const DETECT_S = 10;
const WINDOW_S = 60;
/** How often an agent that has nothing new to say repeats its report. */
const REPORT_S = 60;
const HOUR_S = 3_600;
/** Ethernet, IP and TCP headers of one small message; what each takes on the wire besides. */
const PACKET_BYTES = 66;

interface Sums {
  messages: number;
  bytes: number;
}

const isBookmark = (frame: Frame): boolean =>
  frame.type === 'batch' &&
  Object.keys(frame.changes).length + Object.keys(frame.enter).length + frame.leave.length === 0;

/** What came of each kind; how often the agents said that they are there, and what they reported. */
class Counter {
  readonly bookmark: Sums = { messages: 0, bytes: 0 };
  readonly digest: Sums = { messages: 0, bytes: 0 };
  readonly report: Sums = { messages: 0, bytes: 0 };

  took(frame: Frame, bytes: number): void {
    if (isBookmark(frame)) add(this.bookmark, bytes);
    if (frame.type === 'digest') add(this.digest, bytes);
  }
}

function add(sum: Sums, bytes: number): void {
  sum.messages++;
  sum.bytes += bytes;
}

/** Works while every agent repeats its report in its turn. */
async function reporting<Result>(
  agents: readonly HollowAgent[],
  counter: Counter,
  work: () => Promise<Result>,
): Promise<Result> {
  let next = 0;
  const timer = setInterval(
    () => {
      const agent = agents[next++ % agents.length];
      agent?.report(REPORT_S * 1000).then(
        ({ bytes }) => add(counter.report, bytes),
        () => undefined,
      );
    },
    (REPORT_S * 1000) / agents.length,
  );
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

async function measure(ground: Ground): Promise<Figures> {
  const { server, say } = ground;
  say('the server alone');
  const alone = await cores(server, WINDOW_S / 2);
  let counter = new Counter();
  const onFrame = (_agent: unknown, frame: Frame, bytes: number) => counter.took(frame, bytes);
  return withAgents(ground, { beats: true, reportMs: 300_000, onFrame }, async (agents) => {
    say('without reports');
    const silent = await cores(server, WINDOW_S / 2);
    say('with reports');
    counter = new Counter();
    const before = agents.reduce((sum, agent) => sum + agent.beats, 0);
    const used = await reporting(agents, counter, () => cores(server, WINDOW_S));
    const beats = agents.reduce((sum, agent) => sum + agent.beats, 0) - before;
    // a heartbeat is a chunk of one byte: `1\r\n\n\r\n`
    return figuresOf(
      agents,
      { counter, heartbeat: { messages: beats, bytes: beats * 6 } },
      { alone, silent, used },
    );
  });
}

function figuresOf(
  agents: readonly HollowAgent[],
  { counter, heartbeat }: { counter: Counter; heartbeat: Sums },
  cpu: { readonly alone: number; readonly silent: number; readonly used: number },
): Figures {
  const perHour = HOUR_S / WINDOW_S;
  const hourly = ({ messages, bytes }: Sums): Sums => ({
    messages: Math.round(messages * perHour),
    bytes: bytes * perHour,
  });
  const { bookmark, digest, report } = counter;
  // a quiet server compares each group that an agent holds once an hour
  const groups = agents.reduce((sum, agent) => sum + Object.keys(agent.groups).length, 0);
  const messages = Math.min(groups, digest.messages * perHour);
  const digestBytes = digest.messages === 0 ? 0 : digest.bytes / digest.messages;
  const kinds = {
    ...{ heartbeat: hourly(heartbeat), bookmark: hourly(bookmark), report: hourly(report) },
    digest: { messages, bytes: messages * digestBytes },
  };
  const all = Object.values(kinds).reduce((sum, one) => ({
    messages: sum.messages + one.messages,
    bytes: sum.bytes + one.bytes,
  }));
  const mib = (bytes: number) => round(bytes / 2 ** 20, 2);
  const figures: Figures = { agents: agents.length };
  for (const [kind, sums] of Object.entries(kinds)) {
    figures[`${kind}s_per_hour`] = sums.messages;
    figures[`${kind}_mib_per_hour`] = mib(sums.bytes);
  }
  return {
    ...figures,
    digest_mib_per_hour_after_start: mib(digest.bytes * perHour),
    mib_per_hour: mib(all.bytes),
    mib_per_hour_on_the_wire: mib(all.bytes + all.messages * PACKET_BYTES),
    bytes_per_agent_and_hour: Math.round(all.bytes / agents.length),
    cpu_s_per_hour: Math.round(cpu.used * HOUR_S),
    cpu_s_per_hour_without_agents: Math.round(cpu.alone * HOUR_S),
    cpu_s_per_hour_watches: Math.round((cpu.silent - cpu.alone) * HOUR_S),
    cpu_s_per_hour_reports: Math.round((cpu.used - cpu.silent) * HOUR_S),
  };
}

export const idleBench: Bench = {
  summary: 'bytes and CPU an hour of an idle fleet (--agents=1000), measured over minutes and scaled',
  options: ['agents'],
  run: async ({ args, say }) => {
    const asked = args.map((word) => /^--agents=(\d+)$/.exec(word)?.[1]).find((text) => text !== undefined);
    return onGround({ hosts: Number(asked ?? 1_000), detectS: DETECT_S, say }, measure);
  },
};
