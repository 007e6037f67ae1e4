/**
 * What server and agents say to each other, both ways, apart from how it is carried.
 *
 * One watch a host: `POST /deuteron/v1/watch` with a WatchRequest; the answer is an endless body of frames, one JSON
 * object a line. Reports go the other way: `POST /deuteron/v1/report` with a Report. Both carry the host's credential
 * as `Authorization: Bearer <credential>`; the server knows the host by it and refuses a body that names another.
 *
 *   agent: here is my place in the log, the groups that I hold, and their digests
 *   server: hello, then what differs, group by group (what changed last first), then `synced` at H; then batches, each
 *   (from, to]
 *
 * - A batch is applied, and made durable, at once and only if `from` is the mirror's own place; otherwise the agent
 *   reconnects. So a gap, a reordering and a duplicate are decided by the message alone (R13 to R16, R22).
 * - An upsert carries the whole body as read at `to`; a hint in the log is never a body (R23).
 * - A bookmark is a batch with nothing in it.
 * - A frame of a type that an agent does not know is left alone: whatever moves the mirror is told by its place. Agents
 *   before that rule hung up, so what was added since goes only to those who say that they take it (`takes`).
 */
import type { Body, Group } from '../resources/agent-view.ts';
import type { ReportException, Role } from '../resources/agent.ts';
import type { Place } from '../resources/place.ts';
import type { ReplicaReport } from '../resources/replica-report.ts';

export const PROTOCOL_VERSION = 1;

/**
 * Liveness on an open watch, both ways. The request body may stay open: its first line is the WatchRequest, and each
 * later (blank) line is a heartbeat. An agent that began with heartbeats and then is not heard for HEARTBEAT_TIMEOUT_MS
 * is cut. The server writes at least a bookmark every BOOKMARK_MS. How fast it really goes follows from the time within
 * which the server is to find a death: `hello` says it, and the agent keeps to it within bounds.
 */
export const HEARTBEAT_MS = 2_500;
export const HEARTBEAT_TIMEOUT_MS = 9_000;
export const BOOKMARK_MS = 5_000;
export const IDLE_TIMEOUT_MS = 15_000;
export const HEARTBEAT_BOUNDS_MS = [100, 10_000] as const;
export const IDLE_BOUNDS_MS = [2_000, 60_000] as const;

/** A sum mod 2^64 of hash(key, canonical body), as 16 hex digits; '0000000000000000' for an empty group. */
export type Digest = string;

export interface WatchRequest {
  readonly version: number;
  readonly host: string;
  /** The agent process's number for this life: larger in each later life of the same host. */
  readonly incarnation: number;
  readonly roles: readonly Role[];
  /** What the host offers, shown in `/v2.0/agents` and used for placement. */
  readonly tunnel_ip: string;
  readonly physical_networks: readonly string[];
  readonly configurations: Readonly<Record<string, unknown>>;
  /** The mirror's place; null when it holds nothing. */
  readonly place: Place | null;
  /** Each group that the mirror holds in full, with its digest. */
  readonly groups: Readonly<Record<Group, Digest>>;
  /** Groups that a digest found wrong: held, but left out of `groups` so that they come whole. */
  readonly mismatched?: readonly Group[];
  /** Frames that it takes beyond those that every agent does. */
  readonly takes?: readonly OptionalFrame[];
}

/** Types of frames that came after the first agents. */
export const OPTIONAL_FRAMES = ['remedy'] as const;
export type OptionalFrame = (typeof OPTIONAL_FRAMES)[number];

/** First frame of every watch. */
export interface HelloFrame {
  readonly type: 'hello';
  readonly version: number;
  readonly server: string;
  /** deltas: the log holds the agent's place, the next frame is a batch from it. groups: it does not, or a full compare is due. */
  readonly mode: 'deltas' | 'groups';
  /** How often the agent should say that it is there; absent: HEARTBEAT_MS. */
  readonly heartbeatMs?: number;
  /** The agent should leave a watch on which nothing has come for so long; absent: IDLE_TIMEOUT_MS. */
  readonly idleMs?: number;
}

/** A whole group as of `at`: it replaces what the mirror holds of it. Durable when applied. */
export interface GroupFrame {
  readonly type: 'group';
  readonly at: Place;
  readonly group: Group;
  readonly objects: Readonly<Record<string, Body>>;
}

/** After the groups that differed: the mirror is state(at), its groups are exactly `scope`; others are dropped. */
export interface SyncedFrame {
  readonly type: 'synced';
  readonly at: Place;
  readonly scope: readonly Group[];
  /** The groups that were sent since hello: if one did not arrive, the mirror refuses. */
  readonly sent: readonly Group[];
}

/** Everything of the scope that changed in (from, to], read at `to`. */
export interface BatchFrame {
  readonly type: 'batch';
  readonly from: Place;
  readonly to: Place;
  /** Groups that came into scope, whole. */
  readonly enter: Readonly<Record<Group, Readonly<Record<string, Body>>>>;
  /** Groups that left the scope. */
  readonly leave: readonly Group[];
  /** By group: key to body, or null where the object is gone. */
  readonly changes: Readonly<Record<Group, Readonly<Record<string, Body | null>>>>;
}

/** The server's own count of a group, from rows at `at`; compared only when the mirror stands exactly there. */
export interface DigestFrame {
  readonly type: 'digest';
  readonly at: Place;
  readonly groups: Readonly<Record<Group, Digest>>;
}

/**
 * What the role is late with, it should try anew: `resync` forgets what was remembered of the keys and works them off
 * before others, `rebuild` also makes anew what the agent itself sees as not serving. What serves is left alone. A lost
 * one costs nothing: the server goes on to its next step.
 */
export interface RemedyFrame {
  readonly type: 'remedy';
  /** For the agent's log, and to find it in the events. */
  readonly id: string;
  readonly role: Role;
  /** At most MAX_REMEDY_KEYS. */
  readonly keys: readonly string[];
  readonly how: 'resync' | 'rebuild';
}

export const MAX_REMEDY_KEYS = 100;

/** The server ends the watch and says why; the agent reconnects after `retryAfterMs`. */
export interface GoodbyeFrame {
  readonly type: 'goodbye';
  readonly reason: string;
  readonly retryAfterMs: number;
}

export type Frame =
  | HelloFrame
  | GroupFrame
  | SyncedFrame
  | BatchFrame
  | DigestFrame
  | GoodbyeFrame
  | RemedyFrame;

/**
 * One role's state, level and whole: it replaces the previous report. Ordered by (incarnation, counter): at or below
 * the last one is ignored. Everything up to `realised` is realised but for `exceptions`; null: not known yet (a start
 * makes every key dirty, and an unknown revokes nothing).
 */
export interface Report {
  readonly version: number;
  readonly host: string;
  readonly role: Role;
  readonly incarnation: number;
  readonly counter: number;
  readonly realised: Place | null;
  /** At most MAX_EXCEPTIONS of them; `exceptionCount` counts all. If there are more, `realised` stays below the oldest that is left out. */
  readonly exceptions: readonly ReportException[];
  readonly exceptionCount: number;
  /** Within this time it is said again, also if nothing happens: later, something is wrong with the role. */
  readonly nextMs?: number;
  readonly configurations: Readonly<Record<string, unknown>>;
  /**
   * Of role l3: every HA replica on the host. Absent: this agent does not tell of roles, or does not know yet which replicas
   * it has. A change of state is told at once, not at the next period.
   */
  readonly roles?: readonly ReplicaReport[];
}

export const MAX_EXCEPTIONS = 1000;
export const MAX_ROLES = 4000;

export interface ReportAnswer {
  /** false: not newer than what the server has. */
  readonly accepted: boolean;
  /**
   * With a report that was not accepted: the life that the server takes this host's agent to be in, if it is a later one.
   * An agent that lost its state, and whose clock was ahead in an earlier life, goes on from there.
   */
  readonly incarnation?: number;
}
