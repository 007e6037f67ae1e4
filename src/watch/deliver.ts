/**
 * One cycle of the feed, its telling half: what was read, encoded once, handed to each stream that it concerns. All of
 * it happens in one turn, so every stream sees the cycle whole or not at all.
 */
import type { Group } from '../resources/agent-view.ts';
import { type Entry, type Reading, removedHosts } from './cycle.ts';
import { digestOf } from './digest.ts';
import { encodeGroups, encodeObjects, Parts } from './parts.ts';
import { type Digest, type HelloFrame, PROTOCOL_VERSION } from './protocol.ts';
import type { Sent } from './feed-options.ts';
import { type Content, tellMissed, tellSent } from './sent.ts';
import type { Stream } from './stream.ts';
import type { Streams } from './streams.ts';
import { encodeFrame } from './wire.ts';

export interface Telling {
  readonly reading: Reading;
  readonly streams: Streams;
  readonly server: string;
  /** What agents are told to keep to. */
  readonly pace: Pick<HelloFrame, 'heartbeatMs' | 'idleMs'>;
  readonly now: number;
  /** Opens the stream of an agent that joins; undefined: it is gone, or gives way to a later life of its host. */
  readonly open: (entry: Entry) => Stream | undefined;
  readonly audited: readonly Group[];
  /** When the group changed last, as far as that is remembered. */
  readonly newest: (group: Group) => number;
  readonly onSent?: (sent: Sent) => void;
}

export interface Told {
  readonly parts: Parts;
  readonly batches: number;
  /** Streams whose host is gone: told so, then to be ended. */
  readonly removed: readonly Stream[];
}

export function deliver(telling: Telling): Told {
  const { reading, streams, now } = telling;
  const parts = new Parts(reading.head);
  const digests = new Map<Group, Digest>();
  const batches = contents(telling, parts);
  for (const [stream, content] of batches) stream.batch(parts, content, now);
  if (telling.onSent) tellSent(batches, reading.changes, telling.onSent);
  for (const name of reading.unchanged) {
    for (const stream of streams.watching(name)) stream.isLeftOut ||= !batches.has(stream);
  }
  for (const turn of reading.turns) streams.move(turn.stream, turn.scope);
  for (const entry of reading.entries) {
    const stream = telling.open(entry);
    if (!stream) continue;
    if (entry.type === 'deltas') sendDeltas(telling, { entry, stream, parts });
    else sendGroups(telling, { entry, stream, parts, digests });
    if (entry.type === 'deltas' && telling.onSent) tellMissed(entry, reading.head, telling.onSent);
  }
  sendDigests(telling, { parts, digests });
  const removed = removedHosts(reading.bodies)
    .map((host) => streams.of(host))
    .filter((stream) => stream !== undefined);
  return { parts, batches: batches.size, removed };
}

/** What each open stream is to be told, its parts encoded. */
function contents({ reading, streams }: Telling, parts: Parts): Map<Stream, Content> {
  const found = new Map<Stream, Content>();
  const fresh = new Map<Stream, ReadonlySet<Group>>();
  for (const { stream, enter, leave } of reading.turns) {
    found.set(stream, { enter, leave, changes: [] });
    fresh.set(stream, new Set([...enter, ...leave]));
    for (const name of enter) parts.addWhole(name, reading.whole.get(name) ?? new Map());
  }
  for (const [name, keys] of reading.touched) {
    parts.addChanges(name, encodeObjects([...keys].map((key) => [key, bodyOf(reading, name, key)])));
    for (const stream of streams.watching(name)) {
      if (fresh.get(stream)?.has(name)) continue;
      const content = found.get(stream);
      if (content) content.changes.push(name);
      else found.set(stream, { enter: [], leave: [], changes: [name] });
    }
  }
  return found;
}

const bodyOf = (reading: Reading, name: Group, key: string) => reading.bodies.get(`${name}|${key}`) ?? null;

function helloLine({ server, pace }: Telling, mode: HelloFrame['mode']): string {
  return encodeFrame({ type: 'hello', version: PROTOCOL_VERSION, server, mode, ...pace });
}

/** What changed last comes first: an agent makes things in the order in which it learns of them. */
const lastFirst = (names: Iterable<Group>, newest: Telling['newest']): Group[] =>
  [...names].sort((a, b) => newest(b) - newest(a));

function sendDeltas(
  telling: Telling,
  to: { entry: Extract<Entry, { type: 'deltas' }>; stream: Stream; parts: Parts },
): void {
  const { reading, now, newest } = telling;
  const { entry, stream, parts } = to;
  for (const name of entry.enter) parts.addWhole(name, reading.whole.get(name) ?? new Map());
  const changes = lastFirst(entry.keys.keys(), newest).map((name) => {
    const keys = [...(entry.keys.get(name) ?? [])];
    return [name, encodeObjects(keys.map((key) => [key, bodyOf(reading, name, key)] as const))] as const;
  });
  const content = {
    enter: lastFirst(entry.enter, newest),
    leave: entry.leave,
    changes: encodeGroups(changes),
  };
  stream.line(parts, helloLine(telling, 'deltas'), now);
  stream.batch(parts, content, now);
}

function sendGroups(
  telling: Telling,
  to: {
    entry: Extract<Entry, { type: 'groups' }>;
    stream: Stream;
    parts: Parts;
    digests: Map<Group, Digest>;
  },
): void {
  const { reading, now, newest } = telling;
  const { entry, stream, parts, digests } = to;
  const held = entry.joiner.request.groups;
  const sent: Group[] = [];
  stream.line(parts, helloLine(telling, 'groups'), now);
  for (const name of lastFirst(entry.scope, newest)) {
    const objects = reading.whole.get(name) ?? new Map();
    const digest = digests.get(name) ?? digestOf(objects);
    digests.set(name, digest);
    if (Object.hasOwn(held, name) && held[name] === digest) continue;
    parts.addWhole(name, objects);
    stream.group(parts, name, now);
    sent.push(name);
  }
  const synced = encodeFrame({ type: 'synced', at: reading.head, scope: [...entry.scope], sent });
  stream.line(parts, synced, now);
}

/** Tells every stream the digests of the audited groups that it watches, at a place that its mirror will stand at. */
function sendDigests(
  { reading, streams, now, audited }: Telling,
  how: { parts: Parts; digests: Map<Group, Digest> },
): void {
  const told = new Map<Stream, Record<Group, Digest>>();
  for (const name of audited) {
    const digest = how.digests.get(name) ?? digestOf(reading.whole.get(name) ?? []);
    for (const stream of streams.watching(name)) {
      const groups = told.get(stream) ?? {};
      groups[name] = digest;
      told.set(stream, groups);
    }
  }
  for (const [stream, groups] of told) {
    stream.bring(how.parts, now);
    stream.line(how.parts, encodeFrame({ type: 'digest', at: reading.head, groups }), now);
  }
}
