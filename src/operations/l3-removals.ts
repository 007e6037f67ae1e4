/**
 * Which L3 agents an operator took which routers from. Neutron gives such a router to none until it is changed or an agent asks for its
 * routers anew; here the background looks all the time, so it is told to wait: an operator who takes a router from one agent gives it
 * to another next, and finds it free.
 */
import type { RouterRemovalRow, RouterRow } from '../resources/router.ts';
import type { Tables, Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';

/** For so long nothing but a request gives the router to any agent. */
const HANDS_OFF_MS = 120_000;

/** Notes that a router, which is locked, was taken from an agent. */
export async function noteRemoval(
  tx: Transaction,
  call: Call,
  { router_id, agent_id }: Pick<RouterRemovalRow, 'router_id' | 'agent_id'>,
): Promise<void> {
  await tx.routerRemovals.remove({ router_id, agent_id });
  await tx.routerRemovals.insert([{ router_id, agent_id, at: call.clock.wall().toISOString() }]);
}

/** What the background is to make of removals. */
export interface Removals {
  /** A request came too lately. */
  isInHand(routerId: string): boolean;
  /** From which a router was taken that lacks replicas since. */
  agents(routerId: string): ReadonlySet<string>;
}

/** `routers` undefined: of all. */
export async function removalsOf(
  tables: Tables,
  call: Call,
  routers?: readonly RouterRow[],
): Promise<Removals> {
  const where = routers ? { router_id: routers.map((router) => router.id) } : {};
  const rows = routers?.length === 0 ? [] : await tables.routerRemovals.find(where);
  const byRouter = Map.groupBy(rows, (row) => row.router_id);
  const now = call.clock.wall().getTime();
  return {
    isInHand: (id) => (byRouter.get(id) ?? []).some(({ at }) => now - Date.parse(at) < HANDS_OFF_MS),
    agents: (id) => new Set((byRouter.get(id) ?? []).map((row) => row.agent_id)),
  };
}
