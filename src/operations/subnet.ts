import { canonicalAddress, formatCidr, overlaps, parseCidr } from '../ipam/address.ts';
import { automaticAddress, isAutoAddress, isRouterInterface } from '../ipam/fixed-ips.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import type { PoolRequest, SubnetRow } from '../resources/subnet.ts';
import type { ListQuery, Tables, Transaction } from '../store/store.ts';
import { setAddresses } from './addresses.ts';
import { syncDhcp } from './dhcp-scheduling.ts';
import { forbidden, invalidInput, networkNotFound, subnetInUse, subnetNotFound } from './faults.ts';
import { addGatewayAddresses } from './gateway-addresses.ts';
import { seesNetwork, usableNetworkIds, usesNetwork } from './network-sharing.ts';
import type { Call } from './operation.ts';
import { checkQuota } from './quota.ts';
import {
  checkRevision,
  type DeleteRequest,
  differing,
  mayChange,
  newAttributes,
  owns,
  touched,
  type UpdateRequest,
} from './standard.ts';
import { checkAffinity, type HeldPools, lockPools, poolAskedFor, takeFrom } from './subnet-from-pool.ts';
import {
  checkAllocationPools,
  checkChangedSubnet,
  checkCidr,
  checkGateway,
  checkGatewayOutsidePools,
  checkNewSubnet,
} from './subnet-rules.ts';

export type SubnetCreate = PoolRequest & {
  readonly [K in keyof SubnetRow]?: SubnetRow[K] | null | undefined;
};
export type SubnetChanges = Partial<SubnetRow>;

const canonicalRoutes = (routes: SubnetRow['host_routes']): SubnetRow['host_routes'] =>
  routes.map(({ destination, nexthop }) => {
    const cidr = parseCidr(destination);
    return {
      destination: cidr ? formatCidr(cidr) : destination,
      nexthop: canonicalAddress(nexthop) ?? nexthop,
    };
  });

/** The row that is asked for, checked in itself. An absent gateway is the default one, null is none. */
export function subnetRow(call: Call, asked: SubnetCreate): SubnetRow {
  const ip_version = asked.ip_version ?? (asked.cidr?.includes(':') ? 6 : 4);
  const cidr = checkCidr(asked.cidr, ip_version);
  const gateway_ip = checkGateway(cidr, asked.gateway_ip);
  const row: SubnetRow = {
    ...newAttributes(call, asked),
    name: asked.name ?? '',
    network_id: asked.network_id ?? '',
    ip_version,
    cidr: formatCidr(cidr),
    gateway_ip,
    enable_dhcp: asked.enable_dhcp ?? true,
    ipv6_ra_mode: asked.ipv6_ra_mode ?? null,
    ipv6_address_mode: asked.ipv6_address_mode ?? null,
    allocation_pools: checkAllocationPools(cidr, asked.allocation_pools, gateway_ip),
    dns_nameservers: (asked.dns_nameservers ?? []).map((server) => canonicalAddress(server) ?? server),
    host_routes: canonicalRoutes(asked.host_routes ?? []),
    service_types: asked.service_types ?? [],
    dns_publish_fixed_ip: asked.dns_publish_fixed_ip ?? false,
    subnetpool_id: asked.subnetpool_id ?? null,
  };
  checkNewSubnet(call.settings, cidr, row);
  return row;
}

function checkOverlap(row: SubnetRow, others: readonly SubnetRow[]): void {
  const own = parseCidr(row.cidr);
  const clash = others.some((other) => {
    const cidr = parseCidr(other.cidr);
    return own && cidr && overlaps(own, cidr);
  });
  if (clash) {
    throw invalidInput(
      `Requested subnet with cidr: ${row.cidr} for network: ${row.network_id} overlaps with another subnet`,
    );
  }
}

/** Ports that are there already get their automatic addresses in new subnets that have such. */
async function addAutomaticAddresses(
  tx: Transaction,
  call: Call,
  subnets: readonly SubnetRow[],
): Promise<void> {
  const automatic = subnets.filter(isAutoAddress);
  if (automatic.length === 0) return;
  // Their network's lock does not keep ports from being deleted or renamed.
  const ports = await tx.ports.lock({ network_id: [...new Set(automatic.map((one) => one.network_id))] });
  for (const port of ports) {
    // DHCP ports follow the subnets by themselves (syncDhcp); ports without any address were asked for without.
    if (isRouterInterface(port.device_owner) || port.device_owner === 'network:dhcp') continue;
    if (port.fixed_ips.length === 0) continue;
    const own = automatic.filter((subnet) => subnet.network_id === port.network_id);
    const fresh = own.map((subnet) => automaticAddress(subnet, port.mac_address));
    const fixed_ips = [...port.fixed_ips, ...fresh];
    await setAddresses(tx, port, fixed_ips);
    await tx.ports.update({ id: port.id }, { fixed_ips, ...touched(call, port) });
  }
}

async function bumpNetwork(tx: Transaction, call: Call, network: NetworkRow): Promise<void> {
  await tx.networks.update({ id: network.id }, touched(call, network));
}

/** What is asked for, with the pool's id; the row as well, unless its addresses are the pool's to choose. */
interface Draft {
  readonly asked: SubnetCreate & Pick<SubnetRow, 'network_id' | 'project_id' | 'subnetpool_id'>;
  readonly row: SubnetRow | null;
}

async function draftOf(tables: Tables, call: Call, one: SubnetCreate): Promise<Draft> {
  const subnetpool_id = await poolAskedFor(tables, call, one);
  const { network_id, project_id } = one;
  const ids = {
    network_id: network_id ?? '',
    project_id: project_id ?? call.caller.projectId,
    subnetpool_id,
  };
  const asked = { ...one, ...ids };
  const isChosen = subnetpool_id !== null && !one.cidr;
  return { asked, row: isChosen ? null : subnetRow(call, asked) };
}

async function checkNetworks(tx: Transaction, call: Call, ids: readonly string[]): Promise<NetworkRow[]> {
  const networks = await tx.networks.lock({ id: ids });
  for (const id of ids) {
    const network = networks.find((one) => one.id === id);
    if (!network || !(await seesNetwork(tx, call, network))) throw networkNotFound(id);
    if (!mayChange(call, network)) throw forbidden('create_subnet');
  }
  return networks;
}

/** The draft's row, with addresses of its pool, which from now on has it. */
function placed(call: Call, { asked, row }: Draft, pools: HeldPools): SubnetRow {
  const held = asked.subnetpool_id === null ? undefined : pools.get(asked.subnetpool_id);
  if (!held) return row ?? subnetRow(call, asked);
  const cidr = takeFrom(held, asked, asked.project_id);
  const found = row ?? subnetRow(call, { ...asked, cidr: formatCidr(cidr) });
  held.subnets.push(found);
  return found;
}

/** Creates all or none. A network's first DHCP subnet gives it to DHCP agents. */
export async function createSubnet(
  tx: Transaction,
  call: Call,
  asked: readonly SubnetCreate[],
): Promise<SubnetRow[]> {
  const drafts: Draft[] = [];
  for (const one of asked) drafts.push(await draftOf(tx, call, one));
  const ids = [...new Set(drafts.map((draft) => draft.asked.network_id))];
  const networks = await checkNetworks(tx, call, ids);
  await checkQuota(tx, call, { resource: 'subnet', rows: drafts.map((draft) => draft.asked) });
  const present = await tx.subnets.find({ network_id: ids });
  const poolIds = drafts.map((draft) => draft.asked.subnetpool_id);
  const pools = await lockPools(tx, call, { asked: poolIds, beside: present });
  const rows: SubnetRow[] = [];
  for (const draft of drafts) {
    const beside = present.filter((other) => other.network_id === draft.asked.network_id);
    const row = placed(call, draft, pools);
    checkAffinity(pools, row, beside);
    checkOverlap(row, beside);
    present.push(row);
    rows.push(row);
  }
  await tx.subnets.insert(rows);
  await addAutomaticAddresses(tx, call, rows);
  await addGatewayAddresses(tx, call, { networks, fresh: rows });
  for (const network of networks) await bumpNetwork(tx, call, network);
  await syncDhcp(tx, call, networks);
  return rows;
}

/** The subnet and its network, the network locked. */
async function lockSubnet(
  tx: Transaction,
  call: Call,
  { id, rule }: { readonly id: string; readonly rule: string },
): Promise<{ subnet: SubnetRow; network: NetworkRow }> {
  const found = await tx.subnets.get({ id });
  if (!found) throw subnetNotFound(id);
  const [network] = await tx.networks.lock({ id: found.network_id });
  const [subnet] = await tx.subnets.lock({ id });
  if (!subnet || !network) throw subnetNotFound(id);
  if (!owns(call, subnet) && !(await usesNetwork(tx, call, network))) throw subnetNotFound(id);
  if (!mayChange(call, subnet)) throw forbidden(rule);
  return { subnet, network };
}

async function checkGatewayFree(tx: Transaction, subnet: SubnetRow): Promise<void> {
  if (subnet.gateway_ip === null) return;
  const allocation = await tx.ipAllocations.get({ subnet_id: subnet.id, ip_address: subnet.gateway_ip });
  const [port] = allocation ? await tx.ports.lock({ id: allocation.port_id }) : [];
  if (port && isRouterInterface(port.device_owner)) {
    throw new Fault(
      'GatewayIpInUse',
      `Current gateway ip ${subnet.gateway_ip} already in use by port ${port.id}. Unable to update.`,
    );
  }
}

export async function updateSubnet(
  tx: Transaction,
  call: Call,
  { id, changes, ifMatch }: UpdateRequest<SubnetChanges>,
): Promise<SubnetRow> {
  const { subnet, network } = await lockSubnet(tx, call, { id, rule: 'update_subnet' });
  checkRevision(subnet, ifMatch);
  const cidr = checkCidr(subnet.cidr, subnet.ip_version);
  const changed = differing(subnet, changes);
  if (changed.gateway_ip !== undefined) {
    changed.gateway_ip = checkGateway(cidr, changed.gateway_ip);
    await checkGatewayFree(tx, subnet);
  }
  if (changed.host_routes) changed.host_routes = canonicalRoutes(changed.host_routes);
  const after = { ...subnet, ...changed };
  if (changed.allocation_pools) {
    after.allocation_pools = checkAllocationPools(cidr, changed.allocation_pools, after.gateway_ip);
    changed.allocation_pools = after.allocation_pools;
  } else if (changed.gateway_ip !== undefined) checkGatewayOutsidePools(after);
  checkChangedSubnet(call.settings, subnet, after);
  const [updated] = await tx.subnets.update({ id }, { ...changed, ...touched(call, subnet) });
  if (!updated) throw subnetNotFound(id);
  await bumpNetwork(tx, call, network);
  if (changed.enable_dhcp !== undefined) await syncDhcp(tx, call, [network]);
  return updated;
}

/** Takes the subnet's addresses from ports that do not hold it: DHCP ports, and others if its addresses are automatic. */
async function releaseAddresses(tx: Transaction, call: Call, subnet: SubnetRow): Promise<void> {
  const allocations = await tx.ipAllocations.find({ subnet_id: subnet.id });
  if (allocations.length === 0) return;
  const ids = [...new Set(allocations.map((allocation) => allocation.port_id))];
  const ports: PortRow[] = await tx.ports.lock({ id: ids });
  const letsGo = (port: PortRow) =>
    port.device_owner === 'network:dhcp' || (isAutoAddress(subnet) && !isRouterInterface(port.device_owner));
  if (!ports.every(letsGo)) throw subnetInUse(subnet.id);
  await tx.ipAllocations.remove({ subnet_id: subnet.id });
  for (const port of ports) {
    const fixed_ips = port.fixed_ips.filter((ip) => ip.subnet_id !== subnet.id);
    await tx.ports.update({ id: port.id }, { fixed_ips, ...touched(call, port) });
  }
}

export async function deleteSubnet(
  tx: Transaction,
  call: Call,
  { id, ifMatch }: DeleteRequest,
): Promise<void> {
  const { subnet, network } = await lockSubnet(tx, call, { id, rule: 'delete_subnet' });
  checkRevision(subnet, ifMatch);
  await releaseAddresses(tx, call, subnet);
  await tx.subnets.remove({ id });
  await bumpNetwork(tx, call, network);
  await syncDhcp(tx, call, [network]);
}

export async function showSubnet(tables: Tables, call: Call, id: string): Promise<SubnetRow> {
  const subnet = await tables.subnets.get({ id });
  if (!subnet) throw subnetNotFound(id);
  if (owns(call, subnet)) return subnet;
  const network = await tables.networks.get({ id: subnet.network_id });
  if (!network || !(await usesNetwork(tables, call, network))) throw subnetNotFound(id);
  return subnet;
}

/** A page of the subnets that the caller may see: their own and those of shared networks. */
export async function listSubnets(
  tables: Tables,
  call: Call,
  query: ListQuery<SubnetRow>,
): Promise<SubnetRow[]> {
  if (call.caller.isAdmin) return tables.subnets.list(query);
  return tables.subnets.list({
    ...query,
    anyOf: [
      { column: 'project_id', operator: 'in', values: [call.caller.projectId] },
      { column: 'network_id', operator: 'in', values: await usableNetworkIds(tables, call) },
    ],
  });
}
