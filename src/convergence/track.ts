/** One role of one host, as the server that holds its watch follows it (tracker.ts has the whole). */
import type { ReportException, Role } from '../resources/agent.ts';
import { type Kind, kindOf } from './deadlines.ts';
import { covers, type Target } from './targets.ts';

export const MAX_TARGETS = 1_000;
const MAX_HELD = 256;
const MAX_REASON_CHARACTERS = 300;
/** Whatever an agent says of itself, it must be heard of within this time. */
const LONGEST_NEXT_MS = 300_000;

/** An accepted report, as in watch/protocol.ts. */
export interface RoleReport {
  readonly host: string;
  readonly role: Role;
  readonly incarnation: number;
  readonly counter: number;
  /** The position, if it is of this log; null: unknown. */
  readonly realised: number | null;
  readonly exceptions: readonly ReportException[];
  readonly exceptionCount: number;
  /** When the agent says it again at the latest. */
  readonly nextMs?: number;
}

/** What became realised, and how long after its commit. One for each change and kind. */
export interface Realised {
  readonly position: number;
  readonly kind: Kind;
  readonly ms: number;
}

/** Something that is not realised, waiting for the world aside. */
export interface Owed {
  readonly key: string;
  readonly object: string;
  readonly since: number;
  readonly kind: Kind;
  readonly state: 'pending' | 'failed' | 'silent';
  readonly reason: string;
  /** Since when. */
  readonly at: number;
  readonly agentIsLagging: boolean;
}

interface Outstanding {
  /** When it was committed, on this clock. */
  readonly at: number;
  targets: readonly Target[];
}

interface Held {
  readonly exception: ReportException;
  /** When it was first heard of. */
  readonly at: number;
}

const nameOf = ({ key, object }: { key: string; object: string }): string => `${key} ${object}`;

const NOTHING: readonly Owed[] = [];

export class Track {
  readonly host: string;
  readonly role: Role;
  #reportedAt: number;
  #nextMs = 0;
  #incarnation = 0;
  #counter = 0;
  #realised: number | null = null;
  /** The last position of something sent that is known to be realised. */
  #newest = 0;
  readonly #outstanding = new Map<number, Outstanding>();
  /** What did not fit: everything in these positions. */
  #beyond: { readonly from: number; readonly to: number; readonly at: number } | null = null;
  #held = new Map<string, Held>();
  #exceptions: readonly ReportException[] = [];
  #exceptionCount = 0;
  /** How many are outstanding. */
  targets = 0;

  /** `before`: the same role in an earlier watch; what was failing then has been failing since. */
  constructor(of: { readonly host: string; readonly role: Role }, now: number, before: Track | undefined) {
    this.host = of.host;
    this.role = of.role;
    this.#reportedAt = now;
    if (!before) return;
    this.#incarnation = before.#incarnation;
    this.#counter = before.#counter;
    this.#held = before.#held;
    this.#exceptions = before.#exceptions;
    this.#exceptionCount = before.#exceptionCount;
  }

  get realised(): number | null {
    return this.#realised;
  }

  /** Reported as waiting for the world. */
  get waiting(): number {
    return this.#exceptions.filter((exception) => exception.state === 'waiting').length;
  }

  /** Missing things that were counted and not named. */
  get unnamed(): number {
    return this.#exceptionCount - this.#exceptions.length;
  }

  /** Changes that were sent and lie beyond what is reported as realised. */
  get lag(): number {
    const ahead = [...this.#outstanding.keys()].filter((position) => position > (this.#realised ?? 0));
    return ahead.length + (this.#beyond ? this.#beyond.to - this.#beyond.from + 1 : 0);
  }

  /** A change was sent, committed at `at`. `room`: how many targets more may be followed. */
  add(
    targets: readonly Target[],
    { position, at, room }: { position: number; at: number; room: number },
  ): void {
    if (this.#outstanding.has(position)) return;
    const open = this.#open(targets, position);
    if (open.length === 0) return;
    if (open.length > Math.min(room, MAX_TARGETS - this.targets)) {
      const before = this.#beyond ?? { from: position, to: position, at };
      this.#beyond = {
        from: Math.min(position, before.from),
        to: Math.max(position, before.to),
        at: Math.min(at, before.at),
      };
      return;
    }
    this.#outstanding.set(position, { at, targets: open });
    this.targets += open.length;
  }

  /** Those that the last report does not tell of already: the change may come to our knowledge after it. */
  #open(targets: readonly Target[], position: number): readonly Target[] {
    if (this.#realised === null || position > this.#realised) return targets;
    const covering = (target: Target) =>
      this.#exceptions.filter((exception) => covers(exception, target, position));
    // Where some are not named, any may be.
    const isRealised = (target: Target) => this.unnamed === 0 && covering(target).length === 0;
    if (targets.some(isRealised)) this.#newest = Math.max(this.#newest, position);
    const isWaiting = (target: Target) => covering(target).some((exception) => exception.state === 'waiting');
    return targets.filter((target) => !isRealised(target) && !isWaiting(target));
  }

  /** Takes a report that is newer than the last; returns what it shows to be realised that was not before. */
  take(report: RoleReport, now: number): Realised[] {
    const { incarnation, counter } = report;
    const isNewer =
      incarnation > this.#incarnation || (incarnation === this.#incarnation && counter > this.#counter);
    if (!isNewer) return [];
    if (incarnation > this.#incarnation) this.#newest = 0;
    this.#incarnation = incarnation;
    this.#counter = counter;
    this.#realised = report.realised;
    this.#reportedAt = now;
    this.#nextMs = Math.min(LONGEST_NEXT_MS, report.nextMs ?? 0);
    this.#exceptionCount = report.exceptionCount;
    this.#hold(report.exceptions, now);
    return this.#settle(report, now);
  }

  /** Takes the exceptions over, each with the time at which it was first heard of. */
  #hold(exceptions: readonly ReportException[], now: number): void {
    // What waits is never overdue: if there is more than enough, it is what need not be kept.
    const kept = [...exceptions]
      .sort((a, b) => Number(a.state === 'waiting') - Number(b.state === 'waiting'))
      .slice(0, MAX_HELD)
      .map((one) => ({ ...one, reason: one.reason.slice(0, MAX_REASON_CHARACTERS) }));
    const held = new Map<string, Held>();
    for (const exception of kept) {
      const name = nameOf(exception);
      // A key may stand there twice: what failed last, and what has come since.
      if ((held.get(name)?.exception.since ?? Number.POSITIVE_INFINITY) <= exception.since) continue;
      const before = this.#held.get(name);
      const isSame =
        before !== undefined &&
        before.exception.since === exception.since &&
        before.exception.state !== 'waiting';
      held.set(name, { exception, at: isSame ? before.at : now });
    }
    this.#held = held;
    this.#exceptions = kept;
  }

  /** Takes off what is realised now. */
  #settle({ realised, exceptions }: RoleReport, now: number): Realised[] {
    if (realised === null) return [];
    const byKey = Map.groupBy(exceptions, (exception) => exception.key);
    const found: Realised[] = [];
    for (const [position, sent] of this.#outstanding) {
      if (position > realised) continue;
      const left: Target[] = [];
      const kinds = new Set<Kind>();
      for (const target of sent.targets) {
        const near = target.key === '' ? exceptions : (byKey.get(target.key) ?? []);
        const covering = near.filter((exception) => covers(exception, target, position));
        if (covering.length === 0) kinds.add(target.kind);
        // What waits for the world is not late, and does not say how long things take here.
        else if (covering.every((exception) => exception.state !== 'waiting')) left.push(target);
      }
      for (const kind of kinds) found.push({ position, kind, ms: Math.max(0, now - sent.at) });
      if (kinds.size > 0) this.#newest = Math.max(this.#newest, position);
      this.targets -= sent.targets.length - left.length;
      if (left.length === 0) this.#outstanding.delete(position);
      else sent.targets = left;
    }
    if (this.#beyond && this.#beyond.to <= realised) this.#beyond = null;
    return found;
  }

  /** Everything that is owed, once each. `reportMs`: how long it may be without a report, unless it said that it takes longer. */
  owed(now: number, reportMs: number): readonly Owed[] {
    // three intervals, the first of which it may have stretched
    const isSilent = now - this.#reportedAt > Math.max(reportMs, this.#nextMs + (reportMs * 2) / 3);
    // Nearly all agents at nearly all times.
    if (this.#held.size + this.#outstanding.size === 0 && !this.#beyond && !isSilent) return NOTHING;
    const found = new Map<string, Owed>();
    for (const [name, { exception, at }] of this.#held) {
      const { key, object, since, state, reason } = exception;
      if (state === 'waiting') continue;
      const kind = kindOf(exception);
      // Not tried yet, and nothing that came later is done: a queue that is worked off, not a key that is stuck.
      const isBacklog = state === 'pending' && (kind === 'first-look' || this.#newest <= since);
      found.set(name, {
        ...{ key, object, since, kind, state, reason },
        at: Math.min(at, this.#outstanding.get(since)?.at ?? at),
        agentIsLagging: isBacklog,
      });
    }
    const behind = { state: 'pending', agentIsLagging: true } as const;
    for (const [since, { at, targets }] of this.#outstanding) {
      if (this.#realised !== null && since <= this.#realised) continue;
      for (const { key, object, kind } of targets) {
        const name = nameOf({ key, object });
        if ((found.get(name)?.since ?? Number.POSITIVE_INFINITY) <= since) continue;
        const reason = 'sent, and not reported back yet';
        found.set(name, { key, object, since, kind, at, reason, ...behind });
      }
    }
    const whole = { key: '', object: '' };
    if (this.#beyond) {
      const { from, at } = this.#beyond;
      const reason = `everything from position ${from} on`;
      found.set('beyond', { ...whole, since: from, kind: 'first-look', at, reason, ...behind });
    }
    if (isSilent) {
      const reason = 'it is connected, and its reports do not come';
      const since = this.#realised ?? 0;
      const silent = { ...behind, state: 'silent', kind: 'report' } as const;
      found.set('report', { ...whole, since, at: this.#reportedAt, reason, ...silent });
    }
    return [...found.values()];
  }
}
