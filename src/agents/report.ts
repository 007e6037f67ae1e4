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

/**
 * What a role has realised, for its report: everything up to the mirror's place, but for the exceptions. Unknown (null)
 * until the first full pass has been through, and when more is missing than a report carries, since what is left out
 * must not count as done.
 */
export function standingOf(
  place: Place | null,
  firstPassDone: boolean,
  pending: readonly Pending[],
): Standing {
  const exceptions = pending.flatMap(exceptionsOf);
  const known = firstPassDone && exceptions.length <= MAX_EXCEPTIONS;
  return {
    realised: known ? place : null,
    exceptions: exceptions.slice(0, MAX_EXCEPTIONS),
    exceptionCount: exceptions.length,
  };
}
