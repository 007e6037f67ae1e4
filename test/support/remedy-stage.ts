/**
 * A server's watch with all that follows its agents up, and agents whose roles fail as they are told, in one process and
 * at virtual time. Between them there is no network: a call is delivered a millisecond later.
 */
import type { ObjectChange, RoleAgent, World } from '../../src/agents/role.ts';
import { AgentRunner } from '../../src/agents/runner.ts';
import { runDuties } from '../../src/background/duties.ts';
import type { Remedies } from '../../src/background/remedies.ts';
import { RESCHEDULE_DEFAULTS, Rescheduler } from '../../src/background/reschedule.ts';
import { FakeHost } from '../../src/host/fake/fake-host.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { createAgentDuties } from '../../src/main/agent-duties.ts';
import { type ConvergenceParts, createConvergenceParts } from '../../src/main/convergence-parts.ts';
import { createNetwork } from '../../src/operations/network.ts';
import type { Call } from '../../src/operations/operation.ts';
import { createSubnet } from '../../src/operations/subnet.ts';
import { SETTINGS } from '../../src/operations/testing.ts';
import { CONVERGED, type Outcome } from '../../src/reconcile/controller.ts';
import { splitKey } from '../../src/resources/agent-view.ts';
import type { EventRow } from '../../src/resources/event.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import { openMemoryStore } from '../../src/store/memory/memory-store.ts';
import { Feed } from '../../src/watch/feed.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Frame } from '../../src/watch/protocol.ts';
import type { Transport, WatchListener } from '../../src/watch/transport.ts';
import { parseFrame } from '../../src/watch/wire.ts';
import { VirtualClock } from './virtual-clock.ts';
import { hostRow, TestSink } from './watch-world.ts';

/** A DHCP role that serves by saying so, but for what is broken. */
export class PlayedDhcp implements RoleAgent {
  readonly role = 'dhcp';
  readonly served = new Set<string>();
  /** Keys that do not come up, and why. */
  readonly broken = new Map<string, string>();
  /** Keys that a rebuild repairs. */
  readonly rebuildable = new Set<string>();
  readonly remedies: string[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  *keysOf({ group }: ObjectChange): Iterable<string> {
    const { kind, id } = splitKey(group);
    if (kind === 'dhcp') yield `network/${id}`;
  }
  keysOfHostEvent(): Iterable<string> {
    return [];
  }
  async allKeys(): Promise<string[]> {
    return [...this.served];
  }
  async reconcile(key: string): Promise<Outcome> {
    const isWanted = this.#world.group(`dhcp/${splitKey(key).id}`) !== undefined;
    const reason = this.broken.get(key);
    if (isWanted && reason !== undefined) {
      this.served.delete(key);
      return { shortfalls: [{ object: '', state: 'failed', reason }] };
    }
    if (isWanted) this.served.add(key);
    else this.served.delete(key);
    return CONVERGED;
  }
  async observeAll(): Promise<void> {
    // it remembers nothing
  }
  forget(key: string): void {
    this.remedies.push(`forget ${key}`);
  }
  async rebuild(key: string): Promise<void> {
    this.remedies.push(`rebuild ${key}`);
    if (this.rebuildable.has(key)) this.broken.delete(key);
  }
  configurations(): Record<string, unknown> {
    return {};
  }
}

/** An L2 role that wires whatever it is told. */
export function playedL2(): RoleAgent {
  return {
    role: 'l2',
    *keysOf({ group }) {
      if (group.startsWith('network/')) yield group;
    },
    keysOfHostEvent: () => [],
    allKeys: async () => [],
    reconcile: async () => CONVERGED,
    observeAll: async () => undefined,
    configurations: () => ({}),
  };
}

export class RemedyStage {
  readonly clock = new VirtualClock();
  readonly random = seededRandom(3);
  readonly store = openMemoryStore({ clock: this.clock, random: this.random });
  readonly told: EventRow[] = [];
  readonly failures: unknown[] = [];
  readonly parts: ConvergenceParts;
  readonly remedies: Remedies;
  /** Hosts whose reports get lost. */
  readonly mute = new Set<string>();
  readonly feed: Feed;
  readonly #agentDuties: ReturnType<typeof createAgentDuties>;
  readonly #abort = new AbortController();
  readonly #agents = new Map<string, AbortController>();
  readonly #running: Promise<void>[] = [];

  constructor() {
    const { clock, random, store } = this;
    const onFailure = (_what: string, error: unknown) => this.failures.push(error);
    this.parts = createConvergenceParts({
      ...{ store, clock, call: () => this.call(), onFailure, tell: (event) => this.told.push(event) },
      config: { 'events-keep-days': 30, 'events-keep': 1_000 },
    });
    this.feed = new Feed({
      ...{ source: agentObjectsSource(store), clock, random, serverId: 'server', ...this.parts.hooks },
      onPresence: (host, connected) => {
        if (!connected) this.parts.detached(host);
      },
      onError: (error) => this.failures.push(error),
    });
    const { remedies, duties } = this.parts.follow(this.feed);
    this.remedies = remedies;
    this.#agentDuties = createAgentDuties({
      ...{ store, serverId: 'server', call: () => this.call(), onReported: this.parts.reported },
    });
    const { signal } = this.#abort;
    const rescheduler = new Rescheduler({
      ...{ store, clock, call: () => this.call(), onFailure },
      limits: { ...RESCHEDULE_DEFAULTS, evenPerMinute: 0 },
      leader: { isLeader: true, guard: async () => undefined },
    });
    this.#running.push(rescheduler.run(signal));
    this.#running.push(this.feed.run(signal));
    this.#running.push(runDuties(duties, { clock, leader: { isLeader: true }, onFailure }, signal));
  }

  call(): Call {
    const { clock, random } = this;
    return {
      caller: { projectId: 'p', userId: 'u', isAdmin: true },
      ...{ clock, random, settings: { ...SETTINGS, dhcpAgentsPerNetwork: 1 } },
      isAlive: (agent) => agent.server_id !== '',
      isEligible: (agent) => agent.server_id !== '' && agent.liveness === 'alive',
    };
  }

  /** A host whose agent is connected. */
  async startAgent(name: string): Promise<PlayedDhcp> {
    await this.store.transact((tx) => tx.hosts.insert([hostRow(name)]));
    const storage = { read: async () => null, append: async () => undefined, replace: async () => undefined };
    const journal = await Journal.open(storage, name);
    const role = new PlayedDhcp(journal.mirror);
    const { clock, random } = this;
    const runner = new AgentRunner({
      ...{ host: new FakeHost(), transport: this.#transport(name), journal, clock, random },
      roles: [playedL2(), role],
      ...{ incarnation: 1, tunnelIp: '192.0.2.9', physicalNetworks: [], configurations: {} },
      ...{ concurrency: 4, keyTimeoutMs: 60_000, reportIntervalMs: 5_000, auditMs: 600_000 },
      onStall: () => undefined,
      onFailure: (_what, error) => this.failures.push(error),
    });
    const own = new AbortController();
    this.#agents.set(name, own);
    this.#running.push(runner.run(AbortSignal.any([this.#abort.signal, own.signal])));
    await this.clock.advance(5_000);
    return role;
  }

  /** Its process ends, and with it its watch. */
  stopAgent(name: string): void {
    this.#agents.get(name)?.abort();
  }

  #transport(name: string): Transport {
    return {
      servers: 1,
      connect: (_server, request, listener) => this.#connect(request, listener),
      report: (_server, report) =>
        this.mute.has(name)
          ? new Promise(() => undefined)
          : this.#agentDuties.applyReport(JSON.parse(JSON.stringify(report))),
    };
  }

  #connect(request: Parameters<Feed['attach']>[0], listener: WatchListener): () => void {
    const sink = new TestSink();
    const handle = this.feed.attach(request, sink);
    this.#agentDuties.register(request).catch((error) => this.failures.push(error));
    let isOpen = true;
    const close = () => {
      isOpen = false;
      handle.closed();
    };
    sink.onLine = (line) => {
      this.clock.after(1, () => isOpen && listener.onFrame(parseFrame(line.trimEnd()) as Frame));
    };
    sink.onEnd = () => {
      this.clock.after(2, () => {
        if (!isOpen) return;
        close();
        listener.onEnd({ reason: sink.refusal.reason, retryAfterMs: sink.refusal.retryAfterMs });
      });
    };
    return close;
  }

  /** A network with DHCP, which is given to an agent; its key. */
  async createNetwork(): Promise<string> {
    const { result } = await this.store.transact(async (tx) => {
      const [network] = await createNetwork(tx, this.call(), [{ project_id: 'p' }]);
      if (!network) throw new Error('no network');
      await createSubnet(tx, this.call(), [{ network_id: network.id, cidr: '10.0.0.0/24' }]);
      return network;
    });
    return `network/${result.id}`;
  }

  /** The events that are written, in order. */
  events(): EventRow[] {
    return [...this.store.rows('events')].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.clock.advance(0);
    await Promise.all(this.#running);
  }
}
