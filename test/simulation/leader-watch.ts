/** Leadership: within one term there is one leader, and a term never comes back but by a lost tail. */
import type { LeaseRow } from '../../src/resources/lease.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import type { ServerProcess } from './server-process.ts';
import { Violation } from './violation.ts';

const CHANGE_MS = 3_000;

export class LeaderWatch {
  readonly #store: MemoryStore;
  readonly #servers: readonly ServerProcess[];
  readonly #now: () => number;
  /** By lease: what was committed last. */
  readonly #leases = new Map<string, LeaseRow>();
  #changedAt = Number.NEGATIVE_INFINITY;
  #found: Violation | undefined;

  constructor(options: { store: MemoryStore; servers: readonly ServerProcess[]; now: () => number }) {
    this.#store = options.store;
    this.#servers = options.servers;
    this.#now = options.now;
    options.store.observe((written) => this.#onCommit(written));
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

  #onCommit(written: Written): void {
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
  }
}
