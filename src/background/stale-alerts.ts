/**
 * Ends alerts whose server is gone: one that was raised by another life, or by the server that an agent was connected to
 * before, is ended by the one that the agent is connected to now, if the matter is over there or is told anew. What was told
 * of a host that has been removed nobody is connected to any more: the leader ends it.
 */
import type { Alert } from '../convergence/ladder.ts';
import type { NewEvent } from '../operations/event.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, View } from '../store/store.ts';
import type { EventWriter } from './event-writer.ts';

export interface StaleAlertsOptions {
  readonly store: Pick<Store, 'view'>;
  readonly events: EventWriter;
  /** Hosts whose agent is connected here. */
  readonly connected: () => readonly string[];
  /** Whether this alert is one that is open here, or its matter is still followed up here. */
  readonly isHeld: (alert: EventRow) => boolean;
}

/** The newest alerts and ends that are looked at. */
const MAX_LOOKED_AT = 2_000;
const OURS: readonly unknown[] = ['stuck', 'silent', 'lagging'] satisfies Alert[];

export class StaleAlerts {
  readonly #options: StaleAlertsOptions;
  #before: ReadonlySet<string> = new Set();

  constructor(options: StaleAlertsOptions) {
    this.#options = options;
  }

  /** To be called so seldom that what is overdue at an agent that connected in between has been found. */
  async sweep(): Promise<void> {
    const { store, events, connected, isHeld } = this.#options;
    const here = new Set(connected());
    const settled = new Set([...here].filter((host) => this.#before.has(host)));
    this.#before = here;
    if (settled.size === 0) return;
    for (const alert of openAmong(await store.view(newestAlerts))) {
      if (!settled.has(alert.host) || isHeld(alert)) continue;
      const { host, object } = alert;
      const of = `${object === '' ? '' : `${object} on `}${host}`;
      events.add(endOf(alert, `What was told of ${of} is over, or told anew.`));
    }
  }

  /** Of hosts that are not there any more. The leader's. */
  async sweepGone(): Promise<void> {
    const { store, events } = this.#options;
    const gone = await store.view(async (view) => {
      const open = openAmong(await newestAlerts(view)).filter(({ host }) => host !== '');
      const names = [...new Set(open.map(({ host }) => host))];
      const there = names.length === 0 ? [] : await view.hosts.find({ name: names });
      const known = new Set(there.map(({ name }) => name));
      return open.filter(({ host }) => !known.has(host));
    });
    for (const alert of gone)
      events.add(endOf(alert, `Host ${alert.host}, of which this was told, was removed.`));
  }
}

const endOf = (alert: EventRow, message: string): NewEvent => ({
  ...{ kind: 'alert-ended', severity: 'info', host: alert.host, role: alert.role, object: alert.object },
  ...{ message, data: { alert: alert.data['alert'], ends: alert.id, resolved: true } },
});

const newestAlerts = (view: Pick<View, 'events'>): Promise<EventRow[]> =>
  view.events.list({
    filters: [{ column: 'kind', operator: 'in', values: ['alert', 'alert-ended'] }],
    sort: [{ column: 'at', descending: true }],
    limit: MAX_LOOKED_AT,
  });

/** Our alerts that no event of these ends. */
function openAmong(events: readonly EventRow[]): EventRow[] {
  const ended = new Set(events.map((event) => event.data['ends']));
  return events.filter(
    ({ id, kind, data }) => kind === 'alert' && OURS.includes(data['alert']) && !ended.has(id),
  );
}
