/** What servers make of agents: who hears them (each server, of its own), who died and came back (the leader). */
import { timestamp } from '../lib/clock.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { Transaction, View } from '../store/store.ts';
import { endedAmong, type NewEvent, record } from './event.ts';
import type { Call } from './operation.ts';
import { liftBlocks } from './provisioning.ts';

export interface HeardBy {
  readonly hosts: readonly string[];
  readonly serverId: string;
}

export interface SilentTo {
  /** For how long each host has been silent (ms). */
  readonly silentMs: ReadonlyMap<string, number>;
  readonly serverId: string;
}

/**
 * The server does not hear these hosts' agents any more; another that took over meanwhile keeps them. Their rows say when
 * they were last heard.
 */
export async function agentsSilent(
  tx: Transaction,
  call: Call,
  { silentMs, serverId }: SilentTo,
): Promise<void> {
  const now = call.clock.wall().getTime();
  const heardAt = (ms: number) => timestamp({ wall: () => new Date(now - ms) });
  const byTime = Map.groupBy(silentMs.keys(), (host) => heardAt(silentMs.get(host) ?? 0));
  for (const [heartbeat_at, hosts] of byTime)
    await tx.agents.update({ host: hosts, server_id: serverId }, { server_id: '', heartbeat_at });
}

export interface Heard extends HeardBy {
  readonly gone: readonly string[];
  /** Those that are dead stay so: that they hear us is not known. */
  readonly isDoubtful?: boolean;
}

/** The server hears agents that nobody claims, or one of the servers in `gone`. */
export async function agentsHeard(tx: Transaction, heard: Heard): Promise<void> {
  const { hosts, serverId, gone, isDoubtful } = heard;
  const state = isDoubtful ? { liveness: ['alive', 'held'] as const } : {};
  await tx.agents.update({ host: hosts, server_id: ['', ...gone], ...state }, { server_id: serverId });
}

/** Ports that waited for flood entries on hosts that are dead now wait no longer. */
async function liftWaitingFor(tx: Transaction, call: Call, hosts: readonly string[]): Promise<void> {
  const bindings = await tx.dhcpBindings.find({ host: hosts });
  if (bindings.length === 0) return;
  const networks = new Set(bindings.map((binding) => binding.network_id));
  const blocks = await tx.provisioningBlocks.find({ entity: 'L2' });
  if (blocks.length === 0) return;
  const ports = await tx.ports.find({ id: blocks.map((block) => block.port_id) });
  const waiting = ports.filter((port) => networks.has(port.network_id)).map((port) => port.id);
  await liftBlocks(tx, call, waiting);
}

export interface Verdict {
  readonly host: string;
  /** How often it died lately, this time included. */
  readonly deaths: number;
}

/** Rows by host, locked; hosts that are gone are left out. */
async function lockByHost(tx: Transaction, hosts: readonly string[]): Promise<Map<string, AgentRow[]>> {
  const rows = await tx.agents.lock({ host: hosts });
  return Map.groupBy(rows, (row) => row.host);
}

export interface Deaths {
  /** Each by what was known of it: its newest heartbeat, by its rows. */
  readonly verdicts: readonly (Verdict & { readonly heartbeatAt: string })[];
  /** Whether the server of that name lives. */
  readonly isHeard: (serverId: string) => boolean;
  readonly silentMs: number;
}

/**
 * Declares agents dead, but for those that a living server claims by now, those that have reported since they were judged, and
 * those that are dead already. Returns the events, one a host.
 */
export async function declareDead(tx: Transaction, call: Call, deaths: Deaths): Promise<EventRow[]> {
  const { verdicts, isHeard } = deaths;
  const found = await lockByHost(
    tx,
    verdicts.map((verdict) => verdict.host),
  );
  const events: EventRow[] = [];
  const died: string[] = [];
  for (const verdict of verdicts) {
    const rows = found.get(verdict.host) ?? [];
    const isBack = rows.some((row) => row.server_id !== '' && isHeard(row.server_id));
    const hasReported = rows.some((row) => row.heartbeat_at > verdict.heartbeatAt);
    if (rows.length === 0 || isBack || hasReported || rows.every((row) => row.liveness === 'dead')) continue;
    const changes = { liveness: 'dead' as const, deaths: verdict.deaths, server_id: '' };
    await tx.agents.update({ host: verdict.host }, changes);
    died.push(verdict.host);
    events.push(await record(tx, call, deathOf(verdict, deaths.silentMs)));
  }
  await liftWaitingFor(tx, call, died);
  return events;
}

function deathOf({ host, deaths }: Verdict, silentMs: number): NewEvent {
  const seconds = Math.round(silentMs / 100) / 10;
  return {
    ...{ kind: 'agent-died', severity: 'warning', host },
    message: `No server has heard the agent of ${host} for ${seconds} s: it is taken for dead, and its networks go elsewhere.`,
    data: { deaths },
  };
}

export interface Return extends Verdict {
  /** Until when it gets nothing new, in milliseconds from now; 0: it does. */
  readonly holdMs: number;
}

/** Agents that were dead are heard again. Returns the events, one a host. */
export async function declareReturned(
  tx: Transaction,
  call: Call,
  returns: readonly Return[],
): Promise<EventRow[]> {
  const found = await lockByHost(
    tx,
    returns.map((one) => one.host),
  );
  const events: EventRow[] = [];
  for (const { host, deaths, holdMs } of returns) {
    const rows = found.get(host) ?? [];
    if (!rows.some((row) => row.liveness === 'dead' && row.server_id !== '')) continue;
    await tx.agents.update({ host }, { liveness: holdMs > 0 ? 'held' : 'alive' });
    const held = `It died ${deaths} times lately, so it gets nothing new for ${Math.round(holdMs / 1000)} s.`;
    const message = `The agent of ${host} is heard again.${holdMs > 0 ? ` ${held}` : ''}`;
    const data = { deaths, hold_seconds: Math.round(holdMs / 1000) };
    events.push(await record(tx, call, { kind: 'agent-returned', severity: 'info', host, message, data }));
  }
  return events;
}

/** An agent was stable for long: it may get something new again, and fewer of its deaths count. */
export async function declareStable(tx: Transaction, { host, deaths }: Verdict): Promise<void> {
  await tx.agents.update({ host, liveness: ['alive', 'held'] }, { liveness: 'alive', deaths });
}

const MASS = 'mass-silence';

/** Many hosts of the area (`fleet`, `zone/NAME`) are silent at once: nothing of theirs is moved. Returns the event. */
export async function massBegan(
  tx: Transaction,
  call: Call,
  { area, silent, hosts }: { readonly area: string; readonly silent: number; readonly hosts: number },
): Promise<EventRow[]> {
  const where = area === 'fleet' ? 'the fleet' : area.replace('/', ' ');
  const event = await record(tx, call, {
    ...{ kind: 'alert', severity: 'error', object: area },
    message: `${silent} of the ${hosts} hosts of ${where} are silent at once: the fault is hardly theirs, and nothing is moved.`,
    data: { alert: MASS, silent, hosts },
  });
  return [event];
}

/** That is over: who is still silent is judged by itself. Returns the events, each the end of an alert that it names. */
export async function massOver(tx: Transaction, call: Call, area: string): Promise<EventRow[]> {
  const message = `No longer are so many hosts of ${area.replace('/', ' ')} silent at once.`;
  const event = { kind: 'alert-ended', severity: 'info', object: area, message } as const;
  const open = (await openMasses(tx)).filter((alert) => alert.object === area);
  const events: EventRow[] = [];
  for (const { id: ends } of open)
    events.push(await record(tx, call, { ...event, data: { alert: MASS, ends } }));
  return events;
}

/**
 * The open alerts of silent masses; `object` is the area. The newest first. An end names its alert, so that it is one
 * whatever the clocks of the servers said.
 */
export async function openMasses(tables: Pick<View, 'events'>): Promise<EventRow[]> {
  const events = await tables.events.list({
    filters: [
      { column: 'kind', operator: 'in', values: ['alert', 'alert-ended'] },
      { column: 'object', operator: 'prefix', values: ['fleet', 'zone/'] },
    ],
    sort: [{ column: 'at', descending: true }],
  });
  const ended = endedAmong(events);
  return events.filter(({ id, kind, data }) => kind === 'alert' && data['alert'] === MASS && !ended.has(id));
}

/** The areas whose alert of a silent mass is open. */
export async function massAlerts(tables: Pick<Transaction, 'events'>): Promise<string[]> {
  return [...new Set((await openMasses(tables)).map((alert) => alert.object))];
}
