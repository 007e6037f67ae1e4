/** What follows up the agents whose watch this server holds: the tracker, its remedies, their events; and old events. */
import type { Duty } from '../background/duties.ts';
import { EventWriter } from '../background/event-writer.ts';
import { Remedies, type RemedyWatch } from '../background/remedies.ts';
import { StaleAlerts } from '../background/stale-alerts.ts';
import { Tracker } from '../convergence/tracker.ts';
import type { Clock } from '../lib/clock.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import type { Place } from '../resources/place.ts';
import type { Store } from '../store/store.ts';
import type { Feed, FeedOptions } from '../watch/feed.ts';
import type { Report } from '../watch/protocol.ts';
import type { ServerConfig } from './config.ts';
import { createLatency } from './convergence-metrics.ts';
import type { Log } from './logging.ts';

/** Overdue is found within this time. */
const LOOK_MS = 500;
/** Longer than an agent that has just connected needs to be found overdue, and told of. */
const STALE_MS = 60_000;
const TRIM_EVENTS_MS = 600_000;
const DAY_MS = 86_400_000;

export interface ConvergenceOptions {
  readonly store: Store;
  readonly call: () => Call;
  readonly config: Pick<ServerConfig, 'events-keep-days' | 'events-keep'>;
  readonly clock: Clock;
  /** Each event of the remedies; `tellTo` makes log lines of them. */
  readonly tell: (event: EventRow) => void;
  /** Since when this server and its database have been prompt. */
  readonly promptSince?: (now: number) => number;
  readonly onFailure: (what: string, error: unknown) => void;
}

const LEVELS = { info: 'info', warning: 'warn', error: 'error' } as const;

/** Events as log lines with the fields of their rows. */
export function tellTo(log: Log): (event: EventRow) => void {
  return ({ message, ...event }) => log[LEVELS[event.severity]]({ event }, message);
}

/** The feed's end of what a remedy needs. */
function watchOf(feed: Feed): RemedyWatch {
  return {
    connected: () => feed.connected(),
    keys: (host, role) => {
      const prefix = role === 'dhcp' ? 'dhcp/' : 'network/';
      let count = 0;
      for (const group of feed.scopeOf(host) ?? []) if (group.startsWith(prefix)) count++;
      return count;
    },
    auditNow: (groups) => feed.auditNow(groups),
    remedy: (host, ask) => feed.remedy(host, { type: 'remedy', ...ask }),
    cut: (host, reason) => feed.cut(host, reason),
  };
}

export type ConvergenceParts = ReturnType<typeof createConvergenceParts>;

/** Call `hooks` from the feed and `reported` for each report that was taken, then `follow` once the feed is there. */
export function createConvergenceParts(options: ConvergenceOptions) {
  const { store, call, config, clock, tell, onFailure } = options;
  const tracker = new Tracker(call().settings.deadlines);
  const latency = createLatency();
  const events = new EventWriter({ store, call, tell });
  const now = () => clock.now();
  const hooks: Required<Pick<FeedOptions, 'onAttached' | 'onSent'>> = {
    onAttached: ({ host, roles }) => tracker.attached(host, roles, now()),
    onSent: (sent) => tracker.sent(sent, now()),
  };
  return {
    tracker,
    latency,
    events,
    hooks,
    detached: (host: string) => tracker.detached(host, now()),
    reported: (report: Report, place: Place | null) => {
      const { host, role, incarnation, counter, exceptions, exceptionCount } = report;
      const realised = place?.position ?? null;
      const nextMs = report.nextMs === undefined ? {} : { nextMs: report.nextMs };
      const level = { host, role, incarnation, counter, realised, exceptions, exceptionCount, ...nextMs };
      for (const { kind, ms } of tracker.reported(level, now())) latency.observe({ kind }, ms / 1000);
    },
    follow: (feed: Feed): { remedies: Remedies; duties: Duty[] } => {
      const { promptSince } = options;
      const remedies = new Remedies({
        ...{ store, call, tracker, events, onFailure, clock, watch: watchOf(feed) },
        ...(promptSince ? { promptSince } : {}),
      });
      const stale = new StaleAlerts({
        ...{ store, events, connected: () => feed.connected() },
        isHeld: (alert) => remedies.holds(alert),
      });
      const trim = async () => {
        const before = new Date(clock.wall().getTime() - config['events-keep-days'] * DAY_MS);
        await store.trimEvents({ before: before.toISOString(), keep: config['events-keep'] });
      };
      return {
        remedies,
        duties: [
          { name: 'remedies', intervalMs: LOOK_MS, perform: () => remedies.tick() },
          { name: 'stale alerts', intervalMs: STALE_MS, perform: () => stale.sweep() },
          {
            ...{ name: 'alerts of removed hosts', intervalMs: STALE_MS, leaderOnly: true },
            perform: () => stale.sweepGone(),
          },
          { name: 'trim events', intervalMs: TRIM_EVENTS_MS, leaderOnly: true, perform: trim },
        ],
      };
    },
  };
}
