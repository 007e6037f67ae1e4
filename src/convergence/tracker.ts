/**
 * What the server that holds an agent's watch knows of its progress: what was sent to it, what it reports as realised,
 * and hence what is owed, since when, and what is overdue. Pure: time is an argument (monotonic milliseconds).
 *
 *   feed ──sent──> outstanding ──reported──> realised (how long it took)
 *                       └──────── overdue, standing
 *
 * - Levels, not edges: reports replace one another in the order of (incarnation, counter), whatever the order in which they
 *   come; what is sent twice counts once.
 * - The durable truth is in the rows (owed.ts); this is lost with the process, and says nothing of agents that are
 *   connected elsewhere. It begins anew with each watch, but for how long something has been failing.
 * - Bounded: for each role 1,000 targets and 256 exceptions, for all together MAX_TOTAL targets; beyond that a role
 *   owes "everything from position P on". An agent that is gone is forgotten after a minute.
 */
import type { Group, Ref } from '../resources/agent-view.ts';
import type { Role } from '../resources/agent.ts';
import { DEADLINES_MS, type Kind } from './deadlines.ts';
import { type Hint, readHint, targetsOf } from './targets.ts';
import { type Owed, type Realised, type RoleReport, Track } from './track.ts';

export type { Realised, RoleReport } from './track.ts';

const MAX_TOTAL = 200_000;
const FORGET_MS = 60_000;

/** A change that was sent to a host. */
export interface SentChange {
  readonly host: string;
  readonly position: number;
  /** All refs of the change; pass the same array for every host, it is read once. */
  readonly refs: readonly Ref[];
  /** Whether the host has the group, or had it until this change. */
  readonly sees: (group: Group) => boolean;
  /** How long ago it was committed. */
  readonly ageMs: number;
}

/** Something that should have been realised by now. */
export interface Overdue {
  readonly host: string;
  readonly role: Role;
  /** `network/<id>`; '' for the agent as a whole, and where the network of a port is not known. */
  readonly key: string;
  /** `port/<id>` and the like; '' for the whole key. */
  readonly object: string;
  /** The position of the change; 0: it is no change's (drift, a first look). */
  readonly since: number;
  readonly kind: Kind;
  /** silent: the agent is connected and does not report. */
  readonly state: Owed['state'];
  readonly reason: string;
  /** For how long it has been owed: since its commit, or since it was first reported as missing. */
  readonly forMs: number;
  /** The agent as a whole is behind: nothing is known to be wrong with this key. */
  readonly agentIsLagging: boolean;
}

export interface KindStanding {
  readonly pending: number;
  readonly overdue: number;
  /** How long the oldest has been owed; 0 where nothing is. */
  readonly oldestMs: number;
}

/** How one role of one host stands. */
export interface Standing extends KindStanding {
  readonly host: string;
  readonly role: Role;
  /** Reported as waiting for the world: neither pending nor overdue. */
  readonly waiting: number;
  /** Changes that were sent and lie beyond what it says to have realised. */
  readonly lag: number;
  readonly realised: number | null;
  readonly kinds: ReadonlyMap<Kind, KindStanding>;
}

export class Tracker {
  readonly #deadlines: Readonly<Record<Kind, number>>;
  readonly #hosts = new Map<string, ReadonlyMap<Role, Track>>();
  /** Hosts whose watch has ended, and when. */
  readonly #gone = new Map<string, number>();
  /** Targets of all together. */
  #total = 0;
  #read: { readonly refs: readonly Ref[]; readonly hint: Hint } | undefined;

  constructor(deadlines: Readonly<Record<Kind, number>> = DEADLINES_MS) {
    this.#deadlines = deadlines;
  }

  /** A watch was opened here; what an earlier one was sent no longer counts, for this one says anew what is owed. */
  attached(host: string, roles: readonly Role[], now: number): void {
    const before = this.#hosts.get(host);
    this.#gone.delete(host);
    this.#drop(host);
    const tracks = roles.map((role) => [role, new Track({ host, role }, now, before?.get(role))] as const);
    this.#hosts.set(host, new Map(tracks));
  }

  /** The watch has ended: nothing of it is overdue here until it is back. */
  detached(host: string, now: number): void {
    if (this.#hosts.has(host)) this.#gone.set(host, now);
  }

  /** A change was written to the host's watch. */
  sent(change: SentChange, now: number): void {
    const tracks = this.#hosts.get(change.host);
    if (!tracks) return;
    if (this.#read?.refs !== change.refs) this.#read = { refs: change.refs, hint: readHint(change.refs) };
    const targets = targetsOf(this.#read.hint, change.host, change.sees);
    for (const [role, track] of tracks) {
      const own = targets[role];
      if (own.length === 0) continue;
      this.#counting(track, () =>
        track.add(own, {
          position: change.position,
          at: now - change.ageMs,
          room: MAX_TOTAL - this.#total,
        }),
      );
    }
  }

  /** A report was accepted. Returns what it shows to be realised that was not before. */
  reported(report: RoleReport, now: number): Realised[] {
    const track = this.#hosts.get(report.host)?.get(report.role);
    return track ? this.#counting(track, () => track.take(report, now)) : [];
  }

  #counting<Result>(track: Track, work: () => Result): Result {
    const before = track.targets;
    const result = work();
    this.#total += track.targets - before;
    return result;
  }

  /** What is past its deadline, of the agents that are connected here. */
  overdue(now: number): Overdue[] {
    return this.#attached(now).flatMap((track) =>
      track
        .owed(now, this.#deadlines.report)
        .filter((owed) => this.#isOverdue(owed, now))
        .map(({ at, ...rest }) => ({ host: track.host, role: track.role, ...rest, forMs: now - at })),
    );
  }

  /** How each agent that is connected here stands. */
  standing(now: number): Standing[] {
    return this.#attached(now).map((track) => {
      const { host, role, waiting, lag, realised, unnamed } = track;
      const owed = track.owed(now, this.#deadlines.report);
      const kinds = [...Map.groupBy(owed, (one) => one.kind)];
      const sum = this.#sum(owed, now);
      return {
        ...{ host, role, waiting, lag, realised, ...sum },
        pending: sum.pending + unnamed,
        kinds: new Map(kinds.map(([kind, of]) => [kind, this.#sum(of, now)])),
      };
    });
  }

  #sum(owed: readonly Owed[], now: number): KindStanding {
    return {
      pending: owed.length,
      overdue: owed.filter((one) => this.#isOverdue(one, now)).length,
      oldestMs: owed.reduce((oldest, one) => Math.max(oldest, now - one.at), 0),
    };
  }

  #isOverdue(owed: Owed, now: number): boolean {
    return now - owed.at > this.#deadlines[owed.kind];
  }

  #attached(now: number): Track[] {
    for (const [host, at] of this.#gone) {
      if (now - at <= FORGET_MS) continue;
      this.#gone.delete(host);
      this.#drop(host);
    }
    const tracks: Track[] = [];
    for (const [host, roles] of this.#hosts) if (!this.#gone.has(host)) tracks.push(...roles.values());
    return tracks;
  }

  #drop(host: string): void {
    for (const track of this.#hosts.get(host)?.values() ?? []) this.#total -= track.targets;
    this.#hosts.delete(host);
  }
}
