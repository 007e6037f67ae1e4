/**
 * The agent's end of a watch as a pure state machine: which server to try and when, what to do with each frame, when to
 * give a connection up. `follow.ts` performs the effects; simulation drives it in the same way.
 *
 *   waiting ──wake──> connecting ──hello──> catching-up (deltas) ──batch──> live
 *      ^                  │        └──────> filling (groups) ─────synced──> live
 *      └── ended, refused, mismatched, idle too long: another server, backing off
 *
 * A frame belongs to a connection by its number; what comes from an earlier one is not even looked at.
 */
import type { Random } from '../lib/random.ts';
import type { Frame } from './protocol.ts';
import { IDLE_BOUNDS_MS, IDLE_TIMEOUT_MS } from './protocol.ts';

export interface SessionOptions {
  readonly random: Random;
  /** How many servers there are to choose from. */
  readonly servers: number;
  readonly idleTimeoutMs: number;
  /** First frame must have come by then. Longer than what a server may take to answer (it waits 2 s at most). */
  readonly connectTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

export const SESSION_DEFAULTS = {
  idleTimeoutMs: IDLE_TIMEOUT_MS,
  connectTimeoutMs: 6_000,
  backoffMinMs: 50,
  backoffMaxMs: 700,
} as const;

export type SessionState =
  | {
      readonly name: 'waiting';
      /** When to connect. */
      readonly until: number;
      /** Which server to try, by its number in the list. */
      readonly server: number;
      /** Connections so far; the next has the next number. */
      readonly connection: number;
      /** Tries since the watch was last live. */
      readonly failures: number;
      readonly reason: string;
    }
  | Connected<'connecting'>
  | Connected<'catching-up'>
  | Connected<'filling'>
  | Connected<'live'>;

interface Connected<Name extends string> {
  readonly name: Name;
  /** Given up if nothing has come by then. */
  readonly until: number;
  readonly server: number;
  readonly connection: number;
  readonly failures: number;
  /** Given up when nothing has come for so long, as this server said. */
  readonly idleMs?: number;
}

export type SessionStateName = SessionState['name'];

export type SessionEvent =
  /** Time has come to `wakeAt`, or may have. */
  | { readonly type: 'wake' }
  | { readonly type: 'frame'; readonly connection: number; readonly frame: Frame }
  /** The mirror refused a frame, or a digest differed. */
  | { readonly type: 'refused'; readonly reason: string }
  /** The connection ended, or could not be made. `retryAfterMs`: the server asked for that much. */
  | {
      readonly type: 'ended';
      readonly connection: number;
      readonly reason: string;
      readonly retryAfterMs?: number;
    };

export type SessionEffect =
  | { readonly type: 'connect'; readonly server: number; readonly connection: number }
  | { readonly type: 'apply'; readonly frame: Frame }
  | { readonly type: 'disconnect'; readonly connection: number };

export interface Step {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
  /** Give `wake` at this time (or later: only the newest counts). */
  readonly wakeAt: number;
}

/** Where a session begins: connects at once, to that server. */
export function startSession(now: number, server = 0): SessionState {
  return { name: 'waiting', until: now, server, connection: 0, failures: 0, reason: 'starting' };
}

/** One step. What does not concern the state (an old connection's frame, an early wake) changes nothing. */
export function stepSession(
  state: SessionState,
  event: SessionEvent,
  { now, options }: { now: number; options: SessionOptions },
): Step {
  switch (event.type) {
    case 'wake':
      return now < state.until ? stay(state) : onTime(state, now, options);
    case 'refused':
      return state.name === 'waiting'
        ? stay(state)
        : giveUp(state, event.reason, { now, options, close: true });
    case 'ended':
      if (state.name === 'waiting' || event.connection !== state.connection) return stay(state);
      return giveUp(state, event.reason, {
        now,
        options,
        close: false,
        ...(event.retryAfterMs === undefined ? {} : { retryAfterMs: event.retryAfterMs }),
      });
    case 'frame':
      if (state.name === 'waiting' || event.connection !== state.connection) return stay(state);
      return onFrame(state, event.frame, { now, options });
  }
}

type Context = { readonly now: number; readonly options: SessionOptions };

function stay(state: SessionState): Step {
  return { state, effects: [], wakeAt: state.until };
}

function onTime(state: SessionState, now: number, options: SessionOptions): Step {
  if (state.name !== 'waiting') {
    const reason = state.name === 'connecting' ? 'no answer' : 'nothing heard';
    return giveUp(state, reason, { now, options, close: true });
  }
  const { server, failures } = state;
  const connection = state.connection + 1;
  const until = now + options.connectTimeoutMs;
  return {
    state: { name: 'connecting', until, server, connection, failures },
    effects: [{ type: 'connect', server, connection }],
    wakeAt: until,
  };
}

const NO_FRAME = {
  hello: undefined,
  group: undefined,
  synced: undefined,
  batch: undefined,
  digest: undefined,
  remedy: undefined,
} as const;

/** The state after a frame of each type; undefined: that frame has no business here. */
const NEXT: Record<
  Exclude<SessionStateName, 'waiting'>,
  Record<Exclude<Frame['type'], 'goodbye'>, SessionStateName | undefined>
> = {
  connecting: { ...NO_FRAME, hello: 'catching-up' },
  'catching-up': { ...NO_FRAME, batch: 'live', remedy: 'catching-up' },
  filling: { ...NO_FRAME, group: 'filling', synced: 'live', remedy: 'filling' },
  live: { ...NO_FRAME, batch: 'live', digest: 'live', remedy: 'live' },
};

function onFrame(state: Exclude<SessionState, { name: 'waiting' }>, frame: Frame, context: Context): Step {
  if (frame.type === 'goodbye') {
    return giveUp(state, frame.reason, { ...context, close: true, retryAfterMs: frame.retryAfterMs });
  }
  const next = frame.type === 'hello' && frame.mode === 'groups' ? 'filling' : NEXT[state.name][frame.type];
  if (next === undefined || next === 'waiting' || (frame.type === 'hello' && state.name !== 'connecting')) {
    return giveUp(state, `a ${frame.type} frame while ${state.name}`, { ...context, close: true });
  }
  const idleMs = idleOf(state, frame);
  const until = context.now + (idleMs ?? context.options.idleTimeoutMs);
  const failures = next === 'live' ? 0 : state.failures;
  return {
    state: {
      ...{ name: next, until, server: state.server, connection: state.connection, failures },
      ...(idleMs === undefined ? {} : { idleMs }),
    },
    effects: [{ type: 'apply', frame }],
    wakeAt: until,
  };
}

/** What the server asked for in its hello, within bounds. */
function idleOf(state: Exclude<SessionState, { name: 'waiting' }>, frame: Frame): number | undefined {
  if (frame.type !== 'hello' || frame.idleMs === undefined) return state.idleMs;
  const [least, most] = IDLE_BOUNDS_MS;
  return Math.min(most, Math.max(least, frame.idleMs));
}

/**
 * Leaves the connection for the next server in the list. The wait doubles with each failure in a row up to a maximum
 * that is below a second, and is spread over its whole length, so that a server's return is found soon and not by all
 * at once. What a server asks for is kept, with up to half as much again.
 */
function giveUp(
  state: Exclude<SessionState, { name: 'waiting' }>,
  reason: string,
  how: Context & { close: boolean; retryAfterMs?: number },
): Step {
  const { random, servers, backoffMinMs, backoffMaxMs } = how.options;
  const failures = state.failures + 1;
  const ceiling = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(failures, 20));
  const own = backoffMinMs + random.next() * (ceiling - backoffMinMs);
  const asked = how.retryAfterMs === undefined ? 0 : how.retryAfterMs * (1 + random.next() / 2);
  const until = how.now + Math.max(own, asked);
  return {
    state: {
      name: 'waiting',
      until,
      server: (state.server + 1) % servers,
      connection: state.connection,
      failures,
      reason,
    },
    effects: how.close ? [{ type: 'disconnect', connection: state.connection }] : [],
    wakeAt: until,
  };
}
