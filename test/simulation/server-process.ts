/** A server: one life after another of the real operations and feed over the in-memory store, entered below HTTP. */
import { RESCHEDULE_DEFAULTS, Rescheduler } from '../../src/background/reschedule.ts';
import { createAgentDuties } from '../../src/main/agent-duties.ts';
import { agentDisconnected } from '../../src/operations/agent.ts';
import type { Call, Settings } from '../../src/operations/operation.ts';
import { liftAllBlocks } from '../../src/operations/provisioning.ts';
import { sleep } from '../../src/lib/clock.ts';
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
  vlanRefusal: 'not here',
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
const DUTY_MS = 5_000;
/** One batch may be larger than the ring: it is kept all the same. */
const LARGEST_BATCH = 100_000;
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
  /** Names of the servers that live. */
  readonly living: () => ReadonlySet<string>;
}

/** What a request may meet without anything being wrong with us. */
function isOrdinary(error: unknown): boolean {
  return error instanceof Fault || error instanceof StoreUnavailable;
}

export class ServerProcess {
  readonly name: string;
  life: Incarnation | undefined;
  feed: Feed | undefined;
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
    this.feed = new Feed({
      source: agentObjectsSource(this.#store),
      clock: life.clock,
      random: life.random,
      serverId: this.name,
      limits: this.#options.limits,
      onPresence: (host, connected) => {
        if (!connected) life.follow(this.#disconnected(host));
      },
      onError: (error) => {
        if (!isOrdinary(error)) throw error;
      },
    });
    const rescheduler = this.#rescheduler(life, this.#store);
    this.#duties = createAgentDuties({
      ...{ store: this.#store, serverId: this.name, call: () => this.#call() },
      onReported: () => rescheduler.reported(),
      onRegistered: () => rescheduler.wake(),
    });
    life.follow(this.feed.run(life.stopping.signal));
    life.follow(rescheduler.run(life.stopping.signal));
    life.follow(this.#work(life));
  }

  /** Each statement's way to the database. What a COMMIT has reached is done even if the server stands still. */
  async #statement(life: Incarnation, point: string): Promise<void> {
    const { random, weather, scheduler, troubles } = this.#options;
    const usual = delay(random, STATEMENT_MS, weather().slowness / 10);
    if (point === 'commit' && life.alive) {
      await new Promise<void>((resolve) => scheduler.after(usual, `${this.name} commit`, resolve));
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
  }

  /** A request of a user; whether it was done. */
  request(request: Request): Promise<boolean> {
    return this.#transact(request.label, (tx, call) => request.work(tx, call));
  }

  /** Throws if the feed keeps more than it may. */
  checkBounds(): void {
    const metrics = this.feed?.metrics();
    if (!metrics) return;
    const most = (this.#options.limits.ringBytes ?? FEED_DEFAULTS.ringBytes) + LARGEST_BATCH;
    if (metrics.ringBytes > most) {
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
    // beside the watch itself, as the HTTP room does it
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

  async #disconnected(host: string): Promise<void> {
    await this.#transact(`disconnected ${host}`, (tx, call) =>
      agentDisconnected(tx, call, { host, serverId: this.name }),
    );
  }

  /** Every server moves networks here, as if each led: that must do no harm. */
  #rescheduler(life: Incarnation, store: MemoryConnection): Rescheduler {
    return new Rescheduler({
      ...{ store, clock: life.clock, limits: RESCHEDULE_DEFAULTS },
      call: () => this.#call(),
      leader: { isLeader: true, guard: async () => undefined },
      onFailure: (what, error) => {
        if (!isOrdinary(error)) throw error;
        this.#options.scheduler.note(`${this.name} ${what}: ${(error as Error).message}`);
      },
    });
  }

  async #work(life: Incarnation): Promise<void> {
    while (life.alive) {
      await sleep(life.clock, DUTY_MS * (0.5 + life.random.next()));
      await this.#transact('lift', (tx, call) => liftAllBlocks(tx, call));
    }
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
      isAlive: (agent) => this.#options.living().has(agent.server_id),
      isEligible: (agent) => agent.liveness === 'alive' && this.#options.living().has(agent.server_id),
    };
  }
}

function describe({ host, role, realised, exceptions }: Report): string {
  const but = exceptions.map(({ key, object, state, since }) => `${key} ${object} ${state} ${since}`);
  return `report of ${host} ${role} at ${realised?.position}${but.length > 0 ? ` but ${but.join(', ')}` : ''}`;
}
