/** What went to whom, for those who follow up what agents owe. */
import { type Group, type Ref, splitKey, splitRef } from '../resources/agent-view.ts';
import type { Place } from '../resources/place.ts';
import type { Entry } from './cycle.ts';
import type { Sent } from './feed-options.ts';
import type { ChangeHint } from './source.ts';
import type { Stream } from './stream.ts';

/** What an open stream is told in a cycle, by group. */
export interface Content {
  readonly enter: readonly Group[];
  readonly leave: readonly Group[];
  readonly changes: Group[];
}

/** Tells each change for each stream that got anything of it. To be called before the streams' scopes move on. */
export function tellSent(
  batches: ReadonlyMap<Stream, Content>,
  changes: readonly ChangeHint[],
  onSent: (sent: Sent) => void,
): void {
  // Mostly there is one change, and every stream that got anything got it.
  const index = changes.length > 1 ? indexOf(changes) : undefined;
  const told = new Map(changes.map((change) => [change, [] as Told[]]));
  for (const [{ host, scope }, content] of batches) {
    const { enter } = content;
    const sees = enter.length === 0 ? scopeHas(scope) : scopeHas(new Set([...scope, ...enter]));
    const one = { host, sees };
    for (const change of index ? concerning(host, content, index) : changes) told.get(change)?.push(one);
  }
  // Change by change, so that whoever reads its refs does so once.
  for (const [{ position, refs, ageMs }, hosts] of told) {
    for (const { host, sees } of hosts) onSent({ host, position, refs, sees, ageMs });
  }
}

type Told = Pick<Sent, 'host' | 'sees'>;

const scopeHas = (scope: ReadonlySet<Group>) => (group: Group) => scope.has(group);

interface Index {
  readonly groups: ReadonlyMap<Group, readonly ChangeHint[]>;
  readonly hosts: ReadonlyMap<string, readonly ChangeHint[]>;
}

function indexOf(changes: readonly ChangeHint[]): Index {
  const groups = new Map<Group, ChangeHint[]>();
  const hosts = new Map<string, ChangeHint[]>();
  const note = (index: Map<string, ChangeHint[]>, name: string, change: ChangeHint) => {
    const list = index.get(name);
    if (list === undefined) index.set(name, [change]);
    else if (list.at(-1) !== change) list.push(change);
  };
  for (const change of changes) {
    for (const ref of change.refs) note(groups, splitRef(ref).group, change);
    for (const host of change.hosts) note(hosts, host, change);
  }
  return { groups, hosts };
}

function concerning(host: string, { enter, leave, changes }: Content, index: Index): Iterable<ChangeHint> {
  const found = new Set<ChangeHint>(enter.length + leave.length > 0 ? index.hosts.get(host) : undefined);
  for (const name of [...enter, ...leave, ...changes]) {
    for (const change of index.groups.get(name) ?? []) found.add(change);
  }
  return found;
}

/** What an agent missed while it was away. */
export function tellMissed(
  entry: Extract<Entry, { type: 'deltas' }>,
  head: Place,
  onSent: (sent: Sent) => void,
): void {
  const refs: Ref[] = [];
  for (const name of [...entry.enter, ...entry.leave]) {
    // The network stands for all that came or went with it.
    if (splitKey(name).kind === 'network') refs.push(`${name}|${name}`);
  }
  for (const [name, keys] of entry.keys) for (const key of keys) refs.push(`${name}|${key}`);
  if (refs.length === 0) return;
  const left = new Set(entry.leave);
  const sees = (group: Group) => entry.scope.has(group) || left.has(group);
  onSent({ host: entry.joiner.request.host, position: head.position, refs, sees, ageMs: 0 });
}
