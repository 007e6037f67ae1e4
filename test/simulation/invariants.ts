/** What must hold at every moment. Each finding ends the run with a Violation that says what, where and when. */
import { formatPlace, type Place } from '../../src/resources/place.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { canonicalJson } from '../../src/watch/digest.ts';
import type { Mirror } from '../../src/watch/mirror.ts';
import { Violation } from './violation.ts';
import { expectedScope, type Rows, type Scope } from './oracle.ts';

/** The tables as of a place; undefined if the log does not hold it. */
export function rowsAtPlace(store: MemoryStore, place: Place): Rows | undefined {
  if (!store.holds(place)) return undefined;
  const at = <Name extends keyof Rows>(name: Name) => store.rowsAt(name, place) as Rows[Name];
  return {
    networks: at('networks'),
    subnets: at('subnets'),
    ports: at('ports'),
    hosts: at('hosts'),
    agents: at('agents'),
    dhcpBindings: at('dhcpBindings'),
    securityGroups: at('securityGroups'),
    securityGroupRules: at('securityGroupRules'),
    portSecurityGroups: at('portSecurityGroups'),
    addressGroups: at('addressGroups'),
  };
}

/** The tables now. */
export function rowsNow(store: MemoryStore): Rows {
  return {
    networks: store.rows('networks'),
    subnets: store.rows('subnets'),
    ports: store.rows('ports'),
    hosts: store.rows('hosts'),
    agents: store.rows('agents'),
    dhcpBindings: store.rows('dhcpBindings'),
    securityGroups: store.rows('securityGroups'),
    securityGroupRules: store.rows('securityGroupRules'),
    portSecurityGroups: store.rows('portSecurityGroups'),
    addressGroups: store.rows('addressGroups'),
  };
}

/** Held bodies, and what each was found to be the same as. */
type Compared = WeakMap<object, object>;

/**
 * The first difference between what a mirror holds and what it should; undefined for none. What `compared` knows is not
 * looked into again: neither the one nor the other ever changes.
 */
export function differenceOf(
  mirror: Mirror,
  expected: Scope,
  compared: Compared = new WeakMap(),
): string | undefined {
  const held = new Set(mirror.groups());
  for (const group of held)
    if (!expected.has(group) && (mirror.group(group)?.size ?? 0) > 0) return `holds ${group}, out of scope`;
  for (const [group, objects] of expected) {
    const found = mirror.group(group);
    if (!found) return `lacks ${group}`;
    for (const key of found.keys()) if (!objects.has(key)) return `holds ${group}|${key}, which is gone`;
    for (const [key, body] of objects) {
      const has = found.get(key) ?? null;
      if (has !== null && compared.get(has) === body) continue;
      if (!isSame(has, body))
        return `${group}|${key} is ${canonicalJson(has)} instead of ${canonicalJson(body)}`;
      if (has !== null) compared.set(has, body);
    }
  }
  return undefined;
}

/** Equality of what JSON can say; a property that is undefined is not there. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const name in one) if (!isSame(one[name], other[name])) return false;
  for (const name in other) if (other[name] !== undefined && one[name] === undefined) return false;
  return true;
}

/** Within a lineage a mirror never goes back, and at each place it is exactly the state of that place. */
export class MirrorWatch {
  readonly #store: MemoryStore;
  readonly #seen = new Map<string, Place>();
  readonly #compared: Compared = new WeakMap();
  /** What many mirrors are compared with: the rows of the place that was looked at last. */
  #last: { readonly place: Place; readonly rows: Rows | undefined } | undefined;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  /** A new life begins with what its disk still had: that may be older. */
  reborn(host: string): void {
    this.#seen.delete(host);
  }

  check(host: string, mirror: Mirror): void {
    const { place } = mirror;
    const last = this.#seen.get(host);
    if (place === null || (place.position === last?.position && place.tag === last.tag)) return;
    this.#seen.set(host, place);
    if (last && place.position < last.position && this.#store.holds(last)) {
      throw new Violation('never back', `${host} went from ${formatPlace(last)} to ${formatPlace(place)}`);
    }
    const rows = this.#rowsAt(place);
    if (!rows) return;
    const difference = differenceOf(mirror, expectedScope(host, rows), this.#compared);
    if (difference) throw new Violation('exact mirror', `${host} at ${formatPlace(place)} ${difference}`);
  }

  #rowsAt(place: Place): Rows | undefined {
    if (!this.#store.holds(place)) return undefined;
    const isLast = this.#last?.place.position === place.position && this.#last.place.tag === place.tag;
    if (!isLast) this.#last = { place, rows: rowsAtPlace(this.#store, place) };
    return this.#last?.rows;
  }
}
