/**
 * Where only one replica of a router is known to be active, and yet another host answers for its addresses on the external network, as the
 * one that is active says: operators are told. Whoever it is does not answer the servers, so nobody can tell it to go.
 */
import { isUnheard, replicaOf } from '../arbitration/replica.ts';
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { beginAlert } from './router-alerts.ts';

const isSilent = (row: RouterBindingRow): boolean => isUnheard(replicaOf(row));

/** What it said of others is of now: it is active, and not asked in vain whether it still is. */
const seesRival = (row: RouterBindingRow): boolean =>
  row.role_details?.state === 'active' && row.role_details.rival === true && !isSilent(row);

/** Of all replicas of a router: whether an active one says that another host answers for its addresses. */
export const isRivalSeen = (rows: readonly RouterBindingRow[]): boolean => rows.some(seesRival);

/** Begins the alert that there seem to be two, unless one is open. */
export async function tellOfRival(
  tx: Transaction,
  call: Call,
  rows: readonly RouterBindingRow[],
): Promise<EventRow[]> {
  const agents = await tx.agents.find({ id: rows.map((row) => row.agent_id) });
  const alive = new Set(agents.filter((agent) => call.isAlive(agent)).map((agent) => agent.id));
  const [first, ...more] = rows.filter((row) => seesRival(row) && alive.has(row.agent_id));
  if (first === undefined) return [];
  const seers = [first, ...more];
  const unheard = rows.filter((row) => !seers.includes(row) && (isSilent(row) || !alive.has(row.agent_id)));
  const were = unheard.filter((row) => row.role_details?.state === 'active');
  const suspects = were.length > 0 ? were : unheard;
  const who = namesOf(seers);
  const about =
    suspects.length === 0
      ? 'all others say that they are not active'
      : `the agent of ${namesOf(suspects)}${were.length > 0 ? ', which was active,' : ''} is not heard`;
  const id = first.router_id;
  return beginAlert(tx, call, {
    ...{ alert: 'two-active', severity: 'error', object: `router/${id}` },
    message: `Router ${id} is active on ${who}, and another host answers for its addresses on the external network; ${about}.`,
    data: { hosts: [...seers, ...suspects].map(({ host }) => host), seen_by: seers.map(({ host }) => host) },
  });
}

const namesOf = (rows: readonly RouterBindingRow[]): string => rows.map(({ host }) => host).join(' and ');
