/**
 * One cycle of the feed, its reading half: everything that is to be told, from one view. Changes nothing; if the
 * database fails half-way, the next cycle reads it all again.
 */
import { type Body, type Group, hostGroup, type Ref, splitKey, splitRef } from '../resources/agent-view.ts';
import type { Place } from '../resources/place.ts';
import { expandHint, type FeedMemory, readChangesAfter, type Scope, scopesOf } from './memory.ts';
import type { WatchRequest } from './protocol.ts';
import type { ChangeHint, FeedView } from './source.ts';
import type { Sink, Stream } from './stream.ts';
import type { Hint } from './tail.ts';

/** An agent that wants to watch and has no answer yet. */
export interface Joiner {
  readonly request: WatchRequest;
  readonly sink: Sink;
  readonly since: number;
  readonly link: Link;
}

/** What is left of a joiner once it is answered: a watch may last for months, its request need not. */
export interface Link {
  /** The open stream, once there is one. */
  stream: Stream | undefined;
  /** The connection is gone, or was refused. */
  isClosed: boolean;
  /** It sends heartbeats. */
  beats: boolean;
}

/** Why a whole comparison is due: it holds nothing, its place is of another lineage, or too far back. */
export type SnapshotReason = 'empty' | 'lineage' | 'behind';

export type Entry =
  | {
      readonly type: 'deltas';
      readonly joiner: Joiner;
      readonly scope: Scope;
      readonly enter: readonly Group[];
      readonly leave: readonly Group[];
      readonly keys: ReadonlyMap<Group, ReadonlySet<string>>;
    }
  | {
      readonly type: 'groups';
      readonly joiner: Joiner;
      readonly scope: Scope;
      readonly reason: SnapshotReason;
    };

/** A stream whose scope is another now. */
export interface Turn {
  readonly stream: Stream;
  readonly scope: Scope;
  readonly enter: readonly Group[];
  readonly leave: readonly Group[];
}

export interface CycleInput {
  readonly memory: FeedMemory;
  readonly now: number;
  readonly streamOf: (host: string) => Stream | undefined;
  readonly isWatched: (group: Group) => boolean;
  readonly joiners: readonly Joiner[];
  /** Takes a place among those who are compared whole; false: there is none now. */
  readonly admit: (groups: number) => boolean;
  /** A joiner whose place is ahead of the log is kept waiting that long. */
  readonly aheadMs: number;
  /** Joiners beyond this many groups to be read whole wait for the next cycle. */
  readonly maxGroups: number;
  readonly audit: { readonly groups: readonly Group[]; readonly hosts: readonly string[] };
}

export interface Reading {
  readonly head: Place;
  readonly hints: readonly Hint[];
  readonly scopes: ReadonlyMap<string, Scope>;
  /** Watched groups and their hinted keys. */
  readonly touched: ReadonlyMap<Group, ReadonlySet<string>>;
  /** Watched groups in which something was hinted that is as it was. */
  readonly unchanged: ReadonlySet<Group>;
  /** The changes behind the hints, with their age. */
  readonly changes: readonly ChangeHint[];
  readonly turns: readonly Turn[];
  readonly entries: readonly Entry[];
  readonly refused: readonly Joiner[];
  /** For the next cycle. */
  readonly postponed: readonly Joiner[];
  /** Their place is ahead of the log's head; to be looked at again soon. */
  readonly ahead: readonly Joiner[];
  readonly bodies: ReadonlyMap<Ref, Body | null>;
  readonly whole: ReadonlyMap<Group, ReadonlyMap<string, Body>>;
}

/** undefined: the log does not hold the memory's place any more. */
export async function readCycle(view: FeedView, input: CycleInput): Promise<Reading | undefined> {
  const { memory, audit } = input;
  const changes = await readChangesAfter(view, memory.last);
  if (!changes) return undefined;
  const newest = changes.at(-1) ?? memory.last;
  const head = { position: newest.position, tag: newest.tag };
  const hosts = new Set([...audit.hosts, ...concernedHosts(changes, memory)]);
  const scopes = hosts.size === 0 ? new Map<string, Scope>() : scopesOf(await view.scopes([...hosts]));
  const scopeOf = (host: string) => scopes.get(host) ?? memory.scopeOf(host);
  const hints = changes.map((change) => expandHint(change, scopeOf));

  const { touched, unchanged } = touchedBy(hints, { ...input, scopeOf });
  const turns = turnsOf(scopes, input.streamOf);
  const joining = decideAll(input, { head, hints, scopeOf });
  const { refs, groups } = toRead(touched, turns, joining.entries);
  for (const name of audit.groups) groups.add(name);
  const bodies = refs.size === 0 ? new Map<Ref, Body | null>() : await view.objects(refs);
  const whole = groups.size === 0 ? new Map<Group, Map<string, Body>>() : await view.groups(groups);
  return { head, hints, scopes, touched, unchanged, changes, turns, ...joining, bodies, whole };
}

/**
 * The hosts whose scope may have changed. What a change names with a slash is a group: all who have it. Those who came to have it
 * by a change of this very cycle are named by that one, and what they see is read from the same state.
 */
function concernedHosts(changes: readonly ChangeHint[], memory: FeedMemory): Set<string> {
  const found = new Set<string>();
  for (const name of new Set(changes.flatMap((change) => change.hosts))) {
    if (!name.includes('/')) found.add(name);
    else for (const host of memory.hostsWith(name)) found.add(host);
  }
  return found;
}

/**
 * What was hinted in watched groups. An endpoint is there for as long as its host has the network in scope: one port
 * more or less of many is hinted, but changes nothing for the thousands that share the network.
 */
function touchedBy(
  hints: readonly Hint[],
  { isWatched, memory, scopeOf }: Pick<CycleInput, 'isWatched' | 'memory'> & Pick<State, 'scopeOf'>,
): { touched: Map<Group, Set<string>>; unchanged: Set<Group> } {
  const touched = new Map<Group, Set<string>>();
  const unchanged = new Set<Group>();
  const refs = new Set(hints.flatMap((hint) => hint.refs));
  for (const ref of refs) {
    const { group, key } = splitRef(ref);
    if (!isWatched(group)) continue;
    const { kind, id } = splitKey(key);
    const isAsBefore =
      kind === 'endpoint' &&
      memory.scopeOf(id).has(group) === scopeOf(id).has(group) &&
      !refs.has(`${hostGroup(id)}|host/${id}`);
    if (isAsBefore) unchanged.add(group);
    else touched.set(group, (touched.get(group) ?? new Set()).add(key));
  }
  return { touched, unchanged };
}

function turnsOf(scopes: ReadonlyMap<string, Scope>, streamOf: (host: string) => Stream | undefined): Turn[] {
  const turns: Turn[] = [];
  for (const [host, scope] of scopes) {
    const stream = streamOf(host);
    if (!stream) continue;
    const enter = [...scope].filter((name) => !stream.scope.has(name));
    const leave = [...stream.scope].filter((name) => !scope.has(name));
    if (enter.length + leave.length > 0) turns.push({ stream, scope, enter, leave });
  }
  return turns;
}

interface State {
  readonly head: Place;
  readonly hints: readonly Hint[];
  readonly scopeOf: (host: string) => Scope;
}

function decideAll(
  input: CycleInput,
  state: State,
): Pick<Reading, 'entries' | 'refused' | 'postponed' | 'ahead'> {
  const entries: Entry[] = [];
  const refused: Joiner[] = [];
  const postponed: Joiner[] = [];
  const ahead: Joiner[] = [];
  let groups = 0;
  for (const joiner of input.joiners) {
    if (joiner.link.isClosed) continue;
    if (groups > input.maxGroups) {
      postponed.push(joiner);
      continue;
    }
    const entry = decide(joiner, input, state);
    if (entry === 'ahead') {
      ahead.push(joiner);
    } else if (entry.type === 'groups' && !input.admit(entry.scope.size)) {
      refused.push(joiner);
    } else {
      entries.push(entry);
      groups += entry.type === 'groups' ? entry.scope.size : entry.enter.length;
    }
  }
  return { entries, refused, postponed, ahead };
}

function decide(joiner: Joiner, input: CycleInput, state: State): Entry | 'ahead' {
  const { place, host } = joiner.request;
  const { head, hints, scopeOf } = state;
  const scope = scopeOf(host);
  if (!place) return { type: 'groups', joiner, scope, reason: 'empty' };
  if (place.position > head.position) {
    // a view reads the primary: if it has not come by then, that commit is lost
    const isPatient = input.now - joiner.since < input.aheadMs;
    return isPatient ? 'ahead' : { type: 'groups', joiner, scope, reason: 'lineage' };
  }
  const { tail, last } = input.memory;
  const fresh = hints.some((hint) => hint.position === place.position && hint.tag === place.tag);
  if (!fresh && !tail.holds(place)) {
    const isOld = place.position < last.position - tail.length + 1;
    return { type: 'groups', joiner, scope, reason: isOld ? 'behind' : 'lineage' };
  }
  const held = joiner.request.groups;
  const keys = new Map<Group, Set<string>>();
  for (const name of scope) {
    if (!Object.hasOwn(held, name)) continue;
    const since = new Set<string>();
    tail.keysSince(name, place.position, since);
    if (since.size > 0) keys.set(name, since);
  }
  for (const hint of hints) {
    if (hint.position <= place.position) continue;
    for (const ref of hint.refs) {
      const { group, key } = splitRef(ref);
      if (scope.has(group) && Object.hasOwn(held, group)) {
        keys.set(group, (keys.get(group) ?? new Set()).add(key));
      }
    }
  }
  const enter = [...scope].filter((name) => !Object.hasOwn(held, name));
  const leave = Object.keys(held).filter((name) => !scope.has(name));
  return { type: 'deltas', joiner, scope, enter, leave, keys };
}

function toRead(
  touched: ReadonlyMap<Group, ReadonlySet<string>>,
  turns: readonly Turn[],
  entries: readonly Entry[],
): { refs: Set<Ref>; groups: Set<Group> } {
  const refs = new Set<Ref>();
  const groups = new Set<Group>();
  const want = (keysOf: ReadonlyMap<Group, ReadonlySet<string>>) => {
    for (const [name, keys] of keysOf) for (const key of keys) refs.add(`${name}|${key}`);
  };
  want(touched);
  for (const turn of turns) for (const name of turn.enter) groups.add(name);
  for (const entry of entries) {
    if (entry.type === 'deltas') want(entry.keys);
    for (const name of entry.type === 'deltas' ? entry.enter : entry.scope) groups.add(name);
  }
  return { refs, groups };
}

/** The hosts whose own row is gone. */
export function removedHosts(bodies: ReadonlyMap<Ref, Body | null>): string[] {
  const removed: string[] = [];
  for (const [ref, body] of bodies) {
    const { group, key } = splitRef(ref);
    if (body === null && group === key && group.startsWith('host/')) removed.push(splitKey(key).id);
  }
  return removed;
}
