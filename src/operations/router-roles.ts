/**
 * Which replica of an HA router is active, as agents report it, and what follows. What an agent says of its roles goes into the
 * rows of its replicas with its report; where its saying changes who is active, all replicas of the router are looked at
 * in the same transaction, under the router's lock, so that of two reports at once one sees the other.
 */
import { isDeepStrictEqual } from 'node:util';
import { judge } from '../arbitration/judge.ts';
import { replicaOf } from '../arbitration/replica.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { ReplicaReport, ReplicaState } from '../resources/replica-report.ts';
import type { RoleDetails, RouterBindingRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import { eventRow } from './event.ts';
import type { Call } from './operation.ts';
import { tellOfDisputes } from './router-alerts.ts';
import { tellOfChecks } from './router-checks.ts';
import { followUp, pronounce } from './router-orders.ts';

export interface ReportedRoles {
  readonly agentId: string;
  readonly incarnation: number;
  readonly roles: readonly ReplicaReport[];
}

/** A router with two actives, to be looked at again once they had time to settle it by themselves. */
export interface Dispute {
  readonly routerId: string;
  readonly settleMs: number;
}

export interface RolesOutcome {
  readonly events: readonly EventRow[];
  readonly disputes: readonly Dispute[];
}

/** Neutron knows of no fault: such a replica stands by. */
const SHOWN: Readonly<Record<ReplicaState, RouterBindingRow['ha_state']>> = {
  active: 'active',
  standby: 'standby',
  fault: 'standby',
  unknown: 'unknown',
};

/** What it had said, and says no more: nothing is known of it. */
const UNSAID: Omit<ReplicaReport, 'router'> = {
  ...{ state: 'unknown', seq: 0, forMs: 0, penalty: 0, reasons: [], hears: false, checks: [], order: null },
  paths: { tunnel: 'unknown', management: 'unknown' },
};

interface Said {
  readonly row: RouterBindingRow;
  readonly says: Omit<ReplicaReport, 'router'>;
  /** Another role than the one that is known. */
  readonly isNew: boolean;
}

async function saidBy(tx: Transaction, { agentId, incarnation, roles }: ReportedRoles): Promise<Said[]> {
  const byRouter = new Map(roles.map((one) => [one.router, one]));
  const rows = await tx.routerBindings.find({ agent_id: agentId });
  return rows.flatMap((row): Said[] => {
    const says = byRouter.get(row.router_id) ?? (row.role_details ? UNSAID : undefined);
    if (!says || (says === UNSAID && row.role_details?.state === 'unknown')) return [];
    const isSame = row.role_incarnation === incarnation && row.role_seq === says.seq;
    return [{ row, says, isNew: !isSame || row.role_details?.state !== says.state }];
  });
}

const standings = (checks: readonly { readonly name: string; readonly ok: boolean }[] = []): string =>
  checks.map(({ name, ok }) => `${name} ${ok}`).join();

/** Its checks stand otherwise. */
const isCheckNews = ({ row, says }: Said): boolean =>
  standings(row.role_details?.checks) !== standings(says.checks);

/** Whether more than the replica's own row depends on it. */
const isWeighty = (said: Said): boolean =>
  said.isNew ||
  said.row.role_details?.order !== said.says.order ||
  isCheckNews(said) ||
  // whom a move was forced upon is well
  (said.row.order?.forgives !== undefined && said.says.penalty === 0);

/** Locks the routers whose roles the report changes: routers come before agents. */
export async function lockReported(tx: Transaction, told: ReportedRoles): Promise<void> {
  const ids = (await saidBy(tx, told)).filter(isWeighty).map(({ row }) => row.router_id);
  if (ids.length > 0) await tx.routers.lock({ id: ids });
}

function detailsOf({ row, says }: Said, now: number): RoleDetails {
  const { state, penalty, reasons, hears, paths, peers, order } = says;
  const known = new Map(row.role_details?.checks.map((check) => [check.name, check]));
  const checks = says.checks.map(({ name, ok, forMs, text }) => {
    const before = known.get(name);
    return before?.ok === ok ? before : { name, ok, since: new Date(now - forMs).toISOString(), text };
  });
  return { state, penalty, reasons, hears, paths, order, checks, ...(peers === undefined ? {} : { peers }) };
}

/** Takes what a newer report says of roles, after `lockReported` in the same transaction. */
export async function applyRoles(
  tx: Transaction,
  call: Call,
  { agent, told }: { readonly agent: Pick<AgentRow, 'host'>; readonly told: ReportedRoles },
): Promise<RolesOutcome> {
  const now = call.clock.wall().getTime();
  const said = await saidBy(tx, told);
  const events: EventRow[] = [];
  for (const one of said) {
    const { row, says, isNew } = one;
    const role_details = detailsOf(one, now);
    if (!isNew && isDeepStrictEqual(row.role_details, role_details)) continue;
    const since = isNew ? { role_since: new Date(now - says.forMs).toISOString() } : {};
    await tx.routerBindings.update(
      { router_id: row.router_id, agent_id: row.agent_id },
      {
        ...{ ha_state: SHOWN[says.state], role_details, ...since },
        ...{ role_incarnation: told.incarnation, role_seq: says.seq },
      },
    );
    const before = row.role_details?.state ?? 'standby';
    if (says.state !== before && isWorthAWord(says.state, before))
      events.push(roleEvent(call, agent.host, { ...one, before }));
  }
  if (events.length > 0) await tx.events.insert(events);
  const weighed = await weigh(tx, call, { host: agent.host, said: said.filter(isWeighty) });
  return { events: [...events, ...weighed.events], disputes: weighed.disputes };
}

/** How a replica begins is not. */
const isWorthAWord = (...states: readonly ReplicaState[]): boolean =>
  states.some((state) => state === 'active' || state === 'fault');

function roleEvent(
  call: Call,
  host: string,
  { row, says, before }: Said & { readonly before: ReplicaState },
): EventRow {
  const { state, penalty, reasons } = says;
  const why = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
  return eventRow(call, {
    ...{ kind: 'router-role', severity: 'info', host, role: 'l3', object: `router/${row.router_id}` },
    message: `Router ${row.router_id} is ${state} on ${host}, where it was ${before}${why}.`,
    data: { state, before, penalty, reasons },
  });
}

/** What follows for the routers whose roles were told of. */
async function weigh(
  tx: Transaction,
  call: Call,
  { host, said }: { readonly host: string; readonly said: readonly Said[] },
): Promise<RolesOutcome> {
  if (said.length === 0) return { events: [], disputes: [] };
  const rows = await tx.routerBindings.find({ router_id: said.map(({ row }) => row.router_id) });
  const byRouter = Map.groupBy(rows, (row) => row.router_id);
  const disputed = new Map<string, { readonly hosts: readonly string[]; readonly why: string }>();
  const over: string[] = [];
  const disputes: Dispute[] = [];
  const verdicts: EventRow[] = [];
  for (const { row, says, isNew } of said) {
    const { router_id: routerId } = row;
    const replicas = byRouter.get(routerId) ?? [];
    const isNewcomer = says.state === 'active' && (isNew || row.role_details === null);
    const found = judge(replicas.map(replicaOf), isNewcomer ? { newcomer: host } : {});
    if (found.kind === 'dispute') {
      disputed.set(routerId, found);
      if (found.settleMs > 0) disputes.push({ routerId, settleMs: found.settleMs });
      else verdicts.push(...(await pronounce(tx, call, { routerId, rows: replicas, found })));
    } else if (row.ha_state === 'active' && found.kind === 'calm') over.push(routerId);
    await followUp(tx, replicas, found);
  }
  const checked = said.filter((one) => isCheckNews(one) || one.isNew).map(({ row }) => row.router_id);
  const told = await tellOfChecks(tx, call, new Map([...byRouter].filter(([id]) => checked.includes(id))));
  const alerts = await tellOfDisputes(tx, call, { disputed, over });
  return { events: [...alerts, ...verdicts, ...told], disputes };
}
