/** Where a caller can take floating IPs from: the IPv4 subnets of the external networks that it sees. */
import type { FloatingIpPool } from '../resources/floating-ip-pool.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { ListFilter, ListQuery, Tables } from '../store/store.ts';
import { subnetNotFound } from './faults.ts';
import { visibleExternalNetworkIds } from './network-sharing.ts';
import type { Call } from './operation.ts';

const IPV4: ListFilter<SubnetRow> = { column: 'ip_version', operator: 'in', values: [4] };

const poolOf = (call: Call, { id, name, network_id, cidr }: SubnetRow): FloatingIpPool => ({
  ...{ id, name, network_id, cidr },
  project_id: call.caller.projectId,
});

export async function showFloatingIpPool(tables: Tables, call: Call, id: string): Promise<FloatingIpPool> {
  const subnet = await tables.subnets.get({ id });
  const external = subnet?.ip_version === 4 ? await visibleExternalNetworkIds(tables, call) : [];
  if (!subnet || !external.includes(subnet.network_id)) throw subnetNotFound(id);
  return poolOf(call, subnet);
}

/** A page of them. All are of the project that asks: by a filter for another there are none. */
export async function listFloatingIpPools(
  tables: Tables,
  call: Call,
  query: ListQuery<FloatingIpPool>,
): Promise<FloatingIpPool[]> {
  const ofProjects = query.filters.filter(({ column }) => column === 'project_id');
  if (ofProjects.some(({ values }) => !values.includes(call.caller.projectId))) return [];
  const others = query.filters.filter((one) => !ofProjects.includes(one)) as ListFilter<SubnetRow>[];
  const values = await visibleExternalNetworkIds(tables, call);
  const subnets = await tables.subnets.list({
    ...(query as unknown as ListQuery<SubnetRow>),
    filters: [...others, IPV4, { column: 'network_id', operator: 'in', values }],
  });
  return subnets.map((subnet) => poolOf(call, subnet));
}
