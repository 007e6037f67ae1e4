/** One role of an agent process at work: its keys, its passes over the host, its reports. */
import type { HostEvent } from '../host/host.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { type Controller, createController, type Outcome } from '../reconcile/controller.ts';
import type { Role } from '../resources/agent.ts';
import { isCutOff } from '../resources/replica-report.ts';
import type { Place } from '../resources/place.ts';
import type { Journal } from '../watch/journal.ts';
import type { MirrorChange } from '../watch/mirror.ts';
import { PROTOCOL_VERSION, type RemedyFrame, type Report, type ReportAnswer } from '../watch/protocol.ts';
import type { Transport } from '../watch/transport.ts';
import { standingOf } from './report.ts';
import type { RoleAgent } from './role.ts';
import { Said } from './said.ts';

export interface CrewOptions {
  readonly transport: Transport;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  /** Shown with the roles' own in `/v2.0/agents`. */
  readonly configurations: Readonly<Record<string, unknown>>;
  readonly concurrency: number;
  readonly keyTimeoutMs: number;
  /** How often a report is said again; it doubles to twelve times this while nothing new is to be said. */
  readonly reportIntervalMs: number;
  /** A key made no progress within its time limit: the process should end, and be started again (R24). */
  readonly onStall: (role: Role, key: string) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

/** Reports within this of one another become one. */
const REPORT_GATHER_MS = 5;
/** One that says nothing new may wait: at a later place with nothing to do, or the first pass is not through. */
const REPORT_IDLE_MS = 100;
const REPORT_RETRY_MS = 500;
/** As many as a host says in a row when it is cut off: that it doubts, that it knows, what it is then, and one to spare. */
const MAX_SENDING = 4;
/** How well replicas are may wait so long: who is active is often another a moment later, and is to find nobody busy. */
const REPORT_HEALTH_MS = 100;
/** The oldest position that a change may be of. */
const OLDEST = 1;

/** What a full pass looks at: what the mirror has, or also what only the host has. */
type PassKind = 'mirror' | 'everything';

/** What the roles of one process share. */
export interface Life {
  incarnation(): number;
  /** The one to report to. */
  server(): number;
  onAnswer(answer: ReportAnswer): void;
}

/** What others wait for of what is said of routers. */
const standing = (roles: Report['roles'] = []): string =>
  roles
    .map((one) => `${one.router} ${one.state} ${one.seq} ${one.order} ${isCutOff(one)} ${one.doubts}`)
    .join();

/** One role at work. */
export class Crew {
  readonly agent: RoleAgent;
  readonly controller: Controller;
  /** Keys of the first pass that have not run yet; undefined before it begins. */
  #first: Set<string> | undefined;
  #counter = 0;
  /** Reports under way. */
  #sending = 0;
  /** Gives up on those. */
  #leaving = new AbortController();
  #wanted = false;
  /** Who is what of routers, as it was sent last. */
  #rolesSent = '';
  /** All that was sent last but how well replicas are. */
  #coreSent = '';
  /** When that is to be sent, though nothing else is new; null: nothing waits. */
  #healthAt: number | null = null;
  readonly #said: Said;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #repaired = new Set<string>();
  /** The last pass that was asked for; `#asked`: of what kind, until it begins. */
  #passing: Promise<void> = Promise.resolve();
  #asked: PassKind | null = null;
  /** Keys whose next run begins by making anew what does not serve. */
  readonly #rebuilds = new Set<string>();
  readonly #options: CrewOptions;
  readonly #life: Life;

  constructor(agent: RoleAgent, options: CrewOptions, life: Life) {
    this.agent = agent;
    this.#options = options;
    this.#life = life;
    this.#said = new Said(options.reportIntervalMs);
    this.controller = createController({
      name: agent.role,
      clock: options.clock,
      random: options.random,
      concurrency: options.concurrency,
      timeoutMs: options.keyTimeoutMs,
      reconcile: (key, signal) => this.#work(key, signal),
      onOutcome: (key, outcome) => this.#onOutcome(key, outcome),
      onStall: (key) => options.onStall(agent.role, key),
    });
  }

  /** Marks what the host has and the mirror does not know. */
  async sweep(): Promise<void> {
    const known = new Set(this.mirrorKeys());
    for (const key of await this.agent.allKeys()) if (!known.has(key)) this.controller.mark(key, 0);
  }

  /**
   * Looks at the host in bulk, then marks every key, in the mirror's order; the first is the first pass. One at a time:
   * all who ask during one get the next.
   */
  pass(kind: PassKind): Promise<void> {
    const waits = this.#asked !== null;
    if (this.#asked !== 'everything') this.#asked = kind;
    if (!waits) this.#passing = this.#passing.catch(() => undefined).then(() => this.#pass());
    return this.#passing;
  }

  async #pass(): Promise<void> {
    const kind = this.#asked;
    this.#asked = null;
    await this.agent.observeAll();
    const keys = new Set(this.mirrorKeys());
    if (kind === 'everything') for (const key of await this.agent.allKeys()) keys.add(key);
    if (this.#first === undefined) {
      this.#first = new Set(keys);
      if (keys.size === 0) this.reportWithin(0);
    }
    for (const key of keys) this.controller.mark(key, 0);
  }

  *mirrorKeys(): Iterable<string> {
    const { mirror } = this.#options.journal;
    for (const group of mirror.groups()) {
      for (const [key, after] of mirror.group(group) ?? []) {
        yield* this.agent.keysOf({ group, key, before: undefined, after });
      }
    }
  }

  /** The keys that had to be repaired since this was last asked, each after the role. */
  takeRepaired(): string[] {
    const repaired = [...this.#repaired].map((key) => `${this.agent.role} ${key}`);
    this.#repaired.clear();
    return repaired;
  }

  async patrol(scope: 'all' | 'next'): Promise<void> {
    for (const key of (await this.agent.patrol?.(scope)) ?? [])
      this.controller.mark(key, 0, { urgent: true });
  }

  /** `since`: the oldest position that a change may be of; marking a younger one would claim the older as realised. */
  onChanges(changes: readonly MirrorChange[], place: Place | null, since: number): void {
    let marked = false;
    for (const change of changes) {
      const afterMs = this.agent.patienceMs?.(change) ?? 0;
      for (const key of this.agent.keysOf(change)) {
        // what has not been looked at in this life may owe everything, should this be the first look at it and fail
        const isUnseen = this.#first === undefined || this.#first.has(key);
        this.controller.mark(key, isUnseen ? OLDEST : since, { urgent: place !== null, afterMs });
        marked = true;
      }
    }
    if (!marked && place !== null) this.reportWithin(REPORT_IDLE_MS);
  }

  /** Says whether the event asks for a full pass, or a patrol of everything. */
  onHostEvent(event: HostEvent): 'all' | 'patrol' | null {
    const keys = this.agent.keysOfHostEvent(event);
    if (keys === 'all') return 'all';
    if (keys === 'patrol') return 'patrol';
    for (const key of keys) this.controller.mark(key, 0, { urgent: true });
    return null;
  }

  /** What the server misses is tried anew, before other keys; what else the role remembers stays. */
  async onRemedy({ keys, how }: RemedyFrame): Promise<void> {
    this.#said.again();
    if (!this.agent.forget) await this.agent.observeAll();
    for (const key of keys) {
      this.agent.forget?.(key);
      if (how === 'rebuild') this.#rebuilds.add(key);
      this.controller.mark(key, 0, { urgent: true });
    }
  }

  async #work(key: string, signal: AbortSignal): Promise<Outcome> {
    if (this.#rebuilds.delete(key)) await this.agent.rebuild?.(key, signal);
    return this.agent.reconcile(key, signal);
  }

  /** The server that was reported to is left: what is under way to it may never be answered, and holds nothing up. */
  leave(): void {
    this.#leaving.abort();
    this.#leaving = new AbortController();
  }

  /** Whoever is reported to from now on may not know what was said before. */
  sayAnew(): void {
    this.#said.again();
    this.reportWithin(REPORT_GATHER_MS);
  }

  /** A report goes out within this time (several such become one), if it says anything new. */
  reportWithin(delayMs: number): void {
    const { clock } = this.#options;
    const at = clock.now() + delayMs;
    if (at >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#send();
    });
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const tools = {
      mark: (key: string) => this.controller.mark(key, 0, { urgent: true }),
      // Others wait for it, and a second one that says the same is none.
      report: () => this.reportWithin(0),
      incarnation: () => this.#life.incarnation(),
    };
    await Promise.all([this.controller.run(signal), this.agent.run?.(tools, signal)]);
  }

  #onOutcome(key: string, outcome: Outcome): void {
    this.#first?.delete(key);
    if (outcome.repaired) this.#repaired.add(key);
    this.reportWithin(this.#first?.size === 0 ? REPORT_GATHER_MS : REPORT_IDLE_MS);
  }

  #report(): Report {
    const { journal, configurations } = this.#options;
    const roles = this.#first === undefined ? undefined : this.agent.roles?.();
    this.#counter += 1;
    return {
      version: PROTOCOL_VERSION,
      host: journal.mirror.host,
      role: this.agent.role,
      incarnation: this.#life.incarnation(),
      counter: this.#counter,
      ...standingOf(journal.mirror.place, this.#first, this.controller.pending()),
      configurations: { ...configurations, ...this.agent.configurations() },
      ...(roles === undefined ? {} : { roles }),
    };
  }

  #forgetSaid(): void {
    this.#said.forget();
    this.#coreSent = '';
  }

  /** In how many ms a report is to go of which nothing is new but how well replicas are; 0: now, as all others. */
  #healthIn(isHealth: boolean): number {
    if (!isHealth) return 0;
    const now = this.#options.clock.now();
    this.#healthAt ??= now + REPORT_HEALTH_MS;
    return Math.max(0, this.#healthAt - now);
  }

  /**
   * One report under way at a time; what happens meanwhile goes into the next. But another role of a router does not wait for an
   * answer: that report follows at once. A server that takes it first refuses the earlier one, of which it says the whole again.
   */
  #send(): void {
    this.#wanted = true;
    if (this.#sending >= MAX_SENDING) return;
    if (this.#sending > 0 && standing(this.agent.roles?.()) === this.#rolesSent) return;
    const { transport, clock, reportIntervalMs } = this.#options;
    const report = this.#report();
    const telling = this.#said.weigh(report, clock.now());
    const { nextMs } = telling;
    // what was looked at and found to be as it was is no news, however often
    if (telling.inMs > 0) {
      this.reportWithin(telling.inMs);
      return;
    }
    const roles = standing(report.roles);
    const core = JSON.stringify({ ...report, counter: 0, roles });
    const healthMs = this.#healthIn(core === this.#coreSent && telling.times === 0);
    if (healthMs > 0) {
      this.reportWithin(healthMs);
      return;
    }
    this.#sending += 1;
    this.#wanted = false;
    this.#rolesSent = roles;
    this.#coreSent = core;
    this.#healthAt = null;
    transport
      .report(this.#life.server(), { ...report, nextMs }, this.#leaving.signal)
      .then(
        (answer) => {
          this.#life.onAnswer(answer);
          // who does not take it may not know the agent yet
          if (answer.accepted) this.#said.taken(telling, clock.now());
          else this.#forgetSaid();
          return answer.accepted ? nextMs : reportIntervalMs;
        },
        // The level is sent again, whole: nothing is lost by a report that did not arrive. It may have been taken all the same.
        () => {
          this.#forgetSaid();
          return REPORT_RETRY_MS;
        },
      )
      .then((laterMs) => {
        this.#sending -= 1;
        this.reportWithin(this.#wanted ? REPORT_GATHER_MS : laterMs);
      })
      .catch((error) => this.#options.onFailure('report', error));
  }
}
