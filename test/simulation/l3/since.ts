/** Since when something is so, by name; what is not said again is over. */
export class Since {
  #at = new Map<string, number>();
  #lookedAt = 0;

  /**
   * Returns how long each of the names has been so, without a break, less the time in which nothing could be done about it: between
   * two looks at the second of which it `waits`.
   */
  look(
    names: Iterable<string>,
    now: number,
    waits: (name: string) => boolean = () => false,
  ): Map<string, number> {
    const passedMs = now - this.#lookedAt;
    const at = new Map<string, number>();
    for (const name of names) {
      const since = this.#at.get(name);
      at.set(name, since === undefined ? now : since + (waits(name) ? passedMs : 0));
    }
    this.#at = at;
    this.#lookedAt = now;
    return new Map([...at].map(([name, since]) => [name, now - since]));
  }
}
