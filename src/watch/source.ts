/** What a feed reads from, as it needs it; `store/agent-objects.ts` gives it from either store. */
import type { Body, Group, Ref } from '../resources/agent-view.ts';
import type { Place } from '../resources/place.ts';

/** A row of the change log: refs and hosts that may have changed, never how. */
export interface ChangeHint extends Place {
  readonly refs: readonly Ref[];
  /** A name with a slash is a group: every host that has it in scope. */
  readonly hosts: readonly string[];
  /** How long ago it was committed, by the database's clock. */
  readonly ageMs: number;
}

/** One consistent state, and the log as of it. */
export interface FeedView {
  head(): Promise<Place>;
  /** From `position` on, that one included if it is still there, in order. */
  changesFrom(position: number, limit: number): Promise<ChangeHint[]>;
  /** Groups of the hosts' scopes besides `host/<name>`; of every host that has any, if none is named. */
  scopes(hosts?: readonly string[]): Promise<Map<string, string[]>>;
  /** null: no such object there. */
  objects(refs: Iterable<Ref>): Promise<Map<Ref, Body | null>>;
  groups(names: Iterable<Group>): Promise<Map<Group, Map<string, Body>>>;
}

/** Always the primary: a view never shows less than what was acknowledged before it began. */
export interface FeedSource {
  view<Result>(work: (view: FeedView) => Promise<Result>): Promise<Result>;
  onAppend(wake: () => void): () => void;
}
