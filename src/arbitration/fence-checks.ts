/**
 * What a fence device's answer says of the device, in ordinary times, and when it is asked again. Pure. Asked is for the power of the
 * very host (`status`), by the way that fencing asks: `monitor` of many agents only says that somebody answers, whichever outlet
 * the host hangs on.
 */

export interface CheckAnswer {
  readonly power: 'on' | 'off' | 'unknown';
  readonly text: string;
  /** The host's agent was heard before it was asked, and after. */
  readonly isHeard: boolean;
}

export interface CheckVerdict {
  readonly ok: boolean;
  /** What the device said, or what is wrong. */
  readonly why: string;
}

/** null: it says nothing of the device, for the host may have lost its power itself. */
export function judgeCheck({ power, text, isHeard }: CheckAnswer): CheckVerdict | null {
  if (power === 'on') return { ok: true, why: text };
  if (!isHeard) return null;
  if (power === 'unknown') return { ok: false, why: `it does not say whether the power is on: ${text}` };
  return { ok: false, why: `it says that a host is off which is heard, so it is another host's: ${text}` };
}

export interface CheckRules {
  readonly everyMs: number;
  /** After so long a host that lost its power is heard no more. */
  readonly silentMs: number;
}

/** Controllers of hosts miss a question now and then, and lock out who comes too often with a wrong password. */
const SOON_MS = 20_000;
const SPREAD = 0.1;

/** Why it is asked again: it was well; it was not, for once; or it was not twice in a row, which is told. */
export type CheckStanding = 'well' | 'doubted' | 'failing';

/** In how many ms. `chance`: in [0, 1). */
export function askAgainIn(
  standing: CheckStanding,
  { everyMs, silentMs }: CheckRules,
  chance: number,
): number {
  const soonMs = Math.max(SOON_MS, 2 * silentMs);
  if (standing === 'doubted') return soonMs;
  const spread = 1 - SPREAD + 2 * SPREAD * chance;
  return standing === 'well' ? everyMs * spread : Math.max(soonMs, (everyMs / 4) * spread);
}
