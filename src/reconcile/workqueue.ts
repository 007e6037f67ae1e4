/** Of so many takes in a row from the urgent keys, the next goes to the others: a full pass is slowed, never stopped. */
const URGENT_IN_A_ROW = 8;

/** Keys that wait for a worker, each at most once: urgent ones first, otherwise in the order in which they came. */
export class WorkQueue {
  readonly #urgent = new Set<string>();
  readonly #ordinary = new Set<string>();
  #inARow = 0;

  get size(): number {
    return this.#urgent.size + this.#ordinary.size;
  }

  has(key: string): boolean {
    return this.#urgent.has(key) || this.#ordinary.has(key);
  }

  /** A key that waits already keeps its place, or moves up if it has become urgent. */
  add(key: string, urgent: boolean): void {
    if (this.#urgent.has(key)) return;
    if (urgent) {
      this.#ordinary.delete(key);
      this.#urgent.add(key);
    } else this.#ordinary.add(key);
  }

  /** undefined: nothing waits. */
  take(): string | undefined {
    const preferUrgent = this.#ordinary.size === 0 || this.#inARow < URGENT_IN_A_ROW;
    const from = preferUrgent && this.#urgent.size > 0 ? this.#urgent : this.#ordinary;
    const [key] = from;
    if (key === undefined) return undefined;
    from.delete(key);
    this.#inARow = from === this.#urgent ? this.#inARow + 1 : 0;
    return key;
  }
}
