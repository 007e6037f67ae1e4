/** What the API says of who is active, asked again and again. */
import type { Lab } from '../../../src/lab/lab.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';

/** So often it is asked where that is what is measured. */
export const LOOK_MS = 20;

export interface Shown {
  readonly at: number;
  /** The hosts that are shown as active, sorted. */
  readonly active: readonly string[];
}

interface ShownAgent {
  readonly host: string;
  readonly ha_state: string | null;
}

/** The hosts that the API shows as active for the router now. */
export async function shownActive(lab: Lab, routerId: string, server?: string): Promise<string[]> {
  const { agents } = await lab.api('GET', `/v2.0/routers/${routerId}/l3-agents`, undefined, server);
  return (agents as ShownAgent[])
    .filter((agent) => agent.ha_state === 'active')
    .map((agent) => agent.host)
    .sort();
}

export class View {
  readonly #lab: Lab;
  readonly #routerId: string;
  readonly #lookMs: number;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;
  /** Each differs from the one before. */
  readonly shown: Shown[] = [];

  constructor(lab: Lab, routerId: string, lookMs: number) {
    this.#lab = lab;
    this.#routerId = routerId;
    this.#lookMs = lookMs;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        const active = await shownActive(this.#lab, this.#routerId);
        if (this.shown.at(-1)?.active.join() !== active.join()) this.shown.push({ at: epochMs(), active });
      } catch (error) {
        // A server that is down shows nothing; what it showed last is what a client remembers.
        if (!(error instanceof Error)) throw error;
      }
      await sleep(realClock, this.#lookMs, signal);
    }
  }
}
