/** TCP connections through the router while its active replica changes twice. */
import { OUTSIDE } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { ChatEnd, type ChatSoFar } from '../../support/tcp-chat.ts';
import { inside, outside, seatOn, untilCalm } from './grounds.ts';
import type { Row, Trial } from './row.ts';

const PORT = 7000;
const FAILOVERS = 2;
/** One that backs off says something again sooner (RFC 6298: after a second, two, four...). */
const STANDS_STILL_MS = 30_000;

export const tcpSurvives: Row = {
  name: 'tcp',
  summary:
    'a TCP connection to a floating IP, and one from a machine without one, while the active’s keepalived is killed twice',
  kind: 'protected',
  figure: 'longest stall of a connection',
  budget: null,
  async measure({ grounds, form, note }) {
    const { stage } = grounds;
    const { lab } = stage;
    const first = await untilCalm(grounds);
    const host = grounds.seats.map((seat) => seat.host).find((one) => one !== first)!;
    const called = seatOn(grounds, host);
    const plain = await stage.machineThatAsks(grounds.network, host);
    await stage.lease(plain.machine);
    await stage.ping(plain.machine, OUTSIDE.v4.split('/')[0]!);
    const ends: ChatEnd[] = [];
    const begin = async (enter: readonly string[], ...how: string[]) => {
      const end = new ChatEnd(enter, how);
      ends.push(end);
      await end.ready;
      return end;
    };
    const target = `:${PORT}`;
    try {
      await begin(inside(stage, called.machine), '--listen', `${PORT}`);
      await begin(outside(grounds), '--listen', `${PORT}`);
      const chats = {
        'to the floating IP': await begin(outside(grounds), '--connect', called.floating.address + target),
        'from the machine': await begin(
          inside(stage, plain.machine),
          '--connect',
          OUTSIDE.v4.split('/')[0] + target,
        ),
      };
      await sleep(realClock, 300);
      for (let at = 0; at < FAILOVERS; at++) await failOver({ grounds, form, note });
      await sleep(realClock, 1_000);
      const told = await Promise.all(
        Object.entries(chats).map(async ([name, chat]) => ({ name, before: await chat.soFar(), chat })),
      );
      const complaints: string[] = [];
      const also: Record<string, number> = {};
      for (const { name, before, chat } of told) {
        const now = before.ended === null ? await laterOn(chat, before) : before;
        also[`stall_${name.replaceAll(' ', '_')}_ms`] = now.stallMs;
        if (now.ended !== null) complaints.push(`the connection ${name} ended: ${now.ended}`);
        else if (now.words === before.words) complaints.push(`the connection ${name} stands still`);
      }
      const ms = Math.max(...Object.values(also));
      return { ms, maxActives: 1, doubleAnswers: 0, lostAfterHealMs: null, also, complaints };
    } finally {
      await Promise.all(ends.map((end) => end.stop()));
      await lab.api('DELETE', `/v2.0/ports/${plain.port.id}`);
      await stage.remove(plain.machine);
    }
  },
};

/** As soon as more was said, or when that is not to be expected any more. */
async function laterOn(chat: ChatEnd, before: ChatSoFar): Promise<ChatSoFar> {
  const deadline = realClock.now() + STANDS_STILL_MS;
  for (;;) {
    const now = await chat.soFar();
    if (now.ended !== null || now.words !== before.words || realClock.now() > deadline) return now;
    await sleep(realClock, 100);
  }
}

/** The active's keepalived is killed; resolves once all is calm with another. */
async function failOver({ grounds, note }: Trial): Promise<void> {
  const { stage, holders, gateway } = grounds;
  const before = await untilCalm(grounds);
  stage.lab.signal(before, 'keepalived', 'SIGKILL');
  await stage.until('another serves', () => {
    const holding = holders.holding(gateway);
    return holding.length === 1 && holding[0] !== before;
  });
  note(`${before} gave way to ${await untilCalm(grounds)}`);
}
