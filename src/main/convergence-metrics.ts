/**
 * What is owed and what is done about it, for Prometheus. Sums by role and kind are always there; series of single
 * agents only for those that owe anything, and of these for the MAX_AGENTS that have for longest: with 10,000 agents a
 * quiet fleet has none, and a bad day does not flood the database of whoever scrapes.
 */
import { Histogram, type Registry } from 'prom-client';
import type { EventWriter } from '../background/event-writer.ts';
import type { Remedies } from '../background/remedies.ts';
import { KINDS, type Kind } from '../convergence/deadlines.ts';
import type { Standing, Tracker } from '../convergence/tracker.ts';
import type { Clock } from '../lib/clock.ts';
import { AGENT_TYPES, type Role } from '../resources/agent.ts';
import { by, show } from './shown.ts';

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
  const byKind = (name: string, help: string, value: (sum: Sum) => number, look = () => standings) =>
    show(registry, {
      ...{ type: 'gauge', name: `deuteron_convergence_${name}`, help, labels: ['role', 'kind'] },
      read: () =>
        [...sums(look())].flatMap(([role, kinds]) =>
          [...kinds].map(([kind, sum]) => [{ role, kind }, value(sum)] as const),
        ),
    });
  const byRole = (name: string, help: string, value: (standing: Standing) => number) =>
    show(registry, {
      ...{ type: 'gauge', name, help, labels: ['role'] },
      read: () => [
        ...ROLES.map((role) => [{ role }, 0] as const),
        ...standings.map((one) => [{ role: one.role }, value(one)] as const),
      ],
    });
  byKind(
    'pending',
    'What was sent to the agents connected here and is not realised yet.',
    (sum) => sum.pending,
    () => {
      standings = tracker.standing(clock.now());
      return standings;
    },
  );
  byKind('overdue', 'What of that is past its deadline.', (sum) => sum.overdue);
  byKind('oldest_seconds', 'For how long the oldest of it has been owed.', (sum) => sum.oldestMs / 1000);
  byRole(
    'deuteron_convergence_waiting',
    'Objects that agents report as waiting for the world, such as ports without their link.',
    ({ waiting }) => waiting,
  );
  byRole('deuteron_agents_behind', 'Agents connected here that owe anything.', ({ pending }) =>
    pending > 0 ? 1 : 0,
  );
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_agent_lag_seconds', labels: ['host', 'role', 'kind'] },
    help: `For how long an agent has owed its oldest change, by kind; the ${MAX_AGENTS} that have for longest.`,
    read: () =>
      longest(standings).flatMap(({ host, role, kinds }) =>
        [...kinds].map(([kind, { oldestMs }]) => [{ host, role, kind }, oldestMs / 1000] as const),
      ),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_agent_lag_changes', labels: ['host', 'role'] },
    help: `Changes beyond what an agent reports as realised; the ${MAX_AGENTS} that owe for longest.`,
    read: () => longest(standings).map(({ host, role, lag }) => [{ host, role }, lag] as const),
  });
}

function longest(standings: readonly Standing[]): Standing[] {
  return standings
    .filter(({ pending }) => pending > 0)
    .sort((a, b) => b.oldestMs - a.oldestMs)
    .slice(0, MAX_AGENTS);
}

function registerDone(registry: Registry, { remedies, events }: ConvergenceSources): void {
  show(registry, {
    ...{ type: 'counter', name: 'deuteron_remedies_total', labels: ['step'] },
    help: 'Steps of the ladder of remedies that were taken.',
    read: () => by('step', remedies.steps),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_alerts_open', labels: ['alert'] },
    help: 'Alerts about agents connected here that have not ended.',
    read: () => by('alert', remedies.alerts()),
  });
  show(registry, {
    ...{ type: 'counter', name: 'deuteron_events_dropped_total' },
    help: 'Events that could not be written, for the database was away for too long.',
    read: () => events.dropped,
  });
}
