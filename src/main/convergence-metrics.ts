/**
 * What is owed and what is done about it, for Prometheus. Sums by role and kind are always there; series of single
 * agents only for those that owe anything, and of these for the MAX_AGENTS that have for longest: with 10,000 agents a
 * quiet fleet has none, and a bad day does not flood the database of whoever scrapes.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { EventWriter } from '../background/event-writer.ts';
import type { Remedies } from '../background/remedies.ts';
import { KINDS, type Kind } from '../convergence/deadlines.ts';
import { STEP_NUMBERS } from '../convergence/ladder.ts';
import type { Standing, Tracker } from '../convergence/tracker.ts';
import type { Clock } from '../lib/clock.ts';
import { AGENT_TYPES, type Role } from '../resources/agent.ts';

const MAX_AGENTS = 100;
const LATENCY_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300];
const ROLES = Object.keys(AGENT_TYPES) as Role[];

/** From the commit to the report that it is realised, by kind: the network-programming latency. */
export function createLatency(): Histogram<'kind'> {
  return new Histogram({
    name: 'deuteron_programming_latency_seconds',
    help: 'From the commit of a change to the report that an agent has realised it.',
    labelNames: ['kind'],
    buckets: LATENCY_BUCKETS,
    registers: [],
  });
}

export interface ConvergenceSources {
  readonly tracker: Tracker;
  readonly remedies: Remedies;
  readonly events: EventWriter;
  readonly latency: Histogram<'kind'>;
  readonly clock: Clock;
}

interface Sum {
  pending: number;
  overdue: number;
  oldestMs: number;
}

/** By role and kind, zeros included. */
function sums(standings: readonly Standing[]): Map<Role, Map<Kind, Sum>> {
  const all = new Map(
    ROLES.map((role) => [
      role,
      new Map(KINDS.map((kind) => [kind, { pending: 0, overdue: 0, oldestMs: 0 }])),
    ]),
  );
  for (const { role, kinds } of standings) {
    for (const [kind, { pending, overdue, oldestMs }] of kinds) {
      const sum = all.get(role)?.get(kind);
      if (!sum) continue;
      sum.pending += pending;
      sum.overdue += overdue;
      sum.oldestMs = Math.max(sum.oldestMs, oldestMs);
    }
  }
  return all;
}

export function registerConvergenceMetrics(registry: Registry, sources: ConvergenceSources): void {
  registry.registerMetric(sources.latency);
  registerOwed(registry, sources);
  registerDone(registry, sources);
}

function registerOwed(registry: Registry, { tracker, clock }: ConvergenceSources): void {
  // One reading for all of them: they are collected in one go, the first of them first.
  let standings: readonly Standing[] = [];
  const byKind = (
    name: string,
    help: string,
    value: (sum: Sum) => number,
    read: () => void = () => undefined,
  ) =>
    registry.registerMetric(
      new Gauge({
        ...{ name: `deuteron_convergence_${name}`, help, labelNames: ['role', 'kind'], registers: [] },
        collect() {
          read();
          for (const [role, kinds] of sums(standings))
            for (const [kind, sum] of kinds) this.set({ role, kind }, value(sum));
        },
      }),
    );
  byKind(
    'pending',
    'Changes that were sent to the agents connected here and are not realised yet.',
    (sum) => sum.pending,
    () => {
      standings = tracker.standing(clock.now());
    },
  );
  byKind('overdue', 'Those that are past their deadline.', (sum) => sum.overdue);
  byKind('oldest_seconds', 'For how long the oldest of them has been owed.', (sum) => sum.oldestMs / 1000);
  registry.registerMetric(
    new Gauge({
      name: 'deuteron_convergence_waiting',
      help: 'Objects that agents report as waiting for the world, such as ports without their link.',
      labelNames: ['role'],
      registers: [],
      collect() {
        for (const role of ROLES) this.set({ role }, 0);
        for (const { role, waiting } of standings) this.inc({ role }, waiting);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'deuteron_agents_behind',
      help: 'Agents connected here that owe anything.',
      labelNames: ['role'],
      registers: [],
      collect() {
        for (const role of ROLES) this.set({ role }, 0);
        for (const { role, pending } of standings) if (pending > 0) this.inc({ role });
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'deuteron_agent_lag_seconds',
      help: `For how long an agent has owed its oldest change, by kind; the ${MAX_AGENTS} agents that have for longest.`,
      labelNames: ['host', 'role', 'kind'],
      registers: [],
      collect() {
        this.reset();
        for (const { host, role, kinds } of longest(standings))
          for (const [kind, { oldestMs }] of kinds) this.set({ host, role, kind }, oldestMs / 1000);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'deuteron_agent_lag_changes',
      help: `Changes beyond what an agent reports as realised; the ${MAX_AGENTS} agents that owe for longest.`,
      labelNames: ['host', 'role'],
      registers: [],
      collect() {
        this.reset();
        for (const { host, role, lag } of longest(standings)) this.set({ host, role }, lag);
      },
    }),
  );
}

function longest(standings: readonly Standing[]): Standing[] {
  return standings
    .filter(({ pending }) => pending > 0)
    .sort((a, b) => b.oldestMs - a.oldestMs)
    .slice(0, MAX_AGENTS);
}

function registerDone(registry: Registry, { remedies, events }: ConvergenceSources): void {
  registry.registerMetric(
    new Counter({
      name: 'deuteron_remedies_total',
      help: 'Steps of the ladder of remedies that were taken.',
      labelNames: ['step'],
      registers: [],
      collect() {
        this.reset();
        for (const step of Object.keys(STEP_NUMBERS) as (keyof typeof STEP_NUMBERS)[])
          this.inc({ step }, remedies.steps[step]);
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: 'deuteron_alerts_open',
      help: 'Alerts about agents connected here that have not ended.',
      labelNames: ['alert'],
      registers: [],
      collect() {
        for (const [alert, count] of Object.entries(remedies.alerts())) this.set({ alert }, count);
      },
    }),
  );
  registry.registerMetric(
    new Counter({
      name: 'deuteron_events_dropped_total',
      help: 'Events that could not be written, for the database was away for too long.',
      registers: [],
      collect() {
        this.reset();
        this.inc(events.dropped);
      },
    }),
  );
}
