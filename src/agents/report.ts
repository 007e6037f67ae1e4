import type { Pending } from '../reconcile/controller.ts';
import type { ReportException } from '../resources/agent.ts';
import type { Place } from '../resources/place.ts';
import { MAX_EXCEPTIONS } from '../watch/protocol.ts';

export interface Standing {
  readonly realised: Place | null;
  readonly exceptions: readonly ReportException[];
  readonly exceptionCount: number;
}

const MAX_REASON_CHARACTERS = 1_000;

/** What a tool printed, as the server takes it: a report must not be refused for one odd byte. */
function storable(reason: string): string {
  return reason.slice(0, MAX_REASON_CHARACTERS).replaceAll('\0', ' ').toWellFormed();
}

function exceptionsOf(pending: Pending): ReportException[] {
  const { key, since } = pending;
  if (pending.shortfalls.length === 0)
    return [{ key, object: '', state: 'pending', since, reason: 'not done yet' }];
  return pending.shortfalls.map((short) => ({
    key,
    object: short.object,
    state: short.state,
    since,
    reason: storable(short.reason),
  }));
}

/** Older than any change: what has not been looked at in this life may owe everything. */
const EVER = 0;

/**
 * What a role has realised, for its report: everything up to the mirror's place, but for the exceptions. `unseen` are the
 * keys that the first pass has still to look at, undefined while it has not begun: then nothing is known (null). Nor is
 * it when more is missing than a report carries, since what is left out must not count as done.
 */
export function standingOf(
  place: Place | null,
  unseen: ReadonlySet<string> | undefined,
  pending: readonly Pending[],
): Standing {
  const unlooked = [...(unseen ?? [])].map((key): Pending => ({ key, since: EVER, shortfalls: [] }));
  const seen = pending.filter(({ key }) => !unseen?.has(key));
  const exceptions = [...unlooked, ...seen].flatMap(exceptionsOf);
  const known = unseen !== undefined && exceptions.length <= MAX_EXCEPTIONS;
  return {
    realised: known ? place : null,
    exceptions: exceptions.slice(0, MAX_EXCEPTIONS),
    exceptionCount: exceptions.length,
  };
}
