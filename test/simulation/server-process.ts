/** A server: one life after another of the real operations and feed over the in-memory store, entered below HTTP. */
import { agentDisconnected, registerAgent } from '../../src/operations/agent.ts';
import { applyReport } from '../../src/operations/agent-report.ts';
import { scheduleUnhosted } from '../../src/operations/dhcp.ts';
import type { Call, Settings } from '../../src/operations/operation.ts';
import { liftAllBlocks } from '../../src/operations/provisioning.ts';
import { sleep } from '../../src/lib/clock.ts';
import type { Random } from '../../src/lib/random.ts';
import { Fault } from '../../src/resources/errors.ts';
import type { Place } from '../../src/resources/place.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import type { MemoryConnection, MemoryStore } from '../../src/store/memory/memory-store.ts';
import { StoreUnavailable, type Transaction } from '../../src/store/store.ts';
import { Feed } from '../../src/watch/feed.ts';
import type { Report, ReportAnswer, WatchRequest } from '../../src/watch/protocol.ts';
import type { Sink } from '../../src/watch/stream.ts';
import type { ServerEnd } from './connection.ts';
import { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';
import { delay, happens, type Weather } from './weather.ts';
import type { Request } from './workload.ts';

const SETTINGS: Settings = {
  vniRange: [1, 400],
  flatNetworks: [],
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
const DUTY_MS = 5_000;

export interface ServerProcessOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly store: MemoryStore;
  readonly weather: () => Weather;
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

  constructor(options: ServerProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  start(): void {
    if (this.life?.alive) return;
    const { scheduler, random, store, weather } = this.#options;
    const life = new Incarnation(scheduler, this.name, random);
    this.life = life;
    this.#store = store.connect({
      pause: (point) => life.pause(point, delay(random, STATEMENT_MS, weather().slowness / 10)),
      commitFate: () =>
        happens(random, weather().lostAnswer) ? (random.next() < 0.5 ? 'unanswered' : 'lost') : 'answered',
      carryWake: (wake, own) => {
        if (!own && happens(random, weather().lostWake)) return;
        scheduler.after(own ? 0 : delay(random, 5), '', () => {
          if (life.alive) life.run(wake);
        });
      },
    });
    this.feed = new Feed({
      source: agentObjectsSource(this.#store),
      clock: life.clock,
      random: life.random,
      serverId: this.name,
      onPresence: (host, connected) => {
        if (!connected) life.follow(this.#disconnected(host));
      },
      onError: (error) => {
        if (!isOrdinary(error)) throw error;
      },
    });
    life.follow(this.feed.run(life.stopping.signal));
    life.follow(this.#duties(life));
  }

  kill(finishCommits: boolean): void {
    this.life?.kill();
    this.#store?.cut(finishCommits);
    this.feed = undefined;
  }

  /** A request of a user; resolves when it is over, whatever came of it. */
  async request(request: Request): Promise<void> {
    await this.#transact(request.label, (tx, call) => request.work(tx, call));
  }

  watch(request: WatchRequest, sink: Sink): ServerEnd {
    const life = this.life as Incarnation;
    if (!this.feed) throw new Error('not running');
    const handle = this.feed.attach(request, sink);
    // beside the watch itself, as the HTTP room does it
    const register = async () => {
      const isDone = await this.#transact(`register ${request.host}`, async (tx, call) => {
        const { host, incarnation, tunnel_ip, physical_networks, configurations } = request;
        for (const role of request.roles) {
          const server_id = this.name;
          const said = { host, role, incarnation, tunnel_ip, physical_networks, configurations, server_id };
          await registerAgent(tx, call, said);
        }
      });
      if (!isDone) sink.abort();
    };
    life.follow(register());
    return handle;
  }

  async report(report: Report): Promise<ReportAnswer> {
    let accepted = false;
    const { realised } = report;
    const done = await this.#transact(`report of ${report.host} ${report.role}`, async (tx, call) => {
      const place = realised && (await this.#held(realised)) ? realised : null;
      const result = await applyReport(tx, call, { host: report.host, report, place });
      accepted = result.accepted;
    });
    if (!done) throw new Error('the report was not taken');
    return { accepted };
  }

  async #held(place: Place): Promise<boolean> {
    const [entry] = (await this.#store?.view((view) => view.changesFrom(place.position, 1))) ?? [];
    return entry?.position === place.position && entry.tag === place.tag;
  }

  async #disconnected(host: string): Promise<void> {
    await this.#transact(`disconnected ${host}`, (tx, call) =>
      agentDisconnected(tx, call, { host, serverId: this.name }),
    );
  }

  async #duties(life: Incarnation): Promise<void> {
    while (life.alive) {
      await sleep(life.clock, DUTY_MS * (0.5 + life.random.next()));
      await this.#transact('schedule', (tx, call) => scheduleUnhosted(tx, call));
      await this.#transact('lift', (tx, call) => liftAllBlocks(tx, call));
    }
  }

  /** Whether it went through; an error that is no ordinary refusal is a bug and fails the simulation. */
  async #transact(label: string, work: (tx: Transaction, call: Call) => Promise<unknown>): Promise<boolean> {
    const { life } = this;
    const store = this.#store;
    if (!life?.alive || !store) return false;
    const { scheduler, living } = this.#options;
    const call: Call = {
      caller: { projectId: 'demo', userId: 'someone', isAdmin: true },
      clock: life.clock,
      random: life.random,
      settings: SETTINGS,
      isAlive: (agent) => living().has(agent.server_id),
    };
    try {
      const { place } = await store.transact((tx) => work(tx, call));
      scheduler.note(`${this.name} ${label}: done${place ? ` at ${place.position}` : ''}`);
      return true;
    } catch (error) {
      if (!isOrdinary(error)) throw error;
      scheduler.note(`${this.name} ${label}: ${(error as Error).message}`);
      return false;
    }
  }
}
