/** What is served, and until when what no longer is: which ports are wired, and whose leases which hosts give out. */
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { isLeased, isWired, leasesOf } from './host-oracle.ts';
import type { Machine } from './machine.ts';

export interface ServedOptions {
  readonly store: MemoryStore;
  readonly machines: readonly Machine[];
  /** Virtual time. */
  readonly now: () => number;
}

/** `host` is where: of a port, its own; of a lease, one that gives it out. */
export const wiredName = (portId: string, host: string) => `wired ${portId} ${host}`;
export const leasedName = (portId: string, host: string) => `leased ${portId} ${host}`;
/** In the place of a host: the port is to be leased nothing. */
export const NOBODY = '';

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
    if (areRowsNew) this.#lookAtRows();
    return stale.length > 0 ? this.#lookAt(stale) : undefined;
  }

  async #lookAt(machines: readonly Machine[]): Promise<void> {
    const { store, now } = this.#options;
    const ports = store.rows('ports');
    const byNetwork = Map.groupBy(ports, (port) => port.network_id);
    const byHost = Map.groupBy(ports, (port) => port.host);
    const subnets = store.rows('subnets');
    for (const machine of machines) {
      const { name, changes } = machine;
      const names = new Set<string>();
      if (!machine.isOff) {
        const picture = await machine.look();
        for (const port of byHost.get(name) ?? [])
          if (isWired(port, picture)) names.add(wiredName(port.id, name));
        for (const networkId of machine.servedNetworks(picture)) {
          for (const port of byNetwork.get(networkId) ?? []) {
            if (isLeased(port, machine, subnets)) names.add(leasedName(port.id, name));
          }
        }
      }
      this.#saw(name, { changes, names }, now());
    }
  }

  /** A network that is switched off is served nowhere, and holds nothing up; nor does a port without an address to lease. */
  #lookAtRows(): void {
    const { store, now } = this.#options;
    const subnets = store.rows('subnets');
    const off = new Set(store.rows('networks').flatMap((row) => (row.admin_state_up ? [] : [row.id])));
    const free = store
      .rows('ports')
      .filter((port) => off.has(port.network_id) || leasesOf(port, subnets).length === 0);
    this.#saw(NOBODY, { changes: 0, names: new Set(free.map((port) => leasedName(port.id, NOBODY))) }, now());
  }

  #saw(host: string, seen: Seen, now: number): void {
    for (const name of this.#seen.get(host)?.names ?? [])
      if (!seen.names.has(name)) this.#until.set(name, now);
    this.#seen.set(host, seen);
  }
}
