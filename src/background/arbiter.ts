/**
 * Settles routers that two replicas hold. The server that took the report which showed it looks again at once when the replicas have had
 * their time to settle it alone; the leader looks at all routers besides, for what got lost, and after leases and planned moves.
 * All of it reads rows and is decided in arbitration/: whoever comes second finds it done.
 */
import type { Clock } from '../lib/clock.ts';
import type { Call } from '../operations/operation.ts';
import { arbitrate, giveUpMove, renewLeases, unsettledRouters } from '../operations/router-orders.ts';
import type { Dispute } from '../operations/router-roles.ts';
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow } from '../resources/router.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Duty } from './duties.ts';

export interface ArbiterOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly onEvent?: (event: EventRow) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

const LOOK_MS = 1_000;
/** Several times within an agent's lease (10 s). */
const RENEW_MS = 3_000;
/** Who serves while others stand back for it is asked at one look; who is without an answer at the next is late after this. */
const LATE_MS = 1_000;
/** Who was told to yield, and says that it knows, has had its time. */
const STUBBORN_MS = 2_000;
/** A planned move takes a tenth of a second. */
const MOVE_MS = 15_000;

/** A router with something to do, as the leader has seen it. */
interface Followed {
  /** Since when two have been active, and since when a move has been under way; null: they are not, it is not. */
  readonly disputedSince: number | null;
  readonly movingSince: number | null;
  readonly renewedAt: number;
  /** Since when one for whom others stand back has not answered; null: it has. */
  readonly awaitedSince: number | null;
}

export class Arbiter {
  readonly #options: ArbiterOptions;
  /** Routers that will be looked at again soon. */
  readonly #settling = new Set<string>();
  #followed = new Map<string, Followed>();

  constructor(options: ArbiterOptions) {
    this.#options = options;
  }

  /** What a report of roles has led to. */
  told({
    events = [],
    disputes = [],
  }: {
    events?: readonly EventRow[];
    disputes?: readonly Dispute[];
  }): void {
    for (const event of events) this.#options.onEvent?.(event);
    for (const { routerId, settleMs } of disputes) {
      if (this.#settling.has(routerId)) continue;
      this.#settling.add(routerId);
      this.#options.clock.after(settleMs, () => {
        this.#settling.delete(routerId);
        this.#run((tx, call) => arbitrate(tx, call, { routerId })).catch((error) =>
          this.#options.onFailure('arbitration', error),
        );
      });
    }
  }

  /** The leader's look at everything. */
  get duty(): Duty {
    return { name: 'arbiter', intervalMs: LOOK_MS, leaderOnly: true, perform: () => this.look() };
  }

  async look(): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock.now();
    const found = await store.view((view) => unsettledRouters(view));
    const before = this.#followed;
    this.#followed = new Map();
    for (const [routerId, active] of found) {
      const known = before.get(routerId);
      this.#followed.set(routerId, await this.#follow({ routerId, active, known, now }));
    }
  }

  async #follow(of: {
    readonly routerId: string;
    readonly active: readonly RouterBindingRow[];
    readonly known: Followed | undefined;
    readonly now: number;
  }): Promise<Followed> {
    const { routerId, active, known, now } = of;
    const disputedSince = active.length > 1 ? (known?.disputedSince ?? now) : null;
    const isMoving = active.some((row) => row.order?.do === 'yield');
    let movingSince = isMoving ? (known?.movingSince ?? now) : null;
    const renewedAt = known?.renewedAt ?? now;
    const awaitedSince = known?.awaitedSince ?? null;
    // the server that was told of it comes first
    if (disputedSince !== null && known?.disputedSince != null) {
      const isStubborn = () => now - disputedSince >= STUBBORN_MS;
      await this.#run((tx, call) => arbitrate(tx, call, { routerId, isStubborn }));
    }
    if (disputedSince === null && movingSince !== null && now - movingSince >= MOVE_MS) {
      await this.#run((tx, call) => giveUpMove(tx, call, routerId));
      movingSince = null;
    }
    const isDue = now - renewedAt >= RENEW_MS;
    const isLate = awaitedSince !== null && now - awaitedSince >= LATE_MS;
    let awaited: readonly string[] = [];
    // who is asked nothing has nobody standing back for it, but for what got lost
    if (isDue || active.some((row) => row.order?.do === 'tell'))
      await this.#run(async (tx) => {
        awaited = await renewLeases(tx, routerId, { isDue, isLate });
        return [];
      });
    return {
      ...{ disputedSince, movingSince, renewedAt: isDue ? now : renewedAt },
      awaitedSince: awaited.length > 0 ? (awaitedSince ?? now) : null,
    };
  }

  async #run(work: (tx: Transaction, call: Call) => Promise<readonly EventRow[]>): Promise<void> {
    const { store, call, onEvent } = this.#options;
    const { result } = await store.transact((tx) => work(tx, call()));
    for (const event of result) onEvent?.(event);
  }
}
