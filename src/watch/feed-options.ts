/** What a feed is given, how it is limited, what it counts. */
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Group, Ref } from '../resources/agent-view.ts';
import { AUDIT_DEFAULTS, type AuditLimits } from './audit.ts';
import type { SnapshotReason } from './cycle.ts';
import {
  BOOKMARK_MS,
  HEARTBEAT_MS,
  HEARTBEAT_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  type WatchRequest,
} from './protocol.ts';
import type { FeedSource } from './source.ts';

/** A change that was written to an agent's watch. For one that was away, what it missed is one change. */
export interface Sent {
  readonly host: string;
  /** The agent has to realise it up to here. */
  readonly position: number;
  /** All that the change may bear on, for any host: one list for all agents that are told of it. */
  readonly refs: readonly Ref[];
  /** The groups that the host has, or had until this change. To be asked at once. */
  readonly sees: (group: Group) => boolean;
  /** How long ago it was committed, by the database's clock; 0 for one that was away: its time counts from its return. */
  readonly ageMs: number;
}

export interface FeedLimits {
  readonly pollMs: number;
  /** Shortest and longest time from one cycle's beginning to the next. */
  readonly flushMs: readonly [number, number];
  readonly bookmarkMs: number;
  readonly heartbeatTimeoutMs: number;
  /** What agents are told to keep to. */
  readonly heartbeatMs: number;
  readonly idleMs: number;
  /** A stream that does not drain for so long is cut. */
  readonly stallMs: number;
  /** How long a connect may wait for its answer. */
  readonly answerMs: number;
  /** A place that is ahead of the log is looked for so long, should the view be late; then its commit is lost. */
  readonly aheadMs: number;
  readonly tailChanges: number;
  readonly tailRefs: number;
  /** What may wait for slow readers, all together. */
  readonly ringBytes: number;
  /** Whole comparisons, in groups: so many at once, so many a second. */
  readonly snapshots: { readonly perSecond: number; readonly burst: number };
  readonly joinersPerCycle: number;
  readonly groupsPerCycle: number;
  readonly audit: AuditLimits;
}

export const FEED_DEFAULTS: FeedLimits = {
  pollMs: 400,
  flushMs: [5, 500],
  bookmarkMs: BOOKMARK_MS,
  heartbeatTimeoutMs: HEARTBEAT_TIMEOUT_MS,
  heartbeatMs: HEARTBEAT_MS,
  idleMs: IDLE_TIMEOUT_MS,
  stallMs: 20_000,
  answerMs: 2_000,
  aheadMs: 200,
  tailChanges: 20_000,
  tailRefs: 200_000,
  ringBytes: 32 * 1024 * 1024,
  snapshots: { perSecond: 1_500, burst: 1_500 },
  joinersPerCycle: 500,
  groupsPerCycle: 2_000,
  audit: AUDIT_DEFAULTS,
};

export interface FeedOptions {
  readonly source: FeedSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly serverId: string;
  readonly limits?: Partial<FeedLimits>;
  /** An agent's watch was opened or has ended. */
  readonly onPresence?: (host: string, connected: boolean) => void;
  /** A heartbeat came: often. Also of one that asks to watch and has no answer yet. */
  readonly onHeard?: (host: string) => void;
  /** Since when this process has been in a state to hear; what came before, nobody is cut for. */
  readonly attentiveSince?: (now: number) => number;
  /** A watch was opened, in place of an older one or not. What it is sent then is not told, but for what it missed. */
  readonly onAttached?: (request: WatchRequest) => void;
  /** A change went to an agent. Called for each agent that it concerns: keep it cheap. */
  readonly onSent?: (sent: Sent) => void;
  /** The database did not answer; the feed goes on trying. */
  readonly onError?: (error: unknown) => void;
}

/** Numbers since the start, and of now. */
export interface FeedMetrics {
  readonly position: number;
  readonly streams: number;
  readonly joining: number;
  readonly cycles: number;
  readonly batches: number;
  readonly bytes: number;
  readonly resumes: number;
  readonly snapshots: Readonly<Record<SnapshotReason, number>>;
  readonly refused: number;
  readonly mismatches: number;
  readonly lineages: number;
  readonly cuts: Readonly<Record<CutReason, number>>;
  readonly ringBytes: number;
  /** How long the last cycle took. */
  readonly cycleMs: number;
  readonly auditPeriodMs: number;
}

export type CutReason = 'stalled' | 'fell out' | 'silent' | 'asked';
