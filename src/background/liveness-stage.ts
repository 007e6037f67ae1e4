/** Servers that listen, look and lead over one memory store, at virtual time, for the tests of this room. */
import { livenessTimes } from '../convergence/liveness.ts';
import type { Clock } from '../lib/clock.ts';
import { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { registerAgent } from '../operations/agent.ts';
import type { Call } from '../operations/operation.ts';
import { SETTINGS } from '../operations/testing.ts';
import type { AgentRow } from '../resources/agent.ts';
import { openMemoryStore } from '../store/memory/memory-store.ts';
import { StoreUnavailable } from '../store/store.ts';
import { DeathWatch } from './deaths.ts';
import { Leader } from './leader.ts';
import { AgentPresence } from './presence.ts';

const settle = async () => {
  for (let turn = 0; turn < 12; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
};

/** A server whose process can stand still: its timers fire late, its database hears nothing of it meanwhile. */
export interface StageServer {
  readonly id: string;
  readonly presence: AgentPresence;
  readonly leader: Leader;
  readonly deaths: DeathWatch;
  readonly failures: string[];
  pause(): void;
  go(): Promise<void>;
  /** How long each of its statements takes. */
  readonly pace: { slowness: number };
  stop(): Promise<void>;
}

export class LivenessStage {
  readonly clock = new ManualClock();
  readonly random = seededRandom(1);
  readonly memory = openMemoryStore({ clock: this.clock, random: this.random });
  readonly times;
  readonly servers: StageServer[] = [];
  /** Hosts that hear nothing, so that none of them connects anew. */
  readonly deaf = new Set<string>();
  /** Which server hears each host's agent. */
  readonly #heardBy = new Map<string, StageServer>();

  constructor(detectMs = 10_000) {
    this.times = livenessTimes(detectMs);
  }

  async server(id: string): Promise<StageServer> {
    const server = this.#open(id);
    this.servers.push(server);
    await settle();
    return server;
  }

  #open(id: string): StageServer {
    const { clock, memory, times } = this;
    const paused: (() => void)[] = [];
    let isPaused = false;
    const pace = { slowness: 0 };
    const ownClock: Clock = {
      now: () => clock.now(),
      wall: () => clock.wall(),
      after: (delayMs, fire) => clock.after(delayMs, () => (isPaused ? paused.push(fire) : fire())),
    };
    const store = memory.connect({
      pause: async () => {
        if (pace.slowness > 0) await new Promise<void>((resolve) => clock.after(pace.slowness, resolve));
        while (isPaused) await new Promise<void>((resolve) => paused.push(resolve));
      },
    });
    const failures: string[] = [];
    const onFailure = (what: string, error: unknown) => {
      if (!(error instanceof StoreUnavailable)) failures.push(`${what}: ${error}`);
    };
    const call = () => this.call(presence);
    const shared = { store, serverId: id, clock: ownClock, onFailure };
    const leader = new Leader({ ...shared, beatMs: times.beatMs, takeoverMs: 5 * times.beatMs });
    const deaths = new DeathWatch({ store, leader, times, clock: ownClock, call });
    const presence: AgentPresence = new AgentPresence({
      ...{ ...shared, times, call },
      onLook: (look) => deaths.pass(look),
      onDoubt: (host) => {
        presence.changed(host, false);
        this.#heardBy.delete(host);
        if (!this.deaf.has(host)) void this.connect(self, host);
      },
    });
    const end = new AbortController();
    const running = Promise.all([leader.run(end.signal), presence.run(end.signal)]);
    const self: StageServer = {
      ...{ id, presence, leader, deaths, failures, pace },
      pause() {
        isPaused = true;
      },
      async go() {
        isPaused = false;
        for (const resume of paused.splice(0)) resume();
        await settle();
      },
      async stop() {
        presence.end();
        end.abort();
        await self.go();
        for (let turn = 0; turn < 20; turn++) {
          clock.advance(pace.slowness);
          await settle();
        }
        await running;
      },
    };
    return self;
  }

  call(presence: Pick<AgentPresence, 'isAlive' | 'isEligible'>): Call {
    const { clock, random } = this;
    return {
      ...{ clock, random, settings: SETTINGS, caller: { projectId: 'p', userId: 'u', isAdmin: true } },
      isAlive: (agent) => presence.isAlive(agent),
      isEligible: (agent) => presence.isEligible(agent),
    };
  }

  /** Hosts with an agent each, heard by that server from now on. */
  async hosts(server: StageServer, names: readonly string[], zone = 'nova'): Promise<void> {
    await this.memory.transact((tx) =>
      tx.hosts.insert(
        names.map((name) => ({
          ...{
            name,
            credential_hash: null,
            tunnel_ip: '',
            management_ip: '',
            physical_networks: [],
            created_at: '',
          },
        })),
      ),
    );
    for (const name of names) await this.connect(server, name, zone);
  }

  /** The host's agent opens a watch there, and is heard from now on. */
  async connect(server: StageServer, host: string, zone = 'nova'): Promise<void> {
    server.presence.changed(host, true);
    server.presence.heard(host);
    this.#heardBy.set(host, server);
    const asked = {
      host,
      role: 'dhcp' as const,
      incarnation: 1,
      tunnel_ip: '',
      management_ip: '',
      physical_networks: [],
    };
    const configurations = { availability_zone: zone };
    await this.memory.transact((tx) =>
      registerAgent(tx, this.call(server.presence), { ...asked, configurations, server_id: server.id }),
    );
  }

  /** Nothing more is heard of them; their connections stay. */
  silence(...hosts: readonly string[]): void {
    for (const host of hosts) this.#heardBy.delete(host);
  }

  /** They are heard again, on the same connections. */
  hear(server: StageServer, ...hosts: readonly string[]): void {
    for (const host of hosts) {
      server.presence.heard(host);
      this.#heardBy.set(host, server);
    }
  }

  /** Time passes, heartbeats with it. */
  async pass(ms: number): Promise<void> {
    const step = 50;
    for (let passed = 0; passed < ms; passed += step) {
      this.clock.advance(step);
      const beat = Math.floor(this.clock.now() / this.times.heartbeatMs);
      if (beat !== Math.floor((this.clock.now() - step) / this.times.heartbeatMs)) {
        for (const [host, server] of this.#heardBy) server.presence.heard(host);
      }
      await settle();
    }
  }

  /** Another transaction holds the host's rows from now on; what is returned lets it end, with those changes if any. */
  hold(host: string): (changes?: Partial<AgentRow>) => Promise<void> {
    let release: (changes?: Partial<AgentRow>) => void = () => undefined;
    const held = this.memory.transact(async (tx) => {
      await tx.agents.lock({ host });
      const changes = await new Promise<Partial<AgentRow> | undefined>((resolve) => {
        release = resolve;
      });
      if (changes) await tx.agents.update({ host }, changes);
    });
    return async (changes) => {
      release(changes);
      await held;
    };
  }

  agent(host: string): AgentRow {
    return this.memory.rows('agents').find((row) => row.host === host) as AgentRow;
  }

  liveness(...hosts: readonly string[]): string {
    return hosts.map((host) => this.agent(host).liveness).join(' ');
  }

  /** What happened, in order. */
  events(): string[] {
    return this.memory
      .rows('events')
      .toSorted((a, b) => (a.at < b.at ? -1 : 1))
      .map(({ kind, host, object }) => `${kind} ${host}${object}`);
  }

  async end(): Promise<void> {
    for (const server of this.servers.splice(0)) await server.stop();
  }
}
