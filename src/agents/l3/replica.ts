/**
 * One replica of an HA router on this host: the role that it plays, what a server told it about that, and its keepalived. The
 * role is read from the one fact that others see too: whether the address of VRRP itself is held.
 */
import type { Host } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import { Turns } from '../../lib/turns.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import { isCutOff, type ReplicaReport, type ReplicaState } from '../../resources/replica-report.ts';
import {
  beginLease,
  endLease,
  endOrphan,
  ensureKeepalived,
  isMissing,
  killKeepalived,
  isLeaseRunning,
} from './guard.ts';
import { namespaceOf } from './desired.ts';
import type { DesiredHa } from './ha.ts';
import type { Health, HealthSource } from './health.ts';
import { hearsPeers } from './heard.ts';
import { isUnwired, MOST_OFF, ownAddress, renderKeepalived, renderTracked } from './keepalived.ts';
import { paths } from './observe.ts';
import { ended, follow, type InForce, LEASE_MS, type Now, readInForce, renderInForce } from './orders.ts';
import { WiringCost } from './wiring-cost.ts';

/** What being told to yield costs: more than any one thing that ails a replica, and less than all. */
const YIELD_OFF = 100;
/** keepalived has taken up, or given up, all addresses within this time after a change of role or of its configuration. */
const SETTLE_MS = 400;
const ADVERT_MS = 100;
/** What it is told by its files keepalived does within some 10 ms. */
const OBEY_MS = 500;
/** After a change whoever can be heard has been, or one that was heard is forgotten. */
const HEARD_MS = 400;
/** One that was told to take no part looks again so often whether it hears the others. */
const LISTEN_MS = 1_000;
/**
 * Replicas that are made together begin one after the other, by rank: a later one that outranks the first would take the role
 * from it at once.
 */
const STAGGER_MS = 500;
/** A guard that ends sooner, twice, is not started again and again. */
const QUICK_MS = 5_000;

/** What is new of a replica: the role itself, what it was told, or how well it is and whom it hears. */
export type ReplicaNews = 'role' | 'order' | 'health';

export interface ReplicaContext {
  readonly host: Host;
  readonly clock: Clock;
  /** null: nothing is ever wrong with it. */
  readonly health: HealthSource | null;
  incarnation(): number;
  /** Something is to be said of it. */
  onState(routerId: string, state: ReplicaState, news: ReplicaNews): void;
}

export class Replica {
  readonly #id: string;
  readonly #context: ReplicaContext;
  /** null: not looked at yet. */
  #holds: boolean | null = null;
  /** null: not tried yet. */
  #runs: boolean | null = null;
  /** It was looked for and is not there, and is not started either. That something failed says nothing of it: it may serve. */
  #isGone = false;
  #state: ReplicaState = 'unknown';
  #seq = 0;
  #since: number;
  #settledAt = 0;
  /** When it was started last, and the time before. */
  #startedAt: readonly [number, number] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  /** When it may begin; undefined: not decided yet. */
  #turnAt: number | undefined;
  #inForce: InForce | null | undefined;
  /** What the tracked file says; undefined: not read yet. */
  #tracked: string | null | undefined;
  #desired: DesiredHa | null = null;
  /** When the lease by which it leaves the addresses to another is told again; null: it does not. */
  #awayAgainAt: number | null = null;
  /** It is kept from rising for a moment, by no program: whoever comes after this life ends it (`endOrphan`). */
  #isHeldBack = false;
  /** When a keepalived that still has the addresses though it is to take no part is killed; null: it obeys. */
  #insistAt: number | null = null;
  readonly #hurries = new Turns();
  readonly #wiring = new WiringCost();
  /** What was last said of it. */
  #wiringSaid = 0;
  #cutOffSaid: 'no' | 'seems so' | 'yes' = 'no';
  /** As the last look at it said, where the role itself does not say it. */
  #hears = false;
  /** When to look again; null: when something happens. */
  #listenAt: number | null = null;
  /** As it was in an earlier life: the role, and since when by the wall clock. undefined: not read yet. */
  #kept: { readonly state: string; readonly at: number } | undefined;

  constructor(routerId: string, context: ReplicaContext) {
    this.#id = routerId;
    this.#context = context;
    this.#since = context.clock.now();
  }

  get vrId(): number | null {
    return this.#desired?.vrId ?? null;
  }

  /**
   * Whether it is to have the addresses; null: it was not looked at yet, or who has them is being decided right now. Where nothing runs that
   * decides, what is left of them goes: nobody would tell the others of it.
   */
  holds(): boolean | null {
    if (this.settlesIn() > 0) return null;
    return this.#isGone ? false : this.#holds;
  }

  /** By what was seen last. */
  get isActive(): boolean {
    return this.#holds === true;
  }

  /** Its keepalived runs, was told all, and has done it. */
  get isAtRest(): boolean {
    return this.#runs === true && this.settlesIn() === 0;
  }

  /** Another is active, by what was seen last. */
  get standsBy(): boolean {
    return this.#state === 'standby';
  }

  /** In how many ms all addresses are where they belong; 0: they are. */
  settlesIn(): number {
    return Math.max(0, this.#settledAt - this.#context.clock.now());
  }

  isOwnAddress(address: string): boolean {
    return this.#desired !== null && address === ownAddress(this.#desired.vrId);
  }

  /** An event or a look says whether the address of VRRP is held. */
  sees(holds: boolean): void {
    if (this.#holds === holds) return;
    if (this.#holds !== null) this.#unsettle();
    this.#holds = holds;
    this.#judge();
  }

  /** keepalived and what guards it are gone. */
  ended(): void {
    this.#runs = false;
    this.#judge();
  }

  #unsettle(): void {
    this.#settledAt = this.#context.clock.now() + SETTLE_MS;
  }

  #judge(): void {
    const state = this.#nowIn();
    if (state === this.#state) return;
    const isFirst = this.#state === 'unknown';
    const now = this.#context.clock.now();
    this.#state = state;
    this.#seq += 1;
    this.#hears = false;
    this.#listenAt = now + HEARD_MS;
    const goesOn = isFirst && this.#kept?.state === state;
    this.#since = goesOn ? now - this.#sinceKept() : now;
    this.#context.health?.tellRole(this.#id, state);
    this.#context.onState(this.#id, state, 'role');
  }

  #sinceKept(): number {
    return Math.max(0, this.#context.clock.wall().getTime() - (this.#kept?.at ?? 0));
  }

  #nowIn(): ReplicaState {
    if (this.#holds) return 'active';
    if (this.#holds === null || this.#runs === null) return 'unknown';
    return this.#runs && this.#inForce?.do !== 'fault' && this.#awayAgainAt === null ? 'standby' : 'fault';
  }

  report(): ReplicaReport {
    const health = this.#health();
    return {
      router: this.#id,
      state: this.#state,
      seq: this.#seq,
      forMs: Math.round(this.#context.clock.now() - this.#since),
      penalty: Math.round(Math.min(MOST_OFF, (health?.penalty ?? 0) + this.#wiringCosts())),
      reasons: [...this.#wiring.reasons(this.#context.clock.now()), ...(health?.reasons ?? [])],
      // A stand-by is one because it hears the active.
      hears: this.#state === 'standby' || this.#hears,
      paths: health?.paths ?? { tunnel: 'unknown', management: 'unknown' },
      checks: health?.checks ?? [],
      peers: health?.peers ?? [],
      order: this.#inForce && this.#inForce.do !== 'done' ? this.#inForce.epoch : null,
      ...(this.#state === 'active' && health?.rival !== undefined ? { rival: health.rival } : {}),
      ...(this.#state === 'active' && health?.doubts ? { doubts: true } : {}),
    };
  }

  #wiringCosts(): number {
    return this.#wiring.at(this.#context.clock.now(), this.#tracked == null);
  }

  /** Which of its links to networks lead nowhere, by a look at the host. */
  wires(unwired: readonly string[]): void {
    this.#wiring.found(unwired, this.#context.clock.now());
  }

  #health(): Health | null {
    const { health } = this.#context;
    if (health === null) {
      const paths = { tunnel: 'unknown', management: 'unknown' } as const;
      return { penalty: 0, reasons: [], paths, checks: [], peers: [] };
    }
    return health.current(this.#id);
  }

  /**
   * What is quick, and must not wait for a look at the host: what it was told, and what it takes off its priority. Says in how
   * many ms there is more to do. One at a time, whoever asks.
   */
  hurry(desired: DesiredHa): Promise<number | null> {
    return this.#hurries.take(() => this.#hurry(desired));
  }

  async #hurry(desired: DesiredHa): Promise<number | null> {
    const { host, clock, incarnation } = this.#context;
    this.#desired = desired;
    await this.#recall();
    const own = { incarnation: incarnation(), seq: this.#seq, now: clock.now() };
    const before = this.#inForce ?? null;
    const inForce = this.#released(follow(before, desired.order, own));
    this.#context.health?.tellHeld(this.#id, inForce?.do === 'fault');
    if (inForce !== before) {
      this.#inForce = inForce;
      // Beside each other: while it has the addresses and is not to, each millisecond counts.
      await Promise.all([
        host.writeFile(paths(this.#id).order, renderInForce(inForce, this.#nowOf())),
        inForce?.do === 'fault' ? this.#takeLease(inForce) : before?.do === 'fault' && this.#endFault(),
      ]);
    }
    await this.#track(desired);
    await this.#leave();
    await this.#insist();
    this.#judge();
    await this.#keep();
    // Whoever told something wants to know how it is after that.
    if (inForce !== before) {
      await this.listen();
      this.#context.onState(this.#id, this.#state, 'order');
    } else if (this.#listenAt !== null && clock.now() >= this.#listenAt) await this.listen();
    const until = this.#inForce?.until ?? null;
    const costs = this.#wiringCosts();
    const health = this.#health();
    const cutOff = health === null || !isCutOff(health) ? 'no' : health.doubts ? 'seems so' : 'yes';
    if (costs !== this.#wiringSaid || cutOff !== this.#cutOffSaid) {
      this.#wiringSaid = costs;
      this.#cutOffSaid = cutOff;
      this.#context.onState(this.#id, this.#state, 'health');
    }
    const wiringMs = costs > 0 ? null : this.#wiring.dueIn(clock.now());
    const unwiredAt = wiringMs === null ? null : clock.now() + wiringMs;
    const waits = [until, this.#listenAt, this.#awayAgainAt, this.#insistAt, unwiredAt].filter(
      (at) => at !== null,
    );
    return waits.length === 0 ? null : Math.max(1, Math.min(...waits) - clock.now());
  }

  /** Also where the agent, or this host, was started anew meanwhile: what ends the lease ends with what is in force here. */
  async #takeLease({ until }: InForce): Promise<void> {
    const { host, clock } = this.#context;
    await beginLease(host, this.#id, Math.max(1, (until ?? 0) - clock.now()));
  }

  /** Where it is away for another reason, that one's lease is begun anew rather than ended (#leave). */
  async #endFault(): Promise<void> {
    if (this.#awayAgainAt === null) await endLease(this.#context.host, this.#id);
    else this.#awayAgainAt = this.#context.clock.now();
  }

  #nowOf(): Now {
    const { clock } = this.#context;
    return { now: clock.now(), wallMs: clock.wall().getTime() };
  }

  /** Who stepped back for one that is gone waits neither for a server nor for the end of its lease. */
  #released(inForce: InForce | null): InForce | null {
    return inForce?.do === 'fault' && this.#health()?.isOtherGone ? ended(inForce) : inForce;
  }

  /** Looks whether it hears another replica, where its role does not say so. */
  async listen(): Promise<void> {
    const { host, clock } = this.#context;
    const state = this.#state;
    this.#listenAt = null;
    if (state !== 'active' && state !== 'fault') return;
    const hears = await hearsPeers(host, namespaceOf(this.#id));
    if (this.#state !== state) return;
    if (state === 'fault') this.#listenAt = clock.now() + LISTEN_MS;
    if (hears === this.#hears) return;
    this.#hears = hears;
    this.#context.onState(this.#id, state, 'health');
  }

  /** What an earlier life left. */
  async #recall(): Promise<void> {
    const { host } = this.#context;
    if (this.#kept !== undefined) return;
    const [role, order] = await Promise.all(
      [paths(this.#id).role, paths(this.#id).order].map((path) => host.readFile(path)),
    );
    this.#inForce = readInForce(order ?? null, this.#nowOf());
    if (this.#inForce?.do === 'fault') await this.#takeLease(this.#inForce);
    else await endOrphan(host, this.#id);
    const [, state = '', at = '0'] = /^(\w+) (\d{1,15})\n$/.exec(role ?? '') ?? [];
    this.#kept = { state, at: Number(at) };
  }

  /** For the next life. */
  async #keep(): Promise<void> {
    const { host, clock } = this.#context;
    const state = this.#state;
    if (state === 'unknown' || state === this.#kept?.state) return;
    this.#kept = { state, at: Math.round(clock.wall().getTime() - (clock.now() - this.#since)) };
    await host.writeFile(paths(this.#id).role, `${state} ${this.#kept.at}\n`);
  }

  /** Where health says that another has the addresses, they are left to it: by a lease, told again in time. */
  async #leave(): Promise<void> {
    const { host, clock } = this.#context;
    const health = this.#health();
    if (health?.isAway) {
      this.#isHeldBack = false;
      if (clock.now() < (this.#awayAgainAt ?? 0)) return;
      this.#awayAgainAt = clock.now() + LEASE_MS / 2;
      await beginLease(host, this.#id, LEASE_MS);
    } else if (health !== null && this.#awayAgainAt !== null) {
      this.#awayAgainAt = null;
      if (this.#inForce?.do !== 'fault') await endLease(host, this.#id);
    } else if (health !== null) await this.#holdBack(health.isHeldBack === true);
  }

  /** Who holds the addresses goes on; who rose in the very moment in which it was to be kept from it does not. */
  async #holdBack(isWanted: boolean): Promise<void> {
    const { host } = this.#context;
    if (isWanted === this.#isHeldBack || (isWanted && this.#holds !== false)) return;
    this.#isHeldBack = isWanted;
    if (this.#inForce?.do !== 'fault') await host.writeFile(paths(this.#id).lease, isWanted ? '1\n' : '0\n');
  }

  /** A keepalived that is stopped, or hangs, keeps the addresses whatever it is told. */
  async #insist(): Promise<void> {
    const { host, clock } = this.#context;
    const isTold = this.#inForce?.do === 'fault' || this.#awayAgainAt !== null;
    if (!isTold || this.#holds !== true) this.#insistAt = null;
    else if (this.#insistAt === null) this.#insistAt = clock.now() + OBEY_MS;
    else if (clock.now() >= this.#insistAt) {
      await killKeepalived(host, this.#id);
      this.#insistAt = clock.now() + OBEY_MS;
    }
  }

  async #track(desired: DesiredHa): Promise<void> {
    const { host } = this.#context;
    const path = paths(this.#id).tracked;
    if (this.#tracked === undefined) this.#tracked = await host.readFile(path);
    const health = this.#health();
    // Not known yet: what an earlier life found out holds until it is.
    if ((health === null || this.#holds === null) && this.#tracked !== null) return;
    const forOrder = this.#inForce?.do === 'yield' ? YIELD_OFF : 0;
    const isPreferred = this.#inForce?.do === 'prefer';
    const { order } = desired;
    const forgiven = isPreferred && order?.epoch === this.#inForce?.epoch ? (order?.forgives ?? 0) : 0;
    const text = renderTracked({
      rank: desired.place,
      isPrimary: this.#holds === true,
      isPreferred,
      isUnwired: this.#wiringCosts() > forgiven,
      penalty: Math.max(0, (health?.penalty ?? MOST_OFF) - forgiven) + forOrder,
    });
    if (text === this.#tracked) return;
    await host.writeFile(path, text);
    this.#tracked = text;
  }

  /**
   * keepalived runs, and knows what it should. `isWired`: its link leads to the others. Says what it lacks, or in how many ms it
   * will be its turn to begin.
   */
  async ensure(
    desired: DesiredHa,
    isWired: boolean,
  ): Promise<{ shortfalls: readonly Shortfall[]; inMs: number | null }> {
    const { host, clock } = this.#context;
    const { object } = desired.link;
    const short = (state: Shortfall['state'], reason: string) => ({
      shortfalls: [{ object, state, reason }],
      inMs: null,
    });
    if (!isWired && !this.#runs) return short('waiting', 'its link to the other replicas is not wired yet');
    try {
      const turnMs = await this.#turnIn(desired);
      if (turnMs > 0) return { shortfalls: [], inMs: turnMs };
      const text = this.#render(desired);
      const prepare = async () => {
        const [last, before] = this.#startedAt;
        if (clock.now() - before < QUICK_MS) {
          this.#isGone = true;
          throw new Error('keepalived ends as soon as it is started');
        }
        this.#startedAt = [clock.now(), last];
        this.#wiring.begins();
        await this.#track(desired);
        if (!(await this.#isLeased())) await host.writeFile(paths(this.#id).lease, '0\n');
        // From here on it may run, whatever fails after its start.
        this.#isGone = false;
      };
      const done = await ensureKeepalived(host, this.#id, { text, prepare });
      this.#runs = true;
      this.#isGone = false;
      this.#wiring.runs(isUnwired(this.#tracked ?? ''));
      if (done !== null) this.#unsettle();
    } catch (error) {
      this.#runs = false;
      return short(
        isMissing(error) ? 'waiting' : 'failed',
        error instanceof Error ? error.message : String(error),
      );
    } finally {
      this.#judge();
    }
    return { shortfalls: [], inMs: null };
  }

  /** It is to take no part, by whatever reason; in an earlier life too, until that one's lease ends by itself. */
  async #isLeased(): Promise<boolean> {
    if (this.#inForce?.do === 'fault' || this.#awayAgainAt !== null || this.#isHeldBack) return true;
    return isLeaseRunning(this.#context.host, this.#id);
  }

  /** In how many ms it may begin; 0: now, as whoever has begun before may. */
  async #turnIn({ place }: DesiredHa): Promise<number> {
    if (this.#turnAt === undefined) {
      const isNew = (await this.#context.host.readFile(paths(this.#id).keepalivedTold)) === null;
      this.#turnAt = this.#context.clock.now() + (isNew ? place * STAGGER_MS : 0);
    }
    return Math.max(0, this.#turnAt - this.#context.clock.now());
  }

  #render({ vrId, link, addresses, routes }: DesiredHa): string {
    const { host } = this.#context;
    const at = paths(this.#id);
    return renderKeepalived({
      name: this.#id,
      ...{ vrId, link: link.name, advertMs: ADVERT_MS, addresses, routes },
      tracked: host.absolute(at.tracked),
      lease: host.absolute(at.lease),
    });
  }
}
