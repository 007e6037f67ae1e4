/** Policies by which owners share single objects with other projects (Neutron's RBAC). */
import { type AttributeMap, missingFault } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { networkMap, type NetworkRow } from '../resources/network.ts';
import {
  EVERY_PROJECT,
  type RbacPolicyRow,
  rbacPolicyMap,
  type Shareable,
} from '../resources/rbac-policy.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { SubnetPoolRow } from '../resources/subnet-pool.ts';
import type { StandardTable, Tables, Transaction } from '../store/store.ts';
import { addressGroups } from './address-group.ts';
import { addressScopes } from './address-scope.ts';
import { invalidInput } from './faults.ts';
import { projectsOnNetwork, projectsOutBy, seesNetwork } from './network-sharing.ts';
import type { Call } from './operation.ts';
import { type Change, type Plain, seesRow } from './plain.ts';
import { projectsWithPolicy, qosPolicies } from './qos-policy.ts';
import { projectsInGroup, securityGroups } from './security-group.ts';
import { subnetPools } from './subnet-pool.ts';
import { owns, standardTable, touched } from './standard.ts';

type Action = RbacPolicyRow['action'];

/** What can be shared. */
interface Kind {
  readonly map: AttributeMap;
  readonly table: StandardTable;
  sees(tables: Tables, call: Call, object: StandardAttributes): Promise<boolean>;
  /** Throws a Fault if a policy for this target would be of no use. */
  checkTarget?(tables: Tables, object: StandardAttributes, target: string): Promise<void>;
  /** Where it is shared with all no more, what its owner's project has of it counts, and who becomes the target instead does not (as in Neutron). */
  readonly countsOwner?: true;
  /** By each action that there is for it: the projects that use the object so. */
  readonly users: Partial<
    Record<Action, (tables: Tables, object: StandardAttributes) => Promise<ReadonlySet<string>>>
  >;
}

const NOBODY: ReadonlySet<string> = new Set();

function plainKind<Row extends StandardAttributes>(
  it: Plain<Row>,
  users: (tables: Tables, object: StandardAttributes) => Promise<ReadonlySet<string>> = () =>
    Promise.resolve(NOBODY),
): Kind {
  const { map, table } = it;
  return {
    ...{ map, table },
    sees: (tables, call, object) => seesRow(tables, { it, call }, object as Row),
    users: { access_as_shared: users },
  };
}

/** Who is to use a pool that is in an address scope has to be let into that as well. */
async function checkSeesScope(tables: Tables, pool: SubnetPoolRow, target: string): Promise<void> {
  const id = pool.address_scope_id;
  const scope = id === null ? undefined : await tables.addressScopes.get({ id });
  if (!scope || scope.shared || scope.project_id === target) return;
  const of = { object_type: 'address_scope', object_id: scope.id, target_tenant: target };
  if ((await tables.rbacPolicies.count(of)) > 0) return;
  const why = "target project doesn't have access to associated address scope";
  throw invalidInput(`Failed to create RBAC policy on object ${pool.id} because ${why}`);
}

const KINDS: Readonly<Record<Shareable, Kind>> = {
  address_group: plainKind(addressGroups, async (tables, { id }) => {
    const rules = await tables.securityGroupRules.find({ remote_address_group_id: id });
    return new Set(rules.map(({ project_id }) => project_id));
  }),
  address_scope: plainKind(addressScopes, async (tables, { id }) => {
    const pools = await tables.subnetPools.find({ address_scope_id: id });
    return new Set(pools.map(({ project_id }) => project_id));
  }),
  security_group: plainKind(securityGroups, (tables, { id }) => projectsInGroup(tables, id)),
  subnetpool: {
    ...plainKind(subnetPools, async (tables, { id }) => {
      const subnets = await tables.subnets.find({ subnetpool_id: id });
      return new Set(subnets.map(({ project_id }) => project_id));
    }),
    checkTarget: (tables, pool, target) => checkSeesScope(tables, pool as SubnetPoolRow, target),
  },
  qos_policy: {
    ...plainKind(qosPolicies, (tables, { id }) => projectsWithPolicy(tables, id)),
    countsOwner: true,
  },
  network: {
    ...{ map: networkMap, table: 'networks' },
    sees: (tables, call, object) => seesNetwork(tables, call, object as NetworkRow),
    users: {
      access_as_shared: (tables, object) => projectsOnNetwork(tables, object as NetworkRow),
      access_as_external: (tables, object) => projectsOutBy(tables, object as NetworkRow),
    },
  },
};

/** The object's own column that says what its policies together come to. */
const COLUMNS: Readonly<Record<Action, (targets: ReadonlySet<string>) => object>> = {
  access_as_shared: (targets) => ({ shared: targets.has(EVERY_PROJECT) }),
  access_as_external: (targets) => ({ external: targets.size > 0 }),
};

/** The object of a policy, locked, if the caller may share it. */
async function lockObject(
  tx: Transaction,
  call: Call,
  { object_type, object_id, action }: RbacPolicyRow,
): Promise<StandardAttributes> {
  const { map, table, sees, users } = KINDS[object_type as Shareable];
  if (!users[action]) {
    const valid = Object.keys(users).join(', ');
    throw invalidInput(
      `Invalid action '${action}' for object type '${object_type}'. Valid actions: ${valid}`,
    );
  }
  const [object] = await standardTable(tx, table).lock({ id: object_id });
  if (!object || !(await sees(tx, call, object))) throw missingFault(map, object_id);
  if (owns(call, object)) return object;
  const what = map.plural.replaceAll('_', ' ');
  throw invalidInput(`Only admins can manipulate policies on ${what} they do not own`);
}

/** Whom the policies of an action name, once `before` is gone and `after` there. */
async function targetsAfter(
  tx: Transaction,
  policy: RbacPolicyRow,
  { before, after }: { readonly before: RbacPolicyRow | null; readonly after: RbacPolicyRow | null },
): Promise<Set<string>> {
  const { object_type, object_id, action } = policy;
  const all = await tx.rbacPolicies.find({ object_type, object_id, action });
  const stay = all.filter(({ id }) => id !== before?.id).map(({ target_tenant }) => target_tenant);
  return new Set(after ? [...stay, after.target_tenant] : stay);
}

/** Refuses to take from a project what it uses; writes what the policies come to on the object, which has another revision. */
async function follow(
  tx: Transaction,
  call: Call,
  change: { readonly before: RbacPolicyRow | null; readonly after: RbacPolicyRow | null },
): Promise<void> {
  const policy = (change.after ?? change.before) as RbacPolicyRow;
  const kind = KINDS[policy.object_type as Shareable];
  // servers from before there were policies leave them behind
  const isLeft = async () =>
    (await standardTable(tx, kind.table).get({ id: policy.object_id })) === undefined;
  if (change.after === null && (await isLeft())) return;
  const object = await lockObject(tx, call, policy);
  const { table, users } = kind;
  if (change.after) await kind.checkTarget?.(tx, object, change.after.target_tenant);
  const targets = await targetsAfter(tx, policy, change);
  if (change.before && !targets.has(EVERY_PROJECT)) {
    const using = (await users[policy.action]?.(tx, object)) ?? NOBODY;
    // its owner needs no policy, but for a network to be external at all
    const counts = kind.countsOwner && change.before.target_tenant === EVERY_PROJECT;
    const isOwners = !counts && (policy.action === 'access_as_shared' || targets.size > 0);
    const { before } = change;
    const stay = counts ? await targetsAfter(tx, policy, { before, after: null }) : targets;
    const mayStay = (project: string) => stay.has(project) || (isOwners && project === object.project_id);
    if (![...using].every(mayStay)) {
      const message = `RBAC policy on object ${object.id} cannot be removed because other objects depend on it.`;
      throw new Fault('RbacPolicyInUse', message);
    }
  }
  const columns = { ...COLUMNS[policy.action](targets), ...touched(call, object) };
  await standardTable(tx, table).update({ id: object.id }, columns);
}

export const rbacPolicies: Plain<RbacPolicyRow> = {
  map: rbacPolicyMap,
  table: 'rbacPolicies',
  quota: 'rbac_policy',
  check: (tx: Transaction, call: Call, change: Change<RbacPolicyRow>) => follow(tx, call, change),
  checkUnused: (tx, call, policy) => follow(tx, call, { before: policy, after: null }),
  taken: () => new Fault('DuplicateRbacPolicy', 'An RBAC policy already exists with those values.'),
};
