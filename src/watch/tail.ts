/**
 * The last changes of the log in memory: does it hold a place, and which keys of a group were hinted after it? Bounded
 * in refs; whoever is further behind is compared group by group.
 */
import { type Group, type Ref, splitRef } from '../resources/agent-view.ts';
import type { Place } from '../resources/place.ts';

export interface Hint extends Place {
  readonly refs: readonly Ref[];
}

export class Tail {
  readonly #maxRefs: number;
  /** Hints in order of position, the oldest at `#first`. */
  #hints: Hint[] = [];
  #first = 0;
  #refs = 0;
  /** For each group, its hinted keys with their last position, in the order of those positions. */
  readonly #recent = new Map<Group, Map<string, number>>();
  /** The last position that hinted anything in the group. */
  readonly #newest = new Map<Group, number>();

  constructor(maxRefs: number) {
    this.#maxRefs = maxRefs;
  }

  /** How many changes are held. */
  get length(): number {
    return this.#hints.length - this.#first;
  }

  /** Adds the next change; forgets the oldest if that makes too many. */
  append(hint: Hint): void {
    this.#hints.push(hint);
    this.#refs += hint.refs.length;
    for (const ref of hint.refs) {
      const { group, key } = splitRef(ref);
      const keys = this.#recent.get(group) ?? new Map<string, number>();
      keys.delete(key);
      keys.set(key, hint.position);
      this.#recent.set(group, keys);
      this.#newest.set(group, hint.position);
    }
    while (this.#refs > this.#maxRefs && this.length > 1) this.#forgetFirst();
  }

  /** Whether that place is among the changes held, so that everything after it is known. */
  holds(place: Place): boolean {
    const first = this.#hints[this.#first];
    // what lies before the first is forgotten, though it may still be in the array
    if (!first || place.position < first.position) return false;
    return this.#hints[this.#first + place.position - first.position]?.tag === place.tag;
  }

  /** Adds to `into` the keys of the group that were hinted after a position that is held. */
  keysSince(group: Group, position: number, into: Set<string>): void {
    if (this.newest(group) <= position) return;
    for (const [key, last] of this.#recent.get(group) ?? []) {
      if (last > position) into.add(key);
    }
  }

  /** The last position held that hinted anything in the group; 0 for none. */
  newest(group: Group): number {
    return this.#newest.get(group) ?? 0;
  }

  #forgetFirst(): void {
    const hint = this.#hints[this.#first] as Hint;
    this.#first++;
    this.#refs -= hint.refs.length;
    for (const ref of hint.refs) {
      const { group, key } = splitRef(ref);
      const keys = this.#recent.get(group);
      if (keys?.get(key) === hint.position) keys.delete(key);
      if (keys?.size === 0) {
        this.#recent.delete(group);
        this.#newest.delete(group);
      }
    }
    if (this.#first > 1000 && this.#first * 2 > this.#hints.length) {
      this.#hints = this.#hints.slice(this.#first);
      this.#first = 0;
    }
  }
}
