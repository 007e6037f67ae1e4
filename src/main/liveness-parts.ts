/** Wires who leads, who hears which agent, and who is dead (docs/decisions/0007-liveness.md). */
import { DeathWatch } from '../background/deaths.ts';
import { Leader } from '../background/leader.ts';
import { AgentPresence } from '../background/presence.ts';
import { livenessTimes } from '../convergence/liveness.ts';
import type { Clock } from '../lib/clock.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store } from '../store/store.ts';
import type { FeedLimits, FeedOptions } from '../watch/feed.ts';

/** Others take the lead over when its beat has stood still for so many beats. */
const MISSED_BEATS = 5;
/** However fast deaths are to be found: a database that hesitates should not move the lead. */
const SHORTEST_TAKEOVER_MS = 4_000;

export interface LivenessPartsOptions {
  readonly store: Store;
  readonly serverId: string;
  readonly clock: Clock;
  readonly call: () => Call;
  /** The time within which a death is to be found. */
  readonly detectMs: number;
  readonly onFailure: (what: string, error: unknown) => void;
  readonly onLeader?: (isLeader: boolean, term: number) => void;
  readonly onEvent?: (event: EventRow) => void;
  /** Agents died or came back. */
  readonly onChange?: () => void;
  /** As `PresenceOptions.onDoubt`: its watch is to be ended. */
  readonly onDoubt?: (host: string) => void;
}

/** What an agent is told whose watch is ended since it fell silent on it. */
export const DOUBT = 'its silence here was taken for its death: to be served again, connect anew';

export interface LivenessParts {
  readonly leader: Leader;
  readonly presence: AgentPresence;
  readonly deaths: DeathWatch;
  /** How fast the feed and its agents speak. */
  readonly pace: Partial<FeedLimits>;
  /** What the feed tells presence. */
  readonly hooks: Required<Pick<FeedOptions, 'onPresence' | 'onHeard' | 'attentiveSince'>>;
}

export function createLivenessParts(options: LivenessPartsOptions): LivenessParts {
  const { onLeader, detectMs, ...shared } = options;
  const times = livenessTimes(detectMs);
  const leader = new Leader({
    ...shared,
    beatMs: times.beatMs,
    takeoverMs: Math.max(SHORTEST_TAKEOVER_MS, MISSED_BEATS * times.beatMs),
    ...(onLeader ? { onChange: onLeader } : {}),
  });
  const { store, clock, call, onEvent, onChange } = options;
  const deaths = new DeathWatch({
    ...{ store, leader, times, clock, call },
    ...(onEvent ? { onEvent } : {}),
    ...(onChange ? { onChange } : {}),
  });
  const { serverId, onFailure } = options;
  const presence = new AgentPresence({
    ...{ store, serverId, times, clock, call, onFailure },
    onLook: (look) => deaths.pass(look),
    ...(options.onDoubt ? { onDoubt: options.onDoubt } : {}),
  });
  return {
    ...{ leader, presence, deaths },
    pace: {
      bookmarkMs: times.bookmarkMs,
      heartbeatMs: times.heartbeatMs,
      heartbeatTimeoutMs: times.detectMs,
      idleMs: times.idleMs,
    },
    hooks: {
      onPresence: (host, isConnected) => presence.changed(host, isConnected),
      onHeard: (host) => presence.heard(host),
      attentiveSince: (now) => presence.attention.since(now),
    },
  };
}
