/** The last alerts, and which of them are open, from the server's events. */
import { ApiError, callApi, type Endpoint } from './api-client.ts';

export interface Alert {
  readonly id: string;
  readonly at: string;
  readonly kind: 'alert';
  readonly host: string;
  readonly role: string;
  readonly object: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type AlertNow = Alert & { readonly isOpen: boolean };

/** So many are read in one go. */
const PAGE = 500;
/** At least so many are shown, if there are: the rest have ended. */
const SHOWN = 10;

/** The open alerts, all of them, and the last of the others; none for those who may not see them. */
export async function fetchAlerts(endpoint: Endpoint): Promise<AlertNow[]> {
  try {
    const open = await fetchOpen(endpoint);
    const left = Math.max(0, SHOWN - open.length);
    const ended = left === 0 ? [] : await fetchEvents(endpoint, `open=false&limit=${left}`);
    return openFirst(open, ended);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return [];
    throw error;
  }
}

async function fetchEvents(endpoint: Endpoint, query: string): Promise<Alert[]> {
  return (await callApi(endpoint, 'GET', `/v2.0/deuteron/events?${query}`)).body.events;
}

async function fetchOpen(endpoint: Endpoint): Promise<Alert[]> {
  const found: Alert[] = [];
  for (;;) {
    const last = found.at(-1);
    const marker = last ? `&marker=${last.id}` : '';
    const page = await fetchEvents(endpoint, `open=true&limit=${PAGE}${marker}`);
    found.push(...page);
    if (page.length < PAGE) return found;
  }
}

/** Both the newest first. Those that are open come first; one that was told again is shown once. */
export function openFirst(open: readonly Alert[], ended: readonly Alert[]): AlertNow[] {
  const byName = new Map<string, Alert>();
  for (const alert of open) {
    const name = [alert.data['alert'], alert.host, alert.role, alert.object].join(' ');
    if (!byName.has(name)) byName.set(name, alert);
  }
  const shown = [...byName.values()].map((alert) => ({ ...alert, isOpen: true }));
  const rest = ended.map((alert) => ({ ...alert, isOpen: false }));
  return [...shown, ...rest].slice(0, Math.max(SHOWN, shown.length));
}
