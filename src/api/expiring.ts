/** What is known for a while: a bounded number of values by name, each with its own end; the longest unused one goes first. */
import type { Clock } from '../lib/clock.ts';

export class Expiring<Value> {
  readonly #clock: Clock;
  readonly #size: number;
  readonly #entries = new Map<string, { readonly value: Value; readonly until: number }>();

  constructor(clock: Clock, size: number) {
    this.#clock = clock;
    this.#size = size;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): Value | undefined {
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    this.#entries.delete(name);
    if (this.#clock.now() >= entry.until) return undefined;
    // the map keeps the order in which they were put: the last used is the last
    this.#entries.set(name, entry);
    return entry.value;
  }

  set(name: string, value: Value, forMs: number): void {
    this.#entries.delete(name);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size >= this.#size && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(name, { value, until: this.#clock.now() + forMs });
  }
}
