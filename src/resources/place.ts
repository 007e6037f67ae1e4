/**
 * A place in the change log. Positions are dense and become visible in commit order; the tag is the random number of
 * the transaction that wrote that position. A log "holds" a place only if it has that position with that tag, so a
 * promoted standby that lost its last commits, or a restored backup, is recognised (Raft's log-matching check).
 */
export interface Place {
  readonly position: number;
  readonly tag: number;
}

/** Whether both are the same place of the same lineage. */
export function samePlace(a: Place | null, b: Place | null): boolean {
  return a?.position === b?.position && a?.tag === b?.tag;
}

/** `position:tag`, as in the header `X-Deuteron-Position`. */
export function formatPlace(place: Place): string {
  return `${place.position}:${place.tag}`;
}

/** Reads what `formatPlace` wrote; undefined for anything else. */
export function parsePlace(text: string): Place | undefined {
  const match = /^(\d{1,16}):(\d{1,16})$/.exec(text);
  if (!match) return undefined;
  const place = { position: Number(match[1]), tag: Number(match[2]) };
  return Number.isSafeInteger(place.position) && Number.isSafeInteger(place.tag) ? place : undefined;
}
