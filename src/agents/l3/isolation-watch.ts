/** Follows whether this host is alone, and for each router on it whether its replica leaves the addresses to another. */
import type { Host } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { ReplicaState } from '../../resources/replica-report.ts';
import { type Claim, Evidence } from './evidence.ts';
import {
  type Company,
  company,
  type IsolationRule,
  NO_COMPANY,
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
  /** When the last answer of all came. */
  readonly heardAt: () => number;
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
}

/** Between looks while it is alone, and while it is not. */
const ALONE_MS = 200;
const IDLE_MS = 1_000;

export class IsolationWatch {
  readonly #options: IsolationOptions;
  readonly #evidence: Evidence;
  readonly #stances = new Map<string, Stance>();
  readonly #active = new Map<string, number>();
  #company: Company = NO_COMPANY;
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

  /** Somebody answers who did not, or the other way round. */
  heard(): void {
    const { anybody, heardAt, isCut, rule } = this.#options;
    if (rule === 'off') return;
    const before = this.#company;
    this.#company = company(before, isCut() ? false : anybody(), heardAt());
    if (before.aloneSince === this.#company.aloneSince) return;
    // Before anything is asked: some things follow at once.
    this.#judge(null);
    this.#wake.abort();
  }

  /** Why the replica leaves the router's addresses to another; null: it does not. */
  away(routerId: string): string | null {
    if (!this.#stances.get(routerId)?.isAway) return null;
    return this.#options.rule === 'strict'
      ? 'nobody answers this host, not even a witness'
      : 'nobody answers this host, and another has the addresses';
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, onFailure } = this.#options;
    const stop = () => this.#wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      const isAlone = this.#company.aloneSince !== null;
      await this.#look(signal).catch(onFailure);
      if (signal.aborted) break;
      if (isAlone !== (this.#company.aloneSince !== null)) continue;
      this.#wake = new AbortController();
      await sleep(clock, isAlone ? ALONE_MS : IDLE_MS, this.#wake.signal);
    }
    signal.removeEventListener('abort', stop);
    await this.#evidence.end().catch(onFailure);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const claims = [...this.#options.routers()].flatMap(({ claim }) => claim ?? []);
    this.#judge(await this.#ask(claims, signal));
  }

  #judge(seen: ReadonlySet<string> | null): void {
    const { clock, rule, routers, isCut, onChange } = this.#options;
    const here = [...routers()];
    const { aloneSince } = this.#company;
    const before = this.#awayNow();
    for (const id of this.#stances.keys()) if (!here.some((one) => one.id === id)) this.#stances.delete(id);
    for (const { id, place, claim } of here) {
      const other = seen === null || claim === null ? null : seen.has(claim.address);
      const activeSince = this.#active.get(id) ?? null;
      const situation = { now: clock.now(), aloneSince, activeSince, other, rule, place };
      const cut = claim !== null && isCut();
      this.#stances.set(id, stance(this.#stances.get(id) ?? PRESENT, { ...situation, isCut: cut }));
    }
    if (this.#awayNow() !== before) onChange();
  }

  #awayNow(): string {
    return [...this.#stances].flatMap(([id, { isAway }]) => (isAway ? [id] : [])).join();
  }

  /** null: it was not asked, or cannot be found out. */
  async #ask(claims: readonly Claim[], signal: AbortSignal): Promise<Set<string> | null> {
    const { rule, onFailure } = this.#options;
    if (this.#company.aloneSince === null || rule !== 'evidence') {
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
