/**
 * Who sees what is not theirs: what is shared with every project (a column of the row, and a policy for `*`, kept alike), and
 * what a policy shares with the caller's.
 */
import { EVERY_PROJECT, type RbacPolicyRow, SHAREABLE, type Shareable } from '../resources/rbac-policy.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { Tables, Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { newAttributes } from './standard.ts';

const isShareable = (type: string): type is Shareable => SHAREABLE.includes(type as Shareable);

/** The ids of the objects of a type that a policy shares with the caller's project; of one object, if `id` is named. */
export async function sharedWithCaller(
  tables: Tables,
  call: Call,
  { type, id }: { readonly type: string; readonly id?: string },
): Promise<string[]> {
  if (!isShareable(type)) return [];
  const named = id === undefined ? {} : { object_id: id };
  const target = {
    ...{ object_type: type, target_tenant: call.caller.projectId },
    action: 'access_as_shared',
  } as const;
  return (await tables.rbacPolicies.find({ ...target, ...named })).map((policy) => policy.object_id);
}

export interface Sharing {
  readonly type: string;
  /** `access_as_shared` if not given. */
  readonly action?: RbacPolicyRow['action'];
  readonly object: Pick<StandardAttributes, 'id' | 'project_id'>;
  readonly withAll: boolean;
}

/** Makes or removes the policy for every project, after the object's own column has changed. */
export async function followColumn(
  tx: Transaction,
  call: Call,
  { type, action = 'access_as_shared', object, withAll }: Sharing,
): Promise<void> {
  if (!isShareable(type)) return;
  const of = { object_type: type, object_id: object.id, action } as const;
  const all = { ...of, target_tenant: EVERY_PROJECT } as const;
  // what is not external any more is so for nobody; what is not shared with all may be shared with some
  await tx.rbacPolicies.remove(action === 'access_as_external' && !withAll ? of : all);
  if (!withAll) return;
  const standard = newAttributes(call, { project_id: object.project_id });
  await tx.rbacPolicies.insert([{ ...standard, ...all }]);
}

/** Removes all policies of an object that is about to go. */
export async function forgetSharing(tx: Transaction, type: string, id: string): Promise<void> {
  if (isShareable(type)) await tx.rbacPolicies.remove({ object_type: type, object_id: id });
}
