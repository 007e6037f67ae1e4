import {
  changedWants,
  defaultWants,
  type FixedIpRequest,
  isAutoAddress,
  requestedWants,
  subnetsForOwner,
  type Wanted,
} from '../ipam/fixed-ips.ts';
import type { AskedPair } from '../resources/address-pairs.ts';
import { mergeDhcpOpts } from '../resources/dhcp-options.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import { extrasOf } from '../resources/port-extras.ts';
import type { FixedIp, IpAllocationRow, PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { ListFilter, ListQuery, Tables, Transaction } from '../store/store.ts';
import { RunAgain, UniqueViolation } from '../store/store.ts';
import { allocationsOf, chooseAddresses, chooseMacs, faultOfRefusal, setAddresses } from './addresses.ts';
import { bind, bindingFacts, type BindingFacts } from './binding.ts';
import { checkPortName } from './dns.ts';
import { forbidden, invalidInput, networkNotFound, portNotFound } from './faults.ts';
import { ownNetworksUsedByOthers, seesNetwork } from './network-sharing.ts';
import type { Call } from './operation.ts';
import {
  checkFloatingKept,
  checkRouterDevice,
  refuseRouterPort,
  releaseFloatingIps,
} from './port-routing.ts';
import { changeSecurity, groupsOfNewPorts, isTrusted, joinGroups, pairsFor } from './port-security.ts';
import { blocksOf, reopenBlocks } from './provisioning.ts';
import { checkPolicyChange, checkSupported } from './qos-policy.ts';
import { checkQuota } from './quota.ts';
import { followParent, lockTrunkOf, refuseTrunkPort } from './trunk-ports.ts';
import { checkUsesKept, lockRouterOf, routerIdOf } from './router-use.ts';
import { ensureDefaultGroups } from './security-group.ts';
import {
  checkRevision,
  type DeleteRequest,
  differing,
  given,
  mayChange,
  newAttributes,
  owns,
  touched,
  type UpdateRequest,
} from './standard.ts';

interface SecurityRequest {
  /** Absent: the default group of its project, if it has port security. */
  readonly security_groups?: readonly string[];
  readonly allowed_address_pairs?: readonly AskedPair[];
}

/** A port as asked for: absent `fixed_ips` are the default ones, [] is none. */
export type PortCreate = {
  readonly [K in Exclude<keyof PortRow, 'fixed_ips' | 'allowed_address_pairs'>]?:
    | PortRow[K]
    | null
    | undefined;
} & SecurityRequest & { readonly fixed_ips?: readonly FixedIpRequest[] | null | undefined };

/** A `mac_address` of null asks for another free one. */
export type PortChanges = Partial<Omit<PortRow, 'fixed_ips' | 'mac_address' | 'allowed_address_pairs'>> &
  SecurityRequest & {
    readonly mac_address?: string | null;
    readonly fixed_ips?: readonly FixedIpRequest[];
  };

function wantsOf(
  call: Call,
  asked: PortCreate,
  owner: { port: PortRow; subnets: readonly SubnetRow[] },
): Wanted[] {
  const { port, subnets } = owner;
  const fits = subnetsForOwner(subnets, port.device_owner);
  if (fits.length === 0 && subnets.length > 0) {
    throw new Fault(
      'IpAddressGenerationFailureNoMatchingSubnet',
      `No valid service subnet for the given device owner, network ${port.network_id}, service type ${port.device_owner}.`,
    );
  }
  const wants = asked.fixed_ips ? requestedWants(asked.fixed_ips, fits, port) : defaultWants(fits, port);
  checkCount(call, wants.length);
  return wants;
}

function checkCount(call: Call, count: number): void {
  if (count > call.settings.maxFixedIpsPerPort) {
    throw invalidInput('Exceeded maximum amount of fixed ips per port');
  }
}

/** The row of a new port but for its addresses. */
export function portRow(
  call: Call,
  asked: PortCreate,
  context: { network: NetworkRow; facts: BindingFacts; mac: string },
): PortRow {
  const { network, facts, mac } = context;
  const host = asked.host ?? '';
  const vnic_type = asked.vnic_type ?? 'normal';
  const device_owner = asked.device_owner ?? '';
  return {
    ...newAttributes(call, asked),
    name: asked.name ?? '',
    network_id: network.id,
    admin_state_up: asked.admin_state_up ?? true,
    status: 'DOWN',
    mac_address: mac,
    fixed_ips: [],
    device_id: asked.device_id ?? '',
    device_owner,
    ...bind(facts, { host, network, vnicType: vnic_type }),
    vnic_type,
    profile: asked.profile ?? {},
    generation: host === '' ? 0 : 1,
    port_security_enabled:
      !isTrusted({ device_owner }) && (asked.port_security_enabled ?? network.port_security_enabled),
    allowed_address_pairs: pairsFor(asked.allowed_address_pairs ?? [], mac),
    extra_dhcp_opts: mergeDhcpOpts([], asked.extra_dhcp_opts ?? []),
    dns_name: asked.dns_name ?? '',
    dns_domain: asked.dns_domain ?? '',
    ip_allocation: asked.fixed_ips?.length === 0 ? 'none' : 'immediate',
    ...extrasOf(asked),
    qos_policy_id: asked.qos_policy_id ?? null,
  };
}

/** The rows of new ports of one network, which is locked, with their MACs and addresses. */
export async function planPorts(
  tx: Transaction,
  call: Call,
  request: {
    readonly network: NetworkRow;
    readonly subnets: readonly SubnetRow[];
    readonly facts: BindingFacts;
    readonly asked: readonly PortCreate[];
    /** Leaves out addresses that are not to be had, instead of refusing. */
    readonly partial?: boolean;
  },
): Promise<PortRow[]> {
  const { network, subnets, facts, asked, partial = false } = request;
  const macs = await chooseMacs(tx, call, {
    networkId: network.id,
    asked: asked.map((one) => one.mac_address?.toLowerCase()),
  });
  const ports = asked.map((one, i) => portRow(call, one, { network, facts, mac: macs[i]! }));
  let wants: Wanted[][];
  try {
    wants = ports.map((port, i) => wantsOf(call, asked[i]!, { port, subnets }));
  } catch (error) {
    throw faultOfRefusal(error, network.id);
  }
  const space = { networkId: network.id, subnets };
  const addresses = await chooseAddresses(tx, call, { space, wants, partial });
  for (const [i, port] of ports.entries()) port.fixed_ips = addresses[i] ?? [];
  return ports;
}

/** Writes planned ports with their allocations and provisioning blocks. */
export async function insertPorts(
  tx: Transaction,
  ports: readonly PortRow[],
  subnets: readonly SubnetRow[],
): Promise<void> {
  if (ports.length === 0) return;
  try {
    await tx.ports.insert(ports);
  } catch (error) {
    // Named MACs were looked up under the network's lock: it is a random one that was taken.
    if (error instanceof UniqueViolation && error.constraint === 'ports_mac') throw new RunAgain();
    throw error;
  }
  const allocations = ports.flatMap(allocationsOf);
  if (allocations.length > 0) await tx.ipAllocations.insert(allocations);
  const blocks = ports.flatMap((port) => blocksOf(tx, port, subnets));
  if (blocks.length > 0) await tx.provisioningBlocks.insert(blocks);
}

/** Creates all or none, in the order asked for. Ports that name a host are bound to it. */
export async function createPort(
  tx: Transaction,
  call: Call,
  asked: readonly PortCreate[],
): Promise<PortRow[]> {
  const projects = asked.map((row) => ({ project_id: row.project_id ?? call.caller.projectId }));
  await checkQuota(tx, call, { resource: 'port', rows: projects });
  const defaults = await ensureDefaultGroups(
    tx,
    call,
    projects.map(({ project_id }) => project_id),
  );
  const byNetwork = Map.groupBy(asked, (row) => row.network_id ?? '');
  for (const { device_id, device_owner, dns_name } of asked) {
    checkPortName(call, dns_name);
    const after = { device_id: device_id ?? '', device_owner: device_owner ?? '' };
    await checkRouterDevice(tx, call, { after });
  }
  for (const after of new Set(asked.map((row) => row.qos_policy_id ?? null)))
    await checkPolicyChange(tx, call, { before: null, after });
  // Before the lock, which all that create ports in the network wait for.
  const facts = await bindingFacts(
    tx,
    asked.map((row) => row.host ?? ''),
  );
  const networks = await tx.networks.lock({ id: [...byNetwork.keys()] });
  const subnets = await tx.subnets.find({ network_id: [...byNetwork.keys()] });
  const planned = new Map<PortCreate, PortRow>();
  for (const [id, rows] of byNetwork) {
    const network = networks.find((one) => one.id === id);
    if (!network || !(await seesNetwork(tx, call, network))) throw networkNotFound(id);
    const own = subnets.filter((subnet) => subnet.network_id === id);
    const ports = await planPorts(tx, call, { network, subnets: own, facts, asked: rows });
    await checkSupported(tx, network, ports);
    for (const [i, port] of ports.entries()) planned.set(rows[i]!, port);
  }
  const ports = asked.map((row) => planned.get(row)!);
  const joining = ports.map((port, i) => ({ port, groups: asked[i]?.security_groups }));
  const memberships = await groupsOfNewPorts(tx, call, { joining, defaults });
  await insertPorts(tx, ports, subnets);
  await joinGroups(tx, memberships);
  return ports;
}

/** Whether the caller may see the port: their own, or in a network of theirs. */
async function seesPort(tables: Tables, call: Call, port: PortRow): Promise<boolean> {
  if (owns(call, port)) return true;
  const network = await tables.networks.get({ id: port.network_id });
  return network !== undefined && owns(call, network);
}

/** The port, locked for a change by the caller; its network too if `addresses` or the binding may change. */
async function lockPort(
  tx: Transaction,
  call: Call,
  request: { readonly id: string; readonly rule: string; readonly withNetwork: boolean },
): Promise<{ port: PortRow; network: NetworkRow | undefined }> {
  const { id, rule, withNetwork } = request;
  let network: NetworkRow | undefined;
  if (withNetwork) {
    const found = await tx.ports.get({ id });
    if (!found) throw portNotFound(id);
    [network] = await tx.networks.lock({ id: found.network_id });
  }
  const [port] = await tx.ports.lock({ id });
  if (!port) throw portNotFound(id);
  if (!(await seesPort(tx, call, port))) throw portNotFound(id);
  if (!mayChange(call, port)) throw forbidden(rule);
  return { port, network };
}

function checkMacChange(port: PortRow, changed: Partial<PortRow>): void {
  const { mac_address } = changed;
  if (mac_address === undefined) return;
  const deviceOwner = changed.device_owner ?? port.device_owner;
  if (deviceOwner.startsWith('network:')) {
    throw new Fault(
      'UnsupportedPortDeviceOwner',
      `Operation mac address update is not supported for device_owner ${deviceOwner} on port ${port.id}.`,
    );
  }
  if (port.vif_type === 'bridge') {
    throw new Fault(
      'PortBound',
      `Unable to complete operation on port ${port.id}, port is already bound, port type: ${port.vif_type}, old_mac ${port.mac_address}, new_mac ${mac_address}.`,
    );
  }
}

/** The addresses that an updated port has: what it keeps, and new ones. `requests` undefined keeps all that its MAC allows. */
async function changedAddresses(
  tx: Transaction,
  call: Call,
  { port, requests }: { port: PortRow; requests: readonly FixedIpRequest[] | undefined },
): Promise<FixedIp[]> {
  const subnets = await tx.subnets.find({ network_id: port.network_id });
  const fits = subnetsForOwner(subnets, port.device_owner);
  const asked =
    requests ??
    port.fixed_ips.filter((ip) => {
      const subnet = subnets.find((one) => one.id === ip.subnet_id);
      return subnet && !isAutoAddress(subnet);
    });
  try {
    const { keep, add } = changedWants(port.fixed_ips, asked, { subnets: fits, owner: port });
    checkCount(call, keep.length + add.length);
    const space = { networkId: port.network_id, subnets };
    const [fresh = []] = await chooseAddresses(tx, call, { space, wants: [add] });
    return [...keep, ...fresh];
  } catch (error) {
    throw faultOfRefusal(error, port.network_id);
  }
}

/** Gives a port, which is locked as its network is, these addresses, past the rules of who may ask for which. */
export async function changePortAddresses(
  tx: Transaction,
  call: Call,
  { port, requests }: { port: PortRow; requests: readonly FixedIpRequest[] },
): Promise<PortRow> {
  const fixed_ips = await changedAddresses(tx, call, { port, requests });
  await setAddresses(tx, port, fixed_ips);
  const [updated = port] = await tx.ports.update({ id: port.id }, { fixed_ips, ...touched(call, port) });
  return updated;
}

/** What a change of host or vnic_type means for the binding; a failed one is tried again whenever a host is named. */
async function rebound(
  tx: Transaction,
  context: { port: PortRow; network: NetworkRow; changed: Partial<PortRow>; hostNamed: boolean },
): Promise<Partial<PortRow>> {
  const { port, network, changed, hostNamed } = context;
  const host = changed.host ?? port.host;
  const vnicType = changed.vnic_type ?? port.vnic_type;
  const moves = host !== port.host || vnicType !== port.vnic_type;
  if (!moves && !(hostNamed && port.vif_type === 'binding_failed')) return {};
  const binding = bind(await bindingFacts(tx, [host]), { host, network, vnicType });
  return { ...binding, generation: port.generation + 1, status: 'DOWN' };
}

async function checkPolicy(
  tx: Transaction,
  call: Call,
  { port, changed }: { readonly port: PortRow; readonly changed: Partial<PortRow> },
): Promise<void> {
  const { qos_policy_id: after } = changed;
  if (after === undefined) return;
  await checkPolicyChange(tx, call, { before: port.qos_policy_id, after });
  const network = await tx.networks.get({ id: port.network_id });
  if (network) await checkSupported(tx, network, [{ ...port, ...changed }]);
}

export async function updatePort(
  tx: Transaction,
  call: Call,
  { id, changes, ifMatch }: UpdateRequest<PortChanges>,
): Promise<PortRow> {
  const {
    fixed_ips: requests,
    mac_address,
    security_groups,
    allowed_address_pairs,
    ...others
  } = given(changes);
  // Admin state too: it opens blocks, which must not slip past a change of who serves the network.
  const withNetwork = ['fixed_ips', 'mac_address', 'host', 'vnic_type', 'admin_state_up'].some(
    (name) => name in given(changes),
  );
  const of = requests === undefined ? undefined : await lockRouterOf(tx, id);
  const moves = 'host' in others || 'vnic_type' in others;
  const trunk = moves ? await lockTrunkOf(tx, id) : undefined;
  const { port, network } = await lockPort(tx, call, { id, rule: 'update_port', withNetwork });
  // It became a router's meanwhile, or another's.
  if (of && routerIdOf(port) !== of.named) throw new RunAgain();
  checkRevision(port, ifMatch);
  await ensureDefaultGroups(tx, call, [port.project_id]);
  const plain: Partial<PortRow> = { ...others };
  if (mac_address !== undefined) {
    const asked = [mac_address?.toLowerCase()];
    const isKept = asked[0] === port.mac_address;
    const [mac = ''] = isKept ? asked : await chooseMacs(tx, call, { networkId: port.network_id, asked });
    plain.mac_address = mac;
  }
  if (plain.extra_dhcp_opts)
    plain.extra_dhcp_opts = mergeDhcpOpts(port.extra_dhcp_opts, plain.extra_dhcp_opts);
  const changed: Partial<PortRow> = differing<PortRow>(port, plain);
  checkPortName(call, changed.dns_name);
  await checkRouterDevice(tx, call, { before: port, after: { ...port, ...changed } });
  // what is the network's own comes and goes by itself
  if (changed.device_owner?.startsWith('network:')) await refuseTrunkPort(tx, id);
  checkMacChange(port, changed);
  await checkPolicy(tx, call, { port, changed });
  if (network)
    Object.assign(changed, await rebound(tx, { port, network, changed, hostNamed: 'host' in plain }));
  if (requests !== undefined || changed.mac_address !== undefined) {
    const fixed_ips = await changedAddresses(tx, call, { port: { ...port, ...changed }, requests });
    await checkFloatingKept(tx, call, { port, fixedIps: fixed_ips });
    await checkUsesKept(tx, { port, fixedIps: fixed_ips, router: of?.router });
    await setAddresses(tx, port, fixed_ips);
    changed.fixed_ips = fixed_ips;
  }
  const asked = { groups: security_groups, pairs: allowed_address_pairs };
  Object.assign(changed, await changeSecurity(tx, call, { port, changed, ...asked }));
  const reopens = changed.generation !== undefined || changed.admin_state_up !== undefined;
  if (reopens) changed.status = 'DOWN';
  const [updated] = await tx.ports.update({ id }, { ...changed, ...touched(call, port) });
  if (!updated) throw portNotFound(id);
  if (reopens) await reopenBlocks(tx, [updated]);
  if (moves) await followParent(tx, call, { parent: updated, of: trunk });
  return updated;
}

export async function deletePort(tx: Transaction, call: Call, { id, ifMatch }: DeleteRequest): Promise<void> {
  const { port } = await lockPort(tx, call, { id, rule: 'delete_port', withNetwork: false });
  checkRevision(port, ifMatch);
  await refuseRouterPort(tx, port);
  await refuseTrunkPort(tx, id);
  await releaseFloatingIps(tx, call, port);
  await tx.ports.remove({ id });
}

export async function showPort(tables: Tables, call: Call, id: string): Promise<PortRow> {
  const port = await tables.ports.get({ id });
  if (!port || !(await seesPort(tables, call, port))) throw portNotFound(id);
  return port;
}

/** A page of the ports that the caller may see: their own, and those in networks of theirs. */
export async function listPorts(tables: Tables, call: Call, query: ListQuery<PortRow>): Promise<PortRow[]> {
  if (call.caller.isAdmin) return tables.ports.list(query);
  const { projectId } = call.caller;
  return tables.ports.list({
    ...query,
    anyOf: [
      { column: 'project_id', operator: 'in', values: [projectId] },
      { column: 'network_id', operator: 'in', values: await ownNetworksUsedByOthers(tables, call) },
    ],
  });
}

/** The ids of the ports that have such an address: each named filter must match one of the port's addresses. */
export async function portIdsByFixedIp(
  tables: Tables,
  filters: {
    readonly subnetIds?: readonly string[];
    readonly addresses?: readonly string[];
    /** Parts of an address's text. */
    readonly substrings?: readonly string[];
  },
): Promise<string[]> {
  const { subnetIds, addresses, substrings } = filters;
  const asked: ListFilter<IpAllocationRow>[] = [];
  if (subnetIds) asked.push({ column: 'subnet_id', operator: 'in', values: subnetIds });
  if (addresses) asked.push({ column: 'ip_address', operator: 'in', values: addresses });
  if (substrings) asked.push({ column: 'ip_address', operator: 'contains', values: substrings });
  const rows = await tables.ipAllocations.list({ filters: asked, sort: [] });
  return [...new Set(rows.map((row) => row.port_id))];
}
