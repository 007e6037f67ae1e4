/** Metrics that are counted elsewhere and read when somebody asks. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** A value, or one for each set of labels. */
export type Reading = number | Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>;

export interface Shown {
  /** gauge: it goes up and down; counter: it only grows while the process lives. */
  readonly type: 'gauge' | 'counter';
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: () => Reading;
}

export function show(registry: Registry, { type, name, help, labels = [], read }: Shown): void {
  const common = { name, help, labelNames: [...labels], registers: [] };
  const metric =
    type === 'gauge'
      ? new Gauge({ ...common, collect: () => fill((of, value) => metric.inc(of, value)) })
      : new Counter({ ...common, collect: () => fill((of, value) => metric.inc(of, value)) });
  const fill = (add: (labels: Readonly<Record<string, string>>, value: number) => void) => {
    metric.reset();
    const reading = read();
    for (const [of, value] of typeof reading === 'number' ? [[{}, reading] as const] : reading)
      add(of, value);
  };
  registry.registerMetric(metric);
}

/** A reading of one label from numbers by name. */
export const by = (label: string, values: Readonly<Record<string, number>>): Reading =>
  Object.entries(values).map(([name, value]) => [{ [label]: name }, value] as const);
