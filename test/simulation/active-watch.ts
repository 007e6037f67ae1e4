/**
 * ACTIVE implies served at Q: of every block that is lifted as its port becomes ACTIVE, what it waited for was there at some
 * moment since position Q was committed. A block may be opened for a Q of the past (a link that was gone).
 */
import type { PortRow, ProvisioningBlockRow } from '../../src/resources/port.ts';
import type { Place } from '../../src/resources/place.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import { isLeased, isWired } from './host-oracle.ts';
import type { HostPicture, Machine } from './machine.ts';
import { Violation } from './violation.ts';

export interface ActiveWatchOptions {
  readonly store: MemoryStore;
  readonly machines: readonly Machine[];
  /** Virtual time. */
  readonly now: () => number;
}

/** What a block waits for, on a host where that is one host's matter. */
const served = (entity: ProvisioningBlockRow['entity'], port: PortRow) =>
  `${entity} ${port.id} ${entity === 'L2' ? port.host : ''}`;

export class ActiveWatch {
  readonly #options: ActiveWatchOptions;
  /** When each position was committed. */
  readonly #times = new Map<number, number>();
  readonly #open = new Map<string, ProvisioningBlockRow>();
  /** What is served now, and until when what no longer is. */
  #now = new Set<string>();
  readonly #until = new Map<string, number>();
  #isStale = false;
  #found: Violation | undefined;

  constructor(options: ActiveWatchOptions) {
    this.#options = options;
    options.store.observe((written, place) => this.#onCommit(written, place));
  }

  /** After every event: looks at what hosts show now. */
  look(): Promise<void> | undefined {
    if (this.#found) throw this.#found;
    const isStale = this.#isStale || this.#options.machines.some((machine) => machine.isStale);
    return isStale ? this.#look() : undefined;
  }

  /** After a lost tail nothing is known of what was open: those blocks are not judged. */
  forget(): void {
    this.#open.clear();
  }

  async #look(): Promise<void> {
    this.#isStale = false;
    const { store, machines, now } = this.#options;
    const pictures = new Map<string, HostPicture>();
    for (const machine of machines) pictures.set(machine.name, await machine.look());
    const before = this.#now;
    this.#now = new Set();
    const subnets = store.rows('subnets');
    const networks = new Map(store.rows('networks').map((row) => [row.id, row]));
    for (const port of store.rows('ports')) {
      const picture = pictures.get(port.host);
      if (picture && isWired(port, picture)) this.#now.add(served('L2', port));
      // a network that is switched off is served nowhere, and holds nothing up
      const isOff = !networks.get(port.network_id)?.admin_state_up;
      if (isOff || machines.some((machine) => isLeased(port, machine, subnets)))
        this.#now.add(served('DHCP', port));
    }
    for (const name of before) if (!this.#now.has(name)) this.#until.set(name, now());
  }

  #onCommit(written: Written, place: Place | null): void {
    if (place) this.#times.set(place.position, this.#options.now());
    if (written.has('ports') || written.has('subnets') || written.has('networks')) this.#isStale = true;
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
    const name = served(block.entity, port);
    const since = this.#times.get(block.position ?? -1) ?? Number.POSITIVE_INFINITY;
    return this.#now.has(name) || (this.#until.get(name) ?? -1) >= since;
  }

  #accuse({ entity, position }: ProvisioningBlockRow, port: PortRow): void {
    const what = `port ${port.id} on ${port.host} became ACTIVE, its ${entity} not served since position ${position}`;
    this.#found ??= new Violation('ACTIVE implies served', what);
  }
}
