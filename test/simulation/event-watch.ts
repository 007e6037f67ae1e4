/** The events that servers write down: never more than what happened can account for. */
import type { EventKind, EventRow } from '../../src/resources/event.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import { Violation } from './violation.ts';

const LATELY_MS = 10_000;

export class EventWatch {
  readonly #now: () => number;
  readonly #most: () => number;
  readonly #lastAt = new Map<string, number>();
  #count = 0;
  #found: Violation | undefined;

  /** `most`: how many there may be by now. */
  constructor(options: { store: MemoryStore; now: () => number; most: () => number }) {
    this.#now = options.now;
    this.#most = options.most;
    options.store.observe((written) => this.#onCommit(written));
  }

  throwIfFound(): void {
    if (this.#found) throw this.#found;
  }

  get count(): number {
    return this.#count;
  }

  wasLately(kind: EventKind): boolean {
    return this.#now() - (this.#lastAt.get(kind) ?? Number.NEGATIVE_INFINITY) < LATELY_MS;
  }

  #onCommit(written: Written): void {
    for (const row of written.get('events')?.values() ?? []) {
      if (!row) continue;
      const event = row as EventRow;
      this.#lastAt.set(event.kind, this.#now());
      this.#count += 1;
      if (this.#count <= this.#most()) continue;
      this.#found ??= new Violation('events bounded', `${this.#count} events, the last: ${event.message}`);
    }
  }
}
