import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import { ROUTER_GATEWAY_OWNER } from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { ListQuery, Tables, Transaction } from '../store/store.ts';
import { RunAgain, UniqueViolation } from '../store/store.ts';
import { checkZoneHints } from './availability-zone.ts';
import { forbidden, invalidInput, networkInUse, networkNotFound } from './faults.ts';
import { listVisibleNetworks, projectsOnNetwork, seesNetwork, visibleNetwork } from './network-sharing.ts';
import { followColumn, forgetSharing } from './sharing.ts';
import type { Call } from './operation.ts';
import { checkPolicyChange, checkSupported, withPolicies } from './qos-policy.ts';
import { checkQuota } from './quota.ts';
import { chooseSegments, maxMtu, type Segment } from './segment.ts';
import { ensureDefaultGroups } from './security-group.ts';
import {
  checkRevision,
  type DeleteRequest,
  differing,
  mayChange,
  newAttributes,
  touched,
  type UpdateRequest,
} from './standard.ts';

export type NetworkCreate = { readonly [K in keyof NetworkRow]?: NetworkRow[K] | null | undefined };
export type NetworkChanges = Partial<NetworkRow>;

const DHCP_OWNER = 'network:dhcp';
const SHARED_BY = { object_type: 'network', action: 'access_as_shared' } as const;

function mtuOf(call: Call, asked: number | null | undefined, type: NetworkRow['network_type']): number {
  const largest = maxMtu(call.settings, type);
  if (!asked) return largest;
  if (asked > largest) throw invalidInput(`Requested MTU is too big, maximum is ${largest}`);
  return asked;
}

function networkRow(call: Call, asked: NetworkCreate, segment: Segment): NetworkRow {
  return {
    ...newAttributes(call, asked),
    name: asked.name ?? '',
    admin_state_up: asked.admin_state_up ?? true,
    status: 'ACTIVE',
    shared: asked.shared ?? false,
    external: asked.external ?? false,
    mtu: mtuOf(call, asked.mtu, segment.network_type),
    ...segment,
    port_security_enabled: asked.port_security_enabled ?? true,
    dns_domain: asked.dns_domain ?? '',
    availability_zone_hints: asked.availability_zone_hints ?? [],
    qos_policy_id: asked.qos_policy_id ?? null,
    is_default: (asked.is_default ?? false) && (asked.external ?? false),
  };
}

/** Creates all or none, with a free VNI for each VXLAN network that names none. */
export async function createNetwork(
  tx: Transaction,
  call: Call,
  asked: readonly NetworkCreate[],
): Promise<NetworkRow[]> {
  const projects = asked.map((row) => ({ project_id: row.project_id ?? call.caller.projectId }));
  await checkQuota(tx, call, { resource: 'network', rows: projects });
  await checkZoneHints(tx, 'network', asked);
  await ensureDefaultGroups(
    tx,
    call,
    projects.map(({ project_id }) => project_id),
  );
  return makeNetworks(tx, call, await withPolicies(tx, call, asked));
}

/** Creates all or none, whatever the quota. */
export async function makeNetworks(
  tx: Transaction,
  call: Call,
  asked: readonly NetworkCreate[],
): Promise<NetworkRow[]> {
  const segments = await chooseSegments(
    tx,
    call,
    asked.map((row) => ({
      network_type: row.network_type ?? undefined,
      physical_network: row.physical_network,
      segmentation_id: row.segmentation_id,
      project_id: row.project_id ?? call.caller.projectId,
    })),
  );
  const rows = asked.map((row, i) => networkRow(call, row, segments[i]!));
  if (rows.some((row) => row.is_default)) await checkOnlyDefault(tx, rows);
  try {
    await tx.networks.insert(rows);
  } catch (error) {
    // Chosen by another at the same moment; if it was named by the client, the next run finds it in use.
    if (error instanceof UniqueViolation && error.constraint === 'networks_segment') throw new RunAgain();
    throw error;
  }
  for (const row of rows) await followColumns(tx, call, { network: row, changed: row });
  return rows;
}

/** Refuses a second default external network, where these are to be some. */
async function checkOnlyDefault(
  tx: Transaction,
  rows: readonly Pick<NetworkRow, 'id' | 'is_default'>[],
): Promise<void> {
  const wanted = rows.filter((row) => row.is_default).map(({ id }) => id);
  const others = (await tx.networks.find({ is_default: true })).map(({ id }) => id);
  const other = [...others, ...wanted.slice(0, -1)].find((id) => id !== wanted.at(-1));
  if (other === undefined) return;
  const message = `A default external network already exists: ${other}.`;
  throw new Fault('DefaultExternalNetworkExists', message);
}

/** Makes policies say what the network's own columns, of which these have changed, say of it. */
async function followColumns(
  tx: Transaction,
  call: Call,
  { network, changed }: { readonly network: NetworkRow; readonly changed: Partial<NetworkRow> },
): Promise<void> {
  for (const [column, action] of [
    ['shared', 'access_as_shared'],
    ['external', 'access_as_external'],
  ] as const) {
    const withAll = changed[column];
    if (withAll === undefined || (changed === network && !withAll)) continue;
    await followColumn(tx, call, { type: 'network', action, object: network, withAll });
  }
}

/** Locks the network for a change by the caller. */
export async function lockNetwork(
  tx: Transaction,
  call: Call,
  { id, rule }: { readonly id: string; readonly rule: string },
): Promise<NetworkRow> {
  const [network] = await tx.networks.lock({ id });
  if (!network || !(await seesNetwork(tx, call, network))) throw networkNotFound(id);
  if (!mayChange(call, network)) throw forbidden(rule);
  return network;
}

/** Refuses to unshare it while a project has something on it that no policy of its own lets it. */
async function checkUnshare(tx: Transaction, network: NetworkRow): Promise<void> {
  const policies = await tx.rbacPolicies.find({ ...SHARED_BY, object_id: network.id });
  const targets = new Set([network.project_id, ...policies.map(({ target_tenant }) => target_tenant)]);
  if ([...(await projectsOnNetwork(tx, network))].every((project) => targets.has(project))) return;
  throw new Fault(
    'InvalidSharedSetting',
    `Unable to reconfigure sharing settings for network ${network.name}. Multiple projects are using it.`,
  );
}

async function checkNoGateways(tx: Transaction, id: string): Promise<void> {
  if ((await tx.ports.count({ network_id: id, device_owner: ROUTER_GATEWAY_OWNER })) === 0) return;
  throw new Fault(
    'ExternalNetworkInUse',
    `External network ${id} cannot be updated to be made non-external, since it has existing gateway ports.`,
  );
}

/** Floating IPs that stand for nothing go with their network, as in Neutron. */
async function removeIdleFloatingIps(tx: Transaction, networkId: string): Promise<void> {
  const all = await tx.floatingIps.find({ floating_network_id: networkId });
  const idle = all.filter((one) => one.router_id === null);
  if (idle.length === 0) return;
  await tx.floatingIps.remove({ id: idle.map((one) => one.id) });
  await tx.ports.remove({ id: idle.map((one) => one.floating_port_id) });
}

export async function updateNetwork(
  tx: Transaction,
  call: Call,
  { id, changes, ifMatch }: UpdateRequest<NetworkChanges>,
): Promise<NetworkRow> {
  const network = await lockNetwork(tx, call, { id, rule: 'update_network' });
  checkRevision(network, ifMatch);
  const changed = differing(network, changes);
  if ('network_type' in changed || 'physical_network' in changed || 'segmentation_id' in changed) {
    throw invalidInput('Plugin does not support updating provider attributes');
  }
  if ('mtu' in changed) changed.mtu = mtuOf(call, changed.mtu, network.network_type);
  if (changed.shared === false) await checkUnshare(tx, network);
  if (changed.external === false) await checkNoGateways(tx, id);
  // Neutron passes over is_default of a network that is not external
  if (!(changed.external ?? network.external)) changed.is_default = false;
  if (changed.is_default) await checkOnlyDefault(tx, [{ id, is_default: true }]);
  if (changed.qos_policy_id !== undefined) {
    const policies = { before: network.qos_policy_id, after: changed.qos_policy_id };
    await checkPolicyChange(tx, call, policies);
    const bound = policies.after === null ? [] : await tx.ports.find({ network_id: id, qos_policy_id: null });
    await checkSupported(tx, { ...network, ...changed }, bound);
  }
  const [updated] = await tx.networks.update({ id }, { ...changed, ...touched(call, network) });
  if (!updated) throw networkNotFound(id);
  await followColumns(tx, call, { network: updated, changed });
  return updated;
}

function refuseIfUsed(id: string, ports: readonly PortRow[]): void {
  const users = ports.filter((port) => port.device_owner !== DHCP_OWNER);
  if (users.length === 0) return;
  throw networkInUse(
    id,
    users.map((port) => port.id),
  );
}

/** Deletes the network with its subnets and DHCP ports; any other port keeps it. */
export async function deleteNetwork(
  tx: Transaction,
  call: Call,
  { id, ifMatch }: DeleteRequest,
): Promise<void> {
  const network = await lockNetwork(tx, call, { id, rule: 'delete_network' });
  checkRevision(network, ifMatch);
  if ((await tx.routers.count({ ha_network_id: id })) > 0) throw networkInUse(id, []);
  await removeIdleFloatingIps(tx, id);
  refuseIfUsed(id, await tx.ports.find({ network_id: id }));
  // A port's owner may change without the network's lock, until the port itself is locked.
  refuseIfUsed(id, await tx.ports.lock({ network_id: id }));
  await tx.ports.remove({ network_id: id });
  await forgetSharing(tx, 'network', id);
  await tx.networks.remove({ id });
}

export const showNetwork = (tables: Tables, call: Call, id: string): Promise<NetworkRow> =>
  visibleNetwork(tables, call, id);

/** A page of the networks that the caller may see: their own, shared and external ones. */
export function listNetworks(
  tables: Tables,
  call: Call,
  query: ListQuery<NetworkRow>,
): Promise<NetworkRow[]> {
  if (call.caller.isAdmin) return tables.networks.list(query);
  return listVisibleNetworks(tables, call, query);
}

/** The subnets of networks, in creation order. */
export async function subnetsOfNetworks(tables: Tables, networkIds: readonly string[]): Promise<SubnetRow[]> {
  if (networkIds.length === 0) return [];
  const subnets = await tables.subnets.find({ network_id: networkIds });
  return subnets.sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0));
}
