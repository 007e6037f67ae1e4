import type { FloodEntry, Host, Link } from '../../host/host.ts';
import { Turns } from '../../lib/turns.ts';
import { isOurBridge } from './desired.ts';
import type { Observed } from './plan.ts';

/** With more than so many links to read anew, or than a quarter of all, reading all is cheaper. */
const FEW = 32;

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
  readonly #turns = new Turns();
  /** What is learned meanwhile, the read may not have seen. */
  #reading = false;

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

  /** VXLAN links of any bridge or none. */
  tunnels(): Link[] {
    return [...this.#links.values()].filter((link) => link.kind === 'vxlan');
  }

  linkChanged(name: string): void {
    this.#staleLinks.add(name);
  }

  /** An entry is known to be there, or not; says whether that was news. */
  floodIs({ link, destination }: FloodEntry, present: boolean): boolean {
    const known = this.#flood.get(link);
    if (this.#reading) this.#staleFlood.add(link);
    if (present === (known?.has(destination) ?? false)) return false;
    if (!present) known?.delete(destination);
    else if (known) known.add(destination);
    else this.#flood.set(link, new Set([destination]));
    return true;
  }

  /** A step about these entries failed: read them again. */
  floodUnknown(link: string): void {
    this.#staleFlood.add(link);
  }

  /** The link is made anew, or gone. */
  floodEmpty(link: string): void {
    if (this.#reading) this.#staleFlood.add(link);
    this.#flood.delete(link);
  }

  everythingChanged(): void {
    this.#allStale = true;
  }

  /** After it, what is known of these links and of the bridge's known members was read after the call. */
  async refresh(bridge: string, names: readonly string[]): Promise<void> {
    const members = this.membersOf(bridge).map((link) => link.name);
    const wanted = [bridge, ...names, ...members];
    await this.#turns.take(async () => {
      const stale = wanted.some((name) => this.#staleLinks.has(name) || this.#staleFlood.has(name));
      if (this.#allStale || stale) await this.#readStale();
    });
  }

  /** The same for every link: also one that may have become the bridge's member unseen. */
  async refreshStale(): Promise<void> {
    await this.#turns.take(() => this.#readStale());
  }

  async #readStale(): Promise<void> {
    const links = [...this.#staleLinks];
    const flood = [...this.#staleFlood];
    const many = links.length > Math.max(FEW, this.#links.size / 4);
    if (this.#allStale || many) return this.#readAll();
    for (const name of links) this.#staleLinks.delete(name);
    for (const name of flood) this.#staleFlood.delete(name);
    this.#reading = true;
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
    } finally {
      this.#reading = false;
    }
  }

  async #readAll(): Promise<void> {
    this.#allStale = false;
    this.#staleLinks.clear();
    this.#staleFlood.clear();
    this.#reading = true;
    try {
      const [found, entries] = await Promise.all([this.#host.links(), this.#host.floodEntries()]);
      this.#links.clear();
      this.#flood.clear();
      this.#keep(found, entries);
    } catch (error) {
      this.#allStale = true;
      throw error;
    } finally {
      this.#reading = false;
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
