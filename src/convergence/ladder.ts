/**
 * What to do about what is overdue, step by step (R8). Pure: time is an argument (monotonic milliseconds).
 *
 *   a key that is stuck   audit ─ resync ─ rebuild ─ replace (dhcp only) ─ alert
 *   no reports            cut ─ alert
 *   an agent behind       alert
 *
 * - Each step only after the one before it, and only once in an escalation; the waits between them grow. When all were
 *   taken the escalation begins again after a long while, without a second alert.
 * - Backlog is not a stall: where an agent as a whole is behind, or more than 5 % of its keys are pending beyond their time
 *   (and more than a few), nothing is done to those; an alert says so if it lasts.
 * - What failed was tried and refused, so time does not help it: it climbs however much of it there is, one after the other.
 * - Another replica only where a whole key is stuck: one bad object of it moves nothing.
 * - Nothing happens for what is not overdue. What has not been overdue for a while is forgotten, and its alert ends.
 * - Limits: steps a second in all and for one host, replacements a second. What has no turn waits, the oldest first; of
 *   what began together that which is highest, so that of many the first are through soon.
 * - If a third of the hosts is silent at once the fault is most likely this server's: none is cut.
 */
import { Allowance, type Rate } from '../lib/allowance.ts';
import type { Role } from '../resources/agent.ts';
import type { Overdue } from './tracker.ts';

export type Step = 'audit' | 'resync' | 'rebuild' | 'replace' | 'cut' | 'alert';
export type Alert = 'stuck' | 'silent' | 'lagging';

/** The rungs' numbers, for people: the same for every role. */
export const STEP_NUMBERS: Readonly<Record<Step, number>> = {
  audit: 1,
  resync: 2,
  cut: 2,
  rebuild: 3,
  replace: 4,
  alert: 5,
};

/** What is climbed for. */
export type Climb = 'l2' | 'dhcp' | 'l3' | 'silent' | 'lagging';

interface Rung {
  readonly step: Step;
  /** Since the step before it, or since it was first seen overdue. */
  readonly waitMs: number;
}

export const RUNGS: Readonly<Record<Climb, readonly Rung[]>> = {
  l2: [
    { step: 'audit', waitMs: 0 },
    { step: 'resync', waitMs: 500 },
    { step: 'rebuild', waitMs: 1_000 },
    { step: 'alert', waitMs: 6_000 },
  ],
  dhcp: [
    { step: 'audit', waitMs: 0 },
    { step: 'resync', waitMs: 500 },
    { step: 'rebuild', waitMs: 1_000 },
    { step: 'replace', waitMs: 3_000 },
    { step: 'alert', waitMs: 6_000 },
  ],
  l3: [
    { step: 'audit', waitMs: 0 },
    { step: 'resync', waitMs: 500 },
    { step: 'rebuild', waitMs: 1_000 },
    { step: 'alert', waitMs: 6_000 },
  ],
  silent: [
    { step: 'cut', waitMs: 0 },
    { step: 'alert', waitMs: 5_000 },
  ],
  lagging: [{ step: 'alert', waitMs: 10_000 }],
};

export const ALERTS: Readonly<Record<Climb, Alert>> = {
  l2: 'stuck',
  dhcp: 'stuck',
  l3: 'stuck',
  silent: 'silent',
  lagging: 'lagging',
};

/**
 * Not overdue for so long: forgotten. Longer than a reconnect; an agent whose watch was cut is silent again only after
 * its deadline for reports.
 */
export const FORGET_MS: Readonly<Record<Climb, number>> = {
  l2: 5_000,
  dhcp: 5_000,
  l3: 5_000,
  silent: 40_000,
  lagging: 5_000,
};

export interface LadderLimits {
  readonly all: Rate;
  readonly host: Rate;
  readonly replace: Rate;
  /** The share of a role's keys that are pending, and their number, beyond which it lags. */
  readonly laggingShare: number;
  readonly laggingKeys: number;
  /** The share of the hosts, and their number, beyond which silence is not theirs. */
  readonly silentShare: number;
  readonly silentHosts: number;
  /** So long this server must have been prompt itself before silence counts: reports have to come first. */
  readonly silentPromptMs: number;
  /** When an escalation begins again; it doubles to the longest. */
  readonly renewMs: readonly [number, number];
}

export const LADDER_LIMITS: LadderLimits = {
  all: { perSecond: 20, burst: 20 },
  host: { perSecond: 2, burst: 10 },
  replace: { perSecond: 2, burst: 5 },
  laggingShare: 0.05,
  laggingKeys: 5,
  silentShare: 1 / 3,
  silentHosts: 3,
  silentPromptMs: 15_000,
  renewMs: [600_000, 3_600_000],
};

/** What is climbed for, as of now. */
export interface Case {
  readonly climb: Climb;
  readonly host: string;
  readonly role: Role;
  /** `network/<id>`; '' for the agent as a whole. */
  readonly key: string;
  /** What of it, if it is not all; the oldest first, a few. Of silence: the roles. */
  readonly objects: readonly string[];
  /** Some entry is of the whole key, not only of objects in it. */
  readonly isWhole: boolean;
  /** How many entries are overdue. */
  readonly count: number;
  readonly since: number;
  readonly reason: string;
  readonly forMs: number;
}

export type Decision =
  | { readonly type: 'step'; readonly step: Step; readonly round: number; readonly of: Case }
  /** isHere: its agent is connected to this server, so it has been done; else another server follows it up. */
  | { readonly type: 'alert-ended'; readonly of: Case; readonly isHere: boolean };

export interface LadderFacts {
  /** Hosts whose watch this server holds. */
  readonly connected: ReadonlySet<string>;
  /** How many keys the role has to care for there. */
  readonly keys: (host: string, role: Role) => number;
  /** For how long this server and its database have been prompt. */
  readonly promptMs: number;
}

interface Climber {
  of: Case;
  /** The next rung; the number of rungs when all were taken. */
  next: number;
  nextAt: number;
  /** Its place in the queue: when its round began, or a step of it could not be taken. */
  queuedAt: number;
  round: number;
  seenAt: number;
  isAlerting: boolean;
}

const MAX_OBJECTS = 5;

export class Ladder {
  readonly #limits: LadderLimits;
  readonly #climbers = new Map<string, Climber>();
  readonly #all: Allowance;
  readonly #replace: Allowance;
  readonly #hosts = new Map<string, Allowance>();

  constructor(now: number, limits: LadderLimits = LADDER_LIMITS) {
    this.#limits = limits;
    this.#all = new Allowance(limits.all, now);
    this.#replace = new Allowance(limits.replace, now);
  }

  /** Alerts that have been raised and have not ended. */
  alerts(): Case[] {
    return [...this.#climbers.values()].filter((climber) => climber.isAlerting).map((climber) => climber.of);
  }

  /** Whether something of this kind is followed up. */
  isClimbing(of: Pick<Case, 'climb' | 'host' | 'role' | 'key'>): boolean {
    return this.#climbers.has(nameOf(of));
  }

  /** What is to be done now about what is overdue now. What it says counts as done. */
  decide(overdue: readonly Overdue[], facts: LadderFacts, now: number): Decision[] {
    for (const of of casesOf(overdue, facts, this.#limits)) this.#see(of, now);
    const decisions = this.#forget(facts, now);
    const due = [...this.#climbers.values()]
      .filter((climber) => climber.seenAt === now && climber.nextAt <= now)
      .sort((a, b) => a.queuedAt - b.queuedAt || b.next - a.next || a.nextAt - b.nextAt);
    for (const climber of due) {
      const step = this.#take(climber, now);
      if (step) decisions.push({ type: 'step', step, round: climber.round, of: climber.of });
    }
    return decisions;
  }

  /** The step could not be taken: it is due again. */
  failed({ step, of }: Extract<Decision, { type: 'step' }>, now: number): void {
    const climber = this.#climbers.get(nameOf(of));
    const at = RUNGS[of.climb].findIndex((rung) => rung.step === step);
    // Only if it has not been gone beyond meanwhile.
    if (!climber || climber.next !== at + 1) return;
    climber.next = at;
    climber.nextAt = now;
    // Behind the others, who would else wait for as long as it cannot be taken.
    climber.queuedAt = now;
  }

  #see(of: Case, now: number): void {
    const known = this.#climbers.get(nameOf(of));
    if (known) {
      known.of = of;
      known.seenAt = now;
      return;
    }
    const [first] = RUNGS[of.climb];
    const nextAt = now + (first?.waitMs ?? 0);
    this.#climbers.set(nameOf(of), {
      ...{ of, next: 0, nextAt, queuedAt: now, round: 1, seenAt: now },
      isAlerting: false,
    });
  }

  #forget(facts: LadderFacts, now: number): Decision[] {
    const ended: Decision[] = [];
    for (const [name, { of, seenAt, isAlerting }] of this.#climbers) {
      if (now - seenAt < FORGET_MS[of.climb]) continue;
      this.#climbers.delete(name);
      if (isAlerting) ended.push({ type: 'alert-ended', of, isHere: facts.connected.has(of.host) });
    }
    for (const [host, allowance] of this.#hosts) if (allowance.isFull(now)) this.#hosts.delete(host);
    return ended;
  }

  #take(climber: Climber, now: number): Step | undefined {
    const { of, next } = climber;
    const rungs = RUNGS[of.climb];
    const rung = rungs[next];
    if (!rung) {
      climber.round += 1;
      climber.next = 0;
      climber.queuedAt = now;
      return this.#take(climber, now);
    }
    // One object that fails would fail elsewhere as well, and its network is served (R19).
    if (rung.step === 'replace' && !of.isWhole) {
      climber.next = next + 1;
      climber.nextAt = now + (rungs[next + 1]?.waitMs ?? 0);
      return undefined;
    }
    // Who looks at it knows already.
    const isSilent = rung.step === 'alert' && climber.isAlerting;
    if (!isSilent && !this.#allows(rung.step, of.host, now)) return undefined;
    climber.next = next + 1;
    const after = rungs[next + 1];
    climber.nextAt = now + (after ? after.waitMs : this.#renewMs(climber.round));
    if (isSilent) return undefined;
    if (rung.step === 'alert') climber.isAlerting = true;
    return rung.step;
  }

  #renewMs(round: number): number {
    const [first, longest] = this.#limits.renewMs;
    return Math.min(longest, first * 2 ** Math.min(round - 1, 30));
  }

  #allows(step: Step, host: string, now: number): boolean {
    const own = this.#hosts.get(host) ?? new Allowance(this.#limits.host, now);
    const allowances = step === 'replace' ? [this.#all, own, this.#replace] : [this.#all, own];
    if (!allowances.every((one) => one.level(now) >= 1)) return false;
    for (const one of allowances) one.take(now);
    this.#hosts.set(host, own);
    return true;
  }
}

const nameOf = ({ climb, host, role, key }: Pick<Case, 'climb' | 'host' | 'role' | 'key'>): string =>
  climb === 'silent' ? `${climb} ${host}` : `${climb} ${host} ${role} ${key}`;

/** What there is to climb for: for each agent its silence, its lag, and the keys that are stuck. */
function casesOf(overdue: readonly Overdue[], facts: LadderFacts, limits: LadderLimits): Case[] {
  const cases: Case[] = [];
  const silent = overdue.filter((one) => one.state === 'silent');
  const silentHosts = new Set(silent.map((one) => one.host)).size;
  const isOurs =
    facts.promptMs < limits.silentPromptMs ||
    (silentHosts >= limits.silentHosts && silentHosts > limits.silentShare * facts.connected.size);
  if (!isOurs) for (const of of Map.groupBy(silent, (one) => one.host).values()) cases.push(silenceOf(of));
  const owed = overdue.filter((one) => one.state !== 'silent');
  for (const entries of Map.groupBy(owed, ({ host, role }) => `${host} ${role}`).values()) {
    const [{ host, role }] = entries as [Overdue, ...Overdue[]];
    const pending = entries.filter((one) => one.state !== 'failed');
    const keys = new Set(pending.map((one) => one.key)).size;
    const isMany = keys >= limits.laggingKeys && keys > limits.laggingShare * facts.keys(host, role);
    const isBehind = (one: Overdue) => one.state !== 'failed' && (isMany || one.agentIsLagging);
    const behind = entries.filter(isBehind);
    if (behind.length > 0) cases.push({ ...caseOf('lagging', behind), key: '' });
    const stuck = entries.filter((one) => !isBehind(one) && one.key !== '');
    for (const of of Map.groupBy(stuck, (one) => one.key).values()) cases.push(caseOf(role, of));
  }
  return cases;
}

/** A host has one watch, however many of its roles are silent. */
function silenceOf(entries: readonly Overdue[]): Case {
  const objects = entries.map((one) => one.role).sort();
  return { ...caseOf('silent', entries), objects };
}

function caseOf(climb: Climb, entries: readonly Overdue[]): Case {
  const ordered = [...entries].sort((a, b) => b.forMs - a.forMs);
  const [{ host, role, key, since, reason, forMs }] = ordered as [Overdue, ...Overdue[]];
  const objects = ordered.map((one) => one.object).filter((object) => object !== '');
  return {
    ...{ climb, host, role, key, since, reason, forMs },
    objects: objects.slice(0, MAX_OBJECTS),
    isWhole: objects.length < entries.length,
    count: entries.length,
  };
}
