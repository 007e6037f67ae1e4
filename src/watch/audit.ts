/**
 * What is audited next: every watched group in turn, once in a period that doubles to a maximum while nothing is found
 * and halves when something is (R9); never more at a time than a limit, however many there are. Hosts go along, so
 * that scopes are computed anew as well.
 */
import type { Group } from '../resources/agent-view.ts';

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

  constructor(limits: AuditLimits, now: number) {
    this.#limits = limits;
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

  /** What to audit now; mostly nothing. `watched` is asked when a round begins. */
  due(now: number, watched: () => { groups: Iterable<Group>; hosts: Iterable<string> }): AuditRound {
    if (now < this.#tickAt) return NOTHING;
    this.#tickAt = now + this.#limits.tickMs;
    if (this.#groups.length === 0 && this.#hosts.length === 0) this.#beginRound(watched());
    return {
      groups: this.#groups.splice(0, this.#pace.groups),
      hosts: this.#hosts.splice(0, this.#pace.hosts),
    };
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
