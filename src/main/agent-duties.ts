/** What agents' requests mean to the store: who a credential is, an agent that begins to watch, a report. */
import { registerAgent } from '../operations/agent.ts';
import { applyReport, takeRoles } from '../operations/agent-report.ts';
import { hostByCredential } from '../operations/host.ts';
import type { Call } from '../operations/operation.ts';
import type { RolesOutcome } from '../operations/router-roles.ts';
import type { Place } from '../resources/place.ts';
import type { Log, Store } from '../store/store.ts';
import type { Report, ReportAnswer, WatchRequest } from '../watch/protocol.ts';

export interface AgentDutiesOptions {
  readonly store: Store;
  readonly serverId: string;
  readonly call: () => Call;
  /** A report was taken; `place`: what it says to have realised, if this log holds it. */
  readonly onReported?: (report: Report, place: Place | null) => void;
  /** What a report that was taken says of routers' roles has led to this. */
  readonly onRoles?: (outcome: Partial<RolesOutcome>) => void;
  /** Whether this server holds the host's watch, or its agent is just asking for one. */
  readonly isHere?: (host: string) => boolean;
  /** The host's agent has asked for a watch here, or has reported, and its row says so now. */
  readonly onRegistered?: (host: string) => void;
}

/** Tells a server's parts of reports and registrations as they are taken. */
export function tellOf(parts: {
  readonly presence: { isHere(host: string): boolean; registered(host: string): void };
  readonly follower: { reported(report: Report, place: Place | null): void };
  readonly rescheduler: { reported(): void; wake(): void };
  readonly arbiter?: { told(outcome: Partial<RolesOutcome>): void };
}): Required<Pick<AgentDutiesOptions, 'onReported' | 'onRoles' | 'isHere' | 'onRegistered'>> {
  const { presence, follower, rescheduler, arbiter } = parts;
  return {
    onReported: (report, place) => {
      follower.reported(report, place);
      rescheduler.reported();
    },
    onRoles: (outcome) => arbiter?.told(outcome),
    isHere: (host) => presence.isHere(host),
    onRegistered: (host) => {
      presence.registered(host);
      rescheduler.wake();
    },
  };
}

/** The place, if this log still holds it: one of another lineage, or trimmed away, says nothing. */
async function heldPlace(log: Log, place: Place | null): Promise<Place | null> {
  if (place === null) return null;
  const [change] = await log.changesFrom(place.position, 1);
  return change?.position === place.position && change.tag === place.tag ? place : null;
}

/** The report without what is not the host's to care for. */
function withinScope(report: Report, exceptions: Report['exceptions'] = report.exceptions): Report {
  const dropped = report.exceptions.length - exceptions.length;
  return dropped === 0 ? report : { ...report, exceptions, exceptionCount: report.exceptionCount - dropped };
}

export function createAgentDuties(options: AgentDutiesOptions) {
  const { store, serverId, call, onReported, onRoles, onRegistered } = options;
  /** What each agent last said of itself here. */
  const requests = new Map<string, WatchRequest>();
  /** Who is active is being written down: all else that reports bring waits for what is under way of it. */
  const urgent = new Set<Promise<unknown>>();
  const rolesOf = async (report: Report): Promise<RolesOutcome | undefined> => {
    const { host } = report;
    const taking = store.transact((tx) => takeRoles(tx, call(), { host, report }));
    urgent.add(taking);
    try {
      return (await taking).result;
    } finally {
      urgent.delete(taking);
    }
  };
  const register = async (request: WatchRequest): Promise<void> => {
    // What it holds is not said again: with many agents that would be most of the memory.
    requests.set(request.host, { ...request, groups: {}, mismatched: [] });
    const { host, incarnation, tunnel_ip, physical_networks, configurations } = request;
    for (const role of request.roles) {
      const registration = { host, role, incarnation, tunnel_ip, physical_networks, configurations };
      await store.transact((tx) => registerAgent(tx, call(), { ...registration, server_id: serverId }));
    }
    onRegistered?.(host);
  };
  return {
    authenticate: async (credential: string): Promise<string | undefined> => {
      const host = await store.view((view) => hostByCredential(view, credential));
      return host?.name;
    },
    register,
    applyReport: async (report: Report): Promise<ReportAnswer> => {
      const { host } = report;
      const roles = report.roles && (await rolesOf(report));
      if (roles) onRoles?.(roles);
      const hasRoles = roles !== undefined;
      await Promise.allSettled(urgent);
      const { result } = await store.transact(async (tx) => {
        const place = await heldPlace(tx, report.realised);
        return { place, ...(await applyReport(tx, call(), { host, report, place, hasRoles })) };
      });
      if (result.accepted) onReported?.(withinScope(report, result.exceptions), result.place);
      if (result.events ?? result.disputes) onRoles?.(result);
      const request = requests.get(host);
      // A promotion may lose a registration and not break the watch: every report is a chance to say it again.
      // But one that is late may be of an agent that is elsewhere by now.
      const isHere = options.isHere?.(host) ?? true;
      if (isHere && !result.registered && request?.incarnation === report.incarnation)
        await register(request);
      const { accepted, incarnation } = result;
      return { accepted, ...(incarnation === undefined ? {} : { incarnation }) };
    },
  };
}
