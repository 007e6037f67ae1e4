/** Trials of a row as one line of the table, and the table as people and programs read it. Pure. */
import { formatTable } from '../../../src/cli/table.ts';
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

export function summarise(row: Pick<Row, 'name' | 'figure' | 'budget'>, samples: readonly Sample[]): Entry {
  const all = samples.flatMap(({ ms, each }): readonly (number | null)[] => each ?? [ms]);
  const [p50, max] = [percentile(all, 0.5), percentile(all, 1)];
  const { budget } = row;
  return {
    event: row.name,
    figure: row.figure,
    n: all.length,
    p50_ms: p50,
    ...(all.length >= 100 ? { p99_ms: percentile(all, 0.99) } : {}),
    max_ms: max,
    budget_ms: budget && { p50: budget.p50Ms, max: budget.maxMs },
    within_budget: budget && p50 !== null && max !== null && p50 <= budget.p50Ms && max <= budget.maxMs,
    max_actives: Math.max(...samples.map(({ maxActives }) => maxActives)),
    double_answers: samples.reduce((sum, { doubleAnswers }) => sum + doubleAnswers, 0),
    lost_after_heal_ms: largest(samples.map(({ lostAfterHealMs }) => lostAfterHealMs)),
    also: worstOfEach(samples),
    all_ms: all.map((value) => value && round(value)),
    complaints: [...new Set(samples.flatMap(({ complaints, late = [] }) => [...complaints, ...late]))],
  };
}

/** What was tried of a row. */
export interface Tried {
  readonly row: Row;
  readonly samples: readonly Sample[];
}

type Beside = Pick<Row, 'figure' | 'budget'> & {
  readonly name: string;
  readonly of: (tried: Tried) => readonly (number | null | undefined)[];
};

/** Rows after which a server had been there all the time. */
const SERVED = ['planned-move', 'host-off', 'keepalived-killed'];

/** Figures that rows give beside their own, each of all that give it. */
const BESIDES: readonly Beside[] = [
  {
    name: 'api-behind',
    figure: 'from when another serves alone until the API shows it',
    budget: { p50Ms: 250, maxMs: 250 },
    of: ({ row, samples }) =>
      SERVED.includes(row.name) ? samples.map(({ also }) => also['api_behind_ms']) : [],
  },
  {
    name: 'alert-of-two',
    figure: 'from the second active until the alert',
    budget: { p50Ms: 100, maxMs: 100 },
    of: ({ samples }) => samples.map(({ also }) => also['alert_after_ms']),
  },
  {
    name: 'heal',
    figure: 'pings lost after the heal of any of these, as time',
    budget: { p50Ms: 1_000, maxMs: 1_000 },
    of: ({ row, samples }) =>
      row.kind === 'protected' ? samples.map(({ lostAfterHealMs }) => lostAfterHealMs) : [],
  },
];

/** An entry for each of those that something was found of. What was wrong is told of the rows themselves. */
export function summariseBeside(tried: readonly Tried[]): Entry[] {
  return BESIDES.flatMap(({ of, ...beside }) => {
    const found = tried.flatMap((one) =>
      of(one).flatMap((ms, at): Sample[] => {
        const sample = one.samples[at];
        return typeof ms === 'number' && sample ? [{ ...only(sample), ms }] : [];
      }),
    );
    return found.length === 0 ? [] : [summarise(beside, found)];
  });
}

const only = ({ maxActives, doubleAnswers, lostAfterHealMs }: Sample): Sample => ({
  ...{ ms: null, maxActives, doubleAnswers, lostAfterHealMs },
  ...{ also: {}, complaints: [] },
});

const show = (value: number | null): string => (value === null ? '-' : String(Math.round(value)));

/** The table, as lines of up to 120 columns; below it what was counted where there is no figure in milliseconds. */
export function renderTable(entries: readonly Entry[]): string[] {
  const isMany = entries.some((entry) => entry.p99_ms !== undefined);
  const head = [
    ...['EVENT', 'N', 'P50 MS', ...(isMany ? ['P99 MS'] : []), 'MAX MS', 'GOAL', 'WITHIN'],
    ...['ACTIVE AT ONCE', 'DOUBLE ARP', 'AFTER HEAL MS'],
  ];
  const rows = entries.map((entry) => [
    ...[entry.event, String(entry.n), show(entry.p50_ms)],
    ...(isMany ? [show(entry.p99_ms ?? null)] : []),
    show(entry.max_ms),
    entry.budget_ms ? `${entry.budget_ms.p50} / ${entry.budget_ms.max}` : '-',
    entry.complaints.length > 0 ? 'WRONG' : entry.within_budget === false ? 'no' : 'yes',
    ...[String(entry.max_actives), String(entry.double_answers), show(entry.lost_after_heal_ms)],
  ]);
  const counted = entries.filter((entry) => entry.max_ms === null && Object.keys(entry.also).length > 0);
  return [
    ...formatTable(head, rows).trimEnd().split('\n'),
    ...counted.map(({ event, also }) => {
      const words = Object.entries(also).map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`);
      return `${event}: ${words.join(', ')}`;
    }),
  ];
}
