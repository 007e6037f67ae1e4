/** ACTIVE implies served at Q: between the commit that opened a block and the one that lifts it, it was served once. */
import type { PortRow, ProvisioningBlockRow } from '../../src/resources/port.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import { isLeased, isWired } from './host-oracle.ts';
import type { HostPicture, Machine } from './machine.ts';
import { Violation } from './violation.ts';

interface Open {
  readonly block: ProvisioningBlockRow;
  /** Whether it was served at any moment since its commit. */
  served: boolean;
}

export class ActiveWatch {
  readonly #store: MemoryStore;
  readonly #machines: readonly Machine[];
  readonly #pictures = new Map<string, HostPicture>();
  readonly #open = new Map<string, Open>();
  #isStale = false;
  #found: Violation | undefined;

  constructor(store: MemoryStore, machines: readonly Machine[]) {
    this.#store = store;
    this.#machines = machines;
    store.observe((written) => this.#onCommit(written));
  }

  /** After every event: looks at what hosts show now. */
  look(): Promise<void> | undefined {
    if (this.#found) throw this.#found;
    return this.#isStale || this.#machines.some((machine) => machine.isStale) ? this.#look() : undefined;
  }

  /** After a lost tail nothing is known of what was open: those blocks are not judged. */
  forget(): void {
    this.#open.clear();
  }

  async #look(): Promise<void> {
    this.#isStale = false;
    for (const machine of this.#machines) this.#pictures.set(machine.name, await machine.look());
    for (const open of this.#open.values()) open.served ||= this.#isServed(open.block);
  }

  #isServed(block: ProvisioningBlockRow): boolean {
    const port = this.#store.rows('ports').find((row) => row.id === block.port_id);
    if (!port) return false;
    if (block.entity === 'L2') {
      const picture = this.#pictures.get(port.host);
      return picture !== undefined && isWired(port, picture);
    }
    // a network that is switched off is served nowhere, and holds nothing up
    const network = this.#store.rows('networks').find((row) => row.id === port.network_id);
    if (!network?.admin_state_up) return true;
    const subnets = this.#store.rows('subnets');
    return this.#machines.some((machine) => isLeased(port, machine, subnets));
  }

  #onCommit(written: Written): void {
    for (const [key, row] of written.get('provisioningBlocks') ?? []) {
      if (row) {
        this.#open.set(key, { block: row as ProvisioningBlockRow, served: false });
        this.#isStale = true;
        continue;
      }
      const open = this.#open.get(key);
      this.#open.delete(key);
      const port = open && (written.get('ports')?.get(open.block.port_id) as PortRow | null | undefined);
      if (!open || open.served || port?.status !== 'ACTIVE') continue;
      const { entity, position } = open.block;
      const what = `port ${port.id} on ${port.host} became ACTIVE, its ${entity} not served since position ${position}`;
      this.#found ??= new Violation('ACTIVE implies served', what);
    }
  }
}
