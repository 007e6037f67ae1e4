/**
 * Keeps routers on hosts whose agents live, and gives HA routers the replicas that they lack. What is to be done is read from rows each
 * time (operations/l3-reschedule.ts), by the leader.
 */
import type { Clock } from '../lib/clock.ts';
import { rescheduleRouters, strayRouters } from '../operations/l3-reschedule.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Duty } from './duties.ts';

export interface RouterDutyOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly leader: { guard(tx: Pick<Transaction, 'leases'>): Promise<void> };
  readonly onEvent?: (event: EventRow) => void;
}

const LOOK_MS = 1_000;
const LOOK_AT_ALL_MS = 10_000;
/** Routers in one transaction. */
const BATCH = 50;

export function routerDuty(options: RouterDutyOptions): Duty {
  const { store, call, clock, leader, onEvent } = options;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let known = '';
  return {
    name: 'routers',
    intervalMs: LOOK_MS,
    leaderOnly: true,
    perform: async () => {
      const all = clock.now() - lookedAt >= LOOK_AT_ALL_MS;
      if (all) lookedAt = clock.now();
      const { ids, takers } = await store.view((view) => strayRouters(view, call(), { all, takers: known }));
      for (let at = 0; at < ids.length; at += BATCH) {
        const { result } = await store.transact(async (tx) => {
          const done = await rescheduleRouters(tx, call(), ids.slice(at, at + BATCH));
          await leader.guard(tx);
          return done;
        });
        for (const event of result.events) onEvent?.(event);
      }
      // Only now: what failed is looked for again.
      known = takers;
    },
  };
}
