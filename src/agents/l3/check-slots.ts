/**
 * Who of the check scripts may run now. So many run at once on a host, and each script has an even share of that which no
 * other may take: one that hangs for a minute on a hundred routers delays itself and nobody else. Pure but for waking.
 */
export const MOST_AT_ONCE = 16;

export class Slots {
  readonly #share: number;
  readonly #running = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();
  /** When each was served last, by counting. */
  readonly #served = new Map<string, number>();
  #total = 0;
  #count = 0;

  /** `names`: how many scripts there are. With more than there are places they take turns. */
  constructor(names: number) {
    this.#share = Math.max(1, Math.floor(MOST_AT_ONCE / Math.max(1, names)));
  }

  /** Resolves when a run of the script may begin; each is followed by a `leave`. */
  enter(name: string): Promise<void> {
    return new Promise((go) => {
      const line = this.#waiting.get(name);
      if (line === undefined) this.#waiting.set(name, [go]);
      else line.push(go);
      this.#serve();
    });
  }

  leave(name: string): void {
    this.#add(name, -1);
    this.#serve();
  }

  #serve(): void {
    while (this.#total < MOST_AT_ONCE) {
      const name = this.#next();
      if (name === undefined) return;
      this.#served.set(name, ++this.#count);
      this.#add(name, 1);
      this.#waiting.get(name)?.shift()?.();
    }
  }

  /** Of those that wait and have not all of their share, the one that was served the longest time ago. */
  #next(): string | undefined {
    const served = (name: string) => this.#served.get(name) ?? 0;
    return [...this.#waiting]
      .filter(([name, line]) => line.length > 0 && (this.#running.get(name) ?? 0) < this.#share)
      .map(([name]) => name)
      .sort((one, other) => served(one) - served(other))[0];
  }

  #add(name: string, change: number): void {
    this.#running.set(name, (this.#running.get(name) ?? 0) + change);
    this.#total += change;
  }
}
