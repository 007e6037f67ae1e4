/** All networks' wiring, read at once for a full pass. What was read holds for a network until something touches it. */
import type { Host, Link } from '../../host/host.ts';
import { TABLE } from './dnsmasq.ts';
import { namespaceOf } from './desired.ts';
import { wiringOf } from './observe.ts';
import type { ObservedWiring } from './observed.ts';

/** Namespaces whose table is looked at in each pass: over some passes, all. */
const TABLES_AT_ONCE = 16;

interface Found {
  readonly namespaces: ReadonlySet<string>;
  readonly taps: ReadonlyMap<string, Link>;
  readonly inner: ReadonlyMap<string, readonly Link[]>;
  /** Namespaces whose table is not as we left it. */
  readonly bare: ReadonlySet<string>;
}

export class Bulk {
  readonly #host: Host;
  #found: Found | null = null;
  #touched = new Set<string>();
  /** The newest reading; what an older one finds does not count any more. */
  #reading: Promise<Found> | null = null;
  #turn = 0;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Reads anew. Until that is done nothing that was read before counts. */
  async read(): Promise<void> {
    this.forget();
    const reading = this.#readAll();
    this.#reading = reading;
    const found = await reading;
    if (reading === this.#reading) this.#found = found;
  }

  /** What was read of this network may not be so any more. */
  touch(networkId: string): void {
    this.#touched.add(networkId);
  }

  /** Nothing that was read can be relied on, nor what is being read. */
  forget(): void {
    this.#touched = new Set();
    this.#found = null;
    this.#reading = null;
  }

  /**
   * null: look for yourself. So while a pass is only being prepared: who asks then has a new port, and does not wait for
   * 200 networks.
   */
  async wiring(networkId: string, tap: string): Promise<ObservedWiring | null> {
    const found = this.#found;
    if (found === null || this.#touched.has(networkId)) return null;
    const wiring = await wiringOf(this.#host, {
      networkId,
      tap: found.taps.get(tap) ?? null,
      namespace: found.namespaces.has(namespaceOf(networkId)),
      inner: found.inner.get(namespaceOf(networkId)) ?? [],
    });
    return found.bare.has(namespaceOf(networkId)) ? { ...wiring, table: false } : wiring;
  }

  async #readAll(): Promise<Found> {
    const names = [...(await this.#host.namespaces())].filter((name) => name.startsWith('qdhcp-')).sort();
    const [links, inner, bare] = await Promise.all([
      this.#host.links(),
      this.#host.linksIn(names),
      this.#bareOf(names),
    ]);
    return {
      namespaces: new Set(names),
      taps: new Map(links.filter((link) => link.name.startsWith('tap')).map((link) => [link.name, link])),
      inner,
      bare,
    };
  }

  async #bareOf(names: readonly string[]): Promise<Set<string>> {
    const from = names.length === 0 ? 0 : this.#turn % names.length;
    const some = [...names.slice(from), ...names.slice(0, from)].slice(0, TABLES_AT_ONCE);
    this.#turn = from + some.length;
    const marks = some.length === 0 ? new Map() : await this.#host.rulesetMarks(some, TABLE);
    return new Set(some.filter((name) => !marks.has(name)));
  }
}
