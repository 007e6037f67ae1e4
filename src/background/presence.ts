/**
 * Who hears which agent. Each server moves a beat of its own, times the others' on its own clock, and writes who it hears
 * on transitions only; rows that nobody claims are looked at every second, by an index.
 *
 *   feed ──changed, heard──> here ──tick──> silent, back ──> rows (server_id)
 *   rows ──look──> what nobody hears ──> claimed by who does; the rest is the leader's to judge (deaths.ts)
 */
import { Attention } from '../convergence/attention.ts';
import type { LivenessTimes } from '../convergence/liveness.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import { agentsHeard, agentsSilent } from '../operations/liveness.ts';
import type { Call, SeenAgent } from '../operations/operation.ts';
import { RunAgain, type Sighting, type Store } from '../store/store.ts';

export interface PresenceOptions {
  readonly store: Store;
  readonly serverId: string;
  readonly times: LivenessTimes;
  readonly clock: Clock;
  readonly call: () => Call;
  readonly onFailure: (what: string, error: unknown) => void;
  /** After each look at what nobody hears, or is not simply alive. */
  readonly onLook?: (look: Look) => Promise<void>;
  /**
   * An agent that was taken for dead is heard on the watch on which it fell silent. Its words come here; whether ours reach
   * it, only a new watch can show.
   */
  readonly onDoubt?: (host: string) => void;
}

export interface Look {
  readonly sightings: readonly Sighting[];
  /** Since when this server's loop and database have been prompt. */
  readonly attentiveSince: (now: number) => number;
  /** Whether the server of that name lives, as seen from here. */
  readonly isHeard: (serverId: string) => boolean;
  /** Whether this server itself hears the host's agent, or has until lately. */
  readonly hears: (host: string) => boolean;
}

/** An agent whose watch is, or was just now, held here. */
interface Here {
  isConnected: boolean;
  /** It asks to watch, and has no answer yet. */
  isKnocking: boolean;
  /** When anything was last heard of it. */
  heardAt: number;
  /** It sends heartbeats, so that silence means something while it is connected. */
  beats: boolean;
  /** Its row says, or is about to say, that it is not heard. */
  isSilent: boolean;
  /** It was silent since its watch was opened: what is heard of it now may be old, and ours may not reach it. */
  isDoubtful: boolean;
}

const NOT_CONNECTED = { isConnected: false, isKnocking: false, beats: true, isDoubtful: false } as const;

const MOST_AT_ONCE = 200;
/** How often rows that claim this server are compared with the watches that it holds. */
const AUDIT_MS = 60_000;

export class AgentPresence {
  readonly attention: Attention;
  readonly #options: PresenceOptions;
  /** Each server's beat, and when it was last seen to move, on our own clock. */
  readonly #servers = new Map<string, { readonly beat: number; readonly movedAt: number }>();
  readonly #here = new Map<string, Here>();
  /** What is to be written. */
  readonly #silent = new Set<string>();
  readonly #back = new Set<string>();
  #auditAt: number;
  #hasAudited = false;
  #hasEnded = false;
  #wakeLook: () => void = () => undefined;
  #wakeTell: () => void = () => undefined;

  constructor(options: PresenceOptions) {
    const now = options.clock.now();
    this.#options = options;
    this.#auditAt = now;
    this.attention = new Attention(options.times.promptMs, now);
  }

  /** false once it was declared dead, and until a living server hears it. */
  isAlive(agent: SeenAgent): boolean {
    return agent.liveness !== 'dead' || this.isHeard(agent.server_id);
  }

  /** Alive, heard right now, and not held down. */
  isEligible(agent: SeenAgent): boolean {
    return agent.liveness === 'alive' && this.isHeard(agent.server_id);
  }

  /** Whether the server of that name lives. Time in which this server was not attentive does not count against others. */
  isHeard(serverId: string): boolean {
    if (serverId === this.#options.serverId) return true;
    const server = this.#servers.get(serverId);
    if (!server) return false;
    const now = this.#options.clock.now();
    return now - Math.max(server.movedAt, this.attention.since(now)) < this.#options.times.detectMs;
  }

  /** The servers that live, this one among them. */
  get living(): string[] {
    const { serverId } = this.#options;
    return [...new Set([serverId, ...this.#servers.keys()])].filter((id) => this.isHeard(id));
  }

  /** A watch was opened here, or has ended: silence begins then, if its agent goes nowhere else. */
  changed(host: string, isConnected: boolean): void {
    const now = this.#options.clock.now();
    const known = this.#here.get(host);
    if (isConnected) {
      // one whose silence was told is not known any more
      if (!known || known.isSilent) this.#says(host, false);
      const fresh = { heardAt: now, beats: false, isSilent: false, isDoubtful: false };
      this.#here.set(host, { isConnected, isKnocking: false, ...fresh });
    } else if (known) {
      known.isConnected = false;
      known.isKnocking = false;
      if (!known.beats) known.heardAt = now;
    }
  }

  /** Its row names this server now; if nothing is known of it here (any more), it is silent after a while. */
  registered(host: string): void {
    if (this.#here.has(host)) return;
    const heardAt = this.#options.clock.now();
    this.#silent.delete(host);
    this.#here.set(host, { ...NOT_CONNECTED, heardAt, isSilent: false });
  }

  /** Whether the host's watch is held here, or was asked for just now, and it is heard. */
  isHere(host: string): boolean {
    const here = this.#here.get(host);
    return here !== undefined && (here.isConnected || here.isKnocking) && !here.isSilent;
  }

  /** A heartbeat came, or a knock: the database may be too slow for the answer, the agent is there. */
  heard(host: string): void {
    const now = this.#options.clock.now();
    const unknown = { ...NOT_CONNECTED, isKnocking: true, heardAt: now, isSilent: true };
    const here = this.#here.get(host) ?? unknown;
    if (here === unknown) this.#here.set(host, here);
    here.heardAt = now;
    here.beats = true;
    here.isKnocking = !here.isConnected;
    if (here.isKnocking) here.isDoubtful = false;
    if (!here.isSilent) return;
    here.isSilent = false;
    this.#says(host, false);
  }

  /** This server ends: its agents go elsewhere by themselves, and its beat says the rest. */
  end(): void {
    this.#hasEnded = true;
    this.#silent.clear();
    this.#back.clear();
  }

  /** Moves this server's beat and looks at the others'. */
  async beat(): Promise<void> {
    const { store, serverId, clock } = this.#options;
    const beats = await this.#ask(() => store.beat(serverId));
    const now = clock.now();
    const known = new Set(beats.map(({ id }) => id));
    for (const id of this.#servers.keys()) if (!known.has(id)) this.#servers.delete(id);
    for (const { id, beat } of beats) {
      if (this.#servers.get(id)?.beat !== beat) this.#servers.set(id, { beat, movedAt: now });
    }
  }

  /** Looks soon, rather than when it is time to. */
  look(): void {
    this.#wakeLook();
  }

  /** Beats, listens and looks until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { times, onFailure } = this.#options;
    const wake = () => {
      this.#wakeLook();
      this.#wakeTell();
    };
    signal.addEventListener('abort', wake, { once: true });
    await Promise.all([
      this.#again(times.beatMs, signal, () => this.beat()),
      this.#listen(signal),
      this.#tell(signal),
      this.#lookAgain(signal),
    ]).catch((error) => {
      onFailure('presence', error);
      throw error;
    });
  }

  async #again(periodMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const { clock, onFailure } = this.#options;
    while (!signal.aborted) {
      const began = clock.now();
      await work().catch((error) => onFailure('presence', error));
      await sleep(clock, Math.max(0, began + periodMs - clock.now()), signal);
    }
  }

  /** A read or write of the database, by which it is judged whether this server may judge. */
  async #ask<Result>(work: () => Promise<Result>): Promise<Result> {
    const { clock } = this.#options;
    const answered = this.attention.asks(clock.now());
    try {
      const result = await work();
      answered(clock.now(), true);
      return result;
    } catch (error) {
      answered(clock.now(), false);
      throw error;
    }
  }

  /** Tick after tick: who has not been heard for too long? */
  async #listen(signal: AbortSignal): Promise<void> {
    const { clock, times } = this.#options;
    while (!signal.aborted) {
      await sleep(clock, times.tickMs, signal);
      this.attention.ticked(clock.now(), times.tickMs);
      // what came while this process was busy is read before anybody is called silent
      await sleep(clock, 1, signal);
      if (!signal.aborted) this.#judge();
    }
  }

  #judge(): void {
    const now = this.#options.clock.now();
    const since = this.attention.since(now);
    for (const [host, here] of this.#here) {
      if (here.isSilent || (here.isConnected && !here.beats)) continue;
      if (now - Math.max(here.heardAt, since) < this.#options.times.silentMs) continue;
      here.isSilent = true;
      here.isDoubtful = true;
      this.#says(host, true);
    }
  }

  /** Servers that were seen and live no more. */
  #gone(): string[] {
    return [...this.#servers.keys()].filter((id) => !this.isHeard(id));
  }

  #silentMs(host: string): number {
    const now = this.#options.clock.now();
    return Math.max(0, now - (this.#here.get(host)?.heardAt ?? now));
  }

  #says(host: string, isSilent: boolean): void {
    if (this.#hasEnded) return;
    (isSilent ? this.#silent : this.#back).add(host);
    (isSilent ? this.#back : this.#silent).delete(host);
    this.#wakeTell();
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const { clock, times, onFailure } = this.#options;
    while (!signal.aborted) {
      if (this.#silent.size + this.#back.size === 0) {
        await new Promise<void>((resolve) => {
          this.#wakeTell = resolve;
        });
        continue;
      }
      try {
        await this.#tellSome();
      } catch (error) {
        onFailure('presence', error);
        await sleep(clock, times.lookMs, signal);
      }
    }
  }

  async #tellSome(): Promise<void> {
    const { store, serverId, call } = this.#options;
    const silent = take(this.#silent, MOST_AT_ONCE);
    const back = take(this.#back, MOST_AT_ONCE);
    try {
      // whoever seemed gone may have woken up and taken the agent itself: its beat says so, if it is looked at now
      if (back.length > 0 && this.#gone().length > 0) await this.beat();
      await this.#ask(() =>
        store.transact(async (tx) => {
          const isHeard = (host: string) => this.#here.get(host)?.isSilent === false;
          const quiet = new Map(
            silent.flatMap((host) => (isHeard(host) ? [] : [[host, this.#silentMs(host)]])),
          );
          if (quiet.size > 0) await agentsSilent(tx, call(), { silentMs: quiet, serverId });
          const told = back.map((host) => {
            const isDoubtful = this.#here.get(host)?.isDoubtful === true;
            return { host, isDoubtful, isHere: this.isHere(host) };
          });
          for (const same of Map.groupBy(told, (one) => `${one.isDoubtful} ${one.isHere}`).values()) {
            const { isDoubtful, isHere } = same[0]!;
            // one that is not here now may have gone to that server since, which then is not gone
            const gone = isHere ? this.#gone() : [];
            await agentsHeard(tx, { hosts: same.map(({ host }) => host), serverId, gone, isDoubtful });
          }
          if ([...quiet.keys()].some(isHeard)) throw new RunAgain('heard while the database took its time');
        }),
      );
    } catch (error) {
      // unless the contrary is to be said by now
      for (const host of silent) if (!this.#back.has(host)) this.#silent.add(host);
      for (const host of back) if (!this.#silent.has(host)) this.#back.add(host);
      throw error;
    }
    for (const host of silent) {
      const here = this.#here.get(host);
      if (here?.isSilent && !here.isConnected) this.#here.delete(host);
    }
    this.look();
  }

  async #lookAgain(signal: AbortSignal): Promise<void> {
    const { clock, times, onFailure } = this.#options;
    while (!signal.aborted) {
      const began = clock.now();
      let cancel: () => void = () => undefined;
      const waited = new Promise<void>((resolve) => {
        this.#wakeLook = resolve;
        cancel = clock.after(times.lookMs, resolve);
      });
      try {
        await this.#lookOnce();
      } catch (error) {
        onFailure('presence', error);
      }
      await waited;
      cancel();
      // many transitions ask for a look each: one does for all
      await sleep(clock, Math.max(0, began + times.lookMs / 4 - clock.now()), signal);
    }
  }

  async #lookOnce(): Promise<void> {
    const { store, serverId, onLook, onDoubt } = this.#options;
    await this.#auditWhenDue();
    const sightings = await this.#ask(() => store.view((view) => view.sightings(['', ...this.#gone()])));
    // a server that seemed gone may have woken up and taken an agent since: its beat says so, if it is looked at now
    if (sightings.some(({ server_id }) => server_id !== '' && !this.isHeard(server_id))) await this.beat();
    const dead = new Set<string>();
    for (const { host, server_id, liveness } of sightings) {
      if (liveness === 'dead') dead.add(host);
      const isClaimed = server_id === serverId || (server_id !== '' && this.isHeard(server_id));
      if (isClaimed || !this.#hears(host, dead)) continue;
      if (server_id !== '' && !this.isHere(host)) continue;
      if (liveness === 'dead' && this.#here.get(host)?.isDoubtful) onDoubt?.(host);
      else this.#says(host, false);
    }
    await onLook?.({
      sightings,
      attentiveSince: (now) => this.attention.since(now),
      isHeard: (id) => this.isHeard(id),
      hears: (host) => this.#hears(host, dead),
    });
  }

  /** For one that lives it is enough to have been heard lately, on a watch that has ended since; the dead need one. */
  #hears(host: string, dead: ReadonlySet<string>): boolean {
    if (this.isHere(host) || dead.has(host)) return this.isHere(host);
    const here = this.#here.get(host);
    return here !== undefined && !here.isSilent && here.heardAt <= this.#options.clock.now();
  }

  /**
   * Rows that claim this server and whose watch it does not hold: of an earlier process of its name, or written while
   * their agents left. The first time agents are given the time to come back.
   */
  async #auditWhenDue(): Promise<void> {
    const { store, serverId, clock, times } = this.#options;
    const now = clock.now();
    if (now < this.#auditAt) return;
    const rows = await this.#ask(() => store.view((view) => view.sightings([serverId])));
    const graceMs = this.#hasAudited ? 0 : times.orphanMs - times.detectMs;
    this.#auditAt = now + AUDIT_MS;
    this.#hasAudited = true;
    for (const { host, server_id } of rows) {
      if (server_id !== serverId) continue;
      const here = this.#here.get(host);
      // its silence was told, and the row has forgotten that, as after a promotion
      if (here?.isSilent) this.#says(host, true);
      if (here) continue;
      const heardAt = clock.now() + graceMs;
      this.#here.set(host, { ...NOT_CONNECTED, heardAt, isSilent: false });
    }
  }
}

function take(from: Set<string>, most: number): string[] {
  const taken: string[] = [];
  for (const item of from) {
    if (taken.length === most) break;
    taken.push(item);
    from.delete(item);
  }
  return taken;
}
