/** What is served, and until when what no longer is: which ports are wired, and whose leases which hosts give out. */
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { isWired } from './host-oracle.ts';
import type { Machine } from './machine.ts';

export interface ServedOptions {
  readonly store: MemoryStore;
  readonly machines: readonly Machine[];
  /** Virtual time. */
  readonly now: () => number;
}

/** `host` is where: of a port, its own; of a lease, one that gives it out. */
export const wiredName = (portId: string, host: string) => `wired ${portId} ${host}`;
/** `lease`: `mac ip`. */
export const leasedName = (networkId: string, lease: string, host: string) =>
  `leased ${networkId} ${lease} ${host}`;

interface Seen {
  readonly changes: number;
  readonly names: ReadonlySet<string>;
}

export class ServedWatch {
  readonly #options: ServedOptions;
  /** When each position was committed. */
  readonly #times = new Map<number, number>();
  readonly #seen = new Map<string, Seen>();
  readonly #until = new Map<string, number>();
  #rows = 1;
  #seenRows = 0;

  constructor(options: ServedOptions) {
    this.#options = options;
    options.store.observe((written, place) => {
      if (place) this.#times.set(place.position, options.now());
      if (written.has('ports') || written.has('subnets') || written.has('networks')) this.#rows += 1;
    });
  }

  forget(): void {
    this.#rows += 1;
  }

  /** When the position was committed; never, if it is not known. */
  committedAt(position: number | null): number {
    return this.#times.get(position ?? -1) ?? Number.POSITIVE_INFINITY;
  }

  /** Whether it was so at some moment since. */
  wasSince(name: string, host: string, since: number): boolean {
    return this.#seen.get(host)?.names.has(name) === true || (this.#until.get(name) ?? -1) >= since;
  }

  /** Whether it was so, and ended since. */
  hasEndedSince(name: string, at: number): boolean {
    return (this.#until.get(name) ?? -1) >= at;
  }

  /** Grows with whatever users, or servers, change about networks, subnets and ports. */
  get rowsVersion(): number {
    return this.#rows;
  }

  isNow(name: string, host: string): boolean {
    return this.#seen.get(host)?.names.has(name) === true;
  }

  /** After every event: looks at the hosts that changed. */
  look(): Promise<void> | undefined {
    const areRowsNew = this.#rows !== this.#seenRows;
    const stale = this.#options.machines.filter(
      (machine) => areRowsNew || this.#seen.get(machine.name)?.changes !== machine.changes,
    );
    this.#seenRows = this.#rows;
    return stale.length > 0 ? this.#lookAt(stale) : undefined;
  }

  async #lookAt(machines: readonly Machine[]): Promise<void> {
    const { store, now } = this.#options;
    const ports = store.rows('ports');
    const byHost = Map.groupBy(ports, (port) => port.host);
    for (const machine of machines) {
      const { name, changes } = machine;
      const names = new Set<string>();
      if (!machine.isOff) {
        const picture = await machine.look();
        for (const port of byHost.get(name) ?? [])
          if (isWired(port, picture)) names.add(wiredName(port.id, name));
        for (const networkId of machine.servedNetworks(picture)) {
          for (const lease of machine.dnsmasq(networkId)?.leases() ?? [])
            names.add(leasedName(networkId, lease, name));
        }
      }
      this.#saw(name, { changes, names }, now());
    }
  }

  #saw(host: string, seen: Seen, now: number): void {
    for (const name of this.#seen.get(host)?.names ?? [])
      if (!seen.names.has(name)) this.#until.set(name, now);
    this.#seen.set(host, seen);
  }
}
