/** Policies by which owners share single objects with other projects (Neutron's RBAC). */
import { missingFault } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import {
  EVERY_PROJECT,
  type RbacPolicyRow,
  rbacPolicyMap,
  type Shareable,
} from '../resources/rbac-policy.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { Transaction } from '../store/store.ts';
import { addressGroups } from './address-group.ts';
import { addressScopes } from './address-scope.ts';
import { invalidInput } from './faults.ts';
import type { Call } from './operation.ts';
import { type Change, type Plain, seesRow } from './plain.ts';
import { owns, standardTable, touched } from './standard.ts';

const PLAIN: Readonly<Record<Shareable, Plain<never>>> = {
  address_group: addressGroups as unknown as Plain<never>,
  address_scope: addressScopes as unknown as Plain<never>,
};

/** The object of a policy, locked, if the caller may share it. */
async function lockObject(
  tx: Transaction,
  call: Call,
  { object_type, object_id }: RbacPolicyRow,
): Promise<StandardAttributes> {
  const it = PLAIN[object_type as Shareable];
  const [object] = await standardTable(tx, it.table).lock({ id: object_id });
  if (!object || !(await seesRow(tx, { it, call }, object as never))) throw missingFault(it.map, object_id);
  if (!owns(call, object)) {
    const what = `${it.map.plural.replaceAll('_', ' ')}`;
    throw invalidInput(`Only admins can manipulate policies on ${what} they do not own`);
  }
  return object;
}

/** Writes what the policy means for its object, which has another revision with it. */
async function follow(
  tx: Transaction,
  call: Call,
  { policy, withAll }: { readonly policy: RbacPolicyRow; readonly withAll: boolean | undefined },
): Promise<void> {
  const object = await lockObject(tx, call, policy);
  const it = PLAIN[policy.object_type as Shareable];
  const shared = withAll === undefined ? {} : { shared: withAll };
  await standardTable(tx, it.table).update({ id: object.id }, { ...shared, ...touched(call, object) });
}

async function check(tx: Transaction, call: Call, { before, after }: Change<RbacPolicyRow>): Promise<void> {
  const [was, is] = [before?.target_tenant, after.target_tenant].map((target) => target === EVERY_PROJECT);
  await follow(tx, call, { policy: after, withAll: was === is ? undefined : is });
}

export const rbacPolicies: Plain<RbacPolicyRow> = {
  map: rbacPolicyMap,
  table: 'rbacPolicies',
  quota: 'rbac_policy',
  check,
  checkUnused: (tx, call, policy) =>
    follow(tx, call, { policy, withAll: policy.target_tenant === EVERY_PROJECT ? false : undefined }),
  taken: () => new Fault('DuplicateRbacPolicy', 'An RBAC policy already exists with those values.'),
};
