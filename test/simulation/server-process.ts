/** A server: one life after another of the real operations and feed over the in-memory store, entered below HTTP. */
import { Arbiter } from '../../src/background/arbiter.ts';
import { type Duty, runDuties } from '../../src/background/duties.ts';
import { type Leader, NotLeader } from '../../src/background/leader.ts';
import type { AgentPresence } from '../../src/background/presence.ts';
import { RESCHEDULE_DEFAULTS, Rescheduler } from '../../src/background/reschedule.ts';
import { createAgentDuties, tellOf } from '../../src/main/agent-duties.ts';
import { createConvergenceParts } from '../../src/main/convergence-parts.ts';
import { createLivenessParts, DOUBT } from '../../src/main/liveness-parts.ts';
import type { EventRow } from '../../src/resources/event.ts';
import type { Call, Settings } from '../../src/operations/operation.ts';
import { liftAllBlocks } from '../../src/operations/provisioning.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { integerBetween, type Random } from '../../src/lib/random.ts';
import { Fault } from '../../src/resources/errors.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import type { MemoryConnection, MemoryStore } from '../../src/store/memory/memory-store.ts';
import { StoreUnavailable, type Transaction } from '../../src/store/store.ts';
import { Feed, FEED_DEFAULTS, type FeedLimits } from '../../src/watch/feed.ts';
import type { Report, ReportAnswer, WatchRequest } from '../../src/watch/protocol.ts';
import type { Sink } from '../../src/watch/stream.ts';
import type { ServerEnd } from './connection.ts';
import { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';
import type { Troubles } from './troubles.ts';
import { Violation } from './violation.ts';
import { delay, happens, type Weather } from './weather.ts';
import type { Request } from './workload.ts';

const SETTINGS: Settings = {
  vniRange: [1, 400],
  flatNetworks: ['physnet1'],
  vlanNetworks: [],
  underlayMtu: 1500,
  macPrefix: 'fa:16:3e',
  dhcpAgentsPerNetwork: 2,
  dnsDomain: 'openstacklocal.',
  quotas: { network: -1, subnet: -1, port: -1 },
  maxDnsNameservers: 5,
  maxHostRoutes: 20,
  maxFixedIpsPerPort: 5,
  agentDownTimeMs: 10_000,
};

const STATEMENT_MS = 0.4;
/** A database that is slow for this server alone, and one that cannot be reached. */
const SLOWEST_STATEMENT_MS = 1_500;
const UNREACHABLE_MS = 800;
const PROVISIONING_MS = 30_000;
/**
 * One batch may be larger than the ring: it is kept all the same. After a slow database it may tell of everything there is, each
 * port, subnet and network once, and so much more for each host.
 */
const LARGEST_BATCH = 100_000;
const LARGEST_BATCH_ROW = 600;
const LARGEST_BATCH_EACH = 10_000;
/** An agent that gave up is taken off the line when the server hears of it: a few tries each. */
const MOST_JOINING_EACH = 12;

export interface ServerProcessOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly store: MemoryStore;
  readonly weather: () => Weather;
  readonly limits: Partial<FeedLimits>;
  /** Where they are not the usual ones. */
  readonly settings: Partial<Settings>;
  readonly troubles: Troubles;
  /** How many there are. */
  readonly hosts: number;
  readonly wallOffset: () => number;
  /** Told of the parts of each life, before they begin. */
  readonly onWired: (parts: ServerParts) => void;
  /** What else it does, where there is more than this world has. */
  readonly moreDuties?: (parts: DutyParts) => readonly Duty[];
}

/** What a duty is made of. */
export interface DutyParts {
  readonly store: MemoryConnection;
  readonly clock: Clock;
  readonly call: () => Call;
  readonly leader: Leader;
  readonly arbiter: Arbiter;
  readonly onEvent: (event: EventRow) => void;
}

export interface ServerParts {
  readonly serverId: string;
  readonly leader: Leader;
  readonly presence: AgentPresence;
}

/** What a request may meet without anything being wrong with us. */
function isOrdinary(error: unknown): boolean {
  return error instanceof Fault || error instanceof StoreUnavailable || error instanceof NotLeader;
}

export class ServerProcess {
  readonly name: string;
  life: Incarnation | undefined;
  feed: Feed | undefined;
  presence: AgentPresence | undefined;
  readonly #options: ServerProcessOptions;
  #store: MemoryConnection | undefined;
  #duties: ReturnType<typeof createAgentDuties> | undefined;

  constructor(options: ServerProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    if (this.life?.alive) return;
    const { scheduler, random, store, weather } = this.#options;
    const life = new Incarnation(scheduler, this.name, random, this.#options.wallOffset);
    this.life = life;
    this.#store = store.connect({
      pause: (point) => this.#statement(life, point),
      answer: () => (life.isFrozen ? life.pause('answer', STATEMENT_MS) : undefined),
      commitFate: () =>
        happens(random, weather().lostAnswer) ? (random.next() < 0.5 ? 'unanswered' : 'lost') : 'answered',
      carryWake: (wake, own) => {
        if (!own && happens(random, weather().lostWake)) return;
        scheduler.after(own ? 0 : delay(random, 5), '', () => {
          life.enter(wake);
        });
      },
    });
    this.#wire(life, this.#store);
  }

  /** As `main/server.ts` wires it. */
  #wire(life: Incarnation, store: MemoryConnection): void {
    const { scheduler, limits, settings } = this.#options;
    const { clock, random } = life;
    const serverId = this.name;
    const call = () => this.#call();
    const signal = life.stopping.signal;
    const onFailure = (what: string, error: unknown) => {
      if (!isOrdinary(error)) throw error;
      scheduler.note(`${serverId} ${what}: ${(error as Error).message}`);
    };
    const tell = ({ kind, message }: EventRow) => scheduler.note(`${serverId} event ${kind}: ${message}`);
    const liveness = createLivenessParts({
      ...{ store, serverId, call, onFailure, clock, onEvent: tell },
      detectMs: settings.agentDownTimeMs ?? SETTINGS.agentDownTimeMs,
      onLeader: (isLeader, term) => scheduler.note(`${serverId} leads: ${isLeader}, term ${term}`),
      onChange: () => rescheduler.wake(),
      onDoubt: (host) => void feed.cut(host, DOUBT),
    });
    const { presence, leader } = liveness;
    const follower = createConvergenceParts({
      ...{ store, call, onFailure, clock, tell },
      config: { 'events-keep-days': 30, 'events-keep': 100_000 },
    });
    const feed = new Feed({
      source: agentObjectsSource(store),
      ...{ clock, random, serverId },
      limits: { ...liveness.pace, ...limits },
      ...follower.hooks,
      ...liveness.hooks,
      onPresence: (host, connected) => {
        presence.changed(host, connected);
        if (!connected) follower.detached(host);
      },
      onError: (error) => onFailure('feed', error),
    });
    const { duties } = follower.follow(feed);
    const rescheduler = new Rescheduler({
      ...{ store, call, leader, onFailure, clock },
      limits: RESCHEDULE_DEFAULTS,
    });
    const arbiter = new Arbiter({ store, call, clock, onFailure, onEvent: tell });
    const provisioning: Duty = {
      name: 'provisioning',
      intervalMs: PROVISIONING_MS,
      leaderOnly: true,
      perform: async () => void (await store.transact((tx) => liftAllBlocks(tx, call()))),
    };
    this.feed = feed;
    this.presence = presence;
    this.#options.onWired({ serverId, leader, presence });
    this.#duties = createAgentDuties({
      ...{ store, serverId, call },
      ...tellOf({ presence, follower, rescheduler, arbiter }),
    });
    life.follow(presence.beat().catch((error: unknown) => onFailure('beat', error)));
    for (const running of [feed, presence, leader, rescheduler]) life.follow(running.run(signal));
    const more = this.#options.moreDuties?.({ store, clock, call, leader, arbiter, onEvent: tell }) ?? [];
    life.follow(runDuties([...duties, provisioning, ...more], { clock, leader, onFailure }, signal));
  }

  /** Each statement's way to the database. What a COMMIT has reached is done even if the server stands still. */
  async #statement(life: Incarnation, point: string): Promise<void> {
    const { random, weather, scheduler, troubles } = this.#options;
    const usual = delay(random, STATEMENT_MS, weather().slowness / 10);
    if (point === 'commit' && life.alive) {
      // what of it is done once the process is dead, `cut` has said
      await new Promise<void>((resolve) => {
        scheduler.after(usual, `${this.name} commit`, () => life.alive && resolve());
      });
      return;
    }
    const isSlow = troubles.has(`slow database ${this.name}`) || troubles.has('slow database');
    await life.pause(point, usual + (isSlow ? integerBetween(random, 50, SLOWEST_STATEMENT_MS) : 0));
    if (!troubles.has(`no database ${this.name}`) && !troubles.has('no database')) return;
    await life.pause('no answer', random.next() < 0.5 ? 0 : UNREACHABLE_MS);
    throw new StoreUnavailable('the database cannot be reached');
  }

  /** The database gives up on what this server has open: it stands still, or cannot be heard. */
  timeOut(): void {
    this.#store?.timeOut();
  }

  kill(finishCommits: boolean): void {
    this.life?.kill();
    this.#store?.cut(finishCommits);
    this.feed = undefined;
    this.presence = undefined;
  }

  /** A request of a user; whether it was done. */
  request(request: Request): Promise<boolean> {
    return this.#transact(request.label, (tx, call) => request.work(tx, call));
  }

  /** Throws if the feed keeps more than it may. */
  checkBounds(): void {
    const metrics = this.feed?.metrics();
    if (!metrics) return;
    const { hosts, store, limits } = this.#options;
    const most = (limits.ringBytes ?? FEED_DEFAULTS.ringBytes) + LARGEST_BATCH_EACH * hosts;
    const rows = () =>
      store.rows('ports').length + store.rows('subnets').length + store.rows('networks').length;
    const over = metrics.ringBytes - most;
    if (over > LARGEST_BATCH && over > LARGEST_BATCH_ROW * rows()) {
      throw new Violation('queues bounded', `${this.name} keeps ${metrics.ringBytes} bytes for slow readers`);
    }
    if (metrics.joining > 10 + MOST_JOINING_EACH * this.#options.hosts) {
      throw new Violation('queues bounded', `${metrics.joining} agents wait at ${this.name}`);
    }
  }

  watch(request: WatchRequest, sink: Sink): ServerEnd {
    const life = this.life as Incarnation;
    if (!this.feed) throw new Error('not running');
    const handle = this.feed.attach(request, sink);
    // the request is a knock, and the row is written beside the watch itself, as the HTTP room does it
    handle.heard();
    const register = async () => {
      const duties = this.#duties;
      const isDone = await this.#attempt(`register ${request.host}`, async () => duties?.register(request));
      if (!isDone) sink.abort();
    };
    life.follow(register());
    return handle;
  }

  async report(report: Report): Promise<ReportAnswer> {
    let answer: ReportAnswer | undefined;
    await this.#attempt(describe(report), async () => {
      answer = await this.#duties?.applyReport(report);
    });
    if (!answer) throw new Error('the report was not taken');
    return answer;
  }

  /** Whether it went through; an error that is no ordinary refusal is a bug and fails the simulation. */
  #transact(label: string, work: (tx: Transaction, call: Call) => Promise<unknown>): Promise<boolean> {
    return this.#attempt(label, async () => {
      const { place } = (await this.#store?.transact((tx) => work(tx, this.#call()))) ?? { place: null };
      if (place) this.#options.scheduler.note(`${this.name} commits at ${place.position}`);
    });
  }

  async #attempt(label: string, work: () => Promise<void>): Promise<boolean> {
    if (!this.life?.alive) return false;
    const { scheduler } = this.#options;
    try {
      await work();
      scheduler.note(`${this.name} ${label}: done`);
      return true;
    } catch (error) {
      if (!isOrdinary(error)) throw error;
      scheduler.note(`${this.name} ${label}: ${(error as Error).message}`);
      return false;
    }
  }

  #call(): Call {
    const { clock, random } = this.life as Incarnation;
    return {
      caller: { projectId: 'demo', userId: 'someone', isAdmin: true },
      clock,
      random,
      settings: { ...SETTINGS, ...this.#options.settings },
      isAlive: (agent) => this.presence?.isAlive(agent) ?? false,
      isEligible: (agent) => this.presence?.isEligible(agent) ?? false,
    };
  }
}

function describe({ host, role, realised, exceptions }: Report): string {
  const but = exceptions.map(({ key, object, state, since }) => `${key} ${object} ${state} ${since}`);
  return `report of ${host} ${role} at ${realised?.position}${but.length > 0 ? ` but ${but.join(', ')}` : ''}`;
}
