/**
 * An agent process without its sockets and files: follows the watch, turns changed objects into keys, works the keys off
 * role by role, reports what is realised, audits the host.
 *
 * - A start makes every key of the mirror dirty (the first pass), from the journal if there is one, so that a restart
 *   with no server at hand serves on. What the host has beyond the mirror is swept only after the mirror has been in
 *   sync with a server once in this life.
 * - Changes go before the first pass and before audits. A pass follows the mirror's order, and a server fills a mirror
 *   with what changed last first: a port made while its host comes back does not wait for all the others.
 * - Nothing here stops when every server is gone (R40).
 */
import type { Host, HostEvent } from '../host/host.ts';
import { type Clock, sleep, untilAborted } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Role } from '../resources/agent.ts';
import type { Place } from '../resources/place.ts';
import { type Controller, createController, type Outcome } from '../reconcile/controller.ts';
import { Follower } from '../watch/follow.ts';
import type { Journal } from '../watch/journal.ts';
import type { MirrorChange } from '../watch/mirror.ts';
import { PROTOCOL_VERSION, type RemedyFrame, type Report, type ReportAnswer } from '../watch/protocol.ts';
import type { SessionState } from '../watch/session.ts';
import type { Transport } from '../watch/transport.ts';
import { Patrol } from './patrol.ts';
import { standingOf } from './report.ts';
import type { RoleAgent } from './role.ts';
import { Said } from './said.ts';

export interface RunnerOptions {
  readonly host: Host;
  readonly transport: Transport;
  readonly journal: Journal;
  readonly roles: readonly RoleAgent[];
  readonly clock: Clock;
  readonly random: Random;
  /** Larger in each later life of this host's agent. */
  readonly incarnation: number;
  /** A server knows of a later life: this one goes on with a number above that, to be kept like the first. */
  readonly onIncarnation?: (incarnation: number) => void;
  readonly tunnelIp: string;
  readonly physicalNetworks: readonly string[];
  /** Shown with the roles' own in `/v2.0/agents`. */
  readonly configurations: Readonly<Record<string, unknown>>;
  readonly concurrency: number;
  readonly keyTimeoutMs: number;
  /** How often a report is said again; it doubles to twelve times this while nothing new is to be said. */
  readonly reportIntervalMs: number;
  /** First period between audits; it doubles to eight times this while nothing has drifted. */
  readonly auditMs: number;
  /** A key made no progress within its time limit: the process should end, and be started again (R24). */
  readonly onStall: (role: Role, key: string) => void;
  readonly onFailure: (what: string, error: unknown) => void;
  /** A server asked for a remedy, for the log. */
  readonly onRemedy?: (remedy: RemedyFrame) => void;
  /** Each audit that has come to its end, for the log. */
  readonly onAudit?: (audit: Audit) => void;
  /** Each change of the session's state, for the log. */
  readonly onState?: (state: SessionState) => void;
}

/** One comparison of everything with the host. */
export interface Audit {
  readonly durationMs: number;
  /** `<role> <key>` of what had to be repaired. */
  readonly drifted: readonly string[];
  /** Until the next, give or take a quarter. */
  readonly nextMs: number;
}

/** Reports within this of one another become one. */
const REPORT_GATHER_MS = 5;
/** One that says nothing new may wait: at a later place with nothing to do, or the first pass is not through. */
const REPORT_IDLE_MS = 100;
const REPORT_RETRY_MS = 500;
const AUDIT_GROWTH = 8;
/** The oldest position that a change may be of. */
const OLDEST = 1;
/** The host could not be read: soon again. */
const PASS_RETRY_MS = 1_000;
/** If the host's events cannot be followed by then, it is looked at all the same. */
const LISTEN_LIMIT_MS = 2_000;
/** Lost events come many at a time; the pass that makes up for them comes once. */
const OVERFLOW_GATHER_MS = 100;

/** What a full pass looks at: what the mirror has, or also what only the host has. */
type PassKind = 'mirror' | 'everything';

/** What the roles of one process share. */
interface Life {
  incarnation(): number;
  /** The one to report to. */
  server(): number;
  onAnswer(answer: ReportAnswer): void;
}

/** One role at work. */
class Crew {
  readonly agent: RoleAgent;
  readonly controller: Controller;
  /** Keys of the first pass that have not run yet; undefined before it begins. */
  #first: Set<string> | undefined;
  #counter = 0;
  #sending = false;
  #wanted = false;
  readonly #said: Said;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #repaired = new Set<string>();
  /** The last pass that was asked for; `#asked`: of what kind, until it begins. */
  #passing: Promise<void> = Promise.resolve();
  #asked: PassKind | null = null;
  /** Keys whose next run begins by making anew what does not serve. */
  readonly #rebuilds = new Set<string>();
  readonly #options: RunnerOptions;
  readonly #life: Life;

  constructor(agent: RoleAgent, options: RunnerOptions, life: Life) {
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
      for (const key of this.agent.keysOf(change)) {
        // what has not been looked at in this life may owe everything, should this be the first look at it and fail
        const isUnseen = this.#first === undefined || this.#first.has(key);
        this.controller.mark(key, isUnseen ? OLDEST : since, { urgent: place !== null });
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

  /** One report under way at a time; what happens meanwhile goes into the next. */
  #send(): void {
    if (this.#sending) {
      this.#wanted = true;
      return;
    }
    const { transport, clock, reportIntervalMs } = this.#options;
    const report = this.#report();
    const telling = this.#said.weigh(report, clock.now());
    const { inMs, nextMs } = telling;
    // what was looked at and found to be as it was is no news, however often
    if (inMs > 0) {
      this.reportWithin(inMs);
      return;
    }
    this.#sending = true;
    this.#wanted = false;
    transport
      .report(this.#life.server(), { ...report, nextMs })
      .then(
        (answer) => {
          this.#life.onAnswer(answer);
          // who does not take it may not know the agent yet
          if (answer.accepted) this.#said.taken(telling, clock.now());
          else this.#said.forget();
          return answer.accepted ? nextMs : reportIntervalMs;
        },
        // The level is sent again, whole: nothing is lost by a report that did not arrive. It may have been taken all the same.
        () => {
          this.#said.forget();
          return REPORT_RETRY_MS;
        },
      )
      .then((laterMs) => {
        this.#sending = false;
        this.reportWithin(this.#wanted ? REPORT_GATHER_MS : laterMs);
      })
      .catch((error) => this.#options.onFailure('report', error));
  }
}

export class AgentRunner {
  readonly #options: RunnerOptions;
  readonly #crews: readonly Crew[];
  readonly #follower: Follower;
  readonly #patrol: Patrol;
  /** Whether the mirror is good for passes: it had a place from the start, or has been in sync since. */
  #ready = false;
  /** Whether the host is followed: what is read before that may change unseen, and would have to be read again. */
  #listening = false;
  #swept = false;
  #overflowed = false;
  #ended = false;
  #incarnation: number;
  /** A server has accepted a report of this life. */
  #accepted = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#incarnation = options.incarnation;
    this.#follower = new Follower({
      transport: options.transport,
      journal: options.journal,
      clock: options.clock,
      random: options.random,
      describe: () => ({
        incarnation: this.#incarnation,
        roles: options.roles.map((role) => role.role),
        tunnel_ip: options.tunnelIp,
        physical_networks: options.physicalNetworks,
        configurations: options.configurations,
      }),
      onChanges: (changes, place, since) => {
        // A mirror that is being filled for the first time does not know yet what it lacks: nothing is done by halves.
        if (!this.#ready) return;
        for (const crew of this.#crews) crew.onChanges(changes, place, since);
      },
      onState: (state) => {
        options.onState?.(state);
        if (state.name === 'live') this.#onLive();
      },
      onRemedy: (remedy) => this.#onRemedy(remedy),
      onJournalError: (error) => options.onFailure('journal', error),
    });
    const life: Life = {
      incarnation: () => this.#incarnation,
      server: () => this.#follower.server,
      onAnswer: (answer) => this.#onAnswer(answer),
    };
    this.#crews = options.roles.map((role) => new Crew(role, options, life));
    this.#patrol = new Patrol({
      clock: options.clock,
      isReady: () => this.#ready,
      look: (scope) => this.#look(scope),
    });
  }

  /** The session's state, for logs and tests. */
  get session(): SessionState {
    return this.#follower.state;
  }

  /** Works until `signal` aborts; the journal is complete then, and everything on the host stays as it is. */
  async run(signal: AbortSignal): Promise<void> {
    const { host, journal, clock } = this.#options;
    this.#ready = journal.mirror.place !== null;
    const cancelLimit = clock.after(LISTEN_LIMIT_MS, () => this.#onListening());
    await Promise.all([
      ...this.#crews.map((crew) => crew.run(signal)),
      host.follow((event) => this.#onHostEvent(event), signal),
      this.#follower.run(signal),
      this.#audit(signal),
      this.#patrol.run(signal),
    ]);
    cancelLimit();
    this.#ended = true;
    for (const crew of this.#crews) crew.stop();
  }

  /**
   * A life that is taken for an earlier one was numbered by a clock that is behind an earlier life's. Once it has been
   * heard it is the other that began later: two processes of one host must not outbid each other.
   */
  #onAnswer({ accepted, incarnation }: ReportAnswer): void {
    if (accepted) this.#accepted = true;
    if (accepted || this.#accepted || incarnation === undefined || incarnation < this.#incarnation) return;
    this.#incarnation = incarnation + 1;
    this.#options.onIncarnation?.(this.#incarnation);
    this.#follower.reconnect('this life has a later number now');
  }

  #onListening(): void {
    if (this.#listening) return;
    this.#listening = true;
    if (this.#ready) void this.#startPass();
  }

  /** Resolves when the keys are marked, or the first try to has failed. */
  async #startPass(): Promise<void> {
    const kind = this.#swept ? 'everything' : 'mirror';
    await Promise.all(this.#crews.map((crew) => this.#persist('pass', () => crew.pass(kind))));
  }

  /** Until the first pass is through nothing counts as realised, so it must not wait for the next audit. */
  async #persist(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.onFailure(what, error);
      this.#options.clock.after(PASS_RETRY_MS, () => {
        if (!this.#ended) void this.#persist(what, work);
      });
    }
  }

  /** In sync with a server: only now may what the mirror does not know be swept, once in a life. */
  #onLive(): void {
    for (const crew of this.#crews) crew.sayAnew();
    if (this.#swept) return;
    this.#swept = true;
    const hadPass = this.#ready;
    this.#ready = true;
    // Otherwise the pass that begins when the host is followed sweeps too.
    if (!this.#listening) return;
    if (!hadPass) void this.#startPass();
    else for (const crew of this.#crews) void this.#persist('sweep', () => crew.sweep());
  }

  /** Before the first pass every key is dirty anyway. */
  #onRemedy(remedy: RemedyFrame): void {
    const crew = this.#crews.find(({ agent }) => agent.role === remedy.role);
    if (!crew || !this.#ready) return;
    this.#options.onRemedy?.(remedy);
    crew.onRemedy(remedy).catch((error) => this.#options.onFailure('remedy', error));
  }

  #onHostEvent(event: HostEvent): void {
    const asked = new Set(this.#ready ? this.#crews.map((crew) => crew.onHostEvent(event)) : []);
    if (asked.has('patrol')) this.#patrol.hurry();
    if (event.type !== 'overflow') return;
    if (!this.#listening) this.#onListening();
    else if (asked.has('all') && !this.#overflowed) {
      this.#overflowed = true;
      this.#options.clock.after(OVERFLOW_GATHER_MS, () => {
        this.#overflowed = false;
        if (!this.#ended) void this.#startPass();
      });
    }
  }

  /** Compares all again: seldom while nothing drifts, more often when something did (R9). */
  async #audit(signal: AbortSignal): Promise<void> {
    const { clock, auditMs, random } = this.#options;
    let periodMs = auditMs;
    const ended = untilAborted(signal);
    while (!signal.aborted) {
      await sleep(clock, periodMs * (0.75 + random.next() / 2), signal);
      if (signal.aborted || !this.#ready) continue;
      for (const crew of this.#crews) crew.takeRepaired();
      const begunAt = clock.now();
      await Promise.race([this.#startPass(), ended]);
      const idle = Promise.all(this.#crews.map((crew) => crew.controller.idle()));
      await Promise.race([idle, ended]);
      const drifted = this.#crews.flatMap((crew) => crew.takeRepaired());
      periodMs =
        drifted.length > 0 ? Math.max(auditMs, periodMs / 2) : Math.min(auditMs * AUDIT_GROWTH, periodMs * 2);
      this.#options.onAudit?.({ durationMs: clock.now() - begunAt, drifted, nextMs: periodMs });
    }
  }

  async #look(scope: 'all' | 'next'): Promise<void> {
    const looks = await Promise.allSettled(this.#crews.map((crew) => crew.patrol(scope)));
    for (const look of looks) if (look.status === 'rejected') this.#options.onFailure('patrol', look.reason);
  }
}
