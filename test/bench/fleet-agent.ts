/** An agent with nothing behind it, at virtual time: it is heard, falls silent, leaves, comes back; and what of that is true. */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import type { Place } from '../../src/resources/place.ts';
import type { WatchHandle } from '../../src/watch/feed.ts';
import { type Frame, PROTOCOL_VERSION, type WatchRequest } from '../../src/watch/protocol.ts';
import { SESSION_DEFAULTS } from '../../src/watch/session.ts';
import type { Sink } from '../../src/watch/stream.ts';
import type { FleetClock } from './fleet-clock.ts';
import type { FleetServer } from './fleet-server.ts';

/** up: what it sends is lost; down: what it is sent is. */
export type Trouble = 'none' | 'paused' | 'off' | 'up' | 'down' | 'slow';

interface Connection {
  readonly server: FleetServer;
  handle: WatchHandle | undefined;
  isOpen: boolean;
  frameAt: number;
  /** When its last delayed heartbeat arrives: they stay in order. */
  arrivesAt: number;
}

export interface FleetAgentOptions {
  readonly host: string;
  readonly zone: string;
  readonly clock: FleetClock;
  readonly random: Random;
  readonly idleMs: number;
  readonly server: () => FleetServer;
  /** Something of it arrives at a server, the last time before having been then. */
  readonly onArrival: (agent: FleetAgent, before: number) => void;
}

const SYN_RETRY_MS = 1_000;

export class FleetAgent {
  readonly host: string;
  readonly zone: string;
  /** When something of it last arrived at a server, whether or not that has read it. */
  arrivedAt = 0;
  /** Since when it is silent by its own or its link's doing; null: it is not. */
  silentSince: number | null = null;
  isTakenForDead = false;
  trouble: Trouble = 'none';
  delayMs = 0;
  readonly #options: FleetAgentOptions;
  #connection: Connection | undefined;
  #place: Place | null = null;
  readonly #groups: Record<string, string> = {};
  #incarnation = 1;
  #farewells: (() => void)[] = [];

  constructor(options: FleetAgentOptions) {
    this.#options = options;
    this.host = options.host;
    this.zone = options.zone;
  }

  /** Its turn to say that it is there, and to see whether the server does. */
  beat(): void {
    const connection = this.#connection;
    if (!connection?.handle || !connection.isOpen || this.trouble === 'paused' || this.trouble === 'off')
      return;
    const { clock, idleMs } = this.#options;
    const now = clock.now();
    if (now - connection.frameAt > idleMs) this.#leave(connection);
    else if (this.trouble === 'slow') this.#arriveLate(connection);
    else if (this.trouble !== 'up') this.#arrive(connection);
  }

  #arriveLate(connection: Connection): void {
    const { clock, random } = this.#options;
    const now = clock.now();
    connection.arrivesAt = Math.max(connection.arrivesAt, now + random.next() * this.delayMs);
    clock.after(connection.arrivesAt - now, () => {
      if (connection.isOpen && this.trouble !== 'off') this.#arrive(connection);
    });
  }

  #arrive(connection: Connection): void {
    if (connection.server.isDead) return;
    this.#arrived();
    connection.server.arrives(() => connection.handle?.heard());
  }

  /** At the server's socket, whether or not it is read. What was on its way does not end a silence that has begun. */
  #arrived(): void {
    const { clock, onArrival } = this.#options;
    const before = this.arrivedAt;
    this.arrivedAt = clock.now();
    onArrival(this, before);
    if (this.trouble === 'none' || this.trouble === 'slow' || this.trouble === 'down')
      this.silentSince = null;
  }

  /** Something is wrong from now on. */
  begin(trouble: Trouble, delayMs = 0): void {
    this.trouble = trouble;
    this.delayMs = delayMs;
    if (trouble === 'paused' || trouble === 'off' || trouble === 'up')
      this.silentSince ??= this.#options.clock.now();
    // a machine without power closes nothing; its connections are known to nobody any more
    if (trouble === 'off') this.#connection = undefined;
  }

  /** It is over. What a paused process or a lossy link held back goes out now. */
  heal(): void {
    const was = this.trouble;
    this.trouble = 'none';
    for (const farewell of this.#farewells.splice(0)) farewell();
    if (was === 'off') {
      this.#incarnation++;
      this.connect();
      return;
    }
    const connection = this.#connection;
    if (was === 'paused' || was === 'down') this.#noticed(connection);
    if (!connection) this.connect();
    else if (!connection.isOpen) this.#again(connection);
    else if (was === 'up' || was === 'paused') this.beat();
  }

  /** What had come meanwhile is read, or comes now. */
  #noticed(connection: Connection | undefined): void {
    if (connection) connection.frameAt = this.#options.clock.now();
  }

  /** Its process ends and is started again. */
  restart(afterMs: number): void {
    const connection = this.#connection;
    if (!connection) return;
    this.#connection = undefined;
    this.#close(connection);
    this.#incarnation++;
    this.#options.clock.after(afterMs, () => this.connect());
  }

  /** Its connection breaks, at both ends. */
  breakOff(): void {
    const connection = this.#connection;
    if (connection?.isOpen) this.#leave(connection);
  }

  connect(): void {
    const { clock, server: current, random } = this.#options;
    if (this.#connection || this.trouble === 'off' || this.trouble === 'paused') return;
    const server = current();
    const now = clock.now();
    const connection = {
      server,
      handle: undefined,
      isOpen: true,
      frameAt: now,
      arrivesAt: now,
    } as Connection;
    this.#connection = connection;
    if (this.trouble === 'up' || this.trouble === 'down') {
      this.silentSince ??= now;
      connection.isOpen = false;
      clock.after(SYN_RETRY_MS, () => this.#again(connection));
      return;
    }
    if (server.isDead) {
      connection.isOpen = false;
      clock.after(integerBetween(random, 50, 700), () => this.#again(connection));
      return;
    }
    this.#arrived();
    server.arrives(() => {
      if (!connection.isOpen) return;
      connection.handle = server.attach(this.#request(), this.#sinkOf(connection));
    });
    clock.after(SESSION_DEFAULTS.connectTimeoutMs, () => {
      if (connection.isOpen && connection.frameAt === now) this.#leave(connection);
    });
  }

  /** The server is gone: the kernel of its machine says so. */
  serverDied(server: FleetServer): void {
    const connection = this.#connection;
    if (connection?.server === server && connection.isOpen) this.#leave(connection);
  }

  /** Gives the connection up and comes again. */
  #leave(connection: Connection): void {
    this.#close(connection);
    if (this.trouble !== 'paused')
      this.#options.clock.after(integerBetween(this.#options.random, 50, 700), () => this.#again(connection));
  }

  #again(connection: Connection): void {
    if (this.#connection !== connection || this.trouble === 'paused') return;
    this.#connection = undefined;
    this.connect();
  }

  /** What it says at last is lost where everything is, and comes later. */
  #close(connection: Connection): void {
    connection.isOpen = false;
    const farewell = () => connection.server.arrives(() => connection.handle?.closed());
    if (this.trouble === 'up') this.#farewells.push(farewell);
    else farewell();
  }

  #request(): WatchRequest {
    return {
      ...{ version: PROTOCOL_VERSION, host: this.host, incarnation: this.#incarnation, roles: ['l2'] },
      ...{ tunnel_ip: '', physical_networks: [], configurations: { availability_zone: this.zone } },
      ...{ place: this.#place, groups: this.#groups },
    };
  }

  #sinkOf(connection: Connection): Sink {
    const { clock, random } = this.#options;
    const isDeaf = () => this.trouble === 'off' || this.trouble === 'down';
    const ends = () => {
      clock.after(1, () => {
        if (connection.isOpen && !isDeaf()) this.#leave(connection);
      });
    };
    return {
      open: () => undefined,
      refuse: ({ retryAfterMs }) => {
        connection.isOpen = false;
        const pause = Math.max(50, retryAfterMs) * (1 + random.next() / 2);
        clock.after(pause, () => this.#again(connection));
      },
      write: (line) => {
        if (isDeaf()) return true;
        connection.frameAt = clock.now();
        if (!this.#place) this.#learn(JSON.parse(line) as Frame);
        return true;
      },
      end: ends,
      abort: ends,
    };
  }

  #learn(frame: Frame): void {
    if (frame.type === 'group') this.#groups[frame.group] = '0000000000000000';
    if (frame.type === 'synced') this.#place = frame.at;
  }
}
