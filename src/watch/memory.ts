/**
 * What a feed remembers between cycles, never a body: its place, the tail of the log, and each host's scope. So that a
 * server that lost all its watchers can answer them again without asking the database once for each.
 */
import {
  type Group,
  hostGroup,
  networkGroup,
  type Ref,
  splitKey,
  splitRef,
} from '../resources/agent-view.ts';
import { type Place, samePlace } from '../resources/place.ts';
import type { ChangeHint, FeedView } from './source.ts';
import { type Hint, Tail } from './tail.ts';

export type Scope = ReadonlySet<Group>;

/** Rows asked for at once; the log is read on until its end. */
const CHUNK = 5_000;

export class FeedMemory {
  #last: Place;
  readonly tail: Tail;
  readonly #scopes: Map<string, Scope>;

  private constructor(last: Place, tail: Tail, scopes: Map<string, Scope>) {
    this.#last = last;
    this.tail = tail;
    this.#scopes = scopes;
  }

  /** Reads every host's scope and the end of the log, in one pass. */
  static async load(view: FeedView, limits: { tailChanges: number; tailRefs: number }): Promise<FeedMemory> {
    const head = await view.head();
    const scopes = scopesOf(await view.scopes());
    const tail = new Tail(limits.tailRefs);
    const from = Math.max(0, head.position - limits.tailChanges);
    const changes = await readLog(view, from);
    const scopeOf = (host: string) => scopes.get(host) ?? ownScope(host);
    for (const hint of contiguousEnd(changes).map((change) => expandHint(change, scopeOf))) tail.append(hint);
    return new FeedMemory(head, tail, scopes);
  }

  /** As far as the log has been read. */
  get last(): Place {
    return this.#last;
  }

  scopeOf(host: string): Scope {
    return this.#scopes.get(host) ?? ownScope(host);
  }

  /** The hosts that had the group in scope. */
  hostsWith(group: Group): string[] {
    const found: string[] = [];
    for (const [host, scope] of this.#scopes) if (scope.has(group)) found.push(host);
    return found;
  }

  /** Takes in what a cycle read. */
  advance(hints: readonly Hint[], scopes: ReadonlyMap<string, Scope>): void {
    for (const [host, scope] of scopes) {
      if (scope.size > 1) this.#scopes.set(host, scope);
      else this.#scopes.delete(host);
    }
    for (const hint of hints) this.tail.append(hint);
    const newest = hints.at(-1);
    if (newest) this.#last = { position: newest.position, tag: newest.tag };
  }
}

export function ownScope(host: string): Scope {
  return new Set([hostGroup(host)]);
}

/** Scopes as sets, each with the host's own group; equal names are one string, for there are many. */
export function scopesOf(groups: ReadonlyMap<string, readonly string[]>): Map<string, Scope> {
  const names = new Map<string, string>();
  const one = (name: string) => {
    const known = names.get(name);
    if (known === undefined) names.set(name, name);
    return known ?? name;
  };
  const scopes = new Map<string, Scope>();
  for (const [host, others] of groups) scopes.set(host, new Set([hostGroup(host), ...others.map(one)]));
  return scopes;
}

/**
 * A change of a host's row bears on its endpoint in each of its networks. The hint of the writing transaction names
 * those that it saw; a port that was bound to the host at the same moment is found here, in what has committed.
 */
export function expandHint(change: ChangeHint, scopeOf: (host: string) => Scope): Hint {
  const { position, tag } = change;
  const refs = new Set<Ref>(change.refs);
  for (const ref of change.refs) {
    const { group, key } = splitRef(ref);
    if (group !== key || !group.startsWith('host/')) continue;
    const host = splitKey(key).id;
    for (const name of scopeOf(host)) {
      const { kind, id } = splitKey(name);
      if (kind === 'network') refs.add(`${networkGroup(id)}|endpoint/${host}`);
    }
  }
  return { position, tag, refs: [...refs] };
}

/** The log from a position to its end. */
async function readLog(view: FeedView, from: number): Promise<ChangeHint[]> {
  const changes: ChangeHint[] = [];
  for (let at = from; ; ) {
    const chunk = await view.changesFrom(at, CHUNK);
    changes.push(...chunk);
    const newest = chunk.at(-1);
    if (!newest || chunk.length < CHUNK) return changes;
    at = newest.position + 1;
  }
}

/** The changes after `last`; undefined if the log does not hold it: another lineage, or trimmed past us. */
export async function readChangesAfter(view: FeedView, last: Place): Promise<ChangeHint[] | undefined> {
  const changes = await readLog(view, last.position);
  const first = changes[0];
  if (!first || !samePlace({ position: first.position, tag: first.tag }, last)) return undefined;
  return contiguousEnd(changes).length === changes.length ? changes.slice(1) : undefined;
}

/** The longest end of the list without a gap. */
function contiguousEnd(changes: readonly ChangeHint[]): readonly ChangeHint[] {
  let from = changes.length - 1;
  while (from > 0 && changes[from - 1]?.position === (changes[from]?.position ?? 0) - 1) from--;
  return changes.slice(Math.max(0, from));
}
