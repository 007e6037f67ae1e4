/** How many addresses networks and subnets have, and how many of them are taken. */
import { parseCidr, widthOf } from '../ipam/address.ts';
import { rangesOf, sizeOf } from '../ipam/pool.ts';
import type { IpAvailability, SubnetIpAvailability } from '../resources/ip-availability.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { ListQuery, Tables } from '../store/store.ts';
import { networkNotFound } from './faults.ts';
import type { Call } from './operation.ts';

function totalOf({ allocation_pools, cidr }: SubnetRow): bigint {
  if (allocation_pools.length > 0)
    return rangesOf(allocation_pools).reduce((sum, range) => sum + sizeOf(range), 0n);
  const found = parseCidr(cidr);
  return found ? 1n << BigInt(widthOf(found.version) - found.prefix) : 0n;
}

async function availabilityOf(
  tables: Tables,
  networks: readonly NetworkRow[],
  subnets: readonly SubnetRow[],
): Promise<IpAvailability[]> {
  const ids = subnets.map(({ id }) => id);
  const taken = ids.length === 0 ? [] : await tables.ipAllocations.find({ subnet_id: ids });
  const used = Map.groupBy(taken, ({ subnet_id }) => subnet_id);
  const counted = (subnet: SubnetRow): SubnetIpAvailability => ({
    ...{ subnet_id: subnet.id, subnet_name: subnet.name, cidr: subnet.cidr, ip_version: subnet.ip_version },
    ...{ total_ips: totalOf(subnet), used_ips: used.get(subnet.id)?.length ?? 0 },
  });
  return networks.map(({ id, name, project_id }) => {
    const own = subnets.filter(({ network_id }) => network_id === id).map(counted);
    return {
      ...{ id, name, project_id },
      total_ips: own.reduce((sum, one) => sum + one.total_ips, 0n),
      used_ips: own.reduce((sum, one) => sum + one.used_ips, 0),
      subnet_ip_availability: own,
    };
  });
}

export async function showIpAvailability(tables: Tables, _call: Call, id: string): Promise<IpAvailability> {
  const network = await tables.networks.get({ id });
  if (!network) throw networkNotFound(id);
  const [found] = await availabilityOf(tables, [network], await tables.subnets.find({ network_id: id }));
  return found!;
}

/** A page of networks; a filter by `ip_version` leaves out subnets of another, and networks that have no other. */
export async function listIpAvailability(
  tables: Tables,
  _call: Call,
  query: ListQuery<IpAvailability & { readonly ip_version?: 4 | 6 }>,
): Promise<IpAvailability[]> {
  const versions = query.filters.filter(({ column }) => column === 'ip_version');
  const asked = versions.flatMap(({ values }) => values) as (4 | 6)[];
  const subnetFilter = asked.length > 0 ? { ip_version: asked } : {};
  const others = query.filters.filter(({ column }) => column !== 'ip_version');
  const fitting = asked.length > 0 ? await tables.subnets.find(subnetFilter) : undefined;
  const withSuch = fitting && [...new Set(fitting.map(({ network_id }) => network_id))];
  const networks = await tables.networks.list({
    ...(query as unknown as ListQuery<NetworkRow>),
    filters: [
      ...(others as unknown as ListQuery<NetworkRow>['filters']),
      ...(withSuch ? [{ column: 'id', operator: 'in', values: withSuch } as const] : []),
    ],
  });
  if (networks.length === 0) return [];
  const network_id = networks.map(({ id }) => id);
  return availabilityOf(tables, networks, await tables.subnets.find({ ...subnetFilter, network_id }));
}
