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
import { sleep, untilAborted } from '../lib/clock.ts';
import { Follower } from '../watch/follow.ts';
import type { RemedyFrame, ReportAnswer } from '../watch/protocol.ts';
import type { SessionState } from '../watch/session.ts';
import { Crew, type CrewOptions, type Life } from './crew.ts';
import { Patrol } from './patrol.ts';
import type { RoleAgent } from './role.ts';

export interface RunnerOptions extends CrewOptions {
  readonly host: Host;
  readonly roles: readonly RoleAgent[];
  /** Larger in each later life of this host's agent. */
  readonly incarnation: number;
  /** A server knows of a later life: this one goes on with a number above that, to be kept like the first. */
  readonly onIncarnation?: (incarnation: number) => void;
  readonly tunnelIp: string;
  readonly physicalNetworks: readonly string[];
  /** First period between audits; it doubles to eight times this while nothing has drifted. */
  readonly auditMs: number;
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

const AUDIT_GROWTH = 8;
/** The host could not be read: soon again. */
const PASS_RETRY_MS = 1_000;
/** If the host's events cannot be followed by then, it is looked at all the same. */
const LISTEN_LIMIT_MS = 2_000;
/** Lost events come many at a time; the pass that makes up for them comes once. */
const OVERFLOW_GATHER_MS = 100;

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
        if (state.name === 'waiting') for (const crew of this.#crews) crew.leave();
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
