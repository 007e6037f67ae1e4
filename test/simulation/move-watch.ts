/**
 * A planned move takes nothing from anybody: when the servers by themselves end a binding that was leaving, each ACTIVE port
 * that it still serves has been served by another one of the network's agents since that was chosen.
 */
import type { DhcpBindingRow } from '../../src/resources/agent.ts';
import type { Place } from '../../src/resources/place.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import { leasesOf } from './host-oracle.ts';
import { leasedName, type ServedWatch } from './served-watch.ts';
import { Violation } from './violation.ts';

export class MoveWatch {
  readonly #store: MemoryStore;
  readonly #served: ServedWatch;
  /** Bindings as they were committed, by key. */
  readonly #bindings = new Map<string, DhcpBindingRow>();
  /** Transactions of users: what they take away is their business. */
  readonly #asked = new Set<number>();
  #found: Violation | undefined;

  constructor(options: { store: MemoryStore; served: ServedWatch }) {
    this.#store = options.store;
    this.#served = options.served;
    options.store.observe((written, place) => this.#onCommit(written, place));
  }

  throwIfFound(): void {
    if (this.#found) throw this.#found;
  }

  /** A transaction with that tag is a user's request. */
  isAsked(tag: number): void {
    this.#asked.add(tag);
  }

  forget(): void {
    this.#bindings.clear();
    for (const row of this.#store.rows('dhcpBindings')) {
      this.#bindings.set([row.network_id, row.agent_id].join('\u0000'), { ...row });
    }
  }

  #onCommit(written: Written, place: Place | null): void {
    const changed = written.get('dhcpBindings');
    if (!changed) return;
    for (const [key, row] of changed) {
      const before = this.#bindings.get(key);
      if (row) this.#bindings.set(key, { ...(row as DhcpBindingRow) });
      else this.#bindings.delete(key);
      if (row || !before?.leaving || (place && this.#asked.has(place.tag))) continue;
      if (written.get('agents')?.get(before.agent_id) === null) continue;
      this.#judge(before);
    }
  }

  #judge({ network_id, host }: DhcpBindingRow): void {
    const others = [...this.#bindings.values()].filter(
      (binding) => binding.network_id === network_id && !binding.leaving,
    );
    const network = this.#store.rows('networks').find((one) => one.id === network_id);
    // one that is switched off is to be served nowhere, whoever has not heard of it yet
    if (!network?.admin_state_up) return;
    const subnets = this.#store.rows('subnets');
    for (const port of this.#store.rows('ports')) {
      if (port.network_id !== network_id || port.status !== 'ACTIVE') continue;
      const leases = leasesOf(port, subnets);
      const name = (lease: string, where: string) => leasedName(network_id, lease, where);
      const isHere = leases.every((lease) => this.#served.isNow(name(lease, host), host));
      if (leases.length === 0 || !isHere) continue;
      const isServed = others.some((other) => {
        const since = this.#served.committedAt(other.position);
        return leases.every((lease) => this.#served.wasSince(name(lease, other.host), other.host, since));
      });
      if (isServed) continue;
      const what = `${host} no longer serves port ${port.id}, and none of ${others.map((one) => one.host)} has yet`;
      this.#found ??= new Violation('served while moved', what);
    }
  }
}
