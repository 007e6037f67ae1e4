/**
 * What is audited next: what was asked for, so much a second; and every watched group in turn, once in a period that doubles to a maximum while nothing is found
 * and halves when something is (R9); never more at a time than a limit, however many there are. Hosts go along, so
 * that scopes are computed anew as well.
 */
import type { Group } from '../resources/agent-view.ts';
import { TokenBucket } from './admission.ts';

export interface AuditLimits {
  readonly minPeriodMs: number;
  readonly maxPeriodMs: number;
  /** Groups (and hosts) at a time. */
  readonly perTick: number;
  readonly tickMs: number;
}

export const AUDIT_DEFAULTS: AuditLimits = {
  minPeriodMs: 60_000,
  maxPeriodMs: 3_600_000,
  perTick: 20,
  tickMs: 1_000,
};

/** Groups asked for: so many a second; so many may wait. */
const ASKED = { perSecond: 50, burst: 50 };
const MAX_ASKED = 1_000;

export interface AuditRound {
  readonly groups: readonly Group[];
  readonly hosts: readonly string[];
}

const NOTHING: AuditRound = { groups: [], hosts: [] };

export class AuditSchedule {
  readonly #limits: AuditLimits;
  #periodMs: number;
  #tickAt: number;
  #groups: Group[] = [];
  #hosts: string[] = [];
  #pace = { groups: 1, hosts: 1 };
  #found = false;
  readonly #asked = new Set<Group>();
  readonly #pass: TokenBucket;

  constructor(limits: AuditLimits, now: number) {
    this.#limits = limits;
    this.#pass = new TokenBucket(ASKED, now);
    this.#periodMs = limits.minPeriodMs;
    this.#tickAt = now + limits.tickMs;
  }

  get periodMs(): number {
    return this.#periodMs;
  }

  /** Something was wrong somewhere: look more often. */
  found(): void {
    this.#found = true;
  }

  /** These next, beside their turn. false: too many wait already, some were left out. */
  ask(groups: Iterable<Group>): boolean {
    for (const name of groups) {
      if (this.#asked.size >= MAX_ASKED) return false;
      this.#asked.add(name);
    }
    return true;
  }

  /** What to audit now; mostly nothing. `watched` is asked when a round begins. */
  due(now: number, watched: () => { groups: Iterable<Group>; hosts: Iterable<string> }): AuditRound {
    const asked = this.#takeAsked(now);
    if (now < this.#tickAt) return asked.length === 0 ? NOTHING : { groups: asked, hosts: [] };
    this.#tickAt = now + this.#limits.tickMs;
    if (this.#groups.length === 0 && this.#hosts.length === 0) this.#beginRound(watched());
    return {
      groups: [...asked, ...this.#groups.splice(0, this.#pace.groups)],
      hosts: this.#hosts.splice(0, this.#pace.hosts),
    };
  }

  #takeAsked(now: number): Group[] {
    const taken: Group[] = [];
    for (const name of this.#asked) {
      if (!this.#pass.take(now, 1)) break;
      this.#asked.delete(name);
      taken.push(name);
    }
    return taken;
  }

  #beginRound(watched: { groups: Iterable<Group>; hosts: Iterable<string> }): void {
    const { minPeriodMs, maxPeriodMs, perTick, tickMs } = this.#limits;
    const period = this.#found ? this.#periodMs / 2 : this.#periodMs * 2;
    this.#periodMs = Math.min(maxPeriodMs, Math.max(minPeriodMs, period));
    this.#found = false;
    this.#groups = [...watched.groups];
    this.#hosts = [...watched.hosts];
    const ticks = this.#periodMs / tickMs;
    const each = (length: number) => Math.min(perTick, Math.max(1, Math.ceil(length / ticks)));
    this.#pace = { groups: each(this.#groups.length), hosts: each(this.#hosts.length) };
  }
}
