/** A remedy never worsens service: what a host serves when one of its roles rebuilds a network, it serves throughout. */
import type { RoleAgent } from '../../src/agents/role.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { isWired } from './host-oracle.ts';
import type { Machine } from './machine.ts';
import { leasedName, type ServedWatch, wiredName } from './served-watch.ts';
import { Violation } from './violation.ts';

const DHCP_OWNER = 'network:dhcp';

export class RemedyWatch {
  readonly #store: MemoryStore;
  readonly #served: ServedWatch;
  readonly #now: () => number;
  #found: Violation | undefined;

  constructor(options: { store: MemoryStore; served: ServedWatch; now: () => number }) {
    this.#store = options.store;
    this.#served = options.served;
    this.#now = options.now;
  }

  /** Looks at what the role's rebuilds do to the machine. */
  follow(role: RoleAgent, machine: Machine): void {
    const rebuild = role.rebuild?.bind(role);
    if (!rebuild) return;
    role.rebuild = async (key, signal) => {
      const names = await this.#serving(key.slice('network/'.length), machine);
      const before = { at: this.#now(), rows: this.#served.rowsVersion, meddled: machine.meddled };
      await rebuild(key, signal);
      // another hand, or another wish, may have ended it
      if (machine.meddled !== before.meddled || this.#served.rowsVersion !== before.rows) return;
      const lost = names.find((name) => this.#served.hasEndedSince(name, before.at));
      if (lost === undefined) return;
      const what = `${machine.name} rebuilt ${key}: ${lost} was served`;
      this.#found ??= new Violation('remedies take nothing down', what);
    };
  }

  throwIfFound(): void {
    if (this.#found) throw this.#found;
  }

  async #serving(networkId: string, machine: Machine): Promise<string[]> {
    const { name } = machine;
    const picture = await machine.look();
    const ports = this.#store.rows('ports').filter((port) => port.network_id === networkId);
    // a dnsmasq that the bridge does not reach serves nobody
    const own = ports.find((port) => port.host === name && port.device_owner === DHCP_OWNER);
    const isReached = own !== undefined && isWired(own, picture);
    const leases = isReached ? (machine.dnsmasq(networkId)?.leases() ?? []) : [];
    // What was wished away earlier ends in its own time, maybe just now.
    const wanted = ports.filter((port) => port.host === name && port.admin_state_up);
    const candidates = [
      ...wanted.map(({ id }) => wiredName(id, name)),
      ...leases.map((lease) => leasedName(networkId, lease, name)),
    ];
    return candidates.filter((one) => this.#served.isNow(one, name));
  }
}
