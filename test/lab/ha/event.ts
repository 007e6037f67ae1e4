/**
 * Rows in which something happens to the active replica, or to what joins the replicas: brought about under the eyes of
 * pings, of the kernel's word on who holds the addresses, of ARP answers, and of the API; healed; and watched on.
 */
import assert from 'node:assert/strict';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { type Answered, Answerers, ASK_MS, doubles } from './answerers.ts';
import { type HaKind, outside, seatOn, untilCalm } from './grounds.ts';
import { PING_MS, Pinger } from './pings.ts';
import type { Row, Sample, Trial } from './row.ts';
import { aloneSince, begunAt, crowds, lengthOf, longestWith, mostAtOnce } from './spans.ts';
import { LOOK_MS, View } from './view.ts';

/** The moment, and who is who in it. */
export interface Affair extends Trial {
  /** The host of the active replica as it begins. */
  readonly active: string;
  /** The other hosts of replicas. */
  readonly others: readonly string[];
  /** Moments that a row remembers (`epochMs`). */
  readonly memory: Map<string, number>;
}

export interface HaEvent {
  readonly name: string;
  readonly summary: string;
  readonly kind?: HaKind;
  readonly untested?: string;
  readonly needsFresh?: true;
  readonly budget: Row['budget'];
  /**
   * silence: the longest time in which no ping was answered. moved: from the first ping that the cause lost until another
   * replica holds the addresses alone and every ping is answered. overlap: how long two held them. api: from when one held them
   * alone until the API showed so. own: what `own` says.
   */
  readonly figure: 'silence' | 'moved' | 'overlap' | 'api' | 'own';
  readonly own?: (affair: Affair) => number;
  /** Whose machine is pinged: one on a host that is not concerned, or the one beside the active replica; or one of the row's own. */
  readonly pinged: 'elsewhere' | 'beside' | { readonly host: string; readonly address: string };
  /** Who must hold the addresses while it lasts; one: whoever, and machines may be beyond its reach; any: whoever. */
  readonly serves: 'another' | 'same' | 'one' | 'any' | 'several';
  /** How long several may hold them at once without being called several. */
  readonly graceMs?: number;
  /** How often the API is asked who is active, if not as often as is needed to measure that: it makes the server work. */
  readonly lookMs?: number;
  /** How long it lasts beyond the point at which it is coped with. */
  readonly lastsMs: { readonly short: number; readonly long: number };
  /** Before anything is measured. */
  readonly before?: (affair: Affair) => Promise<unknown>;
  readonly cause: (affair: Affair) => Promise<unknown>;
  /** Without it nothing is left to be undone. */
  readonly heal?: (affair: Affair) => Promise<unknown>;
  /** What else is measured, by name with unit. */
  readonly figures?: (affair: Affair, moments: Moments) => Promise<Readonly<Record<string, number>>>;
}

export interface Moments {
  readonly causedAt: number;
  /** All of the cause has been brought about: a lab takes its time for that. */
  readonly doneAt: number;
  readonly healedAt: number | null;
  readonly endedAt: number;
}

const COPE_MS = 60_000;
/** Who is outranked goes on until it hears the other's advert, and both run on a busy machine. */
const GRACE_MS = 250;
/** Whatever ails the machine: two that are active for so long are so because nobody settles it. */
const UNSETTLED_MS = 10_000;
/** What is told of the addresses and of the answers comes by two ways, of which one may be behind the other. */
const BEHIND_MS = 2_000;
/** After it is coped with, and after the heal: what would go wrong then is to be seen. */
const AFTER_MS = { short: 1_200, long: 3_000 };
/** A ping later than that is a busy machine's. */
const FRESH_MS = 100;

interface Watch {
  readonly pinger: Pinger;
  readonly answerers: Answerers;
  readonly view: View;
}

const LABELS: Readonly<Record<HaEvent['figure'], string>> = {
  silence: 'longest time without an answer',
  moved: 'until another serves alone',
  overlap: 'how long two were active',
  api: 'until the API shows it',
  own: 'from the answer until it is right',
};

export function eventRow(event: HaEvent): Row {
  const { name, summary, budget, kind = 'protected', untested, needsFresh } = event;
  const row = { name, summary, kind, budget, figure: LABELS[event.figure] };
  return {
    ...row,
    ...(untested === undefined ? {} : { untested }),
    ...(needsFresh ? { needsFresh } : {}),
    measure: (trial) => go(event, trial),
  };
}

/** Begins all that looks; stops all whatever comes. */
async function go(event: HaEvent, trial: Trial): Promise<Sample> {
  const { grounds } = trial;
  const active = await untilCalm(grounds);
  const hosts = grounds.seats.map(({ host }) => host);
  const affair: Affair = {
    ...trial,
    active,
    others: hosts.filter((host) => host !== active),
    memory: new Map(),
  };
  const pinged = pingedBy(event, affair);
  const watch: Watch = {
    pinger: new Pinger(outside(grounds), pinged.address),
    answerers: new Answerers(grounds.stage.lab, grounds.gateway),
    view: new View(grounds.stage.lab, grounds.routerId, event.lookMs ?? LOOK_MS),
  };
  try {
    await watch.answerers.start();
    watch.view.start();
    await untilSeen(affair, watch);
    trial.note(`${active} is active, the machine on ${pinged.host} is pinged`);
    return await goThrough(event, affair, watch);
  } finally {
    await Promise.all([watch.pinger.stop(), watch.answerers.stop(), watch.view.stop()]);
  }
}

function pingedBy({ pinged }: HaEvent, { grounds, active, others }: Affair) {
  if (typeof pinged === 'object') return pinged;
  const { host, floating } = seatOn(grounds, pinged === 'beside' ? active : others.at(-1)!);
  return { host, address: floating.address };
}

/** What is watched shows what it should before anything happens. */
async function untilSeen({ grounds, active }: Affair, { pinger, answerers, view }: Watch): Promise<void> {
  await grounds.stage.until('pings and ARP requests are answered before anything happens', () => {
    const answered = answerers.answers.slice(-4, -1).map(({ hosts }) => hosts.join('+'));
    const shown = view.shown.at(-1)?.active.join();
    if (pinger.log.answered > 40 && answered.join() === `${active},${active},${active}` && shown === active)
      return true;
    throw new Error(`${pinger.log.answered} pings, ARP by ${answered.join()}, shown is ${shown}`);
  });
}

async function goThrough(event: HaEvent, affair: Affair, watch: Watch): Promise<Sample> {
  const { note, form, grounds } = affair;
  const complaints: string[] = [];
  const attempt = async (step: () => Promise<unknown>) => {
    try {
      await step();
    } catch (error) {
      complaints.push((error as Error).message);
    }
  };
  await event.before?.(affair);
  const causedAt = epochMs();
  await attempt(async () => event.cause(affair));
  const doneAt = epochMs();
  note('it has happened');
  await attempt(() => untilCoped(event, affair, watch));
  await sleep(realClock, event.lastsMs[form]);
  let healedAt: number | null = null;
  if (event.heal) {
    healedAt = epochMs();
    await event.heal(affair);
    note('it is undone');
  }
  const watchedTo = epochMs() + AFTER_MS[form];
  await attempt(async () => note(`${await untilCalm(grounds)} is active afterwards`));
  await sleep(realClock, Math.max(0, watchedTo - epochMs()));
  const moments = { causedAt, doneAt, healedAt, endedAt: epochMs() - FRESH_MS };
  const more = event.figures ? await event.figures(affair, moments) : {};
  return judge(event, affair, { ...watch, moments, more, complaints });
}

/** It is served as it should be while it lasts, for at least a moment. */
async function untilCoped(event: HaEvent, affair: Affair, { pinger }: Watch): Promise<void> {
  const { grounds, active, note } = affair;
  const { holders, gateway, stage } = grounds;
  const isServed = () => {
    const holding = holders.holding(gateway);
    if (event.serves === 'several') return holding.length > 1;
    if (holding.length !== 1) throw new Error(`the addresses are on ${holding.join(', ') || 'no host'}`);
    if (event.serves === 'another') assert.notEqual(holding[0], active, `${active} still has the addresses`);
    if (event.serves === 'same') assert.equal(holding[0], active);
    // Whoever it is may have no way to the machine while it lasts.
    if (event.serves !== 'one' && epochMs() - pinger.log.lastAnswerAt > FRESH_MS)
      throw new Error('pings are not answered');
    return true;
  };
  let since = Number.POSITIVE_INFINITY;
  await stage.until(
    'it is served',
    () => {
      try {
        isServed();
      } catch (error) {
        since = Number.POSITIVE_INFINITY;
        throw error;
      }
      since = Math.min(since, epochMs());
      return isServed() && epochMs() - since > 300;
    },
    COPE_MS,
  );
  note(`${holders.holding(gateway).join(', ')} has the addresses while it lasts`);
}

interface Seen extends Watch {
  readonly moments: Moments;
  readonly more: Readonly<Record<string, number>>;
  readonly complaints: readonly string[];
}

function judge(event: HaEvent, affair: Affair, seen: Seen): Sample {
  const { grounds } = affair;
  const { moments, pinger, answerers, view } = seen;
  const { causedAt, doneAt, healedAt, endedAt } = moments;
  const graceMs = event.graceMs ?? GRACE_MS;
  const until = healedAt ?? endedAt;
  const held = grounds.holders.spans(grounds.gateway);
  const during = crowds(held, causedAt, until);
  const silences = pinger.log.silences(causedAt - PING_MS, until);
  const alone = aloneSince(during);
  const answeredFrom = Math.max(causedAt, ...silences.map(({ to }) => to));
  const silenceMs = Math.max(0, ...silences.map(lengthOf));
  const overlapMs = longestWith(during, 2);
  const shownAt =
    alone && view.shown.find(({ at, active }) => at >= causedAt && active.join() === alone.who)?.at;
  const apiMs =
    alone && shownAt !== undefined && alone.at > causedAt ? Math.max(0, shownAt - alone.at) : null;
  const begun = begunAt(silences, causedAt, doneAt);
  const movedMs = alone ? Math.max(alone.at, answeredFrom) - begun : null;
  const figures = {
    silence: silenceMs,
    moved: movedMs,
    overlap: overlapMs,
    api: apiMs,
    own: event.own?.(affair) ?? null,
  };
  const answers = doubles(answerers.answers, causedAt, endedAt);
  const afterwards = healedAt === null ? null : crowds(held, healedAt, endedAt);
  const wrong = event.serves === 'several' ? [] : answers.filter(({ at }) => at < until);
  const blame = blameAnswers(wrong, { during, causedAt, graceMs });
  const ms = figures[event.figure];
  return {
    ms: ms !== null && Number.isFinite(ms) ? ms : null,
    maxActives: mostAtOnce(crowds(held, causedAt, endedAt), graceMs),
    doubleAnswers: answers.length,
    lostAfterHealMs: healedAt === null ? null : pinger.log.lostMs(healedAt, endedAt),
    also: {
      begun_after_ms: begun - causedAt,
      silence_ms: silenceMs,
      lost_pings: pinger.log.count(causedAt, until).lost,
      overlap_ms: overlapMs,
      none_ms: longestWith(
        during.map(({ span, who }) => ({ span, who: who.length === 0 ? [''] : [] })),
        1,
      ),
      ...(apiMs === null || event.lookMs !== undefined ? {} : { api_behind_ms: apiMs }),
      ...(afterwards === null ? {} : { moves_after_heal: movesIn(afterwards) }),
      ...seen.more,
    },
    complaints: [
      ...seen.complaints,
      ...complaintsOf(event, { during, graceMs, afterwards }),
      ...blame.complaints,
    ],
    late: [...tooMany(event, mostAtOnce(during, graceMs)), ...blame.late],
  };
}

type Pieces = ReturnType<typeof crowds>;

/** Whether several held the addresses near that moment, and for no longer than that. */
function isPassing(
  pieces: Pieces,
  at: number,
  { mostMs, nearMs }: { mostMs: number; nearMs: number },
): boolean {
  const near = pieces.filter(({ span }) => span.from < at + nearMs && span.to > at - nearMs);
  const longest = longestWith(near, 2);
  return longest > 0 && longest <= mostMs;
}

/** That several answered: at a moment at which several were not active or for far too long, or while they only were for too long. */
function blameAnswers(
  wrong: readonly Answered[],
  { during, causedAt, graceMs }: { during: Pieces; causedAt: number; graceMs: number },
): { complaints: string[]; late: string[] } {
  const told = { complaints: [] as string[], late: [] as string[] };
  for (const { at, hosts } of wrong) {
    const text = `${hosts.join(' and ')} answered an ARP request ${Math.round(at - causedAt)} ms after the cause`;
    const isSettled = isPassing(during, at, { mostMs: UNSETTLED_MS, nearMs: BEHIND_MS });
    if (!isSettled) told.complaints.push(text);
    else if (!isPassing(during, at, { mostMs: graceMs, nearMs: ASK_MS })) told.late.push(text);
  }
  return { complaints: told.complaints.slice(0, 2), late: told.late.slice(0, 2) };
}

/** How often another one came to hold the addresses alone. */
function movesIn(pieces: Pieces): number {
  const alone = pieces.filter(({ who }) => who.length === 1).map(({ who }) => who[0]);
  return alone.filter((who, at) => at > 0 && who !== alone[at - 1]).length;
}

const tooMany = (event: HaEvent, most: number): string[] =>
  event.serves !== 'several' && event.figure !== 'overlap' && most > 1 ? [`${most} were active at once`] : [];

function complaintsOf(
  event: HaEvent,
  seen: { during: Pieces; graceMs: number; afterwards: Pieces | null },
): string[] {
  const { during, graceMs, afterwards } = seen;
  const complaints = tooMany(event, mostAtOnce(during, UNSETTLED_MS));
  if (event.serves === 'several' && mostAtOnce(during, graceMs) < 2) complaints.push('never were two active');
  if (afterwards && movesIn(afterwards) > 1)
    complaints.push(`it moved ${movesIn(afterwards)} times after the heal`);
  return complaints;
}
