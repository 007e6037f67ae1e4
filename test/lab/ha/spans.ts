/** Arithmetic of what lasted from when to when, in milliseconds. Pure. */

export interface Span {
  readonly from: number;
  /** Infinity: it goes on. */
  readonly to: number;
}

export const lengthOf = ({ from, to }: Span): number => to - from;

/** The part of each that lies between the two moments; those that lie outside are left out. */
export function clip(spans: readonly Span[], from: number, to: number): Span[] {
  return spans
    .map((span) => ({ from: Math.max(span.from, from), to: Math.min(span.to, to) }))
    .filter((span) => span.to > span.from);
}

export interface Crowd {
  readonly span: Span;
  readonly who: readonly string[];
}

/** The time from the first to the last moment in pieces, each with those of whom a span covers it; neighbours differ. */
export function crowds(spans: ReadonlyMap<string, readonly Span[]>, from: number, to: number): Crowd[] {
  const clipped = [...spans].map(([who, all]) => [who, clip(all, from, to)] as const);
  const edges = clipped.flatMap(([, all]) => all.flatMap((span) => [span.from, span.to]));
  const moments = [...new Set([from, to, ...edges])].sort((a, b) => a - b);
  const pieces: Crowd[] = [];
  for (const [at, begin] of moments.slice(0, -1).entries()) {
    const end = moments[at + 1]!;
    const who = clipped
      .filter(([, all]) => all.some((span) => span.from <= begin && span.to >= end))
      .map(([name]) => name);
    const last = pieces.at(-1);
    if (last && last.who.join() === who.join())
      pieces.splice(-1, 1, { who, span: { from: last.span.from, to: end } });
    else pieces.push({ who, span: { from: begin, to: end } });
  }
  return pieces;
}

/** The most that were there at once for longer than `graceMs` (however they changed). */
export function mostAtOnce(pieces: readonly Crowd[], graceMs: number): number {
  const sizes = [...new Set(pieces.map(({ who }) => who.length))].sort((a, b) => b - a);
  return sizes.find((size) => longestWith(pieces, size) > graceMs) ?? 0;
}

/** The longest time without a break in which at least so many were there; 0 for never. */
export function longestWith(pieces: readonly Crowd[], size: number): number {
  let longest = 0;
  let running = 0;
  for (const { span, who } of pieces) {
    running = who.length >= size ? running + lengthOf(span) : 0;
    longest = Math.max(longest, running);
  }
  return longest;
}

/** From when on there was just one, always the same, until the end; undefined: it did not come to that. */
export function aloneSince(
  pieces: readonly Crowd[],
): { readonly who: string; readonly at: number } | undefined {
  const last = pieces.at(-1);
  const [who] = last?.who ?? [];
  return last?.who.length === 1 && who !== undefined ? { who, at: last.span.from } : undefined;
}

/**
 * When a cause took effect, of which only is known that somebody began to bring it about at the one moment and was done at the
 * other: with the first silence that began in between. Without one it counts from the earlier.
 */
export function begunAt(silences: readonly Span[], causedAt: number, doneAt: number): number {
  const first = silences.find(({ from, to }) => to > causedAt && from <= doneAt);
  return first === undefined ? causedAt : Math.max(causedAt, first.from);
}
