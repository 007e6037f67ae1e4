/** What operators are told of HA routers, written with what it tells of; each alert names its router, each end its alert. */
import type { EventRow } from '../resources/event.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { endedAmong, type NewEvent, record } from './event.ts';
import type { Call } from './operation.ts';

/** Kinds of alerts about routers, as `data.alert` has them. */
export const ROUTER_ALERTS = [
  'two-active',
  'router-unserved',
  'heartbeat-path',
  'check-fails-everywhere',
  'fencing-refused',
  'fencing-failed',
  'fence-device',
] as const;
export type RouterAlert = (typeof ROUTER_ALERTS)[number];

/** The open alerts of this kind on these objects. */
export async function openAlerts(
  tables: Pick<Tables, 'events'>,
  alert: RouterAlert,
  objects?: readonly string[],
): Promise<EventRow[]> {
  if (objects?.length === 0) return [];
  const kind: EventRow['kind'][] = ['alert', 'alert-ended'];
  const found = await tables.events.find({ kind, role: 'l3', ...(objects ? { object: objects } : {}) });
  const ended = endedAmong(found);
  return found.filter((row) => row.kind === 'alert' && row.data['alert'] === alert && !ended.has(row.id));
}

/** How many of each kind are open. */
export async function countOpen(tables: Pick<Tables, 'events'>): Promise<Record<RouterAlert, number>> {
  const kind: EventRow['kind'][] = ['alert', 'alert-ended'];
  const found = await tables.events.find({ kind, role: 'l3' });
  const ended = endedAmong(found);
  const open = found.filter((row) => row.kind === 'alert' && !ended.has(row.id));
  const count = (alert: RouterAlert) => open.filter((row) => row.data['alert'] === alert).length;
  return Object.fromEntries(ROUTER_ALERTS.map((alert) => [alert, count(alert)])) as Record<
    RouterAlert,
    number
  >;
}

/** Begins an alert, unless one is open on that object. */
export async function beginAlert(
  tx: Transaction,
  call: Call,
  event: Omit<NewEvent, 'kind' | 'role'> & { readonly alert: RouterAlert; readonly object: string },
): Promise<EventRow[]> {
  const { alert, data, ...rest } = event;
  if ((await openAlerts(tx, alert, [rest.object])).length > 0) return [];
  return [await record(tx, call, { ...rest, kind: 'alert', role: 'l3', data: { alert, ...data } })];
}

/** Ends these alerts. */
export async function endAlerts(
  tx: Transaction,
  call: Call,
  {
    alerts,
    message,
  }: { readonly alerts: readonly EventRow[]; readonly message: (alert: EventRow) => string },
): Promise<EventRow[]> {
  const events: EventRow[] = [];
  for (const alert of alerts) {
    const { host, role, object } = alert;
    const about = { kind: 'alert-ended', severity: 'info', host, role, object } as const;
    const data = { alert: alert.data['alert'], ends: alert.id, resolved: true };
    events.push(await record(tx, call, { ...about, message: message(alert), data }));
  }
  return events;
}

export const idOf = (object: string): string => object.slice(object.indexOf('/') + 1);

/** Routers as objects of alerts. */
const objectsOf = (ids: Iterable<string>): string[] => [...ids].map((id) => `router/${id}`);

/** The open alerts that two replicas of these routers are active. */
export const openDisputes = (tables: Pick<Tables, 'events'>, ids: Iterable<string>): Promise<EventRow[]> =>
  openAlerts(tables, 'two-active', objectsOf(ids));

/** Says of routers that two replicas are active at once, and that it is over. `open`: what is open of that, where it was read under their locks. */
export async function tellOfDisputes(
  tx: Transaction,
  call: Call,
  about: {
    readonly disputed: ReadonlyMap<string, { readonly hosts: readonly string[]; readonly why: string }>;
    readonly over: readonly string[];
    readonly open?: readonly EventRow[];
  },
): Promise<EventRow[]> {
  const { disputed, over } = about;
  const open = about.open ?? (await openDisputes(tx, [...disputed.keys(), ...over]));
  const events: EventRow[] = [];
  for (const [id, { hosts, why }] of disputed) {
    const object = `router/${id}`;
    if (open.some((alert) => alert.object === object)) continue;
    const about = { kind: 'alert', severity: 'error', role: 'l3', object } as const;
    const message = `Router ${id} has ${hosts.length} active replicas: ${why}.`;
    events.push(await record(tx, call, { ...about, message, data: { alert: 'two-active', hosts } }));
  }
  const ended = objectsOf(over);
  const alerts = open.filter(({ object }) => ended.includes(object));
  const message = ({ object }: EventRow) =>
    `Of router ${idOf(object)} no more than one replica is known to be active.`;
  return [...events, ...(await endAlerts(tx, call, { alerts, message }))];
}
