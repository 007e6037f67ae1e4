/** Everything of one simulation: database, servers, network, hosts with their agents; and those who watch over it. */
import { createDhcpAgent } from '../../src/agents/dhcp/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import { type Random, seededRandom } from '../../src/lib/random.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory/memory-store.ts';
import type { FeedLimits } from '../../src/watch/feed.ts';
import type { Mirror } from '../../src/watch/mirror.ts';
import { AgentProcess } from './agent-process.ts';
import { ActiveWatch } from './active-watch.ts';
import { hostDifference, statusDifference } from './host-oracle.ts';
import { Hypervisor } from './hypervisor.ts';
import { Machine } from './machine.ts';
import { differenceOf, MirrorWatch, rowsNow } from './invariants.ts';
import { Violation } from './violation.ts';
import { Network } from './network.ts';
import { expectedScope } from './oracle.ts';
import { Scheduler } from './scheduler.ts';
import { ServerProcess } from './server-process.ts';
import { CALM, type Weather } from './weather.ts';
import type { Request, WorkloadOptions } from './workload.ts';

/** What may be under way, for each host. */
const MOST_EVENTS = 10_000;

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly servers: number;
  readonly weather: Weather;
  /** Of the feeds, where they are not the usual ones. */
  readonly limits?: Partial<FeedLimits>;
}

export class World {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: Network;
  readonly store: MemoryStore;
  readonly servers: readonly ServerProcess[];
  readonly machines: readonly Machine[];
  readonly agents: readonly AgentProcess[];
  readonly hypervisors: readonly Hypervisor[];
  /** Positions up to here are never lost: the hosts themselves are made there. */
  floor = 0;
  /** No new requests and faults. */
  isOver = false;
  /** Where a planted bug may get its hands on an agent's parts. */
  onMirror: (mirror: Mirror) => void = () => undefined;
  onRoles: (roles: RoleAgent[]) => RoleAgent[] = (roles) => roles;
  readonly #mirrors: MirrorWatch;
  readonly #active: ActiveWatch;

  constructor(options: WorldOptions) {
    const random = seededRandom(options.seed);
    const fork = () => seededRandom(random.tag());
    this.random = fork();
    this.scheduler = new Scheduler(fork());
    const { scheduler } = this;
    const clock = {
      now: () => scheduler.now,
      wall: () => new Date(Date.UTC(2026, 0, 1) + scheduler.now),
      after: (delayMs: number, fire: () => void) => scheduler.after(delayMs, '', fire),
    };
    this.store = openMemoryStore({ clock, random: fork() });
    this.network = new Network(scheduler, fork(), options.weather);
    const { network, store } = this;
    this.servers = Array.from(
      { length: options.servers },
      (_, i) =>
        new ServerProcess({
          name: `server${i + 1}`,
          scheduler,
          random: fork(),
          store,
          weather: () => network.weather,
          limits: options.limits ?? {},
          living: () => new Set(this.servers.filter((s) => s.life?.alive).map((s) => s.name)),
        }),
    );
    const names = Array.from({ length: options.hosts }, (_, i) => `host${i + 1}`);
    this.machines = names.map(
      (name) => new Machine(name, { scheduler, random: fork(), weather: () => network.weather }),
    );
    this.agents = this.machines.map((machine, i) => this.#agentOf(machine, `192.0.2.${i + 1}`, fork()));
    this.hypervisors = this.machines.map(
      (machine) => new Hypervisor(machine, { store, scheduler, random: fork() }),
    );
    this.#mirrors = new MirrorWatch(store);
    this.#active = new ActiveWatch({ store, machines: this.machines, now: () => scheduler.now });
    scheduler.afterEach = () => this.#active.look();
    network.delivered = (name) => this.guard(() => this.#check(name));
  }

  #agentOf(machine: Machine, tunnelIp: string, random: Random): AgentProcess {
    const { name } = machine;
    return new AgentProcess({
      name,
      tunnelIp,
      host: machine.host,
      scheduler: this.scheduler,
      random,
      network: this.network,
      servers: this.servers,
      roles: ({ host, life, mirror }) =>
        this.onRoles([
          createL2Agent({ host, world: mirror, hostName: name, tunnelIp, bridgeMappings: new Map() }),
          createDhcpAgent({ host, world: mirror, hostName: name, clock: life.clock, random: life.random }),
        ]),
      onBorn: (agent) => {
        this.#mirrors.reborn(agent.name);
        if (agent.mirror) this.onMirror(agent.mirror);
      },
    });
  }

  /** Makes the hosts' rows and starts every process. */
  async begin(): Promise<void> {
    const rows = this.agents.map(({ name }) => ({
      name,
      credential_hash: null,
      tunnel_ip: '',
      physical_networks: [],
      created_at: '2026-01-01T00:00:00Z',
    }));
    await this.store.transact((tx) => tx.hosts.insert(rows));
    this.floor = this.store.head().position;
    for (const server of this.servers) server.start();
    for (const agent of this.agents) agent.start();
    for (const hypervisor of this.hypervisors) hypervisor.begin((error) => this.fail(error));
  }

  /** The worst is over: everything runs, everything passes. */
  calm(): void {
    this.network.weather = CALM;
    this.network.heal();
    for (const hypervisor of this.hypervisors) hypervisor.isRestless = false;
    for (const server of this.servers) server.start();
    for (const agent of this.agents) agent.start();
  }

  later(delayMs: number, label: string, act: () => void): void {
    this.scheduler.after(delayMs, label, () => this.guard(act));
  }

  /** An error in here fails the simulation. */
  guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.fail(error);
    }
  }

  follow(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => this.fail(error));
  }

  fail(error: unknown): void {
    this.scheduler.failure ??= error;
  }

  loseTail(n: number): void {
    this.store.loseTail(n);
    this.#active.forget();
  }

  /** A user's request to a server that lives; false: refused, or there is none. */
  async ask(request: Request): Promise<boolean> {
    const living = this.servers.filter((server) => server.life?.alive);
    const server = living[Math.floor(this.random.next() * living.length)];
    if (!server) return false;
    this.scheduler.note(`${server.name} asked to ${request.label}`);
    return server.request(request);
  }

  workload(limits: { maxNetworks: number; maxPorts: number }): WorkloadOptions {
    return { random: this.random, store: this.store, hosts: this.agents.map((a) => a.name), ...limits };
  }

  /** What is not yet as the rows want it; undefined when all is. */
  async difference(): Promise<string | undefined> {
    const rows = rowsNow(this.store);
    for (const { name, mirror } of this.agents) {
      if (!mirror) return `${name} does not run`;
      const difference = differenceOf(mirror, expectedScope(name, rows));
      if (difference) return `mirror of ${name} ${difference}`;
    }
    for (const machine of this.machines) {
      const difference = await hostDifference(machine, rows);
      if (difference) return `${machine.name}: ${difference}`;
    }
    return statusDifference(rows, this.machines);
  }

  /** Waits until nothing differs; a Violation if that takes longer than `withinMs`. */
  async converge(withinMs: number): Promise<void> {
    const deadline = this.scheduler.now + withinMs;
    for (;;) {
      const difference = await this.difference();
      if (!difference) return;
      if (this.scheduler.now >= deadline) throw new Violation('convergence', difference);
      await this.scheduler.run(this.scheduler.now + 250, () => false);
    }
  }

  #check(name: string): void {
    const agent = this.agents.find((one) => one.name === name);
    if (agent?.mirror) this.#mirrors.check(name, agent.mirror);
    for (const server of this.servers) server.checkBounds();
    this.scheduler.checkBounds(MOST_EVENTS);
  }
}
