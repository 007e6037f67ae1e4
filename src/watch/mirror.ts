/**
 * The agent's copy of its scope, pure: frames in, changes out. It is state(place) of its groups at all times, except
 * while it is being filled group by group: then its place is null, and each group is that of some place by itself.
 *
 * Whether a frame applies is decided by the frame and the mirror alone: a batch only from the mirror's own place, a
 * group only in a fill and at the fill's place, `synced` only when every group that was sent has come. Everything else
 * is refused, changes nothing, and makes the session reconnect (R13 to R16, R22).
 */
import type { Body, Group } from '../resources/agent-view.ts';
import { formatPlace, type Place, samePlace } from '../resources/place.ts';
import { DigestSum } from './digest.ts';
import type { BatchFrame, Digest, DigestFrame, GroupFrame, Frame, SyncedFrame } from './protocol.ts';

/** An object that came (`before` undefined), changed, or went (`after` undefined). */
export interface MirrorChange {
  readonly group: Group;
  readonly key: string;
  readonly before: Body | undefined;
  readonly after: Body | undefined;
}

export type Applied =
  /** `durable`: the frame changed the mirror or its place, so it belongs in the journal. */
  | { readonly type: 'applied'; readonly changes: readonly MirrorChange[]; readonly durable: boolean }
  | { readonly type: 'refused'; readonly reason: string }
  /** A digest differs: these groups come whole on the next connect. */
  | { readonly type: 'mismatch'; readonly groups: readonly Group[] };

interface Held {
  readonly objects: Map<string, Body>;
  readonly digest: DigestSum;
}

/** Frames that change a mirror, and so are what a journal holds. */
export type DurableFrame = GroupFrame | SyncedFrame | BatchFrame;

const NOTHING: Applied = { type: 'applied', changes: [], durable: false };
const refuse = (reason: string): Applied => ({ type: 'refused', reason });

export class Mirror {
  readonly host: string;
  readonly #groups = new Map<Group, Held>();
  readonly #suspects = new Set<Group>();
  #place: Place | null = null;
  #mode: 'closed' | 'deltas' | 'groups' | 'live' = 'closed';
  #fillAt: Place | null = null;
  #received = new Set<Group>();

  constructor(host: string) {
    this.host = host;
  }

  /** The place that the whole mirror is the state of; null while there is none. */
  get place(): Place | null {
    return this.#place;
  }

  groups(): Iterable<Group> {
    return this.#groups.keys();
  }

  group(name: Group): ReadonlyMap<string, Body> | undefined {
    return this.#groups.get(name)?.objects;
  }

  /** Digest of a group that is held. */
  digest(name: Group): Digest | undefined {
    return this.#groups.get(name)?.digest.toString();
  }

  /** What the next WatchRequest says of the mirror. */
  holdings(): { place: Place | null; groups: Record<Group, Digest>; mismatched: Group[] } {
    const groups: Record<Group, Digest> = {};
    for (const [name, held] of this.#groups) {
      if (!this.#suspects.has(name)) groups[name] = held.digest.toString();
    }
    return { place: this.#place, groups, mismatched: [...this.#suspects] };
  }

  /** Says that these groups are not to be trusted, so that the next connect leaves them out and gets them whole. */
  suspect(groups: Iterable<Group>): void {
    for (const name of groups) this.#suspects.add(name);
  }

  /** The frames that rebuild this mirror; no `synced` among them while it has no place. */
  *frames(): Iterable<DurableFrame> {
    const at = this.#place ?? { position: 0, tag: 0 };
    for (const [group, held] of this.#groups) {
      yield { type: 'group', at, group, objects: Object.fromEntries(held.objects) };
    }
    if (this.#place) yield { type: 'synced', at, scope: [...this.#groups.keys()], sent: [] };
  }

  /** Applies a frame of the watch. */
  apply(frame: Frame): Applied {
    switch (frame.type) {
      case 'hello':
        return this.#begin(frame.mode);
      case 'group':
        return this.#applyGroup(frame);
      case 'synced':
        return this.#applySynced(frame);
      case 'batch':
        return this.#applyBatch(frame);
      case 'digest':
        return this.#compare(frame);
      case 'goodbye':
        this.#mode = 'closed';
        return NOTHING;
      case 'remedy':
        return NOTHING;
    }
  }

  /**
   * Applies a frame read back from the journal. false: it does not continue what came before, so the journal is good
   * only up to here.
   */
  replay(frame: DurableFrame): boolean {
    if (frame.type === 'batch') this.#mode = 'live';
    else if (this.#mode !== 'groups' || (this.#fillAt && !samePlace(this.#fillAt, frame.at)))
      this.#begin('groups');
    // what was sent may stand before a compaction or a new fill: the original was checked when it came
    const applied = this.apply(frame.type === 'synced' ? { ...frame, sent: [] } : frame);
    this.#mode = applied.type === 'applied' && frame.type === 'group' ? 'groups' : 'closed';
    return applied.type === 'applied';
  }

  #begin(mode: 'deltas' | 'groups'): Applied {
    if (mode === 'deltas' && !this.#place) return refuse('deltas to a mirror that has no place');
    this.#mode = mode;
    this.#fillAt = null;
    this.#received = new Set();
    return NOTHING;
  }

  #applyGroup(frame: GroupFrame): Applied {
    if (this.#mode !== 'groups') return refuse(`group ${frame.group} outside a fill`);
    if (this.#fillAt && !samePlace(this.#fillAt, frame.at)) return refuse('a fill at two places');
    this.#fillAt = frame.at;
    this.#received.add(frame.group);
    this.#place = null;
    const changes: MirrorChange[] = [];
    this.#replace(frame.group, frame.objects, changes);
    return { type: 'applied', changes, durable: true };
  }

  #applySynced(frame: SyncedFrame): Applied {
    if (this.#mode !== 'groups') return refuse('synced outside a fill');
    if (this.#fillAt && !samePlace(this.#fillAt, frame.at)) return refuse('a fill at two places');
    const missing =
      frame.sent.find((name) => !this.#received.has(name)) ??
      frame.scope.find((name) => !this.#groups.has(name));
    if (missing !== undefined) return refuse(`group ${missing} did not come`);
    const scope = new Set(frame.scope);
    const changes: MirrorChange[] = [];
    for (const name of [...this.#groups.keys()]) {
      if (!scope.has(name)) this.#drop(name, changes);
    }
    this.#place = frame.at;
    this.#mode = 'live';
    return { type: 'applied', changes, durable: true };
  }

  #applyBatch(frame: BatchFrame): Applied {
    const refusal = this.#whyNot(frame);
    if (refusal !== undefined) return refuse(refusal);
    const changes: MirrorChange[] = [];
    for (const name of frame.leave) this.#drop(name, changes);
    for (const [name, objects] of Object.entries(frame.enter)) this.#replace(name, objects, changes);
    for (const [name, objects] of Object.entries(frame.changes)) {
      const held = this.#groups.get(name) as Held;
      for (const [key, body] of Object.entries(objects)) this.#set(name, held, { key, body, changes });
    }
    if (this.#mode === 'deltas') {
      // a suspect that did not come back whole is out of scope
      for (const name of [...this.#suspects]) this.#drop(name, changes);
    }
    const moved = !samePlace(this.#place, frame.to);
    this.#place = frame.to;
    this.#mode = 'live';
    return { type: 'applied', changes, durable: moved || carriesAnything(frame) };
  }

  #whyNot(frame: BatchFrame): string | undefined {
    if (this.#mode !== 'deltas' && this.#mode !== 'live') return 'a batch outside a watch';
    if (!this.#place || !samePlace(this.#place, frame.from)) {
      const here = this.#place ? formatPlace(this.#place) : 'no place';
      return `a batch from ${formatPlace(frame.from)}, but the mirror stands at ${here}`;
    }
    if (frame.to.position < frame.from.position) return 'a batch that goes back';
    if (frame.to.position === frame.from.position && !samePlace(frame.from, frame.to)) {
      return 'a batch to another place of the same position';
    }
    const foreign = Object.keys(frame.changes).find(
      (name) => !this.#groups.has(name) && !(name in frame.enter),
    );
    return foreign === undefined ? undefined : `changes of group ${foreign}, which is not held`;
  }

  #compare(frame: DigestFrame): Applied {
    if (this.#mode !== 'live' || !this.#place || frame.at.position < this.#place.position) return NOTHING;
    // It is sent at the place that the server has brought us to: something on the way there did not come.
    if (!samePlace(this.#place, frame.at))
      return refuse(`a digest at ${formatPlace(frame.at)}, where the mirror is not`);
    const wrong = Object.entries(frame.groups)
      .filter(([name, digest]) => this.digest(name) !== digest)
      .map(([name]) => name);
    return wrong.length > 0 ? { type: 'mismatch', groups: wrong } : NOTHING;
  }

  #replace(name: Group, objects: Readonly<Record<string, Body>>, changes: MirrorChange[]): void {
    this.#suspects.delete(name);
    const old = this.#groups.get(name);
    const held: Held = { objects: new Map(), digest: new DigestSum() };
    this.#groups.set(name, held);
    for (const [key, body] of Object.entries(objects)) {
      held.objects.set(key, body);
      held.digest.add(key, body);
      const before = old?.objects.get(key);
      if (!sameBody(before, body)) changes.push({ group: name, key, before, after: body });
    }
    for (const [key, before] of old?.objects ?? []) {
      if (!held.objects.has(key)) changes.push({ group: name, key, before, after: undefined });
    }
  }

  #set(name: Group, held: Held, change: { key: string; body: Body | null; changes: MirrorChange[] }): void {
    const { key, body, changes } = change;
    const before = held.objects.get(key);
    if (before) held.digest.remove(key, before);
    if (body) {
      held.objects.set(key, body);
      held.digest.add(key, body);
    } else {
      held.objects.delete(key);
    }
    if (!sameBody(before, body ?? undefined))
      changes.push({ group: name, key, before, after: body ?? undefined });
  }

  #drop(name: Group, changes: MirrorChange[]): void {
    this.#suspects.delete(name);
    for (const [key, before] of this.#groups.get(name)?.objects ?? []) {
      changes.push({ group: name, key, before, after: undefined });
    }
    this.#groups.delete(name);
  }
}

function carriesAnything(frame: BatchFrame): boolean {
  return (
    frame.leave.length > 0 || Object.keys(frame.enter).length > 0 || Object.keys(frame.changes).length > 0
  );
}

function sameBody(a: Body | undefined, b: Body | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
