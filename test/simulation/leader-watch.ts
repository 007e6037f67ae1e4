/** Leadership: within one term there is one leader, and a term never comes back but by a lost tail. */
import type { LeaseRow } from '../../src/resources/lease.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import type { Place } from '../../src/resources/place.ts';
import type { Transaction } from '../../src/store/store.ts';
import type { ServerParts, ServerProcess } from './server-process.ts';
import { Violation } from './violation.ts';

const CHANGE_MS = 3_000;

export class LeaderWatch {
  readonly #store: MemoryStore;
  readonly #servers: readonly ServerProcess[];
  readonly #now: () => number;
  /** By lease: what was committed last. */
  readonly #leases = new Map<string, LeaseRow>();
  /** Transactions under way that only a leader may make, by tag. */
  readonly #acts = new Map<number, { readonly serverId: string; readonly term: number }>();
  #changedAt = Number.NEGATIVE_INFINITY;
  #found: Violation | undefined;

  constructor(options: { store: MemoryStore; servers: readonly ServerProcess[]; now: () => number }) {
    this.#store = options.store;
    this.#servers = options.servers;
    this.#now = options.now;
    options.store.observe((written, place) => this.#onCommit(written, place));
  }

  /** From now on each of its transactions that only a leader may make is looked at as it commits. */
  follow({ serverId, leader }: ServerParts): void {
    const guard = leader.guard.bind(leader);
    leader.guard = async (tx) => {
      this.#acts.set((tx as Transaction).tag, { serverId, term: leader.term });
      await guard(tx);
    };
  }

  throwIfFound(): void {
    if (this.#found) throw this.#found;
  }

  forget(): void {
    this.#leases.clear();
    for (const lease of this.#store.rows('leases')) this.#leases.set(lease.name, lease);
    this.#changedAt = this.#now();
  }

  /** Whether another has taken over lately, or is about to. */
  isChanging(): boolean {
    return this.#now() - this.#changedAt < CHANGE_MS || !this.hasLivingLeader();
  }

  hasLivingLeader(): boolean {
    return this.#store.rows('leases').some(({ holder }) => {
      const life = this.#servers.find((server) => server.name === holder)?.life;
      return life?.alive === true && !life.isFrozen;
    });
  }

  /** What a leader did, it did in its term: another that has taken over meanwhile would have been overridden. */
  #judge(tag: number): void {
    const act = this.#acts.get(tag);
    if (!act) return;
    this.#acts.delete(tag);
    const lease = [...this.#leases.values()][0];
    if (lease?.holder === act.serverId && lease.term === act.term) return;
    const what = `${act.serverId} acts in term ${act.term}, ${lease?.holder} leads in ${lease?.term}`;
    this.#found ??= new Violation('one leader a term', what);
  }

  #onCommit(written: Written, place: Place | null): void {
    for (const [name, row] of written.get('leases') ?? []) {
      const lease = row as LeaseRow | null;
      const before = this.#leases.get(name);
      if (!lease) continue;
      this.#leases.set(name, { ...lease });
      if (!before) continue;
      if (before.holder !== lease.holder) this.#changedAt = this.#now();
      const isNext = lease.term > before.term;
      const isSame = lease.term === before.term && (lease.holder === before.holder || lease.holder === '');
      if (isNext || isSame) continue;
      const what = `${lease.holder} holds ${name} in term ${lease.term}, after ${before.holder} in ${before.term}`;
      this.#found ??= new Violation('one leader a term', what);
    }
    if (place) this.#judge(place.tag);
  }
}
