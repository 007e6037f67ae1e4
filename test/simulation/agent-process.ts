/** A host's agent: one life after another of the real runner over the fake host. */
import { AgentRunner } from '../../src/agents/runner.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Host } from '../../src/host/host.ts';
import type { Random } from '../../src/lib/random.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Mirror } from '../../src/watch/mirror.ts';
import type { Listening } from './connection.ts';
import { Disk, type DiskTroubles } from './disk.ts';
import { type HostDoor, openHostDoor } from './host-door.ts';
import { Incarnation } from './incarnation.ts';
import type { Network } from './network.ts';
import type { Scheduler } from './scheduler.ts';

export interface AgentProcessOptions {
  readonly name: string;
  readonly tunnelIp: string;
  /** The host itself, which outlives every agent. */
  readonly host: Host;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: Network;
  readonly servers: readonly Listening[];
  readonly roles: (parts: { host: Host; life: Incarnation; mirror: Mirror }) => RoleAgent[];
  readonly disk: DiskTroubles;
  readonly configurations: Readonly<Record<string, unknown>>;
  readonly physicalNetworks: readonly string[];
  /** Whether its host is there at all. */
  readonly hasHost: () => boolean;
  readonly wallOffset: () => number;
  /** See HostDoorOptions. */
  readonly eventsInOrder?: boolean;
  /** Told when a life has read its journal and begins. */
  readonly onBorn: (agent: AgentProcess) => void;
}

export class AgentProcess {
  readonly name: string;
  life: Incarnation | undefined;
  mirror: Mirror | undefined;
  runner: AgentRunner | undefined;
  readonly #options: AgentProcessOptions;
  readonly disk: Disk;
  #lives = 0;
  /** In this life it has seen what is wanted, as of then at the least. */
  hasSynced = false;
  #door: HostDoor | undefined;

  constructor(options: AgentProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.disk = new Disk(options.random, () => options.network.weather, options.disk);
  }

  /** How much it has asked of its host and not been answered. */
  get callsUnderWay(): number {
    return this.life?.alive ? (this.#door?.underWay() ?? 0) : 0;
  }

  /** Something that it has asked of its host is drawn out by the weather: what needs it waits. */
  get isHeldUp(): boolean {
    return this.life?.alive === true && this.#door?.isDrawnOut() === true;
  }

  start(): void {
    const { scheduler, random, wallOffset, hasHost } = this.#options;
    if (this.life?.alive || !hasHost()) return;
    const life = new Incarnation(scheduler, this.name, random, wallOffset);
    this.life = life;
    this.#lives += 1;
    this.hasSynced = false;
    life.follow(this.#run(life, this.#lives));
  }

  kill(): void {
    this.life?.kill();
    this.mirror = undefined;
    this.runner = undefined;
  }

  async #run(life: Incarnation, incarnation: number): Promise<void> {
    const { name, network, scheduler, random, servers } = this.#options;
    const journal = await Journal.open(this.disk.open(life), name);
    const door = openHostDoor({
      host: this.#options.host,
      life,
      scheduler,
      random,
      weather: () => network.weather,
      disk: this.#options.disk,
      eventsInOrder: this.#options.eventsInOrder ?? false,
    });
    this.#door = door;
    const { host } = door;
    const { mirror } = journal;
    this.mirror = mirror;
    this.#options.onBorn(this);
    this.runner = new AgentRunner({
      host,
      journal,
      transport: network.transport(life, servers),
      roles: this.#options.roles({ host, life, mirror }),
      clock: life.clock,
      random: life.random,
      incarnation,
      tunnelIp: this.#options.tunnelIp,
      physicalNetworks: this.#options.physicalNetworks,
      configurations: this.#options.configurations,
      concurrency: 4,
      keyTimeoutMs: 60_000,
      reportIntervalMs: 5_000,
      auditMs: 10_000,
      onStall: (role, key) => {
        scheduler.note(`${name} stalls in ${role} on ${key}`);
        this.kill();
        scheduler.after(100, `start ${name}`, () => this.start());
      },
      onFailure: (what, error) => scheduler.note(`${name} ${what} failed: ${(error as Error).message}`),
      onState: (state) => {
        scheduler.note(`${name} session ${state.name}`);
        this.hasSynced ||= state.name === 'live';
      },
    });
    await this.runner.run(life.stopping.signal);
  }
}
