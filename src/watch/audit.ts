/**
 * What is audited next: what was asked for, so much a second; and every watched group in turn, spread over a period that
 * doubles to a maximum while nothing is found and halves as soon as something is (R9); never more at a time than a limit,
 * however many there are. Hosts go along, so that scopes are computed anew as well.
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
  #groups = new Turns<Group>([]);
  #hosts = new Turns<string>([]);
  /** When the round under way began; undefined before the first. */
  #beganAt: number | undefined;
  #found = false;
  /** Something was found since the round began: the next takes no longer. */
  #isClean = true;
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
    if (this.#found) this.#hurry(now);
    const { perTick } = this.#limits;
    let share = this.#beganAt === undefined ? 1 : (now - this.#beganAt) / this.#periodMs;
    if (share >= 1 && this.#groups.areOver && this.#hosts.areOver) {
      this.#beginRound(watched(), now);
      share = this.#limits.tickMs / this.#periodMs;
    }
    return {
      groups: [...asked, ...this.#groups.take(share, perTick)],
      hosts: this.#hosts.take(share, perTick),
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

  /** The round under way goes on twice as fast: it has come as far as before. */
  #hurry(now: number): void {
    this.#found = false;
    this.#isClean = false;
    const period = Math.max(this.#limits.minPeriodMs, this.#periodMs / 2);
    if (this.#beganAt !== undefined) {
      this.#beganAt = now - (now - this.#beganAt) * (period / this.#periodMs);
    }
    this.#periodMs = period;
  }

  #beginRound(watched: { groups: Iterable<Group>; hosts: Iterable<string> }, now: number): void {
    const isFirst = this.#beganAt === undefined;
    if (this.#isClean && !isFirst) {
      this.#periodMs = Math.min(this.#limits.maxPeriodMs, this.#periodMs * 2);
    }
    this.#isClean = true;
    this.#beganAt = now - this.#limits.tickMs;
    this.#groups = new Turns(watched.groups);
    this.#hosts = new Turns(watched.hosts);
  }
}

/** Things that each have their turn once. */
class Turns<Item> {
  readonly #items: readonly Item[];
  #taken = 0;

  constructor(items: Iterable<Item>) {
    this.#items = [...items];
  }

  get areOver(): boolean {
    return this.#taken === this.#items.length;
  }

  /** The next ones, until so large a share has had its turn; at most so many. */
  take(share: number, most: number): Item[] {
    const wanted = Math.min(this.#items.length, Math.ceil(this.#items.length * share), this.#taken + most);
    const items = this.#items.slice(this.#taken, wanted);
    this.#taken = Math.max(this.#taken, wanted);
    return items;
  }
}
