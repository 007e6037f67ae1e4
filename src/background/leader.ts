/**
 * Which of several servers performs what only one should: the one that holds the lease (a row of `leases`) and keeps its
 * beat moving. The others time the beat on their own clock and take over when it has not moved for `takeoverMs`; one
 * that stops gives the lease up, and the next takes it at once.
 *
 * A leader may be paused at any instant and wake up as one no more. So every write that only a leader may do calls
 * `guard` in its transaction: the row is locked and its term compared, which no other server can change before the commit.
 */
import { type Clock, sleep } from '../lib/clock.ts';
import type { LeaseRow } from '../resources/lease.ts';
import { type Store, type Transaction, UniqueViolation } from '../store/store.ts';

export interface LeaderOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly serverId: string;
  readonly clock: Clock;
  /** How often the leader moves its beat, and how often the others look at least. */
  readonly beatMs: number;
  /** A beat that has not moved for so long is of a leader that is gone. */
  readonly takeoverMs: number;
  readonly onFailure: (what: string, error: unknown) => void;
  /** A term has begun here (true) or is over. */
  readonly onChange?: (isLeader: boolean, term: number) => void;
}

/** The transaction is not a leader's any more: nothing of it remains. */
export class NotLeader extends Error {
  override readonly name = 'NotLeader';
}

/** Does it in one transaction, if this server leads until that ends; throws NotLeader, and nothing is done, if it does not. */
export async function asLeader<Result>(
  { store, leader }: { readonly store: Pick<Store, 'transact'>; readonly leader: Pick<Leader, 'guard'> },
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  const { result } = await store.transact(async (tx) => {
    const done = await work(tx);
    await leader.guard(tx);
    return done;
  });
  return result;
}

const LEASE = 'duties';
const MOST_LOOK_MS = 1_000;

export class Leader {
  readonly #options: LeaderOptions;
  /** Of the lease that this server holds; 0 while it holds none. */
  #term = 0;
  /** When the last beat that went through was begun: until `takeoverMs` later nobody else can have taken over. */
  #beatenAt = 0;
  /** The lease as it was last seen, since when it looks like that, and when it was looked at. */
  #seen: { readonly lease: LeaseRow; readonly since: number; readonly at: number } | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  /** Whether this server should lead, as far as it knows. Before a write, `guard` decides. */
  get isLeader(): boolean {
    const { clock, takeoverMs } = this.#options;
    return this.#term > 0 && clock.now() - this.#beatenAt < takeoverMs;
  }

  /** Grows with each new leader; 0 where this server is none. */
  get term(): number {
    return this.#term;
  }

  /**
   * Throws NotLeader unless this server leads until this transaction ends. To be called last: leaders' transactions
   * take turns from here on, and so do their beats.
   */
  async guard(tx: Pick<Transaction, 'leases'>): Promise<void> {
    const [lease] = await tx.leases.lock({ name: LEASE });
    if (!this.#holds(lease)) throw new NotLeader('another server leads now');
  }

  /** Leads when it can, until `signal` aborts; then gives the lease up. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, beatMs, onFailure } = this.#options;
    while (!signal.aborted) {
      const began = clock.now();
      try {
        await (this.#term > 0 ? this.#beat(began) : this.#look(began));
      } catch (error) {
        onFailure('leadership', error);
      }
      const pause = this.#term > 0 ? beatMs : Math.min(beatMs, MOST_LOOK_MS);
      await sleep(clock, Math.max(0, began + pause - clock.now()), signal);
    }
    await this.#giveUp();
  }

  #holds(lease: LeaseRow | undefined): lease is LeaseRow {
    return this.#term > 0 && lease?.holder === this.#options.serverId && lease.term === this.#term;
  }

  async #beat(began: number): Promise<void> {
    const { result } = await this.#options.store.transact(async (tx) => {
      const [lease] = await tx.leases.lock({ name: LEASE });
      if (!this.#holds(lease)) return false;
      await tx.leases.update({ name: LEASE }, { beat: lease.beat + 1 });
      return true;
    });
    if (result) this.#beatenAt = began;
    else this.#changed(0);
  }

  async #look(began: number): Promise<void> {
    const { store, serverId, clock, takeoverMs } = this.#options;
    const lease = await store.view((view) => view.leases.get({ name: LEASE }));
    const now = clock.now();
    if (!lease) return this.#take(undefined, began);
    const seen = this.#seen;
    // who could not look for long has not seen the beat stand still, whatever it shows now
    const isSame = seen && sameBeat(seen.lease, lease) && now - seen.at < takeoverMs / 2;
    this.#seen = { lease, since: isSame ? seen.since : now, at: now };
    // its own name: an earlier life, or a take-over whose answer was lost
    const isFree = lease.holder === '' || lease.holder === serverId;
    if (isFree || now - this.#seen.since >= takeoverMs) await this.#take(lease, began);
  }

  /** Takes the lease if it still is as it was seen. */
  async #take(seen: LeaseRow | undefined, began: number): Promise<void> {
    const { store, serverId } = this.#options;
    const name = LEASE;
    const { result } = await store
      .transact(async (tx) => {
        if (!seen) {
          await tx.leases.insert([{ name, holder: serverId, term: 1, beat: 1 }]);
          return 1;
        }
        const [lease] = await tx.leases.lock({ name });
        if (!lease || !sameBeat(lease, seen)) return 0;
        const term = lease.term + 1;
        await tx.leases.update({ name }, { holder: serverId, term, beat: lease.beat + 1 });
        return term;
      })
      .catch((error) => {
        if (error instanceof UniqueViolation) return { result: 0 };
        throw error;
      });
    if (result === 0) return;
    this.#beatenAt = began;
    this.#changed(result);
  }

  async #giveUp(): Promise<void> {
    if (this.#term === 0) return;
    const { store, onFailure } = this.#options;
    try {
      await store.transact(async (tx) => {
        const [lease] = await tx.leases.lock({ name: LEASE });
        if (this.#holds(lease)) await tx.leases.update({ name: LEASE }, { holder: '' });
      });
    } catch (error) {
      // the others notice that the beat stands still
      onFailure('leadership', error);
    }
    this.#changed(0);
  }

  #changed(term: number): void {
    this.#seen = undefined;
    const before = this.#term;
    this.#term = term;
    this.#options.onChange?.(term > 0, term > 0 ? term : before);
  }
}

function sameBeat(one: LeaseRow, other: LeaseRow): boolean {
  return one.term === other.term && one.beat === other.beat && one.holder === other.holder;
}
