/** A router with its replicas as operators see it: who is active, since when, why, what is in the way, what was decided lately. */
import { isUnheard, replicaOf } from '../arbitration/replica.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { ReplicaState } from '../resources/replica-report.ts';
import type { ReplicaOrder, RoleDetails, RouterBindingRow, RouterRow } from '../resources/router.ts';
import type { Tables, View } from '../store/store.ts';
import { listEvents } from './event.ts';
import type { Call } from './operation.ts';
import { showRouter } from './router.ts';

const SHOWN_EVENTS = 20;

/** An order as it is shown; `known`: the agent says that it is in force. */
export type ShownOrder = Pick<ReplicaOrder, 'do' | 'why' | 'epoch'> & { readonly known: boolean };

export interface ReplicaView extends Omit<RoleDetails, 'state' | 'order' | 'order_at' | 'cut_off_at'> {
  readonly host: string;
  readonly agent_id: string;
  readonly rank: number;
  /** Its agent is not taken for dead. */
  readonly alive: boolean;
  readonly leaving: boolean;
  /** In Neutron's words; null where the router is not HA. */
  readonly ha_state: RouterBindingRow['ha_state'] | null;
  /** What its agent last said, and since when. */
  readonly state: ReplicaState;
  readonly since: string | null;
  readonly order: ShownOrder | null;
}

/**
 * served: by one; disputed: by more; unserved: by none that is known; unknown: its agents have not said, or that of who was active is not
 * heard; off: nobody is to serve it.
 */
export type RouterState = 'served' | 'disputed' | 'unserved' | 'unknown' | 'off';

export interface RouterRoles {
  readonly id: string;
  readonly name: string;
  readonly ha: boolean;
  readonly state: RouterState;
  /** A sentence. */
  readonly summary: string;
  readonly replicas: readonly ReplicaView[];
  readonly events: readonly EventRow[];
}

/** Whom `isAlive` says to be alive. */
export type IsAlive = (agentId: string) => boolean;

/**
 * What is to be said of a replica of an HA router. What the agent of a host that is dead said last says little, and so does one that was
 * asked whether it still is active and has not answered: it is active no more for the API if another is.
 */
export function shownState(
  binding: RouterBindingRow,
  { all, isAlive }: { readonly all: readonly RouterBindingRow[]; readonly isAlive: IsAlive },
): RouterBindingRow['ha_state'] {
  const isAsked = (one: RouterBindingRow) => one.order?.do !== 'fault' && isUnheard(replicaOf(one));
  const isSure = (one: RouterBindingRow) => isAlive(one.agent_id) && !isAsked(one);
  const isServed = all.some((one) => one !== binding && one.ha_state === 'active' && isSure(one));
  if (!isAlive(binding.agent_id)) return isServed ? 'standby' : 'unknown';
  if (binding.ha_state !== 'active' || isSure(binding)) return binding.ha_state;
  return isServed ? 'unknown' : 'active';
}

/** Whether these agents are alive, as `call` has it. */
export async function aliveAmong(
  tables: Pick<Tables, 'agents'>,
  call: Call,
  bindings: readonly RouterBindingRow[],
): Promise<{ isAlive: IsAlive; agents: ReadonlyMap<string, AgentRow> }> {
  const rows = bindings.length === 0 ? [] : await tables.agents.find({ id: bindings.map((b) => b.agent_id) });
  const agents = new Map(rows.map((agent) => [agent.id, agent]));
  const isAlive = (id: string) => {
    const agent = agents.get(id);
    return agent !== undefined && call.isAlive(agent);
  };
  return { isAlive, agents };
}

const NOTHING_SAID: RoleDetails = {
  ...{ state: 'unknown', penalty: 0, reasons: [], hears: false, checks: [], order: null },
  paths: { tunnel: 'unknown', management: 'unknown' },
};

function replicaView(row: RouterBindingRow, alive: boolean, ha_state: ReplicaView['ha_state']): ReplicaView {
  const { host, agent_id, rank, leaving, role_details, role_since, order } = row;
  const { state, order: _, order_at: __, cut_off_at: ___, ...said } = role_details ?? NOTHING_SAID;
  const known = replicaOf(row).obeys === order?.epoch;
  return {
    ...{ host, agent_id, rank, alive, leaving, ha_state, state, ...said },
    since: role_since === '' ? null : role_since,
    order: order && { do: order.do, why: order.why, epoch: order.epoch, known },
  };
}

const hostsOf = (some: readonly ReplicaView[]) => some.map(({ host }) => host).join(' and ');
const toSecond = (at: string) => at.replace(/\.\d+Z$/, 'Z');
const sinceOf = (at: string | null) => (at === null ? '' : ` since ${toSecond(at)}`);

function readyOf(replicas: readonly ReplicaView[]): string {
  const others = replicas.filter((one) => one.state === 'standby' && one.alive);
  if (others.length === 0) return 'nobody stands by';
  return `${hostsOf(others)} ${others.length === 1 ? 'stands' : 'stand'} by`;
}

const latest = (some: readonly ReplicaView[]): ReplicaView | undefined =>
  some.toSorted((one, other) => ((one.since ?? '') < (other.since ?? '') ? 1 : -1))[0];

function summaryOf(
  router: RouterRow,
  replicas: readonly ReplicaView[],
  heardAt: (agentId: string) => string,
): Pick<RouterRoles, 'state' | 'summary'> {
  if (!router.admin_state_up)
    return { state: 'off', summary: 'It is switched off (admin_state_up is false).' };
  if (replicas.length === 0) return { state: 'unserved', summary: 'No host has it.' };
  if (!router.ha) {
    const only = replicas.find((one) => !one.leaving) ?? (replicas[0] as ReplicaView);
    const before = replicas.find((one) => one.leaving && one !== only);
    if (before && only.alive) {
      const summary = `${only.host} takes it over from ${before.host}, whose agent is dead, once nobody answers for it there.`;
      return { state: 'served', summary };
    }
    if (only.alive) return { state: 'served', summary: `${only.host} has it.` };
    return { state: 'unserved', summary: `${only.host} has it, whose agent is taken for dead.` };
  }
  const active = replicas.filter((one) => one.ha_state === 'active');
  const [first] = active;
  if (active.length > 1)
    return { state: 'disputed', summary: `${hostsOf(active)} both say that they are active.` };
  if (first) {
    return {
      state: 'served',
      summary: `${first.host} is active${sinceOf(first.since)}; ${readyOf(replicas)}.`,
    };
  }
  const lost = latest(replicas.filter((one) => one.state === 'active' && !one.alive));
  if (lost) {
    const heard = toSecond(heardAt(lost.agent_id));
    const summary = `Whether ${lost.host} still is active, as it was${sinceOf(lost.since)}, is not known: its agent is not heard since ${heard}; ${readyOf(replicas)}.`;
    return { state: 'unknown', summary };
  }
  if (replicas.every((one) => one.state === 'unknown'))
    return { state: 'unknown', summary: 'Its agents have not said who is active.' };
  return { state: 'unserved', summary: 'No replica is known to be active.' };
}

/** The router, if the caller owns it, as its replicas' agents last said. */
export async function showRoles(view: View, call: Call, id: string): Promise<RouterRoles> {
  const router = await showRouter(view, call, id);
  const all = (await view.routerBindings.find({ router_id: id })).sort((a, b) => a.rank - b.rank);
  const { isAlive, agents } = await aliveAmong(view, call, all);
  const replicas = all.map((row) =>
    replicaView(row, isAlive(row.agent_id), router.ha ? shownState(row, { all, isAlive }) : null),
  );
  const object = { column: 'object', operator: 'in', values: [`router/${id}`] } as const;
  const events = await listEvents(view, { filters: [object], limit: SHOWN_EVENTS });
  const { name, ha } = router;
  const heardAt = (agentId: string) => agents.get(agentId)?.heartbeat_at ?? '';
  return { id, name, ha, ...summaryOf(router, replicas, heardAt), replicas, events };
}
