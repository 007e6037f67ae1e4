/**
 * Keeps routers on hosts whose agents live, and gives HA routers the replicas that they lack, others in the place of those whose agents
 * stay dead or are switched off; a dead host that may yet be fenced keeps its own beside these, for its witnesses. What is to be done is read from rows each time (operations/l3-reschedule.ts, l3-replace.ts), by the leader.
 */
import type { Clock } from '../lib/clock.ts';
import { unsettledHosts } from '../operations/fencing.ts';
import { replaceable, replaceReplicas } from '../operations/l3-replace.ts';
import { rescheduleRouters, strayRouters } from '../operations/l3-reschedule.ts';
import { isUnusable } from '../operations/l3-scheduling.ts';
import type { Call } from '../operations/operation.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Duty } from './duties.ts';
import { asLeader } from './leader.ts';

export interface RouterDutyOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly leader: { guard(tx: Pick<Transaction, 'leases'>): Promise<void> };
  /** Hosts that have a fence device; default: none. */
  readonly fencible?: () => Promise<ReadonlySet<string>>;
  readonly onEvent?: (event: EventRow) => void;
}

const LOOK_MS = 1_000;
const LOOK_AT_ALL_MS = 10_000;
/** Routers in one transaction. */
const BATCH = 50;
/** The other replicas serve meanwhile, and most hosts that die come back from a restart. */
const REPLACE_MS = 60_000;
/** Routers whose replicas are replaced in one look. */
const MOST_REPLACED = 50;

export function routerDuty(options: RouterDutyOptions): Duty {
  const { store, call, clock, leader, fencible, onEvent } = options;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let known = '';
  /** Since when this server has known agents to be unusable. */
  let unusable = new Map<string, number>();
  let last = '';
  const replace = async (): Promise<void> => {
    const now = clock.now();
    const among = (await fencible?.()) ?? new Set<string>();
    const { ids, gone, kept } = await store.view(async (view) => {
      const agents = (await view.agents.find({ role: 'l3' })).filter((one) => isUnusable(call(), one));
      unusable = new Map(agents.map(({ id }) => [id, unusable.get(id) ?? now]));
      const isGone = ({ id, admin_state_up }: AgentRow) =>
        !admin_state_up || now - (unusable.get(id) ?? now) >= REPLACE_MS;
      const gone = new Set(agents.filter(isGone).map(({ id }) => id));
      const kept = agents.length === 0 ? new Set<string>() : await unsettledHosts(view, among);
      return { gone, kept, ids: await replaceable(view, call(), { gone, kept }) };
    });
    // those that cannot go on keep none of the others from their turn
    const inTurn = [...ids].sort((a, b) => Number(a <= last) - Number(b <= last) || (a < b ? -1 : 1));
    for (const id of inTurn.slice(0, MOST_REPLACED)) {
      last = id;
      const events = await asLeader({ store, leader }, (tx) =>
        replaceReplicas(tx, call(), { ids: [id], gone, kept }),
      );
      for (const event of events) onEvent?.(event);
    }
  };
  return {
    name: 'routers',
    intervalMs: LOOK_MS,
    leaderOnly: true,
    perform: async () => {
      const all = clock.now() - lookedAt >= LOOK_AT_ALL_MS;
      if (all) lookedAt = clock.now();
      const { ids, takers } = await store.view((view) => strayRouters(view, call(), { all, takers: known }));
      for (let at = 0; at < ids.length; at += BATCH) {
        const some = ids.slice(at, at + BATCH);
        const { events } = await asLeader({ store, leader }, (tx) => rescheduleRouters(tx, call(), some));
        for (const event of events) onEvent?.(event);
      }
      // Only now: what failed is looked for again.
      known = takers;
      await replace();
    },
  };
}
