/** A client of the API that goes on all the time: reads, creates, deletes, and remembers what it was told. */
import { serversOf } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import type { Network, Port, Stage } from '../stage.ts';

const EVERY_MS = 100;
/** Of ten calls one creates and, once there are enough, one deletes; the others read. */
const ROUND = 10;
const ENOUGH = 3;
/** A client that waits longer than this has given up. */
const PATIENCE_MS = 10_000;

export class Caller {
  readonly #stage: Stage;
  readonly #network: Network;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  /** Acknowledged, and not asked to be deleted. */
  readonly present: Port[] = [];
  requests = 0;
  failed = 0;
  /** What a failed request was told, once for each kind of answer. */
  readonly complaints = new Set<string>();

  /** Its ports are the network's, and bound nowhere. */
  constructor(stage: Stage, network: Network) {
    this.#stage = stage;
    this.#network = network;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const servers = serversOf(this.#stage.lab.layout);
    for (let turn = 0; !signal.aborted; turn++) {
      this.requests++;
      try {
        const server = servers[turn % servers.length]!.name;
        await inTime(this.#call(turn % ROUND, server));
      } catch (error) {
        this.failed++;
        this.complaints.add((error as Error).message);
      }
      await sleep(realClock, EVERY_MS, signal);
    }
  }

  async #call(turn: number, server: string): Promise<void> {
    const { lab } = this.#stage;
    if (turn === 3) this.present.push(await this.#stage.port(this.#network, undefined, {}, server));
    else if (turn === 8 && this.present.length > ENOUGH) {
      const [oldest] = this.present.splice(0, 1);
      await lab.api('DELETE', `/v2.0/ports/${oldest!.id}`, undefined, server);
    } else await lab.api('GET', `/v2.0/networks/${this.#network.id}`, undefined, server);
  }
}

async function inTime(call: Promise<void>): Promise<void> {
  const over = new AbortController();
  const late = sleep(realClock, PATIENCE_MS, over.signal).then(() => {
    if (!over.signal.aborted) throw new Error(`no answer in ${PATIENCE_MS / 1000} s`);
  });
  try {
    await Promise.race([call, late]);
  } finally {
    over.abort();
  }
}
