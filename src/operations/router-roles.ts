/**
 * Which replica of an HA router is active, as agents report it, and what follows. What an agent says of its roles goes into the
 * rows of its replicas with its report; where its saying changes who is active, all replicas of the router are looked at
 * in the same transaction, under the router's lock, so that of two reports at once one sees the other.
 */
import { isDeepStrictEqual } from 'node:util';
import { judge, type Judgement } from '../arbitration/judge.ts';
import { replicaOf } from '../arbitration/replica.ts';
import { SETTLE_REVISION_MS } from '../arbitration/revision.ts';
import type { EventRow } from '../resources/event.ts';
import { isCutOff, type ReplicaReport, type ReplicaState } from '../resources/replica-report.ts';
import type { RoleDetails, RouterBindingRow } from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import { eventRow } from './event.ts';
import type { Call } from './operation.ts';
import { openDisputes, tellOfDisputes } from './router-alerts.ts';
import { tellOfChecks } from './router-checks.ts';
import { followUp, pronounce } from './router-orders.ts';
import { isRivalSeen, tellOfRival } from './router-rivals.ts';

export interface ReportedRoles {
  readonly host: string;
  readonly incarnation: number;
  readonly roles: readonly ReplicaReport[];
}

/** A router with two actives, or one that seems to be the wrong one: to be looked at again once there was time to settle it, or to find out. */
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

async function saidBy(tx: Transaction, { host, incarnation, roles }: ReportedRoles): Promise<Said[]> {
  const byRouter = new Map(roles.map((one) => [one.router, one]));
  const rows = await tx.routerBindings.find({ host });
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

/** How well an active replica is, should it be one of two. */
const isMeritNews = ({ row: { role_details: known }, says }: Said): boolean =>
  says.state === 'active' && (known?.penalty !== says.penalty || known.paths.tunnel !== says.paths.tunnel);

/** Whether another host answers for the addresses of an active one is another thing than was known. */
const isRivalNews = ({ row: { role_details: known }, says }: Said): boolean =>
  says.state === 'active' && says.rival !== known?.rival;

/**
 * Whether it reaches nobody is another thing than was known: who is active is asked before a stand-by may become so as well, and an active
 * one that says it is there.
 */
const isCutOffNews = ({ row: { role_details: known }, says }: Said): boolean =>
  (says.state === 'standby' || says.state === 'active') &&
  isCutOff(says) !== (known !== null && isCutOff(known));

/** Whether more than the replica's own row depends on it, besides that it reaches nobody or does again. */
const isOtherNews = (said: Said): boolean =>
  said.isNew ||
  isRivalNews(said) ||
  said.row.role_details?.order !== said.says.order ||
  isMeritNews(said) ||
  isCheckNews(said) ||
  // whom a move was forced upon is well
  (said.row.order?.forgives !== undefined && said.says.penalty === 0);

/** Whether more than the replica's own row depends on it. */
const isWeighty = (said: Said): boolean => isCutOffNews(said) || isOtherNews(said);

const isCutOffStandby = (says: Omit<ReplicaReport, 'router'>): boolean =>
  says.state === 'standby' && isCutOff(says);

/**
 * All that is new of it is that it stands by and reaches nobody, and nothing follows: who is active was asked, or has said so itself. Then
 * it is only written down, for all stand-bys say it at once, in the moment in which who is active is to be found out. Should the active one
 * take its word back just now, it is asked later.
 */
function isOfNoConsequence(
  said: Said,
  { rows, now }: { readonly rows: readonly RouterBindingRow[]; readonly now: number },
): boolean {
  const { row, says } = said;
  if (!isCutOffStandby(says) || isOtherNews(said)) return false;
  const own = { ...row, role_details: detailsOf(said, now) };
  const replicas = rows.map((one) => (one.agent_id === row.agent_id ? own : one));
  const found = judge(replicas.map(replicaOf), { now });
  return found.kind === 'calm' && found.asks.length + found.ends.length === 0 && !found.revision;
}

/** The routers of which the report says something that more than its own rows depends on. */
export async function weightyRouters(tx: Transaction, call: Call, told: ReportedRoles): Promise<string[]> {
  const alone = told.roles.filter(isCutOffStandby).map((one) => one.router);
  const [said, rows] = await Promise.all([
    saidBy(tx, told),
    alone.length > 0 ? tx.routerBindings.find({ router_id: alone }) : [],
  ]);
  const now = call.clock.wall().getTime();
  const byRouter = Map.groupBy(rows, (row) => row.router_id);
  const isOf = (one: Said) =>
    isWeighty(one) && !isOfNoConsequence(one, { rows: byRouter.get(one.row.router_id) ?? [], now });
  return said.filter(isOf).map(({ row }) => row.router_id);
}

function detailsOf({ row, says, isNew }: Said, now: number): RoleDetails {
  const { state, penalty, reasons, hears, paths, peers, order, rival, doubts } = says;
  const isKnown = row.role_details?.order === order;
  const known = new Map(row.role_details?.checks.map((check) => [check.name, check]));
  const checks = says.checks.map(({ name, ok, forMs, text }) => {
    const before = known.get(name);
    return before?.ok === ok
      ? { ...before, text }
      : { name, ok, since: new Date(now - forMs).toISOString(), text };
  });
  return {
    ...{ state, penalty, reasons, hears, paths, order, checks },
    ...(peers === undefined ? {} : { peers }),
    ...(rival === undefined ? {} : { rival }),
    ...(doubts ? { doubts } : {}),
    ...(order === null ? {} : { order_at: (isKnown && row.role_details?.order_at) || now }),
    ...(isCutOff(says) ? { cut_off_at: (!isNew && row.role_details?.cut_off_at) || now } : {}),
  };
}

/** What a report says of roles, and what is known beside it. */
export interface KnownRoles {
  readonly told: ReportedRoles;
  readonly said: readonly Said[];
  /** All replicas of the routers that are locked. */
  readonly rows: readonly RouterBindingRow[];
  /** Alerts on those. */
  readonly open: readonly EventRow[];
}

/** Reads it; the `locked` routers, and the agent, are so by the same transaction. */
export async function readRoles(
  tx: Transaction,
  { told, locked }: { readonly told: ReportedRoles; readonly locked: readonly string[] },
): Promise<KnownRoles> {
  const [said, rows, open] = await Promise.all([
    saidBy(tx, told),
    locked.length > 0 ? tx.routerBindings.find({ router_id: locked }) : [],
    openDisputes(tx, locked),
  ]);
  return { told, said, rows, open };
}

/** Takes what a newer report says of roles. What is written is asked of the database together, for others wait for the lock. */
export async function applyRoles(tx: Transaction, call: Call, known: KnownRoles): Promise<RolesOutcome> {
  const { told, said, rows, open } = known;
  const { host, incarnation } = told;
  const now = call.clock.wall().getTime();
  const changed = said.flatMap((one) => {
    const changes = changesBy(one, { incarnation, now });
    return changes === null ? [] : [{ row: one.row, changes }];
  });
  const written = new Map(changed.map(({ row, changes }) => [nameOf(row), { ...row, ...changes }]));
  const replicas = rows.map((row) => written.get(nameOf(row)) ?? row);
  const byRouter = Map.groupBy(replicas, (row) => row.router_id);
  const [events, weighed] = await Promise.all([
    writeEvents(tx, call, { host, said }),
    weigh(tx, call, {
      ...{ host, byRouter, open },
      said: said.filter((one) => isWeighty(one) && byRouter.has(one.row.router_id)),
    }),
    ...changed.map(({ row: { router_id, agent_id }, changes }) =>
      tx.routerBindings.update({ router_id, agent_id }, changes),
    ),
  ]);
  return { events: [...events, ...weighed.events], disputes: weighed.disputes };
}

const nameOf = ({ router_id, agent_id }: RouterBindingRow): string => `${router_id} ${agent_id}`;

/** What changes of the row; null: nothing. */
function changesBy(
  said: Said,
  { incarnation, now }: { readonly incarnation: number; readonly now: number },
): Partial<RouterBindingRow> | null {
  const { row, says, isNew } = said;
  const role_details = detailsOf(said, now);
  if (!isNew && isDeepStrictEqual(row.role_details, role_details)) return null;
  return {
    ...{ ha_state: SHOWN[says.state], role_details },
    ...(isNew ? { role_since: new Date(now - says.forMs).toISOString() } : {}),
    ...{ role_incarnation: incarnation, role_seq: says.seq },
  };
}

async function writeEvents(
  tx: Transaction,
  call: Call,
  { host, said }: { readonly host: string; readonly said: readonly Said[] },
): Promise<EventRow[]> {
  const events = said.flatMap((one) => {
    const before = one.row.role_details?.state ?? 'standby';
    const { state } = one.says;
    return state !== before && isWorthAWord(state, before) ? [roleEvent(call, host, { ...one, before })] : [];
  });
  if (events.length > 0) await tx.events.insert(events);
  return events;
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

/** Whether there are no two actives any more; who is asked and silent is none as soon as nobody answers for the addresses. */
const isOver = (said: Said, { kind }: Judgement): boolean =>
  (kind === 'calm' && said.row.ha_state === 'active') ||
  (kind === 'await' && said.says.rival === false && isRivalNews(said));

/** What follows for the routers whose roles were told of. */
async function weigh(
  tx: Transaction,
  call: Call,
  about: {
    readonly host: string;
    readonly said: readonly Said[];
    readonly byRouter: ReadonlyMap<string, readonly RouterBindingRow[]>;
    readonly open: readonly EventRow[];
  },
): Promise<RolesOutcome> {
  const { host, said, byRouter, open } = about;
  if (said.length === 0) return { events: [], disputes: [] };
  const disputed = new Map<string, { readonly hosts: readonly string[]; readonly why: string }>();
  const over: string[] = [];
  const disputes: Dispute[] = [];
  const verdicts: Promise<EventRow[]>[] = [];
  const followed: Promise<void>[] = [];
  const rivalled: (readonly RouterBindingRow[])[] = [];
  for (const one of said) {
    const { row, says, isNew } = one;
    const { router_id: routerId } = row;
    const replicas = byRouter.get(routerId) ?? [];
    const isNewcomer = says.state === 'active' && (isNew || row.role_details === null);
    const now = call.clock.wall().getTime();
    const found = judge(replicas.map(replicaOf), { now, ...(isNewcomer ? { newcomer: host } : {}) });
    if (found.kind === 'dispute') {
      disputed.set(routerId, found);
      if (found.settleMs > 0) disputes.push({ routerId, settleMs: found.settleMs });
      else verdicts.push(pronounce(tx, call, { routerId, rows: replicas, found }));
    } else if (found.kind !== 'ask' && isRivalSeen(replicas)) rivalled.push(replicas);
    else if (isOver(one, found)) over.push(routerId);
    if (found.kind === 'ask' && found.lookMs !== null) disputes.push({ routerId, settleMs: found.lookMs });
    if (found.kind === 'calm' && found.revision) disputes.push({ routerId, settleMs: SETTLE_REVISION_MS });
    followed.push(followUp(tx, replicas, found));
  }
  const checked = said.filter((one) => isCheckNews(one) || one.isNew).map(({ row }) => row.router_id);
  // what is asked of the database together costs one wait for it
  const [told, alerts, given] = await Promise.all([
    tellOfChecks(tx, call, new Map([...byRouter].filter(([id]) => checked.includes(id)))),
    tellOfDisputes(tx, call, { disputed, over, open }),
    Promise.all([...verdicts, ...rivalled.map((rows) => tellOfRival(tx, call, rows))]),
    ...followed,
  ]);
  return { events: [...alerts, ...given.flat(), ...told], disputes };
}
