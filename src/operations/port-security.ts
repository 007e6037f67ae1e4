/**
 * Port security, security groups and allowed address pairs of ports, as in Neutron: groups and pairs need port security, a
 * port with it that names no groups is in its project's default one, and ports of the network's own devices have none of it.
 */
import { duplicatePair, duplicateText, pairsOf, type AskedPair } from '../resources/address-pairs.ts';
import { Fault } from '../resources/errors.ts';
import type { PortRow } from '../resources/port.ts';
import type { PortSecurityGroupRow, SecurityGroupRow } from '../resources/security-group.ts';
import { ForeignKeyViolation, RunAgain, type Tables, type Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import type { DefaultGroups } from './security-group.ts';
import { sharedWithCaller } from './sharing.ts';
import { owns } from './standard.ts';

/** Whether the network's own devices use the port: they are trusted. */
export const isTrusted = ({ device_owner }: Pick<PortRow, 'device_owner'>): boolean =>
  device_owner.startsWith('network:');

/** What a trusted port has of port security. */
export const UNSECURED = { port_security_enabled: false, allowed_address_pairs: [] };

const groupsNeedSecurity = (): Fault =>
  new Fault(
    'PortSecurityAndIPRequiredForSecurityGroups',
    'Port security must be enabled and port must have an IP address in order to use security groups.',
  );

const pairsNeedSecurity = (): Fault =>
  new Fault(
    'AddressPairAndPortSecurityRequired',
    'Port Security must be enabled in order to have allowed address pairs on a port.',
  );

/** The pairs that a port gets, each once. */
export function pairsFor(asked: readonly AskedPair[], mac: string): PortRow['allowed_address_pairs'] {
  const pairs = pairsOf(asked, mac);
  const twice = duplicatePair(pairs);
  if (twice) throw new Fault('DuplicateAddressPairInRequest', duplicateText(twice));
  return pairs;
}

/** A port with what it is asked to be in; undefined is what it gets by itself. */
export interface Joining {
  readonly port: PortRow;
  readonly groups: readonly string[] | undefined;
}

/** Refuses groups that the caller does not see, and stateful ones beside stateless ones. */
async function checkGroups(tables: Tables, call: Call, lists: readonly (readonly string[])[]): Promise<void> {
  const ids = [...new Set(lists.flat())];
  if (ids.length === 0) return;
  const found = await tables.securityGroups.find({ id: ids });
  const foreign = found.filter((group) => !owns(call, group) && !group.shared);
  const shared = foreign.length === 0 ? [] : await sharedWithCaller(tables, call, { type: 'security_group' });
  const unseen = new Set(foreign.map(({ id }) => id).filter((id) => !shared.includes(id)));
  const groups = new Map<string, SecurityGroupRow>(found.map((group) => [group.id, group]));
  const missing = ids.filter((id) => !groups.has(id) || unseen.has(id));
  if (missing.length > 0)
    throw new Fault('SecurityGroupNotFound', `Security group ${missing.join(', ')} does not exist`);
  for (const list of lists)
    if (new Set(list.map((id) => groups.get(id)?.stateful)).size > 1)
      throw new Fault(
        'SecurityGroupConflict',
        'Error Cannot apply both stateful and stateless security groups on the same port at the same time while attempting the operation.',
      );
}

/** The rows by which new ports are in their groups. Throws a Fault for what may not be. */
export async function groupsOfNewPorts(
  tx: Transaction,
  call: Call,
  { joining, defaults }: { readonly joining: readonly Joining[]; readonly defaults: DefaultGroups },
): Promise<PortSecurityGroupRow[]> {
  for (const { port, groups } of joining) {
    if (port.port_security_enabled) continue;
    if (port.allowed_address_pairs.length > 0) throw pairsNeedSecurity();
    if (groups && groups.length > 0) throw groupsNeedSecurity();
  }
  const groupsOf = ({ port, groups }: Joining): readonly string[] => {
    if (groups !== undefined || !port.port_security_enabled) return groups ?? [];
    const id = defaults.get(port.project_id);
    return id === undefined ? [] : [id];
  };
  const named = joining.flatMap(({ groups }) => (groups ? [groups] : []));
  await checkGroups(tx, call, named);
  return joining.flatMap((one) =>
    groupsOf(one).map((security_group_id) => ({ port_id: one.port.id, security_group_id })),
  );
}

/** Puts ports that are there into groups. */
export async function joinGroups(tx: Transaction, rows: readonly PortSecurityGroupRow[]): Promise<void> {
  if (rows.length === 0) return;
  try {
    await tx.portSecurityGroups.insert(rows);
  } catch (error) {
    // A group went meanwhile: the next run does not find it.
    if (error instanceof ForeignKeyViolation) throw new RunAgain();
    throw error;
  }
}

/** The ids of the groups of ports, in order. */
export async function groupsOfPorts(
  tables: Tables,
  portIds: readonly string[],
): Promise<(portId: string) => string[]> {
  const rows = portIds.length === 0 ? [] : await tables.portSecurityGroups.find({ port_id: portIds });
  const byPort = Map.groupBy(rows, ({ port_id }) => port_id);
  return (id) => (byPort.get(id) ?? []).map(({ security_group_id }) => security_group_id);
}

export interface SecurityChange {
  readonly port: PortRow;
  /** What else changes of it. */
  readonly changed: Partial<PortRow>;
  readonly groups: readonly string[] | undefined;
  readonly pairs: readonly AskedPair[] | undefined;
}

/** Refuses to leave groups or pairs on a port without port security. */
function checkWithoutSecurity({ port, groups, pairs }: SecurityChange, own: readonly string[]): void {
  if (pairs ? pairs.length > 0 : port.allowed_address_pairs.length > 0) throw pairsNeedSecurity();
  if (groups ? groups.length > 0 : false) throw groupsNeedSecurity();
  if (groups || own.length === 0) return;
  throw new Fault(
    'PortSecurityPortHasSecurityGroup',
    'Port has security group associated. Cannot disable port security or IP address until security group is removed.',
  );
}

/**
 * Changes the groups of a port, which is locked; gives the columns that change with them. A port that comes to be used by
 * one of the network's own devices loses groups, pairs and port security.
 */
export async function changeSecurity(
  tx: Transaction,
  call: Call,
  change: SecurityChange,
): Promise<Partial<PortRow>> {
  const { port, changed, groups, pairs } = change;
  const { port_security_enabled, device_owner } = changed;
  if (![groups, pairs, port_security_enabled, device_owner].some((one) => one !== undefined)) return {};
  const after = { ...port, ...changed };
  const own = (await groupsOfPorts(tx, [port.id]))(port.id);
  const comesToBeTrusted = isTrusted(after) && !isTrusted(port);
  const isSecured = after.port_security_enabled && !isTrusted(after);
  const kept = { groups: groups ?? (comesToBeTrusted ? [] : undefined), pairs };
  if (!isSecured) {
    const left = comesToBeTrusted ? { ...port, allowed_address_pairs: [] } : port;
    checkWithoutSecurity({ ...change, ...kept, port: left }, own);
  }
  if (kept.groups) await moveToGroups(tx, call, { portId: port.id, own, groups: kept.groups });
  return {
    ...(pairs ? { allowed_address_pairs: pairsFor(pairs, after.mac_address) } : {}),
    ...(isTrusted(after) ? UNSECURED : {}),
  };
}

async function moveToGroups(
  tx: Transaction,
  call: Call,
  {
    portId,
    own,
    groups,
  }: { readonly portId: string; readonly own: readonly string[]; readonly groups: readonly string[] },
): Promise<void> {
  const left = own.filter((id) => !groups.includes(id));
  const joined = groups.filter((id) => !own.includes(id));
  if (joined.length > 0) await checkGroups(tx, call, [groups]);
  if (left.length > 0) await tx.portSecurityGroups.remove({ port_id: portId, security_group_id: left });
  await joinGroups(
    tx,
    joined.map((security_group_id) => ({ port_id: portId, security_group_id })),
  );
}

/** Takes a port out of all groups, for a device of the network's own. */
export async function leaveGroups(tx: Transaction, portId: string): Promise<void> {
  await tx.portSecurityGroups.remove({ port_id: portId });
}

/** The ids of ports that are in one of these groups. */
export async function portIdsInGroups(tables: Tables, groupIds: readonly string[]): Promise<string[]> {
  const rows = await tables.portSecurityGroups.find({ security_group_id: groupIds });
  return [...new Set(rows.map(({ port_id }) => port_id))];
}
