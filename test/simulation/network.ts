/**
 * What lies between agents and servers: messages with a delay, that may be lost, doubled, overtaken, and connections
 * that break for one end or both. Messages travel as text, so that nothing is shared between the ends.
 */
import type { Random } from '../../src/lib/random.ts';
import { HEARTBEAT_MS, type Report, type ReportAnswer } from '../../src/watch/protocol.ts';
import type { Transport } from '../../src/watch/transport.ts';
import { Connection, type Listening, type Tap } from './connection.ts';
import type { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';
import type { Troubles } from './troubles.ts';
import { delay, happens, type Weather } from './weather.ts';

const USUAL_MS = 3;
const REPORT_TIMEOUT_MS = 5000;

/** up: from the agent to the server. */
export type Way = 'up' | 'down';

/** The trouble that nothing passes that way. */
export const partedName = (agent: string, server: string, way: Way) => `cut ${agent} ${server} ${way}`;

export class Network {
  weather: Weather;
  /** Sees every frame just before it arrives. */
  tap: Tap = (_agent, frame) => frame;
  /** Told after an agent has dealt with a frame. */
  delivered: (agent: string) => void = () => undefined;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly connections = new Set<Connection>();
  /** Messages that arrived and were taken: watch requests, frames, reports and their answers. */
  deliveries = 0;
  /** Told of each agent that a server which runs, and has taken its watch, has just heard. */
  heard: (agent: string, server: string) => void = () => undefined;
  readonly troubles: Troubles;

  constructor(options: { scheduler: Scheduler; random: Random; weather: Weather; troubles: Troubles }) {
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.weather = options.weather;
    this.troubles = options.troubles;
  }

  isParted(agent: string, server: string, way: Way): boolean {
    return this.troubles.has(partedName(agent, server, way));
  }

  delay(): number {
    return delay(this.random, USUAL_MS, this.weather.slowness);
  }

  isLost(): boolean {
    return happens(this.random, this.weather.loss);
  }

  /** The agent's way to the servers, for one life of its process. */
  transport(life: Incarnation, servers: readonly Listening[]): Transport {
    const pace = { heartbeatMs: HEARTBEAT_MS };
    return {
      servers: servers.length,
      connect: (index, request, listener) => {
        const server = servers[index] as Listening;
        const connection = new Connection(this, { life, pace, server, listener });
        return connection.open(JSON.stringify(request));
      },
      report: (index, report, signal) =>
        this.#report(life, servers[index] as Listening, { text: JSON.stringify(report), signal }),
    };
  }

  #report(
    life: Incarnation,
    server: Listening,
    { text, signal }: { readonly text: string; readonly signal: AbortSignal | undefined },
  ): Promise<ReportAnswer> {
    return new Promise((resolve, reject) => {
      const leave = () => reject(new Error('the server was left'));
      signal?.addEventListener('abort', leave, { once: true });
      const tell = (afterMs: number, settle: () => void) => {
        if (this.isParted(life.name, server.name, 'down')) return;
        this.scheduler.after(afterMs, '', () => life.enter(settle));
      };
      const fail = (reason: string) => tell(this.delay(), () => reject(new Error(reason)));
      const take = () => {
        this.deliveries += 1;
        server.report(JSON.parse(text) as Report).then(
          (answer) => {
            if (this.isLost()) return;
            tell(this.delay(), () => {
              this.deliveries += 1;
              resolve(answer);
            });
          },
          (error: unknown) => tell(this.delay(), () => reject(error)),
        );
      };
      const arrive = () => {
        const their = server.life;
        if (!their?.alive) return fail('connection refused');
        their.atDeath(() => fail('connection reset'));
        their.enter(take);
      };
      this.scheduler.after(REPORT_TIMEOUT_MS, '', () => {
        signal?.removeEventListener('abort', leave);
        life.enter(() => reject(new Error('timed out')));
      });
      const copies = happens(this.random, this.weather.duplication) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.isLost() || this.isParted(life.name, server.name, 'up')) continue;
        this.scheduler.after(this.delay(), `${life.name}>${server.name} report`, arrive);
      }
    });
  }
}
