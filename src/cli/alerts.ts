/** The last alerts, and which of them are open, from the server's events. */
import { ApiError, callApi, type Endpoint } from './api-client.ts';

export interface Alert {
  readonly id: string;
  readonly at: string;
  readonly kind: 'alert' | 'alert-ended';
  readonly host: string;
  readonly role: string;
  readonly object: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type AlertNow = Alert & { readonly isOpen: boolean };

/** So far back ends are looked for. */
const LOOKED_AT = 500;
const SHOWN = 10;

/** The last alerts there are, the newest first; none for those who may not see them. */
export async function fetchAlerts(endpoint: Endpoint): Promise<AlertNow[]> {
  try {
    const path = `/v2.0/deuteron/events?kind=alert&kind=alert-ended&limit=${LOOKED_AT}`;
    return openFirst((await callApi(endpoint, 'GET', path)).body.events);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return [];
    throw error;
  }
}

/** `events`: the newest first. Those that are open come first, and then a few of the others. */
export function openFirst(events: readonly Alert[]): AlertNow[] {
  const ended = new Set<unknown>();
  const found: AlertNow[] = [];
  for (const event of events) {
    // An end names the alert, or is of the same kind about the same; an alert that was told again goes on.
    const name = [event.data['alert'], event.host, event.role, event.object].join(' ');
    if (event.kind === 'alert-ended') {
      ended.add(name);
      ended.add(event.data['ends']);
      continue;
    }
    found.push({ ...event, isOpen: !ended.has(event.id) && !ended.has(name) });
    ended.add(name);
  }
  const open = found.filter((alert) => alert.isOpen);
  return [...open, ...found.filter((alert) => !alert.isOpen)].slice(0, Math.max(SHOWN, open.length));
}
