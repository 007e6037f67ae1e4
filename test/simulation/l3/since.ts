/** Since when something is so, by name; what is not said again is over. */
export class Since {
  #at = new Map<string, number>();

  /** Returns how long each of the names has been so, without a break. */
  look(names: Iterable<string>, now: number): Map<string, number> {
    const at = new Map<string, number>();
    for (const name of names) at.set(name, this.#at.get(name) ?? now);
    this.#at = at;
    return new Map([...at].map(([name, since]) => [name, now - since]));
  }
}
