/** Tells of routers that nobody serves, and of heartbeats that lack a way, once it has been so for a while; and of the end. */
import type { Clock } from '../lib/clock.ts';
import type { Call } from '../operations/operation.ts';
import {
  type Matter,
  matterName,
  openMatters,
  routerMatters,
  writeMatters,
} from '../operations/router-watch.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Duty } from './duties.ts';
import { asLeader } from './leader.ts';

export interface RouterWatchOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly leader: { readonly term: number; guard(tx: Pick<Transaction, 'leases'>): Promise<void> };
  readonly onEvent?: (event: EventRow) => void;
}

const LOOK_MS = 2_000;
/** Longer than a failover takes, and than an agent needs for its first report. */
const TELL_MS = 5_000;

export function routerWatchDuty(options: RouterWatchOptions): Duty {
  const { store, call, clock, leader, onEvent } = options;
  let term: number | undefined;
  /** When each was first seen by this leader. */
  let since = new Map<string, number>();
  let open = new Map<string, Pick<Matter, 'alert' | 'object'>>();
  return {
    name: 'router watch',
    intervalMs: LOOK_MS,
    leaderOnly: true,
    perform: async () => {
      const now = clock.now();
      if (term !== leader.term) {
        open = await store.view((view) => openMatters(view));
        since = new Map();
        term = leader.term;
      }
      const matters = await store.view((view) => routerMatters(view, call()));
      const seen = new Map(matters.map((one) => [matterName(one), one]));
      since = new Map([...seen.keys()].map((name) => [name, since.get(name) ?? now]));
      const isDue = (name: string) => now - (since.get(name) ?? now) >= TELL_MS && !open.has(name);
      const begin = [...seen].filter(([name]) => isDue(name)).map(([, matter]) => matter);
      const end = [...open].filter(([name]) => !seen.has(name)).map(([, matter]) => matter);
      if (begin.length + end.length === 0) return;
      const events = await asLeader({ store, leader }, (tx) => writeMatters(tx, call(), { begin, end }));
      for (const { alert, object } of begin) open.set(matterName({ alert, object }), { alert, object });
      for (const one of end) open.delete(matterName(one));
      for (const event of events) onEvent?.(event);
    },
  };
}
