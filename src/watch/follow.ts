/**
 * Follows the watch until told to stop: drives the session, applies frames to the mirror, writes the journal. The
 * agent's runner hears of every change, and of the session's state.
 */
import type { Clock } from '../lib/clock.ts';
import { integerBetween, type Random } from '../lib/random.ts';
import type { Place } from '../resources/place.ts';
import type { Journal } from './journal.ts';
import type { DurableFrame, MirrorChange } from './mirror.ts';
import {
  type Frame,
  OPTIONAL_FRAMES,
  PROTOCOL_VERSION,
  type RemedyFrame,
  type WatchRequest,
} from './protocol.ts';
import {
  SESSION_DEFAULTS,
  type SessionEffect,
  type SessionEvent,
  type SessionOptions,
  type SessionState,
  startSession,
  stepSession,
} from './session.ts';
import type { Transport } from './transport.ts';

/** What a WatchRequest says of the agent, whatever the mirror holds. */
export type AgentDescription = Pick<
  WatchRequest,
  'incarnation' | 'roles' | 'tunnel_ip' | 'physical_networks' | 'configurations'
>;

export interface FollowOptions {
  readonly transport: Transport;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly session?: Partial<Omit<SessionOptions, 'random' | 'servers'>>;
  /** Asked for on every connect. */
  readonly describe: () => AgentDescription;
  /**
   * After each frame that changed the mirror or its place, at once (its journal record may still be on its way: what
   * is lost in a crash comes again). `place` is null in the middle of a fill.
   * `since`: no change among them is of an older position, as far as the frame tells.
   */
  readonly onChanges: (changes: readonly MirrorChange[], place: Place | null, since: number) => void;
  /** The server asks for something to be tried anew. */
  readonly onRemedy?: (remedy: RemedyFrame) => void;
  /** After each change of the session's state. */
  readonly onState?: (state: SessionState) => void;
  /** The journal could not be written; it is written whole with the next frame. */
  readonly onJournalError: (error: unknown) => void;
}

export class Follower {
  readonly #options: FollowOptions;
  readonly #session: SessionOptions;
  #state: SessionState;
  #close: (() => void) | undefined;
  #cancelWake: (() => void) | undefined;
  #stopped = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#session = {
      ...SESSION_DEFAULTS,
      ...options.session,
      random: options.random,
      servers: options.transport.servers,
    };
    // agents with one and the same list begin with different servers
    const { servers } = options.transport;
    const first = servers > 1 ? integerBetween(options.random, 0, servers - 1) : 0;
    this.#state = startSession(options.clock.now(), first);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** The server to send reports to: the one that is watched, or is tried next. */
  get server(): number {
    return this.#state.server;
  }

  /** Ends the watch and opens another, which says of the agent what is so now. */
  reconnect(reason: string): void {
    this.#handle({ type: 'refused', reason });
  }

  /** Follows until `signal` aborts; the journal is then complete. */
  async run(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        this.#handle({ type: 'wake' });
      });
    }
    this.#stopped = true;
    this.#cancelWake?.();
    this.#close?.();
    await this.#options.journal.settled();
  }

  #handle(event: SessionEvent): void {
    if (this.#stopped) return;
    const now = this.#options.clock.now();
    const step = stepSession(this.#state, event, { now, options: this.#session });
    const moved = step.state.name !== this.#state.name;
    this.#state = step.state;
    if (event.type !== 'frame' || moved) this.#wakeAt(step.wakeAt, now);
    if (moved) this.#options.onState?.(step.state);
    for (const effect of step.effects) this.#perform(effect);
  }

  /** Frames only push the wake later, so an earlier timer is left alone and looks again when it fires. */
  #wakeAt(at: number, now: number): void {
    this.#cancelWake?.();
    this.#cancelWake = this.#options.clock.after(Math.max(0, at - now), () => this.#handle({ type: 'wake' }));
  }

  #perform(effect: SessionEffect): void {
    switch (effect.type) {
      case 'connect': {
        const { connection } = effect;
        this.#close = this.#options.transport.connect(effect.server, this.#request(), {
          onFrame: (frame) => this.#handle({ type: 'frame', connection, frame }),
          onEnd: (end) => this.#handle({ type: 'ended', connection, ...end }),
        });
        return;
      }
      case 'disconnect':
        this.#close?.();
        this.#close = undefined;
        return;
      case 'apply':
        this.#apply(effect.frame);
    }
  }

  #request(): WatchRequest {
    const { mirror } = this.#options.journal;
    const holdings = mirror.holdings();
    const takes = this.#options.onRemedy ? OPTIONAL_FRAMES : [];
    return { version: PROTOCOL_VERSION, host: mirror.host, ...this.#options.describe(), ...holdings, takes };
  }

  #apply(frame: Frame): void {
    const { journal, onChanges, onJournalError } = this.#options;
    if (frame.type === 'remedy') {
      this.#options.onRemedy?.(frame);
      return;
    }
    const applied = journal.mirror.apply(frame);
    if (applied.type === 'refused') {
      this.#handle({ type: 'refused', reason: applied.reason });
    } else if (applied.type === 'mismatch') {
      journal.mirror.suspect(applied.groups);
      this.#handle({ type: 'refused', reason: `digest differs: ${applied.groups.join(' ')}` });
    } else if (applied.durable) {
      journal.append(frame as DurableFrame).catch(onJournalError);
      onChanges(applied.changes, journal.mirror.place, oldestIn(frame));
    }
  }
}

/** What comes whole, into a fill or into scope, may be of any age. */
function oldestIn(frame: Frame): number {
  const isExact = frame.type === 'batch' && Object.keys(frame.enter).length === 0;
  return isExact ? frame.from.position + 1 : 1;
}
