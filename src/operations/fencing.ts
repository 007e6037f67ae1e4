/** What is known of hosts that might be fenced, and what is written of it. Decided in arbitration/fencing.ts, performed in the background. */
import { isSettled, type Suspect } from '../arbitration/fencing.ts';
import { timestamp } from '../lib/clock.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { FencingRow } from '../resources/fencing.ts';
import type { Sighting, Tables, Transaction, View } from '../store/store.ts';
import { type NewEvent, record } from './event.ts';
import type { Call } from './operation.ts';
import { beginAlert, endAlerts, idOf, openAlerts } from './router-alerts.ts';

/** A host that no server hears and that was declared dead. */
export type DeadHost = Pick<Suspect, 'host' | 'witnesses' | 'machines' | 'isDrained' | 'last' | 'number'>;

export interface FenceFacts {
  readonly hosts: number;
  readonly bad: number;
  readonly dead: readonly DeadHost[];
  readonly rows: readonly FencingRow[];
}

const isDead = (rows: readonly Pick<Sighting, 'liveness' | 'server_id'>[]): boolean =>
  rows.length > 0 && rows.every(({ liveness, server_id }) => liveness === 'dead' && server_id === '');

/** As of one moment. `among`: hosts that have a fence device; of others it is only counted how many look bad. */
export async function fenceFacts(view: View, call: Call, among: ReadonlySet<string>): Promise<FenceFacts> {
  const rows = await view.fencings.find({});
  const seen = Map.groupBy(await view.sightings(['']), ({ host }) => host);
  const names = [...seen].filter(([host, all]) => among.has(host) && isDead(all)).map(([host]) => host);
  const bad = new Set(seen.keys());
  const hosts =
    names.length === 0 ? 0 : [...(await view.fleet()).values()].reduce((sum, one) => sum + one, 0);
  const words = await witnessesOf(view, call, names);
  for (const [about, { answers }] of words) if (!answers) bad.add(about);
  const ofHost = Map.groupBy(words, ([about]) => about);
  const agents = names.length === 0 ? [] : await view.agents.find({ host: names });
  const ports = names.length === 0 ? [] : await view.ports.find({ host: names });
  const standing = standingAmong(rows, agents);
  const dead = names.map(
    (host): DeadHost => ({
      ...{ host, ...standing(host) },
      witnesses: (ofHost.get(host) ?? []).map(([, word]) => word),
      machines: ports.filter((one) => one.host === host && !one.device_owner.startsWith('network:')).length,
    }),
  );
  return { hosts, bad: bad.size, dead, rows };
}

/** What was done to hosts, and what an operator does. */
function standingAmong(rows: readonly FencingRow[], agents: readonly AgentRow[]) {
  const known = new Map(rows.map((row) => [row.host, row]));
  return (host: string): Pick<DeadHost, 'number' | 'last' | 'isDrained'> => {
    const { state = 'over', number = 0 } = known.get(host) ?? {};
    const isDrained = agents.some((one) => one.host === host && !one.admin_state_up);
    return { number, isDrained, last: state === 'over' || state === 'spared' ? null : state };
  };
}

/**
 * Of the hosts that have a fence device (`among`) those that are dead and may still be fenced, now or after a window: their replicas
 * are not removed, for who shares a router with a host asks it, and nobody else is its witness.
 */
export async function unsettledHosts(view: View, among: ReadonlySet<string>): Promise<Set<string>> {
  if (among.size === 0) return new Set();
  const seen = Map.groupBy(await view.sightings(['']), ({ host }) => host);
  const names = [...seen].filter(([host, all]) => among.has(host) && isDead(all)).map(([host]) => host);
  if (names.length === 0) return new Set();
  const standing = standingAmong(
    await view.fencings.find({ host: names }),
    await view.agents.find({ host: names }),
  );
  return new Set(names.filter((host) => !isSettled(standing(host))));
}

type Word = readonly [about: string, word: { readonly host: string; readonly answers: boolean }];

/** What hosts whose agents are heard say of the others that they share these hosts' HA routers with: one word of each about each. */
async function witnessesOf(tables: Tables, call: Call, hosts: readonly string[]): Promise<Word[]> {
  if (hosts.length === 0) return [];
  const shared = await tables.routerBindings.find({ host: hosts });
  const ids = [...new Set(shared.map((row) => row.router_id))];
  if (ids.length === 0) return [];
  const bindings = (await tables.routerBindings.find({ router_id: ids })).filter((one) => one.role_details);
  const agents = await tables.agents.find({ id: [...new Set(bindings.map((row) => row.agent_id))] });
  const living = new Map(agents.filter((one) => call.isEligible(one)).map((one) => [one.id, one]));
  const words = new Map<string, Word>();
  for (const { agent_id, host, role_incarnation, role_details } of bindings) {
    // what an earlier life of it said is no word of this one
    if (living.get(agent_id)?.incarnation !== role_incarnation) continue;
    for (const { host: about, answers } of role_details?.peers ?? []) {
      const key = `${host} ${about}`;
      const before = words.get(key);
      if (before === undefined || answers) words.set(key, [about, { host, answers }]);
    }
  }
  return [...words.values()];
}

export interface FencingBegin {
  readonly host: string;
  /** The greatest number that is known; 0 for none. */
  readonly after: number;
  readonly serverId: string;
  readonly why: string;
}

/**
 * Writes that a host is about to be switched off, so that nobody else begins anything: the number is the next after the one
 * that was decided by. null: it is heard again, or somebody was faster. The caller guards the transaction.
 */
export async function beginFencing(
  tx: Transaction,
  call: Call,
  { host, after, serverId, why }: FencingBegin,
): Promise<{ readonly number: number; readonly events: readonly EventRow[] } | null> {
  if (!isDead(await tx.agents.lock({ host }))) return null;
  const rows = await tx.fencings.lock({});
  if (rows.some((row) => row.number > after)) return null;
  const number = after + 1;
  const row = { number, state: 'acting', server_id: serverId, at: timestamp(call.clock) } as const;
  if (rows.some((one) => one.host === host)) await tx.fencings.update({ host }, row);
  else await tx.fencings.insert([{ host, ...row }]);
  const message = `Host ${host} is to be switched off by its fence device: ${why}.`;
  const events = [await record(tx, call, stepEvent(host, 'begun', message))];
  return { number, events: [...events, ...(await endRefusal(tx, call, host, 'It is fenced.'))] };
}

/** One step, for the events. */
export const stepEvent = (host: string, step: string, message: string): NewEvent => ({
  ...{ kind: 'fencing', severity: 'warning', host, role: 'l3', object: `host/${host}`, message },
  data: { step },
});

export interface FencingEnd {
  readonly host: string;
  readonly number: number;
  readonly state: 'off' | 'failed' | 'spared';
  /** A sentence: what the device said, or why not. */
  readonly message: string;
}

/** Writes how it ended, unless that is known, or something newer was begun. A failure is an alert. */
export async function endFencing(
  tx: Transaction,
  call: Call,
  { host, number, state, message }: FencingEnd,
): Promise<EventRow[]> {
  const changed = await tx.fencings.update({ host, number, state: 'acting' }, { state });
  if (changed.length === 0) return [];
  const object = `host/${host}`;
  const told = [await record(tx, call, stepEvent(host, state, message))];
  if (state !== 'failed') return [...told, ...(await endFailure(tx, call, host, message))];
  const alert = { alert: 'fencing-failed', severity: 'error', host, object, message } as const;
  return [...told, ...(await beginAlert(tx, call, alert))];
}

/** Hosts that were fenced, or tried to be, are heard again. */
export async function fencedReturned(
  tx: Transaction,
  call: Call,
  hosts: readonly string[],
): Promise<EventRow[]> {
  const back = await tx.fencings.update({ host: hosts, state: ['off', 'failed'] }, { state: 'over' });
  const events: EventRow[] = [];
  for (const { host } of back) {
    const message = `Host ${host} is heard again.`;
    events.push(await record(tx, call, { ...stepEvent(host, 'over', message), severity: 'info' }));
    events.push(...(await endFailure(tx, call, host, message)));
  }
  return events;
}

const endFailure = (tx: Transaction, call: Call, host: string, why: string): Promise<EventRow[]> =>
  endOf(tx, call, { alert: 'fencing-failed', host, why });

const endRefusal = (tx: Transaction, call: Call, host: string, why: string): Promise<EventRow[]> =>
  endOf(tx, call, { alert: 'fencing-refused', host, why });

async function endOf(
  tx: Transaction,
  call: Call,
  about: {
    readonly alert: 'fencing-failed' | 'fencing-refused';
    readonly host: string;
    readonly why: string;
  },
): Promise<EventRow[]> {
  const alerts = await openAlerts(tx, about.alert, [`host/${about.host}`]);
  return endAlerts(tx, call, { alerts, message: () => about.why });
}

/** Why a host is not fenced although it is dead; null: it is not dead, or nothing is to be said of it any more. */
export async function tellRefusal(
  tx: Transaction,
  call: Call,
  { host, refused }: { readonly host: string; readonly refused: { refusal: string; why: string } | null },
): Promise<EventRow[]> {
  const over = refused === null ? `Host ${host} is not to be fenced.` : 'There is another reason now.';
  const events = await endRefusal(tx, call, host, over);
  if (refused === null) return events;
  const { refusal, why } = refused;
  const message = `Host ${host} is dead and is not fenced: ${why}.`;
  const object = `host/${host}`;
  const alert = { alert: 'fencing-refused', severity: 'warning', host, object, message } as const;
  return [...events, ...(await beginAlert(tx, call, { ...alert, data: { refusal } }))];
}

/** Hosts that are told to be refused, and why. */
export async function openRefusals(tables: Pick<Tables, 'events'>): Promise<Map<string, string>> {
  const open = await openAlerts(tables, 'fencing-refused');
  return new Map(open.map(({ object, data }) => [idOf(object), String(data['refusal'])]));
}
