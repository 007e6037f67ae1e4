/**
 * ACTIVE implies served at Q: of every block that is lifted as its port becomes ACTIVE, what it waited for was there at some
 * moment since position Q was committed. A block may be opened for a Q of the past (a link that was gone).
 */
import type { PortRow, ProvisioningBlockRow } from '../../src/resources/port.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import { leasesOf } from './host-oracle.ts';
import { leasedName, type ServedWatch, wiredName } from './served-watch.ts';
import { Violation } from './violation.ts';

export class ActiveWatch {
  readonly #store: MemoryStore;
  readonly #served: ServedWatch;
  readonly #hosts: readonly string[];
  readonly #open = new Map<string, ProvisioningBlockRow>();
  #found: Violation | undefined;

  constructor(options: { store: MemoryStore; served: ServedWatch; hosts: readonly string[] }) {
    this.#store = options.store;
    this.#served = options.served;
    this.#hosts = options.hosts;
    options.store.observe((written) => this.#onCommit(written));
  }

  throwIfFound(): void {
    if (this.#found) throw this.#found;
  }

  /** After a lost tail nothing is known of what was open: those blocks are not judged. */
  forget(): void {
    this.#open.clear();
  }

  #onCommit(written: Written): void {
    for (const [key, row] of written.get('provisioningBlocks') ?? []) {
      if (row) {
        this.#open.set(key, row as ProvisioningBlockRow);
        continue;
      }
      const block = this.#open.get(key);
      this.#open.delete(key);
      const port = block && (written.get('ports')?.get(block.port_id) as PortRow | null | undefined);
      if (block && port?.status === 'ACTIVE' && !this.#wasServed(block, port)) this.#accuse(block, port);
    }
  }

  #wasServed(block: ProvisioningBlockRow, port: PortRow): boolean {
    const since = this.#served.committedAt(block.position);
    if (block.entity === 'L2') return this.#served.wasSince(wiredName(port.id, port.host), port.host, since);
    // what it was to be leased may have changed since, and its agents act on what they have heard
    for (let at = this.#store.head().position; at >= (block.position ?? 0); at--) {
      const leases = this.#leasesAt(port, at);
      const isLeased = (host: string) =>
        leases.every((lease) => this.#served.wasSince(leasedName(port.network_id, lease, host), host, since));
      if (leases.length === 0 || this.#hosts.some(isLeased)) return true;
    }
    return false;
  }

  /** What the port was to be leased, as of a position; nothing while its network was switched off. */
  #leasesAt({ id, network_id }: PortRow, position: number): string[] {
    const port = this.#store.rowsAtPosition('ports', position).find((one) => one.id === id);
    const network = this.#store.rowsAtPosition('networks', position).find((one) => one.id === network_id);
    if (!port || !network?.admin_state_up) return [];
    return leasesOf(port, this.#store.rowsAtPosition('subnets', position));
  }

  #accuse({ entity, position }: ProvisioningBlockRow, port: PortRow): void {
    const what = `port ${port.id} on ${port.host} became ACTIVE, its ${entity} not served since position ${position}`;
    this.#found ??= new Violation('ACTIVE implies served', what);
  }
}
