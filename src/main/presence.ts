/** Which agents are connected somewhere: this server's beat, the others' beats, and who comes and goes here. */
import type { Call } from '../operations/operation.ts';
import { agentDisconnected } from '../operations/agent.ts';
import type { OpenedStore } from '../store/open.ts';

export interface PresenceOptions {
  readonly store: OpenedStore;
  readonly serverId: string;
  readonly downTimeMs: number;
  readonly call: () => Call;
  readonly onFailure: (what: string, error: unknown) => void;
}

export class AgentPresence {
  readonly #options: PresenceOptions;
  #servers = new Set<string>();
  readonly #gone = new Set<string>();
  #telling = false;
  #ended = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** An agent lives while the server that holds its watch does. */
  isAlive(agent: { readonly server_id: string }): boolean {
    return agent.server_id !== '' && this.#servers.has(agent.server_id);
  }

  /** Moves this server's beat and looks at the others'. */
  async beat(): Promise<void> {
    const { store, serverId, downTimeMs } = this.#options;
    await store.beat(serverId);
    this.#servers = new Set(await store.liveServers(downTimeMs));
  }

  /** A watch was opened here, or has ended. */
  changed(host: string, connected: boolean): void {
    if (connected) this.#gone.delete(host);
    else this.#gone.add(host);
    this.#tell();
  }

  /** This server ends: its agents go elsewhere by themselves, and its beat says the rest. */
  end(): void {
    this.#ended = true;
    this.#gone.clear();
  }

  #tell(): void {
    if (this.#telling || this.#ended || this.#gone.size === 0) return;
    this.#telling = true;
    this.#tellGone()
      .catch((error) => this.#options.onFailure('presence', error))
      .finally(() => {
        this.#telling = false;
        this.#tell();
      })
      .catch(() => undefined); // both are handled above
  }

  async #tellGone(): Promise<void> {
    const { store, serverId, call } = this.#options;
    const [host] = this.#gone;
    if (host === undefined) return;
    this.#gone.delete(host);
    await store.transact((tx) => agentDisconnected(tx, call(), { host, serverId }));
  }
}
