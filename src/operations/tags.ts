/** Tags of a resource: the owner's to change, whoever sees it may read them. A change is one of the resource itself. */
import { Fault } from '../resources/errors.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { StandardTable, Tables, Transaction } from '../store/store.ts';
import { forbidden } from './faults.ts';
import type { Call, IfMatch } from './operation.ts';
import { checkRevision, differing, mayChange, standardTable, touched } from './standard.ts';

/** A kind of resource that can have tags. */
export interface Tagged {
  readonly table: StandardTable;
  readonly plural: string;
  /** Whoever sees one may change its tags. */
  readonly bySeers?: boolean;
  /** Throws a Fault if there is none that the caller may see. */
  show(tables: Tables, call: Call, id: string): Promise<object>;
}

export interface TagsRequest {
  readonly id: string;
  readonly ifMatch: IfMatch;
  /** From what they are to what they are to be; may throw a Fault. */
  readonly change: (tags: readonly string[]) => readonly string[];
}

export async function showTags(
  tables: Tables,
  call: Call,
  { of, id }: { readonly of: Tagged; readonly id: string },
): Promise<readonly string[]> {
  return ((await of.show(tables, call, id)) as StandardAttributes).tags;
}

/** Changes them under the row's lock; gives what they are then. What changes nothing is no new revision. */
export async function changeTags(
  tx: Transaction,
  call: Call,
  { of, id, ifMatch, change }: TagsRequest & { readonly of: Tagged },
): Promise<readonly string[]> {
  const seen = (await of.show(tx, call, id)) as StandardAttributes;
  if (!of.bySeers && !mayChange(call, seen)) throw forbidden(`update_${of.plural}_tags`);
  const table = standardTable(tx, of.table);
  const [row] = await table.lock({ id });
  if (!row) return showTags(tx, call, { of, id }); // gone meanwhile: says so
  checkRevision(row, ifMatch);
  const tags = [...new Set(change(row.tags))].sort();
  const changed = differing(row, { tags });
  if (changed.tags) await table.update({ id }, { ...changed, ...touched(call, row) });
  return tags;
}

/** The tags with one more. */
export const withTag = (tag: string) => (tags: readonly string[]) => [...tags, tag];

export const tagNotFound = (tag: string): Fault => new Fault('TagNotFound', `Tag ${tag} could not be found.`);

/** The tags without one; a Fault if it is not there. */
export const withoutTag = (tag: string) => (tags: readonly string[]) => {
  if (!tags.includes(tag)) throw tagNotFound(tag);
  return tags.filter((one) => one !== tag);
};
