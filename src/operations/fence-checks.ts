/** What is known of fence devices that are asked in ordinary times. Judged in arbitration/fence-checks.ts, asked in the background. */
import type { CheckVerdict } from '../arbitration/fence-checks.ts';
import { timestamp } from '../lib/clock.ts';
import type { EventRow } from '../resources/event.ts';
import type { FenceCheckRow } from '../resources/fencing.ts';
import type { Tables, Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { beginAlert, endAlerts, openAlerts } from './router-alerts.ts';

const ALERT = 'fence-device';

export interface CheckFacts {
  readonly rows: readonly FenceCheckRow[];
  /** Hosts that are there, of those that have a device; and those of them whose agent is heard. */
  readonly known: ReadonlySet<string>;
  readonly heard: ReadonlySet<string>;
}

/** As of one moment. `among`: hosts that have a fence device. */
export async function checkFacts(
  tables: Tables,
  call: Call,
  among: ReadonlySet<string>,
): Promise<CheckFacts> {
  const rows = await tables.fenceChecks.find({});
  if (among.size === 0) return { rows, known: among, heard: among };
  const hosts = await tables.hosts.find({ name: [...among] });
  const agents = await tables.agents.find({ host: [...among] });
  const heard = agents.filter((one) => one.server_id !== '' && call.isAlive(one)).map(({ host }) => host);
  return { rows, known: new Set(hosts.map(({ name }) => name)), heard: new Set(heard) };
}

/** Writes what came of asking. What fails is an alert until it works again, or has nothing to fence any more (`forgetDevices`). */
export async function tellCheck(
  tx: Transaction,
  call: Call,
  { host, verdict: { ok, why } }: { readonly host: string; readonly verdict: CheckVerdict },
): Promise<EventRow[]> {
  const at = timestamp(call.clock);
  const [before] = await tx.fenceChecks.lock({ host });
  const row = { ok, at, message: why, since: before?.ok === ok ? before.since : at };
  if (before) await tx.fenceChecks.update({ host }, row);
  else await tx.fenceChecks.insert([{ host, ...row }]);
  if (ok) return endOf(tx, call, { hosts: [host], why: `answers again: ${why}` });
  const object = `host/${host}`;
  const message = `The fence device of ${host} would not fence it: ${why}.`;
  return beginAlert(tx, call, { alert: ALERT, severity: 'warning', host, object, message });
}

/** These hosts have no device any more, or are not there any more. */
export async function forgetDevices(
  tx: Transaction,
  call: Call,
  hosts: readonly string[],
): Promise<EventRow[]> {
  await tx.fenceChecks.remove({ host: hosts });
  return endOf(tx, call, { hosts, why: 'is not asked any more' });
}

async function endOf(
  tx: Transaction,
  call: Call,
  { hosts, why }: { readonly hosts: readonly string[]; readonly why: string },
): Promise<EventRow[]> {
  const alerts = await openAlerts(
    tx,
    ALERT,
    hosts.map((host) => `host/${host}`),
  );
  return endAlerts(tx, call, { alerts, message: ({ host }) => `The fence device of ${host} ${why}.` });
}
