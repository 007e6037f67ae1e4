/** What is held against replicas, as kept for the next life of the agent, which has another clock. Pure. */
import { type Held, UNHELD } from './hold-down.ts';

interface Kept {
  readonly penalty: number;
  readonly rises: number;
  readonly reason: string;
}

interface Sources {
  readonly held: Map<string, Held>;
  readonly reasons: Map<string, string>;
}

/** Only what costs, or did: nothing for a host that always was well. */
export function renderHeld(all: ReadonlyMap<string, Sources>): string {
  const kept: Record<string, Record<string, Kept>> = {};
  for (const [routerId, { held, reasons }] of all)
    for (const [source, { penalty, rises }] of held) {
      if (rises === 0) continue;
      kept[routerId] ??= {};
      kept[routerId][source] = { penalty, rises, reason: reasons.get(source) ?? source };
    }
  return `${JSON.stringify(kept)}\n`;
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** What is not understood is left out: the worst that follows is that something counts as well too early. */
export function parseHeld(text: string, now: number): Map<string, Sources> {
  const all = new Map<string, Sources>();
  for (const [routerId, sources] of entriesOf(parse(text))) {
    const made: Sources = { held: new Map(), reasons: new Map() };
    for (const [source, kept] of entriesOf(sources)) {
      const { penalty, rises, reason } = Object.fromEntries(entriesOf(kept));
      if (!isWhole(penalty) || !isWhole(rises) || typeof reason !== 'string') continue;
      made.held.set(source, { ...UNHELD, penalty, rises, worseAt: now, hasFallen: penalty === 0 });
      made.reasons.set(source, reason);
    }
    if (made.held.size > 0) all.set(routerId, made);
  }
  return all;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // the first life, or a file that was cut short
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
