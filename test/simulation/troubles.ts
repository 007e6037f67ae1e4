/** What is wrong right now, by name: a way that is cut, a disk that is full. Two that overlap end one by one. */
export class Troubles {
  readonly #counts = new Map<string, number>();
  #era = 0;

  /** It begins; the returned function ends it. */
  begin(name: string): () => void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    const era = this.#era;
    let hasEnded = false;
    return () => {
      if (hasEnded || era !== this.#era) return;
      hasEnded = true;
      const left = (this.#counts.get(name) ?? 1) - 1;
      if (left > 0) this.#counts.set(name, left);
      else this.#counts.delete(name);
    };
  }

  has(name: string): boolean {
    return this.#counts.size > 0 && this.#counts.has(name);
  }

  names(): string[] {
    return [...this.#counts.keys()];
  }

  /** All is well again. */
  clear(): void {
    this.#era += 1;
    this.#counts.clear();
  }
}
