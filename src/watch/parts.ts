/**
 * What one cycle of the feed encoded, once for every stream that it concerns, and the ring that bounds how much of it
 * is kept for streams that read slowly.
 */
import type { Body, Group } from '../resources/agent-view.ts';
import type { Place } from '../resources/place.ts';

/** JSON of a group's objects. */
export function encodeObjects(objects: Iterable<readonly [string, Body | null]>): string {
  let text = '';
  for (const [key, body] of objects) {
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${JSON.stringify(body)}`;
  }
  return `{${text}}`;
}

/** `"name":{...},...` joined into an object. */
export function encodeGroups(groups: Iterable<readonly [Group, string]>): string {
  let text = '';
  for (const [name, objects] of groups) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${objects}`;
  return `{${text}}`;
}

const encodePlace = (place: Place): string => `{"position":${place.position},"tag":${place.tag}}`;

/** The line of a batch whose parts are JSON already. */
export function batchLine(batch: {
  from: Place;
  to: Place;
  enter: string;
  leave: readonly Group[];
  changes: string;
}): string {
  const places = `"from":${encodePlace(batch.from)},"to":${encodePlace(batch.to)}`;
  const leave = batch.leave.length === 0 ? '[]' : JSON.stringify(batch.leave);
  return `{"type":"batch",${places},"enter":${batch.enter},"leave":${leave},"changes":${batch.changes}}\n`;
}

export function groupLine(at: Place, group: Group, objects: string): string {
  return `{"type":"group","at":${encodePlace(at)},"group":${JSON.stringify(group)},"objects":${objects}}\n`;
}

/** The encoded groups of one cycle. Once it is gone from the ring, a stream that still needs it is cut. */
export class Parts {
  readonly to: Place;
  readonly #changes = new Map<Group, string>();
  readonly #whole = new Map<Group, string>();
  bytes = 0;
  /** A stream waits for it. */
  isWanted = false;
  isGone = false;

  constructor(to: Place) {
    this.to = to;
  }

  addChanges(group: Group, text: string): void {
    this.#changes.set(group, text);
    this.bytes += text.length;
  }

  addWhole(group: Group, objects: ReadonlyMap<string, Body>): void {
    if (this.#whole.has(group)) return;
    const text = encodeObjects(objects);
    this.#whole.set(group, text);
    this.bytes += text.length;
  }

  /** JSON of the changes in those groups. */
  changes(groups: readonly Group[]): string {
    return encodeGroups(groups.map((name) => [name, this.#changes.get(name) ?? '{}']));
  }

  whole(group: Group): string {
    return this.#whole.get(group) ?? '{}';
  }

  /** JSON of those groups, whole. */
  wholes(groups: readonly Group[]): string {
    return encodeGroups(groups.map((name) => [name, this.whole(name)]));
  }

  drop(): void {
    this.isGone = true;
    this.#changes.clear();
    this.#whole.clear();
  }
}

/** The newest parts, as many as fit in so many bytes, and always the last. */
export class Ring {
  readonly #maxBytes: number;
  #parts: Parts[] = [];
  bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Keeps the parts if any stream waits for them. */
  push(parts: Parts): void {
    if (!parts.isWanted || parts.bytes === 0) return;
    this.#parts.push(parts);
    this.bytes += parts.bytes;
    while (this.bytes > this.#maxBytes && this.#parts.length > 1) {
      const oldest = this.#parts.shift() as Parts;
      this.bytes -= oldest.bytes;
      oldest.drop();
    }
  }

  /** Nobody waits for any. */
  clear(): void {
    this.#parts = [];
    this.bytes = 0;
  }
}
