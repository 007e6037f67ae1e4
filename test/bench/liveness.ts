/**
 * `liveness`: thousands of hollow agents on one server through simulated time full of gray faults. The server's feed,
 * presence, leader, tracker and its judgement of deaths are the real ones; the clock, the database and the network are not.
 * What heartbeats cost on real sockets is measured beside it and added.
 *
 * A death is false if the agent was not silent for the detection time, by what arrived at the server's socket. The time
 * to a death counts from when the agent fell silent, on a server that was not itself at fault (paused, restarted, its
 * database slow) in that window: then it may not judge; `all_detection_p99_s` has those, too.
 */
import { livenessTimes } from '../../src/convergence/liveness.ts';
import { integerBetween, type Random, seededRandom } from '../../src/lib/random.ts';
import type { EventRow } from '../../src/resources/event.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory/memory-store.ts';
import { FleetAgent } from './fleet-agent.ts';
import { FleetClock } from './fleet-clock.ts';
import { FleetServer } from './fleet-server.ts';
import { heartbeatCores } from './heartbeats.ts';
import type { Bench } from './main.ts';
import { type Figures, quantile, round } from './measure.ts';

const DETECT_MS = 2_000;
const ZONES = 25;
const SLOT_MS = 10;
const CALM_MS = 180_000;
/** Each agent meets one fault of its own in so long, on average. */
const FAULT_EVERY_MS = 300_000;
const SERVER_FAULT_EVERY_MS = 200_000;
/** A silence this much longer than the detection time must have been found. */
const MUST_BE_FOUND_MS = 2_000;

/** A time in which the server could not judge: all agents, or those of one zone. */
interface Excuse {
  readonly from: number;
  readonly to: number;
  readonly zone: string | null;
}

class Fleet {
  readonly clock = new FleetClock();
  readonly random: Random = seededRandom(20_260_131);
  readonly memory: MemoryStore = openMemoryStore({ clock: this.clock, random: this.random });
  readonly times = livenessTimes(DETECT_MS);
  readonly agents: FleetAgent[] = [];
  readonly found: number[] = [];
  readonly foundAtFault: number[] = [];
  readonly counts = {
    faults: 0,
    server: 0,
    deaths: 0,
    returns: 0,
    false: 0,
    missed: 0,
    alerts: 0,
    inMass: 0,
  };
  server: FleetServer;
  #servers = 0;
  readonly #excuses: Excuse[] = [];
  readonly #byHost = new Map<string, FleetAgent>();
  #isCalm = false;

  constructor(count: number) {
    this.server = this.#startServer();
    for (let at = 0; at < count; at++) {
      const agent = new FleetAgent({
        ...{ host: `host${at}`, zone: `zone${at % ZONES}`, clock: this.clock, random: this.random },
        ...{ idleMs: this.times.idleMs, server: () => this.server },
        onArrival: (one, before) => this.#arrived(one, before),
      });
      this.agents.push(agent);
      this.#byHost.set(agent.host, agent);
    }
  }

  #startServer(): FleetServer {
    const { clock, random, memory } = this;
    const id = `server-${++this.#servers}`;
    const onEvent = (event: EventRow) => this.#happened(event);
    return new FleetServer({ id, memory, clock, random, detectMs: DETECT_MS, onEvent });
  }

  async begin(): Promise<void> {
    const row = {
      credential_hash: null,
      tunnel_ip: '',
      management_ip: '',
      physical_networks: [],
      created_at: '',
    };
    await this.memory.transact((tx) =>
      tx.hosts.insert(this.agents.map(({ host }) => ({ ...row, name: host }))),
    );
    await this.clock.runUntil(5_000);
    for (const agent of this.agents) this.clock.after(this.random.next() * 5_000, () => agent.connect());
    this.#beatInTurn();
    await this.clock.runUntil(60_000);
  }

  /** Every agent has its turn once a heartbeat, in slots. */
  #beatInTurn(): void {
    const slots = Math.round(this.times.heartbeatMs / SLOT_MS);
    const turns = Array.from({ length: slots }, (_, slot) =>
      this.agents.filter((_agent, at) => at % slots === slot),
    );
    const turn = (slot: number) => {
      for (const agent of turns[slot] ?? []) agent.beat();
      this.clock.after(SLOT_MS, () => turn((slot + 1) % slots));
    };
    turn(0);
  }

  #arrived(agent: FleetAgent, before: number): void {
    const now = this.clock.now();
    const since = agent.silentSince;
    if (since !== null && !agent.isTakenForDead && now - before > DETECT_MS + MUST_BE_FOUND_MS) {
      if (this.#excuse(agent, before, now)) return;
      this.counts.missed++;
      this.found.push(now - since);
    }
  }

  #excuse(agent: FleetAgent, from: number, to: number): boolean {
    return this.#excuses.some(
      (one) => one.from < to && one.to > from && (one.zone === null || one.zone === agent.zone),
    );
  }

  #happened({ kind, host }: EventRow): void {
    if (kind === 'alert') this.counts.alerts++;
    const agent = this.#byHost.get(host);
    if (!agent) return;
    agent.isTakenForDead = kind === 'agent-died';
    if (kind === 'agent-returned') this.counts.returns++;
    if (kind !== 'agent-died') return;
    const now = this.clock.now();
    this.counts.deaths++;
    if (agent.silentSince === null || now - agent.arrivedAt < DETECT_MS) {
      this.counts.false++;
      return;
    }
    const took = now - agent.silentSince;
    const isExcused = this.#excuse(agent, agent.arrivedAt, now);
    (isExcused ? this.foundAtFault : this.found).push(took);
  }

  /** Faults of agents and of the server until `end`, then calm. */
  async live(end: number, say: (text: string) => void): Promise<void> {
    for (const agent of this.agents) this.#nextFault(agent, end);
    this.#nextServerFault(end);
    const step = 300_000;
    for (let at = this.clock.now() + step; at < end + step; at += step) {
      await this.clock.runUntil(Math.min(at, end));
      const { deaths, missed } = this.counts;
      say(
        `${Math.round(this.clock.now() / 60_000)} min: ${this.counts.faults} faults, ${deaths} deaths (${this.counts.false} false, ${missed} missed)`,
      );
    }
    this.#isCalm = true;
    await this.clock.runUntil(end + CALM_MS);
  }

  #nextFault(agent: FleetAgent, end: number): void {
    const delay = -Math.log(1 - this.random.next()) * FAULT_EVERY_MS;
    if (this.clock.now() + delay >= end) return;
    this.clock.after(delay, () => {
      if (agent.trouble === 'none') this.#fault(agent);
      this.#nextFault(agent, end);
    });
  }

  #fault(agent: FleetAgent): void {
    const { random, clock } = this;
    const lasting = (least: number, most: number, begin: () => void) => {
      begin();
      clock.after(integerBetween(random, least, most), () => agent.heal());
    };
    this.counts.faults++;
    const lot = random.next();
    if (lot < 0.3) lasting(100, 2_200, () => agent.begin('paused'));
    else if (lot < 0.38) lasting(4_000, 40_000, () => agent.begin('paused'));
    else if (lot < 0.44) lasting(10_000, 120_000, () => agent.begin('off'));
    else if (lot < 0.64)
      lasting(10_000, 60_000, () => agent.begin('slow', integerBetween(random, 50, 1_200)));
    else if (lot < 0.74) lasting(200, 1_900, () => agent.begin('up'));
    else if (lot < 0.8) lasting(4_000, 30_000, () => agent.begin('up'));
    else if (lot < 0.88) lasting(1_000, 20_000, () => agent.begin('down'));
    else if (lot < 0.95) for (let at = 0; at < 8; at++) clock.after(at * 900, () => agent.breakOff());
    else agent.restart(integerBetween(random, 300, 1_300));
  }

  #nextServerFault(end: number): void {
    const delay = SERVER_FAULT_EVERY_MS * (0.5 + this.random.next());
    if (this.clock.now() + delay + 60_000 >= end) return;
    this.clock.after(delay, () => {
      this.#serverFault(this.counts.server++);
      this.#nextServerFault(end);
    });
  }

  #serverFault(number: number): void {
    const { clock, random } = this;
    const now = clock.now();
    // a new window, and what was said meanwhile
    const after = 2 * DETECT_MS + 1_000;
    const excuse = (durationMs: number, zone: string | null = null) =>
      this.#excuses.push({ from: now, to: now + durationMs + after, zone });
    switch (number % 5) {
      case 0: {
        const pause = integerBetween(random, 700, 60_000);
        const { server } = this;
        excuse(pause);
        server.isPaused = true;
        clock.after(pause, () => void server.go());
        return;
      }
      case 1: {
        const { server } = this;
        excuse(30_000);
        server.slowness = integerBetween(random, 700, 3_000);
        clock.after(25_000, () => {
          server.slowness = 0;
        });
        return;
      }
      case 2: {
        excuse(1_500 + this.times.orphanMs);
        const { server } = this;
        server.kill();
        for (const agent of this.agents) agent.serverDied(server);
        clock.after(1_500, () => {
          this.server = this.#startServer();
        });
        return;
      }
      case 3:
        excuse(30_000);
        this.#outage(this.agents.filter(() => random.next() < 0.4));
        return;
      default: {
        const zone = `zone${integerBetween(random, 0, ZONES - 1)}`;
        excuse(30_000, zone);
        this.#outage(this.agents.filter((agent) => agent.zone === zone));
      }
    }
  }

  /** Many lose their link at once. */
  #outage(agents: readonly FleetAgent[]): void {
    const hit = agents.filter((agent) => agent.trouble === 'none');
    const before = this.counts.deaths;
    for (const agent of hit) agent.begin('up');
    const dead = new Set(hit.filter((agent) => agent.isTakenForDead));
    this.clock.after(29_000, () => {
      if (this.counts.deaths > before)
        this.counts.inMass += hit.filter((agent) => agent.isTakenForDead && !dead.has(agent)).length;
    });
    this.clock.after(30_000, () => {
      for (const agent of hit) if (agent.trouble === 'up') agent.heal();
    });
  }

  /** Once all is calm everybody must be alive, and claimed by the server that runs. */
  assertHealed(): void {
    if (!this.#isCalm) throw new Error('not calm yet');
    const claimed = `server-${this.#servers}`;
    const wrong = this.memory
      .rows('agents')
      .filter((row) => row.server_id !== claimed || row.liveness === 'dead');
    if (wrong.length > 0 || this.memory.rows('agents').length !== this.agents.length) {
      const first = wrong[0] && `${wrong[0].host} ${wrong[0].liveness} '${wrong[0].server_id}'`;
      throw new Error(`${wrong.length} agents are not alive after calm, e.g. ${first}`);
    }
  }
}

const numberOf = (args: readonly string[], name: string, otherwise: number): number => {
  const found = args.map((word) => new RegExp(`^--${name}=(\\d+)$`).exec(word)?.[1]).find(Boolean);
  return Number(found ?? otherwise);
};

async function simulate(agents: number, minutes: number, say: (text: string) => void): Promise<Figures> {
  const fleet = new Fleet(agents);
  say(`${agents} hollow agents connect`);
  await fleet.begin();
  const from = fleet.clock.now();
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  await fleet.live(from + minutes * 60_000, say);
  const wallS = (performance.now() - began) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const simulatedS = (fleet.clock.now() - from) / 1000;
  fleet.assertHealed();
  const { counts, found, foundAtFault } = fleet;
  const seconds = (values: readonly number[], q: number) => round(quantile(values, q) / 1000, 2);
  return {
    ...{ agents, simulated_hours: round(simulatedS / 3600, 2) },
    detection_p50_s: seconds(found, 0.5),
    detection_p99_s: seconds(found, 0.99),
    detection_max_s: seconds(found, 1),
    all_detection_p99_s: seconds([...found, ...foundAtFault], 0.99),
    ...{ false_deaths: counts.false, missed_deaths: counts.missed, deaths: counts.deaths },
    ...{ returns: counts.returns, deaths_in_mass_silence: counts.inMass, mass_alerts: counts.alerts },
    ...{ agent_faults: counts.faults, server_faults: counts.server },
    simulation_cores: round((cpu.user + cpu.system) / 1e6 / simulatedS, 3),
    agent_hours_per_wall_s: round((agents * simulatedS) / 3600 / wallS, 1),
  };
}

export const livenessBench: Bench = {
  summary:
    'deaths found among hollow agents through an hour of gray faults (--agents=5000, --minutes=60, --sockets=5000)',
  options: ['agents', 'minutes', 'sockets'],
  run: async ({ args, say }) => {
    const figures = await simulate(numberOf(args, 'agents', 5_000), numberOf(args, 'minutes', 60), say);
    const sockets = numberOf(args, 'sockets', 5_000);
    const heartbeat_cores =
      sockets === 0 ? 0 : await heartbeatCores({ sockets, detectS: DETECT_MS / 1000, say });
    // the whole of both processes: more than the server's part
    const cpu_cores = round((figures.simulation_cores ?? 0) + heartbeat_cores, 3);
    return { ...figures, heartbeat_cores, cpu_cores };
  },
};
