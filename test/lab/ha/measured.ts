/** Trials of a row as one line of the table, and the table as people and programs read it. Pure. */
import type { Row, Sample } from './row.ts';

export interface Entry {
  readonly event: string;
  readonly figure: string;
  readonly n: number;
  readonly p50_ms: number | null;
  /** From a hundred trials on. */
  readonly p99_ms?: number | null;
  readonly max_ms: number | null;
  /** null: it has none. */
  readonly budget_ms: { readonly p50: number; readonly max: number } | null;
  readonly within_budget: boolean | null;
  readonly max_actives: number;
  readonly double_answers: number;
  readonly lost_after_heal_ms: number | null;
  /** Of every other figure the worst. */
  readonly also: Readonly<Record<string, number>>;
  readonly all_ms: readonly (number | null)[];
  readonly complaints: readonly string[];
}

/** The value below or at which that share of them lies; null where one of them is (it never came). */
export function percentile(values: readonly (number | null)[], share: number): number | null {
  const sorted = values.map((value) => value ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  return found === undefined || !Number.isFinite(found) ? null : round(found);
}

const round = (ms: number): number => Math.round(ms * 10) / 10;

const largest = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : round(Math.max(...known));
};

function worstOfEach(samples: readonly Sample[]): Record<string, number> {
  const names = new Set(samples.flatMap(({ also }) => Object.keys(also)));
  return Object.fromEntries(
    [...names].map((name) => [name, largest(samples.map(({ also }) => also[name] ?? null))!]),
  );
}

export function summarise(row: Row, samples: readonly Sample[]): Entry {
  const all = samples.map(({ ms }) => ms);
  const [p50, max] = [percentile(all, 0.5), percentile(all, 1)];
  const { budget } = row;
  return {
    event: row.name,
    figure: row.figure,
    n: samples.length,
    p50_ms: p50,
    ...(samples.length >= 100 ? { p99_ms: percentile(all, 0.99) } : {}),
    max_ms: max,
    budget_ms: budget && { p50: budget.p50Ms, max: budget.maxMs },
    within_budget: budget && p50 !== null && max !== null && p50 <= budget.p50Ms && max <= budget.maxMs,
    max_actives: Math.max(...samples.map(({ maxActives }) => maxActives)),
    double_answers: samples.reduce((sum, { doubleAnswers }) => sum + doubleAnswers, 0),
    lost_after_heal_ms: largest(samples.map(({ lostAfterHealMs }) => lostAfterHealMs)),
    also: worstOfEach(samples),
    all_ms: all.map((value) => value && round(value)),
    complaints: [...new Set(samples.flatMap(({ complaints }) => complaints))],
  };
}

const show = (value: number | null): string => (value === null ? '-' : String(Math.round(value)));

/** The table, as lines. */
export function renderTable(entries: readonly Entry[]): string[] {
  const head = [
    'EVENT',
    'N',
    'P50 MS',
    'MAX MS',
    'GOAL',
    'WITHIN',
    'ACTIVE AT ONCE',
    'DOUBLE ARP',
    'LOST AFTER HEAL MS',
  ];
  const rows = entries.map((entry) => [
    entry.event,
    String(entry.n),
    show(entry.p50_ms),
    show(entry.max_ms),
    entry.budget_ms ? `${entry.budget_ms.p50} / ${entry.budget_ms.max}` : '-',
    entry.complaints.length > 0 ? 'WRONG' : entry.within_budget === false ? 'no' : 'yes',
    String(entry.max_actives),
    String(entry.double_answers),
    show(entry.lost_after_heal_ms),
  ]);
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]!.length)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
}
