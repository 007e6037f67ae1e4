/**
 * Whether a replica that nobody answers leaves the addresses to another. Pure.
 *
 * That a host hears nobody, on no path, says that it is cut off or that all others are gone; it cannot tell which. What it can
 * tell is whether somebody else answers for the router's address on the external network right now. If so, one of the two
 * has to go:
 *
 * - Who was active before it was alone waits longest: the others may be as alone as it is, and then it is for them to go.
 * - A stand-by that is alone does not begin before it has asked. It is kept from it (`hush` of isolation-watch.ts) before it is known
 *   to be alone: heartbeats that are missed would make it active in that very moment.
 * - Who became active because it was alone all the same goes at once.
 *
 * So with every path cut but the external network one replica stays, and it is the one that was; and of one that alone is cut
 * off the others, who hear each other and ask nobody, take over. A server that is away is no evidence of anything.
 */

export type IsolationRule = 'evidence' | 'strict' | 'off';
export const ISOLATION_RULES: readonly IsolationRule[] = ['evidence', 'strict', 'off'];

/** This host, as a whole. */
export interface Company {
  /** Somebody answered once. */
  readonly wasHeard: boolean;
  /** Since when nobody answers; null: somebody does, or nobody ever did. */
  readonly aloneSince: number | null;
}

export const NO_COMPANY: Company = { wasHeard: false, aloneSince: null };

/** `anybody`: whether anyone at all answers, on any path; null: nobody is asked. `heardAt`: when the last answer came. */
export function company(before: Company, anybody: boolean | null, heardAt: number): Company {
  if (anybody === true) return { wasHeard: true, aloneSince: null };
  if (anybody === null || !before.wasHeard) return { ...before, aloneSince: null };
  return before.aloneSince === null ? { wasHeard: true, aloneSince: heardAt } : before;
}

/** One replica on it. */
export interface Stance {
  /** It leaves the addresses to another. */
  readonly isAway: boolean;
  /** So many times in a row another has answered for the router, or (below 0) has not. */
  readonly answers: number;
  /** It is away, and since then not alone any more. */
  readonly backSince: number | null;
}

export const PRESENT: Stance = { isAway: false, answers: 0, backSince: null };

export interface Situation {
  readonly now: number;
  readonly aloneSince: number | null;
  /** Since when it is active; null: it is not. */
  readonly activeSince: number | null;
  /** Another answered for its address just now; null: that was not asked, or cannot be. */
  readonly other: boolean | null;
  /** Whether another answers can be found out. */
  readonly canAsk: boolean;
  readonly rule: IsolationRule;
  /** Its place among the replicas: those who are away come back one after another. */
  readonly place: number;
}

/** Who became active so shortly before the last answer, or later, became it because of that. */
const NEWCOMER_MS = 200;
/** The others have taken over by then, and gone again if they were alone as well. */
const PATIENCE_MS = 1_400;
/** Adverts are heard again by then: who came back before would take itself for the only one. */
const RETURN_MS = 1_500;
/** So many in a row, of who was there before. */
const SURE_AFTER = 3;
/** Nobody has answered so often: whoever it was is gone. By place, the next one needs so many more. */
const GONE_AFTER = 3;
/** A stand-by to which its questions have told nothing at all does not wait for longer. */
const UNTOLD_MS = 3_000;

export function stance(before: Stance, situation: Situation): Stance {
  const { now, aloneSince, other, rule } = situation;
  if (rule === 'off') return PRESENT;
  if (aloneSince === null) return comeBack(before, now);
  const answers = count(before.answers, other);
  return { answers, isAway: isAway({ ...before, answers }, situation), backSince: null };
}

function comeBack(before: Stance, now: number): Stance {
  const backSince = before.backSince ?? now;
  return before.isAway && now - backSince < RETURN_MS ? { isAway: true, answers: 0, backSince } : PRESENT;
}

function isAway(before: Stance, situation: Situation): boolean {
  const { now, activeSince, canAsk, rule } = situation;
  const { answers } = before;
  const aloneSince = situation.aloneSince ?? now;
  if (rule === 'strict') return before.isAway || now - aloneSince >= PATIENCE_MS;
  if (before.isAway) return isUnsure(answers, situation);
  if (activeSince === null) return answers > 0 || (canAsk && isUnsure(answers, situation));
  if (activeSince > aloneSince - NEWCOMER_MS) return answers > 0;
  return now - aloneSince >= PATIENCE_MS && answers >= SURE_AFTER;
}

/** Somebody answers, or may yet. */
function isUnsure(answers: number, { now, canAsk, place, aloneSince }: Situation): boolean {
  if (answers === 0) return canAsk && now - (aloneSince ?? now) < UNTOLD_MS;
  return answers > -GONE_AFTER * (1 + place);
}

/** What a replica that a server told to step back sees of the one that it stepped back for. */
export interface Absence {
  /** Somebody has answered for the address since. */
  readonly wasSeen: boolean;
  /** So many times in a row nobody has. */
  readonly misses: number;
}

export const NOTHING_SEEN: Absence = { wasSeen: false, misses: 0 };

/** `other`: as in Situation. */
export function absence(before: Absence, other: boolean | null): Absence {
  if (other === null) return before;
  return other ? { wasSeen: true, misses: 0 } : { ...before, misses: before.misses + 1 };
}

/** For whom the next one waits longer, by place, until the one before it answers. */
const APART = 3;

/**
 * Whether the one that it stepped back for is gone, so that it need not wait for a server or the end of its lease. Who never was seen may
 * serve behind a wire that does not show it.
 */
export const isGone = ({ wasSeen, misses }: Absence, place: number): boolean =>
  wasSeen && misses >= GONE_AFTER + APART * place;

function count(before: number, other: boolean | null): number {
  if (other === null) return before;
  return other ? Math.max(before, 0) + 1 : Math.min(before, 0) - 1;
}
