/**
 * What lies between agents and servers: messages with a delay, that may be lost, doubled, overtaken, and connections
 * that break for one end or both. Messages travel as text, so that nothing is shared between the ends.
 */
import type { Random } from '../../src/lib/random.ts';
import type { Report, ReportAnswer } from '../../src/watch/protocol.ts';
import type { Transport } from '../../src/watch/transport.ts';
import { Connection, type Listening, type Tap } from './connection.ts';
import type { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';
import { delay, happens, type Weather } from './weather.ts';

const USUAL_MS = 3;
const REPORT_TIMEOUT_MS = 5000;

export class Network {
  weather: Weather;
  /** Sees every frame just before it arrives. */
  tap: Tap = (_agent, frame) => frame;
  /** Told after an agent has dealt with a frame. */
  delivered: (agent: string) => void = () => undefined;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly connections = new Set<Connection>();
  /** Pairs `agent server` between which nothing passes. */
  readonly #partitions = new Set<string>();

  constructor(scheduler: Scheduler, random: Random, weather: Weather) {
    this.scheduler = scheduler;
    this.random = random;
    this.weather = weather;
  }

  /** From now on nothing passes between them; neither is told. */
  part(agent: string, server: string): void {
    this.#partitions.add(`${agent} ${server}`);
    for (const connection of [...this.connections]) {
      if (connection.agent !== agent || connection.server !== server) continue;
      connection.cut({ agent: false, server: false });
    }
  }

  join(agent: string, server: string): void {
    this.#partitions.delete(`${agent} ${server}`);
  }

  heal(): void {
    this.#partitions.clear();
  }

  isParted(agent: string, server: string): boolean {
    return this.#partitions.has(`${agent} ${server}`);
  }

  delay(): number {
    return delay(this.random, USUAL_MS, this.weather.slowness);
  }

  isLost(): boolean {
    return happens(this.random, this.weather.loss);
  }

  /** The agent's way to the servers, for one life of its process. */
  transport(life: Incarnation, servers: readonly Listening[]): Transport {
    return {
      servers: servers.length,
      connect: (index, request, listener) => {
        const connection = new Connection(this, { life, server: servers[index] as Listening, listener });
        return connection.open(JSON.stringify(request));
      },
      report: (index, report) => this.#report(life, servers[index] as Listening, JSON.stringify(report)),
    };
  }

  #report(life: Incarnation, server: Listening, text: string): Promise<ReportAnswer> {
    return new Promise((resolve, reject) => {
      const tell = (afterMs: number, settle: () => void) => {
        this.scheduler.after(afterMs, '', () => {
          if (life.alive) settle();
        });
      };
      const fail = (reason: string, afterMs = this.delay()) => tell(afterMs, () => reject(new Error(reason)));
      const arrive = () => {
        const their = server.life;
        if (!their?.alive) return fail('connection refused');
        their.atDeath(() => fail('connection reset'));
        server.report(JSON.parse(text) as Report).then(
          (answer) => this.isLost() || tell(this.delay(), () => resolve(answer)),
          (error: unknown) => tell(this.delay(), () => reject(error)),
        );
      };
      fail('timed out', REPORT_TIMEOUT_MS);
      const copies = happens(this.random, this.weather.duplication) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.isLost() || this.isParted(life.name, server.name)) continue;
        this.scheduler.after(this.delay(), `${life.name}>${server.name} report`, arrive);
      }
    });
  }
}
