/** Tables of namespaces: nothing tells whose another hand has changed, and asking costs a program for each. */
import type { Host } from '../../host/host.ts';
import { namespaceOf } from './desired.ts';
import { TABLE } from './dnsmasq.ts';
import { paths } from './observe.ts';
import type { Wiring } from './wiring.ts';

/** So many are looked at by each patrol, of more one at a time. */
const FEW_NETWORKS = 3;

export class TablePatrol {
  readonly #host: Host;
  readonly #wiring: Wiring;
  #turn = 0;

  constructor(host: Host, wiring: Wiring) {
    this.#host = host;
    this.#wiring = wiring;
  }

  /** Of these networks, or the next of them, those whose table is not as we left it; it is made anew with their wiring. */
  async look(networkIds: readonly string[], scope: 'all' | 'next'): Promise<string[]> {
    const at = this.#turn++ % Math.max(1, networkIds.length);
    const isAll = scope === 'all' || networkIds.length <= FEW_NETWORKS;
    const ids = isAll ? networkIds : networkIds.slice(at, at + 1);
    if (ids.length === 0) return [];
    const marks = await this.#host.rulesetMarks(ids.map(namespaceOf), TABLE);
    const bare = ids.filter((id) => !marks.has(namespaceOf(id)) && this.#wiring.isBelieved(id));
    for (const id of bare) {
      await this.#host.removeFile(paths(id).table);
      this.#wiring.distrust(id);
    }
    return bare;
  }
}
