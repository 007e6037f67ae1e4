/** Plugs what is bound to its host and unplugs what no longer is, each a little later; at times it unplugs for no reason. */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import type { PortRow } from '../../src/resources/port.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { tapOf } from './host-oracle.ts';
import type { Machine } from './machine.ts';
import type { Scheduler } from './scheduler.ts';
import { happens } from './weather.ts';

export class Hypervisor {
  readonly #machine: Machine;
  readonly #store: MemoryStore;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  /** Now and then a machine is stopped and started again. */
  isRestless = true;

  constructor(machine: Machine, options: { store: MemoryStore; scheduler: Scheduler; random: Random }) {
    this.#machine = machine;
    this.#store = options.store;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
  }

  /** Looks again and again, for ever. */
  begin(): void {
    const again = () => {
      this.#scheduler.follow(this.#tick());
      this.#scheduler.after(integerBetween(this.#random, 50, 800), '', again);
    };
    again();
  }

  async #tick(): Promise<void> {
    const { host, name, isOff } = this.#machine;
    if (isOff) return;
    const { links } = await this.#machine.look();
    const bound = this.#store
      .rows('ports')
      .filter((port: PortRow) => port.host === name && port.device_owner !== 'network:dhcp');
    const wanted = new Set(bound.map(tapOf));
    for (const port of bound) {
      if (links.has(tapOf(port)) || !happens(this.#random, 0.5)) continue;
      this.#scheduler.note(`${name} plugs ${tapOf(port)}`);
      host.plug({ name: tapOf(port), mac: port.mac_address });
    }
    for (const link of links.values()) {
      if (link.kind !== 'tun' || !link.name.startsWith('tap')) continue;
      const isWanted = wanted.has(link.name);
      if (isWanted ? !(this.isRestless && happens(this.#random, 0.02)) : !happens(this.#random, 0.5))
        continue;
      this.#scheduler.note(`${name} unplugs ${link.name}`);
      this.#machine.meddled += 1;
      host.meddle(null, { op: 'delete-link', name: link.name });
    }
  }
}
