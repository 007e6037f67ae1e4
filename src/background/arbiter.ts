/**
 * Settles routers that two replicas hold. The server that took the report which showed it looks again at once when the replicas have had
 * their time to settle it alone; the leader looks at all routers besides, for what got lost, and after leases and planned moves. So it is
 * with a verdict that what is known since would not bear out.
 * All of it reads rows and is decided in arbitration/: whoever comes second finds it done.
 */
import type { Clock } from '../lib/clock.ts';
import type { Call } from '../operations/operation.ts';
import {
  arbitrate,
  giveUpMove,
  type Renewed,
  renewLeases,
  type Unsettled,
  unsettledRouters,
} from '../operations/router-orders.ts';
import type { Dispute } from '../operations/router-roles.ts';
import type { EventRow } from '../resources/event.ts';
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
  /** Since when two have been active; null: they are not. */
  readonly disputedSince: number | null;
  /** The move that is under way, by its last order, and since when. */
  readonly move: { readonly epoch: number; readonly since: number } | null;
  readonly renewedAt: number;
  /** Since when one for whom others stand back has not answered; null: it has. */
  readonly awaitedSince: number | null;
  /** At the last look it was with one that is clearly worse off than another that stands back for it. */
  readonly isWorse: boolean;
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
    for (const [routerId, unsettled] of found) {
      const known = before.get(routerId);
      this.#followed.set(routerId, await this.#follow({ routerId, ...unsettled, known, now }));
    }
  }

  async #follow(
    of: Unsettled & {
      readonly routerId: string;
      readonly known: Followed | undefined;
      readonly now: number;
    },
  ): Promise<Followed> {
    const { routerId, active, moveEpoch: epoch, known, now } = of;
    const disputedSince = active.length > 1 ? (known?.disputedSince ?? now) : null;
    const since = known?.move?.epoch === epoch ? known.move.since : now;
    let move = epoch === null ? null : { epoch, since };
    const renewedAt = known?.renewedAt ?? now;
    const awaitedSince = known?.awaitedSince ?? null;
    // the server that was told of it comes first
    if (disputedSince !== null && known?.disputedSince != null) {
      const isStubborn = () => now - disputedSince >= STUBBORN_MS;
      await this.#run((tx, call) => arbitrate(tx, call, { routerId, isStubborn }));
    }
    // what the server that was told of it did not get to do, or nobody was told of: seen twice, so that others had time to find out
    if (disputedSince === null && known?.isWorse)
      await this.#run((tx, call) => arbitrate(tx, call, { routerId }));
    if (disputedSince === null && move !== null && now - move.since >= MOVE_MS) {
      await this.#run((tx, call) => giveUpMove(tx, call, routerId));
      move = null;
    }
    const isDue = now - renewedAt >= RENEW_MS;
    const isLate = awaitedSince !== null && now - awaitedSince >= LATE_MS;
    let renewed: Renewed = { awaited: [], isWorse: false };
    // who is asked nothing has nobody standing back for it, but for what got lost
    if ((isDue && active.length > 0) || active.some((row) => row.order?.do === 'tell'))
      await this.#run(async (tx) => {
        renewed = await renewLeases(tx, routerId, { isDue, isLate });
        return [];
      });
    return {
      ...{ disputedSince, move, renewedAt: isDue ? now : renewedAt },
      awaitedSince: renewed.awaited.length > 0 ? (awaitedSince ?? now) : null,
      isWorse: renewed.isWorse,
    };
  }

  async #run(work: (tx: Transaction, call: Call) => Promise<readonly EventRow[]>): Promise<void> {
    const { store, call, onEvent } = this.#options;
    const { result } = await store.transact((tx) => work(tx, call()));
    for (const event of result) onEvent?.(event);
  }
}
