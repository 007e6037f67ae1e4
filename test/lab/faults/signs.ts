/** Watches from outside what Deuteron says of a fault: its events, which agents it takes for dead, what it calls not well. */
import { ApiError } from '../../../src/cli/api-client.ts';
import { serversOf } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import type { Stage } from '../stage.ts';

const LOOK_MS = 100;

export interface SeenEvent {
  readonly id: string;
  readonly kind: string;
  readonly severity: string;
  readonly host: string;
  readonly role: string;
  readonly object: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** When it was first seen (`epochMs`). */
  readonly seenAt: number;
}

export interface Sign {
  readonly at: number;
  /** Where it was shown. */
  readonly by: 'event' | 'agent not alive' | 'convergence' | 'answer';
  readonly text: string;
}

interface ShownAgent {
  readonly host: string;
  readonly role: string;
  readonly alive: boolean;
  readonly state: string;
  readonly exceptions: readonly { readonly key: string; readonly state: string; readonly reason: string }[];
}

/** What an exception says of an ordinary port that is on its way, or that has no link. */
const ORDINARY = new Set(['waiting', 'pending']);

export class Signs {
  readonly #stage: Stage;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;
  readonly #known = new Set<string>();
  readonly events: SeenEvent[] = [];
  readonly signs: Sign[] = [];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Knows what there is already once this resolves. */
  async start(): Promise<void> {
    for (const event of await this.#readEvents()) this.#known.add(event.id);
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  /** The first thing shown after that time. */
  firstAfter(time: number): Sign | undefined {
    return this.signs.find((sign) => sign.at > time);
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await this.#look().catch((error) => {
        // A server that does not answer at all shows nothing; one that says that it cannot shows just that.
        if (error instanceof ApiError) this.#show('answer', `${error.status}: ${error.message}`);
      });
      await sleep(realClock, LOOK_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const events = await this.#readEvents();
    const at = epochMs();
    // Newest first, as listed: told in the order in which they came.
    for (const event of events.toReversed()) {
      if (this.#known.has(event.id)) continue;
      this.#known.add(event.id);
      this.events.push({ ...event, seenAt: at });
      this.signs.push({ at, by: 'event', text: `${event.kind}: ${event.message}` });
    }
    const { convergence } = await this.#get('/v2.0/deuteron/convergence');
    for (const agent of convergence.agents as ShownAgent[]) {
      const name = `${agent.role} of ${agent.host}`;
      if (!agent.alive) this.#show('agent not alive', `${name} is not alive`);
      for (const { key, state, reason } of agent.exceptions) {
        if (!ORDINARY.has(state)) this.#show('convergence', `${name}: ${key} ${state}: ${reason}`);
      }
    }
  }

  #show(by: Sign['by'], text: string): void {
    if (this.signs.at(-1)?.text !== text) this.signs.push({ at: epochMs(), by, text });
  }

  async #readEvents(): Promise<SeenEvent[]> {
    const answer = await this.#get('/v2.0/deuteron/events?limit=100').catch((error) => {
      // An older server keeps no events.
      if (error instanceof ApiError && error.status === 404) return { events: [] };
      throw error;
    });
    return answer.events;
  }

  // biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
  async #get(path: string): Promise<any> {
    let failure: unknown;
    for (const { name } of serversOf(this.#stage.lab.layout)) {
      try {
        return await this.#stage.lab.api('GET', path, undefined, name);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}
