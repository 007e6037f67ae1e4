/** What a server says of HA routers: numbers of all of them, read from the rows now and then, and what it saw happen itself. */
import type { Registry } from 'prom-client';
import type { Duty } from '../background/duties.ts';
import type { Call } from '../operations/operation.ts';
import { countRouters, type RouterCounts } from '../operations/router-counts.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store } from '../store/store.ts';
import { by, show } from './shown.ts';

const COUNT_MS = 15_000;
/** More hosts than these share one series. */
const MOST_HOSTS = 100;
const OTHERS = 'others';
const VERDICTS = ['yield', 'fault'] as const;

type Verdict = (typeof VERDICTS)[number];

export class RouterFigures {
  readonly #store: Pick<Store, 'view'>;
  readonly #call: () => Call;
  /** null: not counted yet. */
  counts: RouterCounts | null = null;
  readonly changes = new Map<string, number>();
  readonly verdicts: Record<Verdict, number> = { yield: 0, fault: 0 };

  constructor(store: Pick<Store, 'view'>, call: () => Call) {
    this.#store = store;
    this.#call = call;
  }

  /** Counts now and then. */
  get duty(): Duty {
    return { name: 'count routers', intervalMs: COUNT_MS, perform: () => this.count() };
  }

  async count(): Promise<void> {
    this.counts = await this.#store.view((view) => countRouters(view, this.#call()));
  }

  /** Takes what this server writes down. */
  tell({ kind, host, data }: EventRow): void {
    if (kind === 'router-role') {
      const name = this.changes.has(host) || this.changes.size < MOST_HOSTS ? host : OTHERS;
      this.changes.set(name, (this.changes.get(name) ?? 0) + 1);
    }
    const steps = kind === 'router-order' && Array.isArray(data['steps']) ? data['steps'] : [];
    for (const step of steps as readonly { readonly do: Verdict }[])
      if (VERDICTS.includes(step.do)) this.verdicts[step.do] += 1;
  }
}

export interface RouterSources {
  readonly routers: RouterFigures;
}

export function registerRouterMetrics(registry: Registry, { routers }: RouterSources): void {
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_ha_routers', labels: ['actives'] },
    help: 'HA routers that are switched on, by how many of their replicas are known to be active (all servers say the same).',
    read: () => by('actives', routers.counts?.byActives ?? {}),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_heartbeat_paths_down', labels: ['path'] },
    help: 'Hosts with replicas of HA routers that reach others by a path no more (all servers say the same).',
    read: () => by('path', routers.counts?.pathsDown ?? {}),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_router_replicas_ailing', labels: ['reason'] },
    help: 'Replicas of HA routers that say what ails them, by kind; one may count for several (all servers say the same).',
    read: () => by('reason', routers.counts?.ailing ?? {}),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_router_alerts_open', labels: ['alert'] },
    help: 'Alerts about HA routers and fencing that have not ended (all servers say the same).',
    read: () => by('alert', routers.counts?.alerts ?? {}),
  });
  show(registry, {
    ...{ type: 'counter', name: 'deuteron_router_role_changes_total', labels: ['host'] },
    help: 'Replicas that became active or failed, or are so no more, as this server was told, by host.',
    read: () => by('host', Object.fromEntries(routers.changes)),
  });
  show(registry, {
    ...{ type: 'counter', name: 'deuteron_router_verdicts_total', labels: ['order'] },
    help: 'Replicas that this server told to give way, or to step back at once, because two were active.',
    read: () => by('order', routers.verdicts),
  });
}
