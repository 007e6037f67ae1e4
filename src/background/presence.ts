/** Which agents are connected somewhere: this server's beat, the others' beats, and who comes and goes here. */
import type { Call } from '../operations/operation.ts';
import { agentDisconnected, agentReturned } from '../operations/agent.ts';
import type { Clock } from '../lib/clock.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { Store } from '../store/store.ts';

export interface PresenceOptions {
  readonly store: Store;
  readonly serverId: string;
  readonly downTimeMs: number;
  readonly clock: Clock;
  readonly call: () => Call;
  readonly onFailure: (what: string, error: unknown) => void;
}

/** An agent that only moves its connection is not gone: nothing is written for so long. */
const GRACE_MS = 1_500;

export class AgentPresence {
  readonly #options: PresenceOptions;
  /** Each server's beat, and when it was last seen to move, on our own clock. */
  readonly #servers = new Map<string, { readonly beat: number; readonly movedAt: number }>();
  readonly #here = new Set<string>();
  readonly #gone = new Set<string>();
  #telling = false;
  #ended = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** An agent lives while the server that holds its watch does. */
  isAlive(agent: { readonly server_id: string }): boolean {
    const server = this.#servers.get(agent.server_id);
    return server !== undefined && this.#options.clock.now() - server.movedAt < this.#options.downTimeMs;
  }

  /** May be given something new. */
  isEligible(agent: Pick<AgentRow, 'server_id' | 'liveness'>): boolean {
    return agent.liveness === 'alive' && this.isAlive(agent);
  }

  /** Moves this server's beat and looks at the others'. */
  async beat(): Promise<void> {
    const { store, serverId, clock } = this.#options;
    for (const { id, beat } of await store.beat(serverId)) {
      if (this.#servers.get(id)?.beat !== beat) this.#servers.set(id, { beat, movedAt: clock.now() });
    }
  }

  /** A watch was opened here, or has ended. */
  changed(host: string, connected: boolean): void {
    if (connected) {
      this.#here.add(host);
      this.#gone.delete(host);
      return;
    }
    this.#here.delete(host);
    this.#options.clock.after(GRACE_MS, () => {
      if (this.#here.has(host)) return;
      this.#gone.add(host);
      this.#tell();
    });
  }

  /** This server ends: its agents go elsewhere by themselves, and its beat says the rest. */
  end(): void {
    this.#ended = true;
    this.#gone.clear();
  }

  /**
   * Agents that an earlier process of this server's name held, and that have not come back by now, are gone. To be called
   * once, after agents have had time to find a server.
   */
  async forgetLost(): Promise<void> {
    const { store, serverId } = this.#options;
    const agents = await store.view((view) => view.agents.find({ server_id: serverId }));
    for (const { host } of agents) if (!this.#here.has(host)) this.#gone.add(host);
    this.#tell();
  }

  #tell(): void {
    if (this.#telling || this.#ended) return;
    const [host] = this.#gone;
    if (host === undefined) return;
    this.#telling = true;
    this.#gone.delete(host);
    this.#tellGone(host).then(
      () => this.#told(0),
      (error) => {
        this.#options.onFailure('presence', error);
        if (!this.#here.has(host)) this.#gone.add(host);
        this.#told(GRACE_MS);
      },
    );
  }

  #told(pauseMs: number): void {
    this.#options.clock.after(pauseMs, () => {
      this.#telling = false;
      this.#tell();
    });
  }

  async #tellGone(host: string): Promise<void> {
    const { store, serverId, call } = this.#options;
    await store.transact((tx) => agentDisconnected(tx, call(), { host, serverId }));
    if (this.#here.has(host)) await store.transact((tx) => agentReturned(tx, call(), { host, serverId }));
  }
}
