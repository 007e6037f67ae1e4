/** What a trial found, and how it is shown. */
import { formatTable } from '../../../src/cli/table.ts';
import type { Fault } from './fault.ts';
import type { SeenEvent } from './signs.ts';

export interface Measured {
  readonly fault: string;
  /** From the cause until Deuteron, or what supervises it, first shows it. */
  readonly detected_s: number | null;
  /** event, agent not alive, convergence, answer (the API says so itself), supervisor, repair (seen only by being mended), or nothing (was wrong). */
  readonly detected_by: string | null;
  readonly detected_as: string | null;
  /** Until the world is right, addresses are given, and the API says that all has converged; null: it did not come to that. */
  readonly converged_s: number | null;
  /** What `converged_s` counts from. */
  readonly counted_from: 'cause' | 'heal';
  /** Where a lost host came back: from then until nothing is stray and all has converged. */
  readonly returned_s: number | null;
  /** From the cause until clients were answered again; 0: they were all the time. */
  readonly served_again_s: number | null;
  /** The longest time without an answer. */
  readonly silence_s: number | null;
  /** When that began, from the cause. */
  readonly silent_from_s: number | null;
  readonly remedy: string;
  readonly requests_failed: number;
  readonly requests: number;
  readonly complaints: readonly string[];
  readonly lasted_s: number;
  readonly loses_host: boolean;
  /** What `deuteron explain` said while it lasted. */
  readonly explain: string | null;
  readonly events: readonly string[];
  readonly error?: string;
}

/** All rounds of a fault: the worst of each figure. */
export interface Entry extends Measured {
  readonly n: number;
  /** `converged_s` of each round. */
  readonly converged_all_s: readonly (number | null)[];
}

export const seconds = (ms: number): string => (ms / 1000).toFixed(2);

/** Who did what, in a few words, from the events and the supervisor's doings. */
export function remedyOf(
  fault: Fault,
  events: readonly SeenEvent[],
  started: readonly { readonly name: string }[],
): string {
  const words: string[] = [];
  const services = [...new Set(started.map((one) => one.name))];
  if (services.length > 0) words.push(`restart by the supervisor (${services.join(', ')})`);
  for (const event of events) {
    if (event.kind === 'remedy') words.push(`step ${event.data['step'] ?? '?'} of the ladder`);
    if (event.kind === 'move-begun') words.push('rescheduling to another host');
  }
  if (words.length === 0 || fault.mender.startsWith('then ')) words.push(fault.mender);
  return [...new Set(words)].join(', ').replace(', then ', ', then ');
}

const worst = (values: readonly (number | null)[]): number | null =>
  values.includes(null) ? null : Math.max(...(values as number[]));

/** Rounds of one fault as one entry: of each figure the worst, of each text the first, of requests the sum. */
export function summarise(rounds: readonly Measured[]): Entry {
  const first = rounds[0]!;
  const failed = rounds.find((round) => round.error !== undefined);
  const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const returned = known(rounds.map((round) => round.returned_s));
  const told = (failed ?? first) satisfies Measured;
  return {
    ...told,
    detected_s: worst(rounds.map((round) => round.detected_s)),
    converged_s: worst(rounds.map((round) => round.converged_s)),
    returned_s: returned.length === 0 ? null : Math.max(...returned),
    served_again_s: worst(rounds.map((round) => round.served_again_s)),
    silence_s: worst(rounds.map((round) => round.silence_s)),
    remedy: [...new Set(rounds.map((round) => round.remedy))].join('; or '),
    requests_failed: sum(rounds.map((round) => round.requests_failed)),
    requests: sum(rounds.map((round) => round.requests)),
    explain: rounds.find((round) => round.explain !== null)?.explain ?? null,
    n: rounds.length,
    converged_all_s: rounds.map((round) => round.converged_s),
  };
}

/** Seconds as printed; three digits are more than the looks are apart. */
const show = (value: number | null): string => (value === null ? '-' : value.toFixed(2));

/** The table, as lines. */
export function renderTable(entries: readonly Entry[]): string[] {
  const head = ['FAULT', 'DETECTED AFTER', 'CONVERGED AFTER', 'REMEDY', 'REQUESTS FAILED', 'NO ANSWER FOR'];
  const rows = entries.map((entry) => [
    entry.fault,
    `${show(entry.detected_s)} s`,
    entry.error === undefined
      ? `${show(entry.converged_s)} s${entry.counted_from === 'heal' ? ' after its end' : ''}`
      : 'NOT',
    entry.remedy,
    `${entry.requests_failed} of ${entry.requests}`,
    `${show(entry.silence_s)} s`,
  ]);
  return formatTable(head, rows).trimEnd().split('\n');
}

/** p99 and maximum of every round in which no host was lost, as a line; undefined where there is none. */
export function summaryLine(entries: readonly Entry[]): string | undefined {
  const all = entries.filter((entry) => !entry.loses_host).flatMap((entry) => entry.converged_all_s);
  const known = all.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length === 0) return undefined;
  const p99 = known[Math.min(known.length - 1, Math.ceil(known.length * 0.99) - 1)]!;
  const failed = all.length - known.length;
  const rest = failed === 0 ? '' : `, and ${failed} did not converge`;
  return `faults without a lost host: converged after p99 ${show(p99)} s, max ${show(known.at(-1)!)} s (${known.length} rounds${rest})`;
}
