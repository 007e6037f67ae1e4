import type { FloodEntry, Host, Link } from '../../host/host.ts';
import { isOurBridge } from './desired.ts';
import type { Observed } from './plan.ts';

/** With more than so many links to read anew, reading all is cheaper. */
const FEW = 32;
/** The same for flood entries, which take a program each. */
const FEW_FLOOD = 4;

/**
 * What was last read of the host, and which of it may have changed since. Reads happen one after another: what is marked
 * stale while one is under way is read again, and no older answer can replace a newer one.
 */
export class HostView implements Observed {
  readonly #host: Host;
  readonly #links = new Map<string, Link>();
  readonly #flood = new Map<string, Set<string>>();
  readonly #staleLinks = new Set<string>();
  readonly #staleFlood = new Set<string>();
  #allStale = true;
  #reading: Promise<void> = Promise.resolve();

  constructor(host: Host) {
    this.#host = host;
  }

  link(name: string): Link | undefined {
    return this.#links.get(name);
  }

  membersOf(bridge: string): Link[] {
    return [...this.#links.values()].filter((link) => link.master === bridge);
  }

  floodOf(link: string): ReadonlySet<string> {
    return this.#flood.get(link) ?? new Set();
  }

  /** Names of bridges that an agent like this one made. */
  bridges(): string[] {
    return [...this.#links.values()]
      .filter((link) => link.kind === 'bridge' && isOurBridge(link.name))
      .map((link) => link.name);
  }

  linkChanged(name: string): void {
    this.#staleLinks.add(name);
  }

  floodChanged(link: string): void {
    this.#staleFlood.add(link);
  }

  everythingChanged(): void {
    this.#allStale = true;
  }

  /** After it, what is known of these links and of the bridge's known members was read after the call. */
  async refresh(bridge: string, names: readonly string[]): Promise<void> {
    const members = this.membersOf(bridge).map((link) => link.name);
    const wanted = [bridge, ...names, ...members];
    await this.#inTurn(async () => {
      const stale = wanted.some((name) => this.#staleLinks.has(name) || this.#staleFlood.has(name));
      if (this.#allStale || stale) await this.#readStale();
    });
  }

  /** The same for every link: also one that may have become the bridge's member unseen. */
  async refreshStale(): Promise<void> {
    await this.#inTurn(() => this.#readStale());
  }

  async refreshAll(): Promise<void> {
    await this.#inTurn(() => this.#readAll());
  }

  #inTurn(read: () => Promise<void>): Promise<void> {
    const turn = this.#reading.then(read);
    // The next in turn reads for itself, whatever became of this one; the caller is told of the failure.
    this.#reading = turn.catch(() => undefined);
    return turn;
  }

  async #readStale(): Promise<void> {
    const links = [...this.#staleLinks];
    const flood = [...this.#staleFlood];
    if (this.#allStale || links.length > FEW || flood.length > FEW_FLOOD) return this.#readAll();
    for (const name of links) this.#staleLinks.delete(name);
    for (const name of flood) this.#staleFlood.delete(name);
    try {
      const [found, entries] = await Promise.all([
        links.length > 0 ? this.#host.links(links) : [],
        flood.length > 0 ? this.#host.floodEntries(flood) : [],
      ]);
      for (const name of links) this.#links.delete(name);
      for (const name of flood) this.#flood.delete(name);
      this.#keep(found, entries);
    } catch (error) {
      for (const name of links) this.#staleLinks.add(name);
      for (const name of flood) this.#staleFlood.add(name);
      throw error;
    }
  }

  async #readAll(): Promise<void> {
    this.#allStale = false;
    this.#staleLinks.clear();
    this.#staleFlood.clear();
    try {
      const [found, entries] = await Promise.all([this.#host.links(), this.#host.floodEntries()]);
      this.#links.clear();
      this.#flood.clear();
      this.#keep(found, entries);
    } catch (error) {
      this.#allStale = true;
      throw error;
    }
  }

  #keep(links: readonly Link[], entries: readonly FloodEntry[]): void {
    for (const link of links) this.#links.set(link.name, link);
    for (const { link, destination } of entries) {
      const known = this.#flood.get(link);
      if (known) known.add(destination);
      else this.#flood.set(link, new Set([destination]));
    }
  }
}
