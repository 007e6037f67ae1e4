/** Everything of one simulation of routers: database, servers, wires, hosts with their agents and keepalived; and who watches. */
import type { IsolationRule } from '../../../src/agents/l3/isolation.ts';
import type { RoleAgent, World as RoleWorld } from '../../../src/agents/role.ts';
import type { Random } from '../../../src/lib/random.ts';
import type { Settings } from '../../../src/operations/operation.ts';
import { routerDuty } from '../../../src/background/routers.ts';
import { type MemoryStore, openMemoryStore } from '../../../src/store/memory/memory-store.ts';
import type { AgentProcess } from '../agent-process.ts';
import { Network, type Way } from '../network.ts';
import { Scheduler } from '../scheduler.ts';
import { ServerProcess } from '../server-process.ts';
import { streamOf } from '../streams.ts';
import { Troubles } from '../troubles.ts';
import { Violation } from '../violation.ts';
import { CALM, delay, happens, type Weather } from '../weather.ts';
import type { Request } from '../workload.ts';
import { agentOf } from './agents.ts';
import { RoleCoverage } from './coverage.ts';
import type { FakeKeepalived } from './keepalived.ts';
import { L3Machine } from './machine.ts';
import { Outside } from './outside.ts';
import { ProbeAnswers } from './probes.ts';
import { RoleWatch } from './role-watch.ts';
import type { ScriptMode } from './scripts.ts';
import { Segment } from './segment.ts';
import { Truth } from './truth.ts';
import { Underlay, WIRES } from './underlay.ts';
import type { Advert } from './vrrp.ts';

const SETTINGS: Partial<Settings> = { maxL3AgentsPerRouter: 3, l3Ha: true, agentDownTimeMs: 5_000 };
/** How often roles are looked at. */
const LOOK_MS = 25;
/** Time for what was held down, and for the server's second thoughts. */
const QUIET_AFTER_MS = 30_000;
const LONGEST_REQUEST_MS = 30_000;
const ADVERT_MS = 0.3;
const MOST_EVENTS = 20_000;

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly servers: number;
  readonly weather: Weather;
}

/** How its parts are set; a planted bug sets them otherwise before all begins. */
export interface Traits {
  /** Shorter than by default: a run lasts for seconds. */
  linkHoldMs: number;
  checkHoldMs: number;
  hasHealth: boolean;
  hasSecondPath: boolean;
  isolation: IsolationRule;
}

/** The agents' way to the servers is the management wire. */
class ManagementNetwork extends Network {
  underlay: Underlay | undefined;

  override isParted(agent: string, server: string, way: Way): boolean {
    const [from, to] = way === 'up' ? [agent, server] : [server, agent];
    return super.isParted(agent, server, way) || this.underlay?.passes('management', from, to) === false;
  }
}

export class L3World {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: ManagementNetwork;
  readonly store: MemoryStore;
  readonly troubles = new Troubles();
  readonly underlay: Underlay;
  readonly segment: Segment;
  readonly outside = new Outside(this);
  readonly machines: readonly L3Machine[];
  readonly agents: readonly AgentProcess[];
  readonly servers: readonly ServerProcess[];
  /** By how much the wall clock of a host is wrong, in milliseconds. */
  readonly wallOffsets = new Map<string, number>();
  readonly truth: Truth;
  readonly watch: RoleWatch;
  readonly coverage = new RoleCoverage(this);
  /** Hosts whose check script is bad, and how. */
  readonly scripts = new Map<string, { readonly mode: ScriptMode }>();
  readonly traits: Traits = {
    linkHoldMs: 2_000,
    checkHoldMs: 5_000,
    hasHealth: true,
    hasSecondPath: true,
    isolation: 'evidence',
  };
  convergedInMs: number | undefined;
  /** Adverts that arrived somewhere. */
  adverts = 0;
  /** A planted bug may change what an advert says, or swallow it. */
  onAdvert: (from: L3Machine, advert: Advert) => Advert | undefined = (_from, advert) => advert;
  /** Where a planted bug gets its hands on what agents see, and on a role. */
  onSight: (mirror: RoleWorld) => RoleWorld = (mirror) => mirror;
  onRole: (role: RoleAgent, machine: L3Machine) => RoleAgent = (role) => role;
  readonly #byName: ReadonlyMap<string, L3Machine>;

  constructor(options: WorldOptions) {
    const { seed } = options;
    const stream = (name: string) => streamOf(seed, name);
    this.seed = seed;
    this.random = stream('world');
    this.scheduler = new Scheduler(stream('order'));
    const { scheduler, troubles } = this;
    const clock = {
      now: () => scheduler.now,
      wall: () => new Date(Date.UTC(2026, 0, 1) + scheduler.now),
      after: (delayMs: number, fire: () => void) => scheduler.after(delayMs, '', fire),
    };
    this.store = openMemoryStore({ clock, random: stream('store') });
    this.network = new ManagementNetwork({
      ...{ scheduler, random: stream('network'), weather: options.weather, troubles },
    });
    const { network, store } = this;
    this.underlay = new Underlay(troubles, {
      isHost: (name) => this.#byName.has(name),
      isOff: (name) => this.#byName.get(name)?.isOff ?? false,
    });
    network.underlay = this.underlay;
    this.machines = Array.from({ length: options.hosts }, (_, i) => this.#machine(i));
    this.#byName = new Map(this.machines.map((machine) => [machine.name, machine]));
    this.segment = new Segment(this.machines, this.underlay);
    this.servers = Array.from({ length: options.servers }, (_, i) => {
      const name = `server${i + 1}`;
      return new ServerProcess({
        ...{ name, scheduler, store, troubles, weather: () => network.weather, random: stream(name) },
        ...{ hosts: options.hosts, limits: {}, settings: SETTINGS, wallOffset: () => 0 },
        onWired: () => undefined,
        moreDuties: (parts) => [routerDuty(parts), parts.arbiter.duty],
      });
    });
    this.agents = this.machines.map((machine) => agentOf(this, machine));
    this.truth = new Truth(this);
    this.watch = new RoleWatch(this);
  }

  #machine(i: number): L3Machine {
    const { scheduler } = this;
    const name = `host${i + 1}`;
    return new L3Machine(name, {
      ...{ scheduler, random: streamOf(this.seed, `machine ${name}`) },
      tunnelIp: `192.0.2.${i + 1}`,
      managementIp: `198.51.100.${i + 1}`,
      send: (machine, from, advert) => this.scheduler.follow(this.#carry(machine, from, advert)),
      onState: (machine, from, state) => {
        scheduler.note(`${machine.name} ${from.namespace} is ${state}, priority ${from.priority}`);
        if (state === 'primary') this.outside.rose(machine, from.namespace.slice('qrouter-'.length));
      },
      run: (machine, argv) => this.outside.run(machine, argv),
      scriptMode: () => this.scripts.get(name)?.mode,
    });
  }

  machine(name: string): L3Machine {
    const found = this.#byName.get(name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  }

  agent(name: string): AgentProcess {
    const found = this.agents.find((agent) => agent.name === name);
    if (!found) throw new Error(`no agent on ${name}`);
    return found;
  }

  /** An advert's way: once for each wire that carries it, at most heard once. */
  async #carry(machine: L3Machine, from: FakeKeepalived, said: Advert): Promise<void> {
    const advert = this.onAdvert(machine, said);
    const config = from.config;
    if (!config || !advert) return;
    const { random, weather } = this.network;
    const heard = new Set<L3Machine>();
    for (const { machine: hearer } of await this.segment.reached(machine, config.link)) {
      if (heard.has(hearer) || happens(random, weather.loss)) continue;
      heard.add(hearer);
      const delayMs = delay(random, ADVERT_MS, weather.slowness / 100);
      this.scheduler.after(delayMs, '', () => {
        if (hearer.isOff) return;
        this.adverts += 1;
        for (const one of hearer.keepaliveds())
          if (one.namespace === from.namespace && one.config?.vrId === config.vrId) one.hear(advert);
      });
    }
  }

  async begin(): Promise<void> {
    const created_at = '2026-01-01T00:00:00Z';
    const rows = this.agents.map(({ name }) => ({
      ...{ name, credential_hash: null, tunnel_ip: '', management_ip: '', physical_networks: [], created_at },
    }));
    await this.store.transact((tx) => tx.hosts.insert(rows));
    for (const process of [...this.servers, ...this.agents]) process.start();
    new ProbeAnswers(this).begin();
    this.outside.begin();
    this.#lookOn();
  }

  #lookOn(): void {
    this.scheduler.follow(this.watch.look());
    this.scheduler.checkBounds(MOST_EVENTS);
    this.scheduler.after(LOOK_MS, '', () => this.#lookOn());
  }

  /** The worst is over: everything runs, everything passes. */
  calm(): void {
    this.network.weather = CALM;
    this.troubles.clear();
    this.scripts.clear();
    for (const machine of this.machines) {
      machine.powerOn();
      for (const wire of WIRES) machine.setCarrier(wire, true);
      for (const one of machine.keepaliveds()) machine.resume(one);
    }
    for (const process of [...this.servers, ...this.agents]) {
      process.life?.thaw();
      process.start();
    }
  }

  /** A user's request to a server that lives; false: refused, or there is none. */
  async ask(request: Request, random: Random = this.random): Promise<boolean> {
    const living = this.servers.filter((server) => server.life?.alive);
    const server = living[Math.floor(random.next() * living.length)];
    if (!server) return false;
    this.scheduler.note(`${server.name} asked to ${request.label}`);
    return server.request(request);
  }

  /** Lets time pass until `isSo` says nothing more against it; a Violation after `withinMs`. */
  async until(what: string, withinMs: number, against: () => Promise<string | undefined>): Promise<number> {
    const began = this.scheduler.now;
    for (;;) {
      const reason = await against();
      const tookMs = this.scheduler.now - began;
      if (reason === undefined) return tookMs;
      if (tookMs >= withinMs) throw new Violation(what, reason);
      await this.pass(100);
    }
  }

  /** What is not yet as it should be in calm; undefined when all is. */
  async against(): Promise<string | undefined> {
    for (const id of this.truth.routers()) {
      const holders = await this.truth.holders(id);
      const names = holders.map(({ name }) => name).join(' and ');
      if (holders.length !== 1) return `router ${id} is held by ${names || 'nobody'}`;
      const told = this.truth.replicas(id).filter((replica) => replica.ha_state === 'active');
      const said = told.map(({ host }) => host).join(' and ');
      if (said !== names) return `router ${id} is held by ${names}, rows say ${said || 'nobody'}`;
    }
    return undefined;
  }

  /** Once what was begun is through, nothing moves any more. */
  async stayQuiet(forMs: number): Promise<void> {
    await this.pass(QUIET_AFTER_MS);
    const before = JSON.stringify([...this.watch.moves]);
    await this.pass(forMs);
    const reason = await this.against();
    if (reason !== undefined) throw new Violation('quiet', reason);
    const after = JSON.stringify([...this.watch.moves]);
    if (after !== before) throw new Violation('quiet', `routers moved in calm: ${before}, then ${after}`);
  }

  /** Asks, and lets time pass until there is an answer. */
  async askAndWait(request: Request): Promise<boolean> {
    let answer: boolean | undefined;
    const asked = async () => {
      answer = await this.ask(request);
    };
    this.scheduler.follow(asked());
    await this.scheduler.run(this.scheduler.now + LONGEST_REQUEST_MS, () => answer !== undefined);
    return answer ?? false;
  }

  pass(forMs: number): Promise<void> {
    return this.scheduler.run(this.scheduler.now + forMs, () => false);
  }
}
