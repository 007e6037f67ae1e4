/**
 * How well a host could serve a router, as a weight: what is taken off the replica's priority. Always a weight, so that with
 * the same trouble everywhere one replica still serves. Pure.
 *
 * | what ails it | costs |
 * |---|---|
 * | no carrier on the link of the tunnels | 150 |
 * | no carrier on the link of the router's external network | 100 |
 * | most tunnel endpoints do not answer | up to 120: nothing for half of them, all of it for every one |
 * | its links are not wired yet, or not for 3 s (wiring-cost.ts) | 200, and it ranks below all that are wired (keepalived.ts) |
 * | a check script says no | its weight, 90 unless told otherwise |
 * | a link that was one of these, is well, and still held down | half of it (hold-down.ts) |
 *
 * All of it together takes 120 off a priority at most, so that ranks stay apart; what is beyond counts where servers choose.
 *
 * Half of them: with three replicas the end of one host leaves each of the others one that answers and one that does not, which
 * says nothing about themselves. A bond that lost one of its links costs nothing: it carries on, and that is told. Nor does the
 * management network: heartbeats have the tunnels, and tenants' packets do not go by it.
 */
import type { HostEvent } from '../../host/host.ts';
import type { CheckReport, PathState, PeerReport } from '../../resources/replica-report.ts';
import { MOST_OFF } from './keepalived.ts';

export const TUNNEL_CARRIER_OFF = 150;
export const EXTERNAL_CARRIER_OFF = 100;
export const TUNNEL_OFF = 120;
export const CHECK_OFF = 90;

/** What is said of one router on this host. */
export interface Health {
  /** 0 to MOST_OFF. */
  readonly penalty: number;
  /** Why, a sentence each; also what is wrong and costs nothing. */
  readonly reasons: readonly string[];
  readonly paths: { readonly tunnel: PathState; readonly management: PathState };
  readonly checks: readonly CheckReport[];
  readonly peers: readonly PeerReport[];
  /** Nobody hears this host, and another has the addresses (isolation.ts): the replica leaves them to it for now. */
  readonly isAway?: true;
  /** It may be that nobody hears this host, which is known in a moment: a stand-by is not to begin before (isolation-watch.ts). */
  readonly isHeldBack?: true;
  /** A server told it to step back for another, which has been seen on the external network, and is no more (isolation.ts). */
  readonly isOtherGone?: true;
  /** It is active here, and another host answers for its address on the external network (rivals.ts); absent: not known. */
  readonly rival?: boolean;
  /** It is active here, and it may be that nobody hears this host by either way of heartbeats, which is known in a moment. */
  readonly doubts?: true;
}

/** What the reconciler of routers asks for health, and tells it. */
export interface HealthSource {
  /**
   * null: not known yet. Then what the tracked file says stays so (an earlier life of the agent wrote it); where there is none,
   * all is taken off until it is known.
   */
  current(routerId: string): Health | null;
  /** Calls with each router whose health changed, null for all. One listener. */
  onChange(listener: (routerId: string | null) => void): void;
  /** What is to be told of checks is another; nothing follows from it. */
  onWords(listener: () => void): void;
  /** What the replica here is now: scripts are told, and run only where it has one. */
  tellRole(routerId: string, role: 'active' | 'standby' | 'fault' | 'unknown'): void;
  /** Whether a server's word keeps the replica here from taking part. */
  tellHeld(routerId: string, isHeld: boolean): void;
  onHostEvent(event: HostEvent): void;
  run(signal: AbortSignal): Promise<void>;
}

/** One thing that was looked at: what it costs by itself, and what is said of it. */
export interface Finding {
  readonly penalty: number;
  readonly reason: string;
}

/** Endpoints of one path, by name of host: whether each answers. */
export type Answers = ReadonlyMap<string, boolean>;

export function pathState(answers: Answers): PathState {
  if (answers.size === 0) return 'unknown';
  return [...answers.values()].some((answers) => answers) ? 'up' : 'down';
}

/** What it costs that endpoints on the tunnel network do not answer; null: nothing to be said. */
export function tunnelFinding(answers: Answers): Finding | null {
  const silent = [...answers].filter(([, isThere]) => !isThere).map(([host]) => host);
  if (silent.length === 0) return null;
  const share = silent.length / answers.size;
  const penalty = Math.round(TUNNEL_OFF * Math.max(0, 2 * share - 1));
  const named = silent.slice(0, 3).join(', ') + (silent.length > 3 ? ' and others' : '');
  return {
    penalty,
    reason: `${silent.length} of ${answers.size} hosts do not answer through the tunnel network: ${named}`,
  };
}

/** `silent`: those who answer by the tunnel network, and not by the management network; null: nobody. */
export function managementFinding(silent: readonly string[]): Finding | null {
  if (silent.length === 0) return null;
  const named = silent.slice(0, 3).join(', ') + (silent.length > 3 ? ' and others' : '');
  return {
    penalty: 0,
    reason: `no answer through the management network, only through the tunnels: ${named}`,
  };
}

/** A link that everything of a kind goes over. */
export interface Carrier {
  readonly link: string;
  readonly carries: 'tunnel' | 'external';
  readonly isUp: boolean;
  /** Where it is, or stands on, a bond: its members, and which of them are down. */
  readonly bond: { readonly name: string; readonly members: number; readonly down: readonly string[] } | null;
}

export function carrierFinding({ link, carries, isUp, bond }: Carrier): Finding | null {
  if (!isUp) {
    const what = carries === 'tunnel' ? 'the tunnel network' : 'the external network';
    const penalty = carries === 'tunnel' ? TUNNEL_CARRIER_OFF : EXTERNAL_CARRIER_OFF;
    return { penalty, reason: `${link} has no carrier: it is this host's link to ${what}` };
  }
  if (bond === null || bond.down.length === 0) return null;
  const left = bond.members - bond.down.length;
  const down = `${bond.down.join(' and ')} ${bond.down.length === 1 ? 'is' : 'are'} down`;
  return { penalty: 0, reason: `${down}: ${bond.name} has ${left} of ${bond.members} links left` };
}

/** Findings as one weight. */
export function penaltyOf(findings: readonly Finding[]): { penalty: number; reasons: string[] } {
  const sum = findings.reduce((total, { penalty }) => total + Math.max(0, penalty), 0);
  return { penalty: Math.min(MOST_OFF, Math.round(sum)), reasons: findings.map(({ reason }) => reason) };
}
