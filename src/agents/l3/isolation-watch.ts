/**
 * Follows whether this host is alone, and for each router on it whether its replica leaves the addresses to another; and of those that a
 * server told to leave them, whether the other is still there.
 */
import type { Host } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { ReplicaState } from '../../resources/replica-report.ts';
import { type Claim, Evidence } from './evidence.ts';
import {
  type Absence,
  absence,
  type Company,
  company,
  isGone,
  type IsolationRule,
  NO_COMPANY,
  NOTHING_SEEN,
  PRESENT,
  type Stance,
  stance,
} from './isolation.ts';

export interface IsolationOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly rule: IsolationRule;
  /** The HA routers here: their place among the replicas, and where somebody else could answer for them; null: nowhere. */
  readonly routers: () => Iterable<{
    readonly id: string;
    readonly place: number;
    readonly claim: Claim | null;
  }>;
  /** Whether anyone at all answers; null: nobody is asked. */
  readonly anybody: () => boolean | null;
  /** This host's links to all others have lost their carriers. */
  readonly isCut: () => boolean;
  /** Whether a link has its carrier: what does not come over one that has not says nothing. null: there is no such link here. */
  readonly carries: (link: string) => boolean | null;
  /** When the last answer of all came. */
  readonly heardAt: () => number;
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Between looks while anything is asked, and while it is not. */
const ALONE_MS = 200;
/** While it stands back for one that nothing else tells of. */
const HELD_MS = 100;
const IDLE_MS = 1_000;
/** What was seen before it was known to be alone says as much as what is seen right after. */
const FRESH_MS = 500;

export class IsolationWatch {
  readonly #options: IsolationOptions;
  readonly #evidence: Evidence;
  readonly #stances = new Map<string, Stance>();
  readonly #active = new Map<string, number>();
  /** Those that were told to step back. */
  readonly #held = new Map<string, Absence>();
  #company: Company = NO_COMPANY;
  #isDoubted = false;
  /** Stand-bys that are not to begin before it is known whether anybody answers. */
  #heldBack: ReadonlySet<string> = new Set();
  #early: { readonly at: number; readonly answers: ReadonlyMap<string, boolean> } | null = null;
  #wake = new AbortController();

  constructor(options: IsolationOptions) {
    this.#options = options;
    this.#evidence = new Evidence(options);
  }

  tellRole(routerId: string, role: ReplicaState): void {
    const { clock } = this.#options;
    if (role !== 'active') this.#active.delete(routerId);
    else if (!this.#active.has(routerId)) this.#active.set(routerId, clock.now());
  }

  /** A server told the replica to step back, or does no more. */
  tellHeld(routerId: string, isHeld: boolean): void {
    if (!isHeld) this.#held.delete(routerId);
    else if (!this.#held.has(routerId)) {
      this.#held.set(routerId, NOTHING_SEEN);
      this.#wake.abort();
    }
  }

  /** Somebody answers who did not, or the other way round. */
  heard(): void {
    const { anybody, heardAt, isCut, rule } = this.#options;
    if (rule === 'off') return;
    const before = this.#company;
    this.#company = company(before, isCut() ? false : anybody(), heardAt());
    if (before.aloneSince === this.#company.aloneSince) return;
    // Before anything is asked: some things follow at once.
    this.#judge(this.#answersEarly());
    this.#wake.abort();
  }

  /** It may be alone in a moment. Whoever rises by that same silence is not to have to ask first. */
  doubt(): void {
    if (this.#company.aloneSince !== null) return;
    this.#isDoubted = true;
    this.#wake.abort();
  }

  /**
   * All have missed the last question, or that is over. A stand-by misses its heartbeats in the same moment, and who answers on the external
   * network is not known before that: so it is kept from rising for as long as that lasts, and then by what `stance` says of it.
   */
  hush(isHushed: boolean): void {
    const { rule, onChange } = this.#options;
    if (rule !== 'evidence') return;
    const standbys = isHushed ? [...this.#options.routers()].filter((one) => this.#mayHoldBack(one)) : [];
    if (standbys.length === 0 && this.#heldBack.size === 0) return;
    this.#heldBack = new Set(standbys.map(({ id }) => id));
    onChange();
  }

  #mayHoldBack({ id, claim }: { readonly id: string; readonly claim: Claim | null }): boolean {
    return !this.#active.has(id) && claim !== null && this.#options.carries(claim.link) === true;
  }

  isHeldBack(routerId: string): boolean {
    return this.#heldBack.has(routerId);
  }

  #answersEarly(): ReadonlyMap<string, boolean> {
    const early = this.#early;
    this.#early = null;
    return early !== null && this.#options.clock.now() - early.at < FRESH_MS ? early.answers : new Map();
  }

  get wasHeard(): boolean {
    return this.#company.wasHeard;
  }

  /** In an earlier life of the agent somebody answered: if nobody has so far in this one, it is alone. */
  wasHeardBefore(): void {
    if (!this.#company.wasHeard) this.#company = { wasHeard: true, aloneSince: null };
    this.heard();
  }

  /** Why the replica leaves the router's addresses to another; null: it does not. */
  away(routerId: string): string | null {
    if (!this.#stances.get(routerId)?.isAway) return null;
    return this.#options.rule === 'strict'
      ? 'nobody answers this host, not even a witness'
      : 'nobody answers this host, and another has the addresses';
  }

  /** Whether the one that it was told to step back for has answered, and does no more. */
  isGone(routerId: string): boolean {
    const seen = this.#held.get(routerId);
    const one = seen && [...this.#options.routers()].find(({ id }) => id === routerId);
    return one !== undefined && isGone(seen ?? NOTHING_SEEN, one.place);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, onFailure } = this.#options;
    const stop = () => this.#wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      const asks = this.#asks;
      await this.#look(signal).catch(onFailure);
      if (signal.aborted) break;
      if (asks !== this.#asks) continue;
      this.#wake = new AbortController();
      const askMs = this.#held.size > 0 ? HELD_MS : ALONE_MS;
      await sleep(clock, asks ? askMs : IDLE_MS, this.#wake.signal);
    }
    signal.removeEventListener('abort', stop);
    await this.#evidence.end().catch(onFailure);
  }

  get #asks(): boolean {
    const { rule } = this.#options;
    const mayBeAlone = this.#isDoubted || this.#company.aloneSince !== null;
    return (rule === 'evidence' && mayBeAlone) || (rule !== 'off' && this.#held.size > 0);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { routers, clock, carries } = this.#options;
    const isDoubted = this.#isDoubted;
    const isAlone = isDoubted || this.#company.aloneSince !== null;
    const asked = [...routers()].filter(({ id }) => isAlone || this.#held.has(id));
    // nftables refuses a link that is not there, and with it all others
    const claims = asked.flatMap(({ claim }) => (claim !== null && carries(claim.link) ? [claim] : []));
    const seen = await this.#ask(claims, signal);
    const answers = new Map<string, boolean>();
    if (seen !== null)
      for (const { id, claim } of asked)
        if (claim !== null && carries(claim.link) !== null) answers.set(id, seen.has(claim.address));
    if (isDoubted) this.#isDoubted = false;
    if (isDoubted && this.#company.aloneSince === null) this.#early = { at: clock.now(), answers };
    this.#judge(answers);
  }

  /** `answers`: of the routers that were asked for, whether another answered. */
  #judge(answers: ReadonlyMap<string, boolean>): void {
    const { clock, rule, routers, isCut, carries, onChange } = this.#options;
    const here = [...routers()];
    const { aloneSince } = this.#company;
    const before = this.#awayNow();
    for (const map of [this.#stances, this.#held])
      for (const id of map.keys()) if (!here.some((one) => one.id === id)) map.delete(id);
    for (const { id, place, claim } of here) {
      const other = answers.get(id) ?? null;
      const held = this.#held.get(id);
      if (held !== undefined)
        this.#held.set(id, absence(held, claim !== null && carries(claim.link) ? other : null));
      const activeSince = this.#active.get(id) ?? null;
      const situation = { now: clock.now(), aloneSince, activeSince, other, rule, place };
      const canAsk = claim !== null && (isCut() || carries(claim.link) === true);
      this.#stances.set(id, stance(this.#stances.get(id) ?? PRESENT, { ...situation, canAsk }));
    }
    if (this.#awayNow() !== before) onChange();
  }

  #awayNow(): string {
    const away = [...this.#stances].flatMap(([id, { isAway }]) => (isAway ? [id] : []));
    const over = [...this.#held.keys()].filter((id) => this.isGone(id));
    return JSON.stringify([away, over]);
  }

  /** null: it was not asked, or cannot be found out. */
  async #ask(claims: readonly Claim[], signal: AbortSignal): Promise<Set<string> | null> {
    const { onFailure } = this.#options;
    if (!this.#asks) {
      await this.#evidence.end();
      return null;
    }
    try {
      return await this.#evidence.ask(claims, signal);
    } catch (error) {
      onFailure(error);
      return null;
    }
  }
}
