/** R34: says of routers that a check fails on all their replicas, and when that is over. */
import { blamed } from '../arbitration/blame.ts';
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { beginAlert, endAlerts, openAlerts } from './router-alerts.ts';

/** `replicas`: all rows of each router, by its id, of those whose checks stand otherwise. */
export async function tellOfChecks(
  tx: Transaction,
  call: Call,
  replicas: ReadonlyMap<string, readonly RouterBindingRow[]>,
): Promise<EventRow[]> {
  const events: EventRow[] = [];
  const over: string[] = [];
  for (const [id, rows] of replicas) {
    const known = rows.map(({ host, role_details: said }) => ({
      ...{ host, state: said?.state ?? 'unknown', checks: said?.checks ?? [] },
    }));
    const found = blamed(known);
    const object = `router/${id}`;
    if (found.length === 0) {
      over.push(object);
      continue;
    }
    const [first] = found;
    const names = found.map(({ check }) => check).join(', ');
    const where = first?.hosts.join(', ');
    const data = { checks: found.map(({ check, text }) => ({ check, text })), hosts: first?.hosts };
    const began = await beginAlert(tx, call, {
      ...{ alert: 'check-fails-everywhere', severity: 'error', object, data },
      message: `Router ${id} is served, but its check ${names} fails on every replica (${where}): ${first?.text}. What is checked is to blame; nothing is moved for it.`,
    });
    events.push(...began);
  }
  const alerts = await openAlerts(tx, 'check-fails-everywhere', over);
  const message = ({ object }: EventRow) => `The checks of ${object} do not fail on every replica any more.`;
  return [...events, ...(await endAlerts(tx, call, { alerts, message }))];
}
