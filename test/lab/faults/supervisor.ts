/** Starts again whatever of ours has ended, as systemd would; what a fault holds down stays down until it is let go. */
import { hasSharedDatabase, serviceName, serviceOf } from '../../../src/lab/services.ts';
import { findRunning } from '../../../src/lab/processes.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import type { Stage } from '../stage.ts';

const LOOK_MS = 100;

export class Supervisor {
  readonly #stage: Stage;
  readonly #held = new Set<string>();
  /** Let go and not yet started: they did not end by themselves. */
  readonly #released = new Set<string>();
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  /** What had ended and it started, by the name of the service, e.g. `h1.agent`. */
  readonly started: { readonly name: string; readonly at: number }[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#running = this.#run();
  }

  /** Leaves the node's services alone until `release`. `database` is the shared database. */
  hold(name: string): void {
    this.#held.add(name);
  }

  release(name: string): void {
    this.#held.delete(name);
    this.#released.add(name);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { lab } = this.#stage;
    const { signal } = this.#ending;
    const wanted = lab.layout.nodes.map((node) => ({ node, command: serviceOf(node), held: node.name }));
    const shared = hasSharedDatabase(lab.layout)
      ? [{ node: lab.node('ctl1'), command: 'database' as const, held: 'database' }]
      : [];
    while (!signal.aborted) {
      for (const { node, command, held } of [...shared, ...wanted]) {
        const name = serviceName(node, command);
        if (this.#held.has(held)) continue;
        const runs = findRunning(lab.layout.stateDirectory, name) !== undefined;
        if (!this.#released.delete(held) && !runs) this.started.push({ name, at: epochMs() });
        if (runs) continue;
        await lab.start(node.name, command);
      }
      await sleep(realClock, LOOK_MS, signal);
    }
  }
}
