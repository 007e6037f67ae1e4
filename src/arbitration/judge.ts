/**
 * What follows from what a router's replicas last said. VRRP sees to it that one is active wherever replicas hear each other;
 * this is for where they do not.
 *
 * Two rows that say `active` are not two replicas that are: a host without power says nothing any more. So whoever was active
 * before the newest is asked first (`tell`), through the same rows by which all agents learn what is to be; an answer bears the
 * epoch of the question. Only who answered, or has only now become active, is counted; and who has said of itself, as the newest
 * became active, that it reaches nobody (`isVouched`).
 *
 * Several stand-bys that hear nobody become active within a moment of each other, and nobody takes over from one that began a
 * moment ago: its first advert alone would have held the other off for longer. So the second of them asks nobody anew.
 */
import { isCutOff } from '../resources/replica-report.ts';
import type { ReplicaOrder } from '../resources/router.ts';
import { byMerit, incumbent, merit } from './choice.ts';
import { hasJustAnswered, isJustCutOff, isTold, isUnheard, isVouched, type Replica } from './replica.ts';
import { type Revision, revisionOf } from './revision.ts';

export interface Step {
  readonly host: string;
  readonly do: 'yield' | 'fault';
}

export type Judgement =
  /**
   * One is active, or none: what was told to the hosts in `ends` has done its work. Those in `asks` have others standing back for them, and
   * were not asked yet whether they serve. `revision`: the one that keeps it is clearly worse off than one that stands back for it.
   */
  | {
      readonly kind: 'calm';
      readonly ends: readonly string[];
      readonly asks: readonly string[];
      readonly revision?: Revision;
    }
  /**
   * These hosts are to be asked whether they still are; others may have been. `lookMs`: to be judged anew after that, for those who
   * were asked before may never answer, and nobody else will; null: not needed.
   */
  | { readonly kind: 'ask'; readonly hosts: readonly string[]; readonly lookMs: number | null }
  /** These were asked, and have not answered; so far one is known to be active. What was told to the hosts in `ends` has done its work. */
  | { readonly kind: 'await'; readonly hosts: readonly string[]; readonly ends: readonly string[] }
  /** These are active at once. After `settleMs`, if it still is so, `keep` keeps the router; the others are told so in `steps`. */
  | {
      readonly kind: 'dispute';
      readonly hosts: readonly string[];
      readonly keep: string;
      readonly steps: readonly Step[];
      /** Who keeps it and was told to step back: that ends. */
      readonly ends: readonly string[];
      readonly settleMs: number;
      readonly why: string;
    };

export interface JudgeOptions {
  /** The host whose report just now was the first of its being active. */
  readonly newcomer?: string;
  /** UTC milliseconds. Without it no answer is a fresh one. */
  readonly now?: number;
  /** Who was told to yield and is active all the same, for long: it is told to step back at once. */
  readonly isStubborn?: (replica: Replica) => boolean;
  /** Those who were asked had time to answer. */
  readonly isDue?: boolean;
}

/** Whoever hears the other settles it alone, within three adverts: nothing is to be decided before. */
export const SETTLE_HEARD_MS = 350;
/** Nobody hears anybody: the newest has waited for three adverts already, and whoever was before has answered since. */
export const SETTLE_UNHEARD_MS = 0;

/**
 * Somebody else than who was active first seems to be the better one. Of a cut between two, one side hears of it before the other, and
 * until that one does too it seems to be the healthy one: in this time probes have found out.
 */
export const SETTLE_DOUBT_MS = 250;

/**
 * Who would keep it is not sure yet that nobody answers it, and the others may be less so: the next question tells, and as soon as who keeps
 * it and has for longest is sure, there is nothing to wait for. Else as long as for a doubt, from then on.
 */
export const SETTLE_UNSURE_MS = SETTLE_DOUBT_MS + 80;

/** Of two that became active within this of each other neither took over from the other, who has to be silent for three adverts. */
export const WAVE_MS = 200;

export function judge(replicas: readonly Replica[], options: JudgeOptions = {}): Judgement {
  const { newcomer, now = null, isStubborn = () => false, isDue = false } = options;
  const active = replicas.filter(isActive);
  if (active.length < 2) {
    // who may become active needs no more than it has just said; who stands back for it asks again and again
    const isHeld = replicas.some(isHeldBack);
    const isUnasked = (one: Replica) => one.order === null && (isHeld || !isJustCutOff(one, now));
    const asks = replicas.some(isOnItsOwn) ? active.filter(isUnasked) : [];
    const revision = revisionOf(replicas);
    const calm = { kind: 'calm' as const, ends: doneAmong(replicas, active), asks: asks.map(hostOf) };
    return revision === null ? calm : { ...calm, revision };
  }
  const newest = active.find(({ host }) => host === newcomer);
  const vouched = vouchedAmong(active, now);
  const question = newest && !isRevised(newest, active) ? asking(newest, active, { now, vouched }) : null;
  if (question !== null) return question;
  if (!active.some(isTold) && vouched.length < active.length - 1)
    return { kind: 'ask', hosts: active.map(hostOf), lookMs: null };
  const isCounted = (one: Replica) => !isUnheard(one) || vouched.includes(one);
  // a verdict stands, whatever changes while it is carried out
  const heard = Map.groupBy(byMerit(active.filter(isCounted)), isToGo);
  const counted = [...(heard.get(false) ?? []), ...(heard.get(true) ?? [])];
  const [keep, ...others] = counted;
  const [next] = others;
  if (!keep || !next) {
    const asked = active.filter(isUnheard);
    // who has answered is not asked again while others have not
    const isDone = ({ order }: Replica) => order?.do !== 'tell' && order?.revises === undefined;
    const others = replicas.filter((one) => !asked.includes(one) && isDone(one));
    return { kind: 'await', hosts: asked.map(hostOf), ends: doneAmong(others, counted) };
  }
  // stand-bys that became active together may yet settle it, and who was before may yet answer
  if (!isDue && !counted.some(isTold) && vouched.length === 0)
    return { kind: 'ask', hosts: [], lookMs: SETTLE_HEARD_MS };
  const steps = others.flatMap((one): Step[] => {
    if (!isTold(one) || one.order?.do === 'tell') return [{ host: one.host, do: stepFor(one) }];
    return one.order?.do === 'yield' && isStubborn(one) ? [{ host: one.host, do: 'fault' }] : [];
  });
  return {
    ...{ kind: 'dispute', hosts: counted.map(hostOf), keep: keep.host, steps },
    ends: isToGo(keep) ? [keep.host] : [],
    settleMs: settleFor(counted, keep),
    why: `${counted.map(hostOf).join(' and ')} are active at once; ${keep.host} keeps it: ${merit(keep, next)}`,
  };
}

/** Those of whom nothing need be asked: they were there as the newest became active. */
function vouchedAmong(active: readonly Replica[], now: number | null): readonly Replica[] {
  const since = (one: Replica) => one.since ?? Number.NEGATIVE_INFINITY;
  const newest = byMerit(active).reduce((best, one) => (since(one) > since(best) ? one : best));
  return active.filter((one) => one !== newest && isVouched(one, newest, now));
}

/** Who is to be asked because of one that has only now become active; null: whoever it could have taken over from has answered. */
function asking(
  newest: Replica,
  active: readonly Replica[],
  { now, vouched }: { readonly now: number | null; readonly vouched: readonly Replica[] },
): (Judgement & { readonly kind: 'ask' }) | null {
  const older = active.filter((one) => one !== newest);
  const isVouchedFor = (one: Replica) => vouched.includes(one);
  // they were asked when the newest reached nobody any more: one that was gone by then could not have answered
  const isSure = (one: Replica) =>
    isVouchedFor(one) || (now !== null && isCutOff(newest) && hasJustAnswered(one, now));
  if (older.every(isSure)) return null;
  // an answer that is still to come is as good as one to another question
  const askable = (of: readonly Replica[]) => of.filter((one) => !isUnheard(one) && !isVouchedFor(one));
  const before = older.filter((one) => !isOfOneWave(one, newest));
  if (before.length === older.length || before.length === 0)
    return { kind: 'ask', hosts: askable(older).map(hostOf), lookMs: null };
  // who has answered since the first of them began need not do so again
  const hosts = askable(before)
    .filter((one) => !isTold(one))
    .map(hostOf);
  return before.every((one) => isVouchedFor(one) || (isTold(one) && !isUnheard(one)))
    ? null
    : { kind: 'ask', hosts, lookMs: SETTLE_HEARD_MS };
}

/** It was let go for being the better one by far, while the others were asked each second: it is not from silence that it is active. */
const isRevised = (newest: Replica, active: readonly Replica[]): boolean =>
  newest.order?.revises !== undefined &&
  byMerit(active)[0] === newest &&
  active.every((one) => one === newest || (isTold(one) && one.order?.do === 'tell'));

const isOfOneWave = (one: Replica, other: Replica): boolean =>
  one.since !== null && other.since !== null && Math.abs(one.since - other.since) < WAVE_MS;

function settleFor(counted: readonly Replica[], keep: Replica): number {
  if (counted.some(({ hears }) => hears)) return SETTLE_HEARD_MS;
  // there was time to find out before it was let go
  if (keep.order?.revises !== undefined) return SETTLE_UNHEARD_MS;
  if (counted.some(({ isUnsure }) => isUnsure)) return SETTLE_UNSURE_MS;
  const free = counted.filter((one) => !isToGo(one));
  return incumbent(free.length > 0 ? free : counted) === keep ? SETTLE_UNHEARD_MS : SETTLE_DOUBT_MS;
}

const isToGo = (one: Replica): boolean =>
  isTold(one) && (one.order?.do === 'yield' || one.order?.do === 'fault');

const hostOf = ({ host }: Replica): string => host;

/** A weight only helps where the others are heard. */
const stepFor = ({ hears }: Replica): Step['do'] => (hears ? 'yield' : 'fault');

interface Around {
  readonly active: readonly Replica[];
  /** Somebody stands back for whoever serves, who is asked again and again whether it does, or reaches nobody. */
  readonly isHeld: boolean;
}

const isActive = ({ state }: Replica): boolean => state === 'active';
const isHeldBack = ({ order, hears }: Replica): boolean => order?.do === 'fault' && !hears;
/** Others serve, and it cannot know whether they still do; or it does not know and will become active in a moment. */
const isOnItsOwn = (one: Replica): boolean => isHeldBack(one) || (one.state === 'standby' && isCutOff(one));

/** Whom a move was forced upon: it holds while it ails, for it would lose the router again; not once another has taken it from there. */
function isForceOver({ state, penalty, order, incarnation, seq }: Replica): boolean {
  if (state === 'active') return penalty === 0;
  return state !== 'unknown' && (order?.incarnation !== incarnation || order.seq !== seq);
}

/** When an order has done its work, one or none being active. */
const ENDS: Readonly<Record<ReplicaOrder['do'], (replica: Replica, around: Around) => boolean>> = {
  tell: (_, { active, isHeld }) => !isHeld || active.length === 0,
  prefer: (replica) => (replica.order?.forgives === undefined ? isActive(replica) : isForceOver(replica)),
  yield: (replica) => !isActive(replica),
  // what keeps the only one that serves from it, or leaves nobody, does harm; who hears others needs it no more
  fault: (replica, { active }) => replica.hears || active.every(({ host }) => host === replica.host),
};

/** Those whose orders have done their work, where these are known to be active. */
function doneAmong(replicas: readonly Replica[], active: readonly Replica[]): string[] {
  const isHeld = replicas.some(isOnItsOwn);
  return replicas
    .filter((one) => one.order !== null && ENDS[one.order.do](one, { active, isHeld }))
    .map(hostOf);
}
