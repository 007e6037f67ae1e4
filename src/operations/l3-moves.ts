/**
 * The end of a move of a router that is not HA from a dead agent (begun in l3-scheduling.ts). Its host may serve on, so it keeps the
 * router, and with it its place among the hosts of the router's networks, until the new one says that it serves. An agent that is
 * back before that keeps it.
 */
import { hasRealisedKey } from '../convergence/provisioning.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { RouterBindingRow, RouterRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import { record } from './event.ts';
import { isUnusable, removeReplicas } from './l3-scheduling.ts';
import type { Call } from './operation.ts';
import { progressOf } from './provisioning.ts';
import { aliveAmong } from './router-view.ts';

export async function finishMove(tx: Transaction, call: Call, router: RouterRow): Promise<EventRow[]> {
  const all = await tx.routerBindings.find({ router_id: router.id });
  const leaving = all.filter((row) => row.leaving);
  const [staying] = all.filter((row) => !row.leaving);
  if (leaving.length === 0 || staying === undefined) return [];
  const { isAlive, agents } = await aliveAmong(tx, call, all);
  const isThere = isAlive(staying.agent_id) && isReady(staying, agents.get(staying.agent_id));
  const [back] = leaving.filter((row) => !isUnusable(call, agents.get(row.agent_id)));
  if (isThere) return end(tx, call, { router, leaving, to: staying.host });
  if (back === undefined) return [];
  await tx.routerBindings.update({ router_id: router.id, agent_id: back.agent_id }, { leaving: false });
  return end(tx, call, { router, leaving: all.filter((row) => row !== back), to: back.host });
}

async function end(
  tx: Transaction,
  call: Call,
  what: { readonly router: RouterRow; readonly leaving: readonly RouterBindingRow[]; readonly to: string },
): Promise<EventRow[]> {
  const { router, leaving, to } = what;
  await removeReplicas(tx, call, { router, bindings: leaving });
  return [await moveEvent(tx, call, { router, kind: 'move-done', leaving, to: [to] })];
}

/** Whether the replica has taken the router over (HA: can). */
export function isReady(row: RouterBindingRow, agent: AgentRow | undefined): boolean {
  const { position, role_details, router_id } = row;
  if (!agent || position === null) return false;
  const state = role_details?.state ?? 'unknown';
  if (role_details && state !== 'active' && state !== 'standby') return false;
  return hasRealisedKey(progressOf(agent), { key: `router/${router_id}`, object: '' }, position);
}

export function moveEvent(
  tx: Transaction,
  call: Call,
  what: {
    readonly router: RouterRow;
    readonly kind: 'move-begun' | 'move-done';
    readonly leaving: readonly RouterBindingRow[];
    readonly to: readonly string[];
  },
): Promise<EventRow> {
  const { router, kind, leaving, to } = what;
  const from = leaving.map((row) => row.host).join(', ');
  const others = [...to].sort().join(', ');
  const begun =
    others === '' ? 'which has enough without it' : `and is to come to ${others}, which is to be ready first`;
  const message =
    kind === 'move-begun'
      ? `A replica of router ${router.id} is to leave ${from}, ${begun}.`
      : `A replica of router ${router.id} has left ${from}; ${others} have it.`;
  return record(tx, call, {
    ...{
      kind,
      severity: 'info',
      host: leaving[0]?.host ?? '',
      role: 'l3',
      object: `router/${router.id}`,
      message,
    },
    data: { from: leaving.map((row) => row.host), to },
  });
}
