/** What a router is attached to, as its rules (router-rules.ts) look at it. */
import type { PortRow } from '../resources/port.ts';
import { ROUTER_PORT_OWNERS, type RouterRow } from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { Tables } from '../store/store.ts';
import type { Attached } from './router-rules.ts';

export const portsOfRouter = (tables: Tables, routerId: string): Promise<PortRow[]> =>
  tables.ports.find({ device_id: routerId, device_owner: ROUTER_PORT_OWNERS });

/** The router's ports with the subnets of their networks. */
export async function attachedTo(tables: Tables, routerId: string): Promise<Attached> {
  const ports = await portsOfRouter(tables, routerId);
  const network_id = [...new Set(ports.map((port) => port.network_id))];
  return { ports, subnets: network_id.length === 0 ? [] : await tables.subnets.find({ network_id }) };
}

/** The subnets of the segment on which the router's replicas talk; none where it is not HA. */
export async function haSubnets(
  tables: Tables,
  { ha_network_id }: Pick<RouterRow, 'ha_network_id'>,
): Promise<SubnetRow[]> {
  return ha_network_id === null ? [] : tables.subnets.find({ network_id: ha_network_id });
}
