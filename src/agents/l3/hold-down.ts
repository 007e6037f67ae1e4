/**
 * What ails a replica counts at once; that it is well again counts only after it has been so for a while, and longer each
 * time that it got worse again soon after. So whatever flaps, scripts that answer by chance included, moves the active
 * a bounded number of times (see `mostRises`). Pure.
 */

export interface HoldTimes {
  /** How long it must have been better, the first time. */
  readonly firstMs: number;
  /** It doubles with each time that it gets worse, up to this. */
  readonly longestMs: number;
  /** Without getting worse for so long, it begins with `firstMs` again. */
  readonly forgetMs: number;
}

export interface Held {
  /** What counts now. */
  readonly penalty: number;
  /** How often it got worse after it had been better, and when it last got worse. */
  readonly rises: number;
  readonly worseAt: number;
  /** It got better since. */
  readonly hasFallen: boolean;
  /** What it would be, and since when it would be less than `penalty`; null: it is not. */
  readonly better: { readonly penalty: number; readonly since: number } | null;
}

export const UNHELD: Held = {
  penalty: 0,
  rises: 0,
  worseAt: Number.NEGATIVE_INFINITY,
  hasFallen: true,
  better: null,
};

const MINUTE_MS = 60_000;

/** For what is measured by this host itself: links, who answers. */
export const linkTimes = (firstMs: number): HoldTimes => ({
  firstMs,
  longestMs: Math.max(firstMs, 5 * MINUTE_MS),
  forgetMs: 10 * MINUTE_MS,
});

/** Many scripts can only fail where the addresses are: what a stand-by says after that is worth so much less. */
const DOUBTED = 10;

/**
 * For what scripts say: a replica that is held too long costs nothing as long as another serves. `isDoubted`: it said no as
 * the active, and says yes as a stand-by.
 */
export const checkTimes = (firstMs: number, isDoubted: boolean): HoldTimes => ({
  firstMs: firstMs * (isDoubted ? DOUBTED : 1),
  longestMs: Math.max(firstMs, 60 * MINUTE_MS),
  forgetMs: 120 * MINUTE_MS,
});

/** How long it has to be better before that counts. */
export function holdMs({ rises }: Held, { firstMs, longestMs }: HoldTimes): number {
  return Math.min(longestMs, firstMs * 2 ** Math.max(0, rises - 1));
}

/** When it will count that it is better, if it stays so; null: there is nothing to wait for. */
export function heldUntil(held: Held, times: HoldTimes): number | null {
  return held.better === null ? null : held.better.since + holdMs(held, times);
}

/** `penalty`: what was measured at `now`. */
export function hold(held: Held, penalty: number, at: { now: number; times: HoldTimes }): Held {
  const { now, times } = at;
  if (penalty > held.penalty) {
    const isRecent = now - held.worseAt < times.forgetMs;
    const rises = isRecent ? held.rises + Number(held.hasFallen) : 1;
    return { penalty, rises, worseAt: now, hasFallen: false, better: null };
  }
  if (penalty === held.penalty) return held.better === null ? held : { ...held, better: null };
  const since = held.better?.since ?? now;
  if (now - since >= holdMs(held, times)) return { ...held, penalty, hasFallen: true, better: null };
  return { ...held, better: { penalty, since } };
}

/** The most times that it can get worse after having been better, within a span not longer than `forgetMs`, whatever is measured. */
export function mostRises(spanMs: number, { firstMs, longestMs }: HoldTimes): number {
  let rises = 0;
  for (let at = 0; at < spanMs; at += Math.min(longestMs, firstMs * 2 ** (rises - 1))) rises++;
  return rises;
}
