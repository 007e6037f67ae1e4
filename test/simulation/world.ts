/** Everything of one simulation: database, servers, network, hosts with their agents; and those who watch over it. */
import { createDhcpAgent } from '../../src/agents/dhcp/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import type { Random } from '../../src/lib/random.ts';
import type { Settings } from '../../src/operations/operation.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory/memory-store.ts';
import type { FeedLimits } from '../../src/watch/feed.ts';
import type { Mirror } from '../../src/watch/mirror.ts';
import { AgentProcess } from './agent-process.ts';
import { CoverageWatch } from './coverage.ts';
import { firewallDifference } from './firewall-oracle.ts';
import { hostDifference, statusDifference } from './host-oracle.ts';
import { Hypervisor } from './hypervisor.ts';
import { leftoverDifference } from './leftovers.ts';
import { Machine, PHYSICAL } from './machine.ts';
import { differenceOf, rowsNow } from './invariants.ts';
import { Violation } from './violation.ts';
import { Network } from './network.ts';
import { expectedScope } from './oracle.ts';
import { Scheduler } from './scheduler.ts';
import { type ServerParts, ServerProcess } from './server-process.ts';
import { streamOf } from './streams.ts';
import { Troubles } from './troubles.ts';
import { Watches } from './watches.ts';
import { CALM, type Weather } from './weather.ts';
import type { Request, WorkloadOptions } from './workload.ts';

/** What may be under way: so much, and so much more for each host. */
const MOST_EVENTS = 10_000;
const MOST_EVENTS_EACH = 500;
/** Longer than what goes on by itself pauses: requests that a server still had, networks that are evened out over the agents. */
const REST_MS = 40_000;
const LONGEST_REST_MS = 1_200_000;

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly servers: number;
  readonly weather: Weather;
  /** Of the feeds, where they are not the usual ones. */
  readonly limits?: Partial<FeedLimits>;
  readonly settings?: Partial<Settings>;
  /** How many availability zones the hosts are spread over. */
  readonly zones?: number;
}

export class World {
  readonly seed: number;
  /** Within which the servers are to find a death. */
  readonly detectMs: number;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: Network;
  readonly store: MemoryStore;
  readonly servers: readonly ServerProcess[];
  readonly machines: readonly Machine[];
  readonly agents: readonly AgentProcess[];
  readonly hypervisors: readonly Hypervisor[];
  /** What is wrong right now. */
  readonly troubles = new Troubles();
  /** By how much the wall clock of a process's machine is wrong, in milliseconds. */
  readonly wallOffsets = new Map<string, number>();
  /** Positions up to here are never lost: the hosts themselves are made there. */
  floor = 0;
  readonly coverage = new CoverageWatch(this);
  /** How long it took until everything was as the rows want it. */
  convergedInMs: number | undefined;
  /** Where a planted bug may get its hands on the parts of an agent or a server. */
  onMirror: (mirror: Mirror) => void = () => undefined;
  onServer: (parts: ServerParts) => void = () => undefined;
  onRoles: (roles: RoleAgent[], machine: Machine) => RoleAgent[] = (roles) => roles;
  readonly watches: Watches;
  readonly #agentsByName: ReadonlyMap<string, AgentProcess>;

  constructor(options: WorldOptions) {
    const { seed } = options;
    const stream = (name: string) => streamOf(seed, name);
    this.seed = seed;
    this.detectMs = options.settings?.agentDownTimeMs ?? 10_000;
    this.random = stream('world');
    this.scheduler = new Scheduler(stream('order'));
    const { scheduler, troubles } = this;
    const clock = {
      now: () => scheduler.now,
      wall: () => new Date(Date.UTC(2026, 0, 1) + scheduler.now),
      after: (delayMs: number, fire: () => void) => scheduler.after(delayMs, '', fire),
    };
    this.store = openMemoryStore({ clock, random: stream('store') });
    this.network = new Network({ scheduler, random: stream('network'), weather: options.weather, troubles });
    const { network, store } = this;
    const weather = () => network.weather;
    this.servers = numbered('server', options.servers).map(
      (name) =>
        new ServerProcess({
          ...{ name, scheduler, store, troubles, weather, random: stream(name) },
          hosts: options.hosts,
          limits: options.limits ?? {},
          settings: options.settings ?? {},
          wallOffset: () => this.wallOffsets.get(name) ?? 0,
          onWired: (parts) => {
            this.onServer(parts);
            this.watches.leaders.follow(parts);
          },
        }),
    );
    this.machines = numbered('host', options.hosts).map((name, i) => {
      const physicalNetworks = i % 3 === 2 ? [] : [...PHYSICAL.keys()];
      return new Machine(name, { scheduler, random: stream(`machine ${name}`), weather, physicalNetworks });
    });
    this.agents = this.machines.map((machine, i) =>
      this.#agentOf(machine, { tunnelIp: tunnelIpOf(i), zone: `zone${i % (options.zones ?? 1)}` }),
    );
    this.#agentsByName = new Map(this.agents.map((agent) => [agent.name, agent]));
    this.hypervisors = this.machines.map(
      (machine) =>
        new Hypervisor(machine, { store, scheduler, random: stream(`hypervisor ${machine.name}`) }),
    );
    this.watches = new Watches(this);
    scheduler.afterEach = () => this.watches.afterEvent();
    network.delivered = (name) => {
      try {
        this.#check(name);
      } catch (error) {
        this.scheduler.failure ??= error;
      }
    };
  }

  #agentOf(machine: Machine, { tunnelIp, zone }: { tunnelIp: string; zone: string }): AgentProcess {
    const { name, physicalNetworks } = machine;
    const bridgeMappings = new Map(physicalNetworks.map((one) => [one, PHYSICAL.get(one) as string]));
    const { scheduler, network, servers, troubles } = this;
    return new AgentProcess({
      ...{ name, tunnelIp, scheduler, network, servers, physicalNetworks },
      host: machine.host,
      random: streamOf(this.seed, name),
      configurations: { availability_zone: zone },
      disk: {
        isSlow: () => troubles.has(`slow disk ${name}`),
        isFull: () => troubles.has(`full disk ${name}`),
      },
      hasHost: () => !machine.isOff,
      wallOffset: () => this.wallOffsets.get(name) ?? 0,
      roles: ({ host, life, mirror }) => {
        const roles = this.onRoles(
          [
            createL2Agent({ host, world: mirror, hostName: name, tunnelIp, bridgeMappings }),
            createDhcpAgent({ host, world: mirror, hostName: name, clock: life.clock, random: life.random }),
          ],
          machine,
        );
        for (const role of roles) this.watches.remedies.follow(role, machine);
        return roles;
      },
      onBorn: (agent) => {
        this.watches.reborn(agent.name);
        if (agent.mirror) this.onMirror(agent.mirror);
      },
    });
  }

  agent(name: string): AgentProcess | undefined {
    return this.#agentsByName.get(name);
  }

  /** Hosts that have not lost their power for good. */
  livingMachines(): Machine[] {
    return this.machines.filter((machine) => !machine.isOff);
  }

  /** Makes the hosts' rows and starts every process. */
  async begin(): Promise<void> {
    const rows = this.agents.map(({ name }) => ({
      name,
      credential_hash: null,
      tunnel_ip: '',
      management_ip: '',
      physical_networks: [],
      created_at: '2026-01-01T00:00:00Z',
    }));
    await this.store.transact((tx) => tx.hosts.insert(rows));
    this.floor = this.store.head().position;
    for (const server of this.servers) server.start();
    for (const agent of this.agents) agent.start();
    for (const hypervisor of this.hypervisors) hypervisor.begin();
  }

  /** The worst is over: everything runs, everything passes. */
  calm(): void {
    this.network.weather = CALM;
    this.troubles.clear();
    for (const hypervisor of this.hypervisors) hypervisor.isRestless = false;
    for (const process of [...this.servers, ...this.agents]) {
      process.life?.thaw();
      process.start();
    }
  }

  loseTail(n: number): void {
    this.store.loseTail(n);
    this.watches.forget();
  }

  /** A user's request to a server that lives; false: refused, or there is none. */
  async ask(request: Request, random: Random = this.random): Promise<boolean> {
    const living = this.servers.filter((server) => server.life?.alive);
    const server = living[Math.floor(random.next() * living.length)];
    if (!server) return false;
    this.scheduler.note(`${server.name} asked to ${request.label}`);
    const { label, work } = request;
    return server.request({
      label,
      work: (tx, call) => {
        this.watches.moves.isAsked(tx.tag);
        return work(tx, call);
      },
    });
  }

  workload(random: Random, limits: { maxNetworks: number; maxPorts: number }): WorkloadOptions {
    return { random, store: this.store, hosts: this.agents.map((a) => a.name), ...limits };
  }

  /** What is not yet as the rows want it; undefined when all is. */
  async difference(): Promise<string | undefined> {
    const rows = rowsNow(this.store);
    const living = this.livingMachines();
    for (const { name } of living) {
      const mirror = this.agent(name)?.mirror;
      if (!mirror) return `${name} does not run`;
      const difference = differenceOf(mirror, expectedScope(name, rows));
      if (difference) return `mirror of ${name} ${difference}`;
    }
    for (const machine of living) {
      const difference = (await hostDifference(machine, rows)) ?? (await firewallDifference(machine, rows));
      if (difference) return `${machine.name}: ${difference}`;
    }
    return leftoverDifference(this) ?? statusDifference(rows, living);
  }

  /** Waits until nothing differs; a Violation if that takes longer than `withinMs`. */
  async converge(withinMs: number): Promise<void> {
    const began = this.scheduler.now;
    this.scheduler.note(`calm: everything must be as the rows want it within ${withinMs / 1000} s`);
    for (;;) {
      const difference = await this.difference();
      this.convergedInMs = this.scheduler.now - began;
      if (!difference) return;
      if (this.convergedInMs >= withinMs) throw new Violation('convergence', difference);
      await this.scheduler.run(this.scheduler.now + 250, () => false);
    }
  }

  /** Once what was begun is through, nothing more is done for so long, and all stays as it is. */
  async stayQuiet(forMs: number): Promise<void> {
    await this.#comeToRest();
    this.scheduler.note(`quiet: nothing may change for ${forMs / 1000} s`);
    const before = this.store.head();
    // one that died often gets nothing new for a while, and then what it was not given
    const isHeldDown = this.store.rows('agents').some(({ liveness }) => liveness === 'held');
    await this.scheduler.run(this.scheduler.now + forMs, () => false);
    const difference = await this.difference();
    if (difference) throw new Violation('quiet', difference);
    const { position } = this.store.head();
    if (position !== before.position && !isHeldDown) {
      throw new Violation('quiet', `the log went on from ${before.position} to ${position}`);
    }
  }

  /** Loads are evened out a few networks a minute, and that comes to an end. */
  async #comeToRest(): Promise<void> {
    const began = this.scheduler.now;
    for (let before = -1; before !== this.store.head().position; ) {
      if (this.scheduler.now - began > LONGEST_REST_MS)
        throw new Violation('quiet', `after ${LONGEST_REST_MS / 1000} s the log still goes on`);
      before = this.store.head().position;
      await this.scheduler.run(this.scheduler.now + REST_MS, () => false);
    }
  }

  #check(name: string): void {
    const mirror = this.agent(name)?.mirror;
    if (mirror) this.watches.checkMirror(name, mirror);
    for (const server of this.servers) server.checkBounds();
    this.scheduler.checkBounds(MOST_EVENTS + MOST_EVENTS_EACH * this.machines.length);
  }
}

const numbered = (word: string, count: number) => Array.from({ length: count }, (_, i) => `${word}${i + 1}`);
const tunnelIpOf = (i: number) => `192.0.${2 + Math.floor(i / 200)}.${(i % 200) + 1}`;
