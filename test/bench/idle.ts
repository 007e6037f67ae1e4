/**
 * `idle`: what it costs to be sure while nothing happens: bytes and CPU an hour of heartbeats, bookmarks and digests for an
 * idle fleet. Measured over some minutes at the pace of a server that has just started, when it compares every group
 * once in two minutes; a quiet server slows down to once an hour. So CPU is an upper bound, and digests are
 * given for the hour of a quiet server: one round.
 */
import type { Frame } from '../../src/watch/protocol.ts';
import { cores, type Ground, onGround, withAgents } from './heartbeats.ts';
import type { Bench } from './main.ts';
import { type Figures, round } from './measure.ts';

const DETECT_S = 10;
const WINDOW_S = 40;
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

async function measure(ground: Ground): Promise<Figures> {
  const { server, say, credentials } = ground;
  say('the server alone');
  const alone = await cores(server, WINDOW_S / 2);
  const sums: Record<'bookmark' | 'digest' | 'other', Sums> = {
    bookmark: { messages: 0, bytes: 0 },
    digest: { messages: 0, bytes: 0 },
    other: { messages: 0, bytes: 0 },
  };
  const onFrame = (_agent: unknown, frame: Frame, bytes: number) => {
    const sum = sums[isBookmark(frame) ? 'bookmark' : frame.type === 'digest' ? 'digest' : 'other'];
    sum.messages++;
    sum.bytes += bytes;
  };
  const clear = () => {
    for (const sum of Object.values(sums)) Object.assign(sum, { messages: 0, bytes: 0 });
  };
  const groups = { of: 0 };
  const quiet = await withAgents(ground, { beats: false, onFrame }, async (agents) => {
    groups.of = agents.reduce((sum, agent) => sum + Object.keys(agent.groups).length, 0);
    return cores(server, WINDOW_S);
  });
  return withAgents(ground, { beats: true, onFrame }, async (agents) => {
    clear();
    const beatsBefore = agents.reduce((sum, agent) => sum + agent.beats, 0);
    const used = await cores(server, WINDOW_S);
    const beats = agents.reduce((sum, agent) => sum + agent.beats, 0) - beatsBefore;
    const perHour = HOUR_S / WINDOW_S;
    const mib = (sum: Sums) => round((sum.bytes * perHour) / 2 ** 20, 2);
    // each group that an agent holds is compared once a round
    const digestBytes = sums.digest.messages === 0 ? 0 : sums.digest.bytes / sums.digest.messages;
    const digestMessages = Math.min(groups.of, sums.digest.messages * perHour);
    // a heartbeat is a chunk of one byte: `1\r\n\n\r\n`
    const heartbeats: Sums = { messages: beats, bytes: beats * 6 };
    const messages = (heartbeats.messages + sums.bookmark.messages) * perHour + digestMessages;
    const payload = (heartbeats.bytes + sums.bookmark.bytes) * perHour + digestMessages * digestBytes;
    return {
      agents: credentials.size,
      heartbeats_per_hour: Math.round(beats * perHour),
      heartbeat_mib_per_hour: mib(heartbeats),
      bookmarks_per_hour: Math.round(sums.bookmark.messages * perHour),
      bookmark_mib_per_hour: mib(sums.bookmark),
      digests_per_hour: Math.round(digestMessages),
      digest_mib_per_hour: round((digestMessages * digestBytes) / 2 ** 20, 3),
      digest_mib_per_hour_after_start: mib(sums.digest),
      mib_per_hour: round(payload / 2 ** 20, 2),
      mib_per_hour_on_the_wire: round((payload + messages * PACKET_BYTES) / 2 ** 20, 1),
      bytes_per_agent_and_hour: Math.round(payload / credentials.size),
      cpu_s_per_hour: Math.round(used * HOUR_S),
      cpu_s_per_hour_without_agents: Math.round(alone * HOUR_S),
      cpu_s_per_hour_bookmarks_and_digests: Math.round((quiet - alone) * HOUR_S),
      cpu_s_per_hour_heartbeats: Math.round((used - quiet) * HOUR_S),
    };
  });
}

export const idleBench: Bench = {
  summary: 'bytes and CPU an hour of an idle fleet (--agents=1000), measured over minutes and scaled',
  run: async ({ args, say }) => {
    const asked = args.map((word) => /^--agents=(\d+)$/.exec(word)?.[1]).find((text) => text !== undefined);
    return onGround({ hosts: Number(asked ?? 1_000), detectS: DETECT_S, say }, measure);
  },
};
