/** QoS policies, and who has which. Only admins write them; whoever sees one may give it to what is theirs. */
import { missingFault } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import { type QosPolicyRow, qosPolicyMap } from '../resources/qos-policy.ts';
import { isOfNetwork } from '../resources/qos-rule.ts';
import type { Tables, Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { type Change, type Plain, seesRow } from './plain.ts';

const SHARED_BY = { object_type: 'qos_policy', action: 'access_as_shared' } as const;

/** Something that has a policy. */
interface Holder {
  /** In Neutron's words. */
  readonly kind: 'network' | 'port' | 'fip' | 'router';
  readonly id: string;
  readonly project_id: string;
}

async function holdersOf(tables: Tables, qos_policy_id: string): Promise<Holder[]> {
  const of = (kind: Holder['kind'], rows: readonly Omit<Holder, 'kind'>[]) =>
    rows.map(({ id, project_id }) => ({ kind, id, project_id }));
  return [
    ...of('network', await tables.networks.find({ qos_policy_id })),
    ...of('port', await tables.ports.find({ qos_policy_id })),
    ...of('fip', await tables.floatingIps.find({ qos_policy_id })),
    ...of('router', await tables.routers.find({ qos_policy_id })),
  ];
}

/** The projects that have something with this policy. */
export async function projectsWithPolicy(tables: Tables, id: string): Promise<Set<string>> {
  return new Set((await holdersOf(tables, id)).map(({ project_id }) => project_id));
}

/** Refuses to unshare it while a project uses it by that, its own owner's included (as in Neutron). */
async function checkUnshared(tx: Transaction, { before, after }: Change<QosPolicyRow>): Promise<void> {
  if (!before?.shared || after.shared) return;
  const policies = await tx.rbacPolicies.find({ ...SHARED_BY, object_id: after.id });
  const targets = new Set(policies.map(({ target_tenant }) => target_tenant));
  if ([...(await projectsWithPolicy(tx, after.id))].every((project) => targets.has(project))) return;
  const message = `RBAC policy on object ${after.id} cannot be removed because other objects depend on it.`;
  throw new Fault('RbacPolicyInUse', message);
}

export const qosPolicies: Plain<QosPolicyRow> = {
  map: qosPolicyMap,
  table: 'qosPolicies',
  shared: 'shared',
  sharedAs: 'qos_policy',
  adminWrites: true,
  complete: (row) => ({ ...row, default_of: row.is_default ? row.project_id : null }),
  check: (tx, _call, change) => checkUnshared(tx, change),
  async checkUnused(tx, _call, { id }) {
    const [holder] = await holdersOf(tx, id);
    if (!holder) return;
    throw new Fault('QosPolicyInUse', `QoS Policy ${id} is used by ${holder.kind} ${holder.id}.`);
  },
  taken: ({ project_id }) =>
    new Fault('QoSPolicyDefaultAlreadyExists', `A default QoS policy exists for project ${project_id}.`),
};

async function seesPolicy(tables: Tables, call: Call, id: string): Promise<boolean> {
  const policy = await tables.qosPolicies.get({ id });
  return policy !== undefined && seesRow(tables, { it: qosPolicies, call }, policy);
}

/** Which policy something has, before and after; null for none. */
export interface PolicyChange {
  readonly before: string | null;
  readonly after: string | null;
}

/** Throws a Fault unless the caller may see both what is taken away and what is given. */
export async function checkPolicyChange(
  tables: Tables,
  call: Call,
  { before, after }: PolicyChange,
): Promise<void> {
  if (before === after) return;
  if (before !== null && !(await seesPolicy(tables, call, before))) {
    const message = `Failed to remove provided policy ${before} because you are not authorized.`;
    throw new Fault('PolicyRemoveAuthorizationError', message);
  }
  if (after !== null && !(await seesPolicy(tables, call, after))) throw missingFault(qosPolicyMap, after);
}

type PolicyOfPort = Pick<PortRow, 'id' | 'device_owner' | 'qos_policy_id'>;

/** The policy that holds for a port: its own, else its network's. */
export const policyOfPort = (
  port: Pick<PortRow, 'device_owner' | 'qos_policy_id'>,
  network: Pick<NetworkRow, 'qos_policy_id'> | undefined,
): string | null =>
  port.qos_policy_id ?? (isOfNetwork(port.device_owner) ? null : (network?.qos_policy_id ?? null));

export const notSupported = (type: string, portId: string): Fault =>
  new Fault('QosRuleNotSupported', `Rule ${type} is not supported by port ${portId}`);

/** Refuses a port a policy that asks for bandwidth of a physical network where there is none. */
export async function checkSupported(
  tables: Tables,
  network: NetworkRow,
  ports: readonly PolicyOfPort[],
): Promise<void> {
  if (network.physical_network !== null) return;
  for (const [id, [port]] of Map.groupBy(ports, (one) => policyOfPort(one, network))) {
    if (id === null || !port) continue;
    const asking = await tables.qosRules.count({ qos_policy_id: id, type: 'minimum_bandwidth' });
    if (asking > 0) throw notSupported('minimum_bandwidth', port.id);
  }
}

interface Asked {
  readonly project_id?: string | null | undefined;
  readonly qos_policy_id?: string | null | undefined;
}

/** New networks with the policy that each is to have: the one that it names, else its project's default. */
export async function withPolicies<Network extends Asked>(
  tables: Tables,
  call: Call,
  asked: readonly Network[],
): Promise<(Network & { qos_policy_id: string | null })[]> {
  const projectOf = (one: Network) => one.project_id ?? call.caller.projectId;
  for (const id of new Set(asked.map((one) => one.qos_policy_id ?? null)))
    await checkPolicyChange(tables, call, { before: null, after: id });
  const projects = [...new Set(asked.map(projectOf))];
  const defaults = await tables.qosPolicies.find({ default_of: projects });
  const defaultOf = new Map(defaults.map((policy) => [policy.default_of, policy.id]));
  return asked.map((one) => ({
    ...one,
    qos_policy_id: one.qos_policy_id ?? defaultOf.get(projectOf(one)) ?? null,
  }));
}
