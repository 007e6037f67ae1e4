/** One server as `main/server.ts` wires what keeps track of agents, over a memory store, in a process that can be stopped. */
import { runDuties } from '../../src/background/duties.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { Random } from '../../src/lib/random.ts';
import { createAgentDuties } from '../../src/main/agent-duties.ts';
import { createConvergenceParts } from '../../src/main/convergence-parts.ts';
import { createLivenessParts, DOUBT } from '../../src/main/liveness-parts.ts';
import type { Call } from '../../src/operations/operation.ts';
import { SETTINGS } from '../../src/operations/testing.ts';
import type { EventRow } from '../../src/resources/event.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { Feed, type WatchHandle } from '../../src/watch/feed.ts';
import type { WatchRequest } from '../../src/watch/protocol.ts';
import type { Sink } from '../../src/watch/stream.ts';
import type { FleetClock } from './fleet-clock.ts';

export interface FleetServerOptions {
  readonly id: string;
  readonly memory: MemoryStore;
  readonly clock: FleetClock;
  readonly random: Random;
  readonly detectMs: number;
  readonly onEvent: (event: EventRow) => void;
}

/** As many registrations as the HTTP room lets through at once. */
const MAX_REGISTERING = 4;

export class FleetServer {
  /** What each statement takes beyond nothing. */
  slowness = 0;
  isPaused = false;
  isDead = false;
  readonly #options: FleetServerOptions;
  readonly #feed: Feed;
  readonly #register: (request: WatchRequest) => Promise<void>;
  readonly #cut: () => void;
  /** Timers that came due while the process stood still, and what its sockets hold unread. */
  #late: (() => void)[] = [];
  #unread: (() => void)[] = [];
  #waiting: (() => Promise<void>)[] = [];
  #registering = 0;

  constructor(options: FleetServerOptions) {
    this.#options = options;
    const { id: serverId, memory, random, detectMs, onEvent } = options;
    const clock = this.#clock();
    const store = memory.connect({ pause: () => this.#statement() });
    this.#cut = () => store.cut(false);
    const onFailure = (_what: string, error: unknown) => {
      if (!(error instanceof StoreUnavailable) && !this.isDead) throw error;
    };
    const call = (): Call => ({
      ...{ clock, random, settings: { ...SETTINGS, agentDownTimeMs: detectMs } },
      caller: { projectId: 'bench', userId: serverId, isAdmin: true },
      isAlive: (agent) => liveness.presence.isAlive(agent),
      isEligible: (agent) => liveness.presence.isEligible(agent),
    });
    const shared = { store, call, clock, onFailure };
    const liveness = createLivenessParts({
      ...{ ...shared, serverId, detectMs, onEvent },
      onDoubt: (host) => void feed.cut(host, DOUBT),
    });
    const { presence, leader } = liveness;
    const follower = createConvergenceParts({
      ...{ ...shared, tell: () => undefined, promptSince: (now: number) => presence.attention.since(now) },
      config: { 'events-keep-days': 30, 'events-keep': 100_000 },
    });
    const feed = new Feed({
      ...{ source: agentObjectsSource(store), clock, random, serverId, limits: liveness.pace },
      ...{ ...follower.hooks, ...liveness.hooks },
      onPresence: (host, connected) => {
        presence.changed(host, connected);
        if (!connected) follower.detached(host);
      },
      onError: (error) => onFailure('feed', error),
    });
    this.#feed = feed;
    this.#register = createAgentDuties({
      ...{ store, serverId, call },
      onRegistered: (host) => presence.registered(host),
    }).register;
    const { signal } = new AbortController();
    const { duties } = follower.follow(feed);
    const running = [feed.run(signal), leader.run(signal), presence.run(signal)];
    for (const one of [...running, runDuties(duties, { clock, leader, onFailure }, signal)]) {
      one.catch((error) => onFailure('run', error));
    }
  }

  /** Its timers: they come late while it stands still, and never once it is dead. */
  #clock(): Clock {
    const { clock } = this.#options;
    const enter = (work: () => void) => () => {
      if (this.isDead) return;
      if (this.isPaused) this.#late.push(work);
      else work();
    };
    return {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (delayMs, fire) => clock.after(delayMs, enter(fire)),
    };
  }

  #statement(): Promise<void> {
    if (this.isDead) return new Promise(() => undefined);
    const { clock } = this.#options;
    if (this.isPaused) return new Promise((resolve) => this.#late.push(resolve));
    if (this.slowness === 0) return Promise.resolve();
    return new Promise((resolve) => clock.after(this.slowness, resolve));
  }

  /** Something arrives at a socket: read at once, or when the process goes on. */
  arrives(read: () => void): void {
    if (this.isDead) return;
    if (this.isPaused) this.#unread.push(read);
    else read();
  }

  /** Opens a watch; to be called from `arrives`. */
  attach(request: WatchRequest, sink: Sink): WatchHandle {
    const handle = this.#feed.attach(request, sink);
    handle.heard();
    this.#waiting.push(async () => {
      try {
        await this.#register(request);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        sink.abort();
      }
    });
    this.#registerNext();
    return handle;
  }

  #registerNext(): void {
    if (this.#registering === MAX_REGISTERING) return;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#registering++;
    next().finally(() => {
      this.#registering--;
      if (!this.isDead) this.#registerNext();
    });
  }

  /** Goes on after a pause: timers first, as an event loop does, then what has come meanwhile. */
  async go(): Promise<void> {
    this.isPaused = false;
    for (const fire of this.#late.splice(0)) fire();
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    for (const read of this.#unread.splice(0)) read();
  }

  /** kill -9. */
  kill(): void {
    this.isDead = true;
    this.#late = [];
    this.#unread = [];
    this.#cut();
  }

  metrics() {
    return this.#feed.metrics();
  }
}
