/**
 * Addresses of routers' gateways in subnets that an external network gets later. As Neutron has it: one of each IP version, not
 * counting those that machines give themselves. So a router with an IPv4 address gets none of a second IPv4 subnet, and one of
 * the first IPv6 subnet.
 */
import { automaticAddress, isAutoAddress, subnetsForOwner } from '../ipam/fixed-ips.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { FixedIp, PortRow } from '../resources/port.ts';
import { ROUTER_GATEWAY_OWNER } from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { Transaction } from '../store/store.ts';
import { chooseAddresses, setAddresses } from './addresses.ts';
import type { Call } from './operation.ts';
import { attachedTo } from './router-attached.ts';
import { overlapsWith } from './router-rules.ts';
import { touched } from './standard.ts';

/**
 * Gives gateways on these networks, which are locked, what they lack of the new subnets. A subnet that has no address left, or that overlaps
 * with one of the router's own, gives none: it is there all the same.
 */
export async function addGatewayAddresses(
  tx: Transaction,
  call: Call,
  { networks, fresh }: { readonly networks: readonly NetworkRow[]; readonly fresh: readonly SubnetRow[] },
): Promise<void> {
  const ids = networks.filter(({ external }) => external).map(({ id }) => id);
  if (ids.length === 0) return;
  const ports = await tx.ports.lock({ network_id: ids, device_owner: ROUTER_GATEWAY_OWNER });
  if (ports.length === 0) return;
  const all = await tx.subnets.find({ network_id: ids });
  const byId = new Map(all.map((subnet) => [subnet.id, subnet]));
  for (const port of ports) {
    let fixed_ips = port.fixed_ips;
    for (const subnet of subnetsForOwner(fresh, ROUTER_GATEWAY_OWNER)) {
      if (subnet.network_id !== port.network_id || !isLacking(subnet, fixed_ips, byId)) continue;
      if (overlapsWith(subnet, await attachedTo(tx, port.device_id))) continue;
      fixed_ips = [...fixed_ips, ...(await addressIn(tx, call, { subnet, port }))];
    }
    if (fixed_ips.length === port.fixed_ips.length) continue;
    await setAddresses(tx, port, fixed_ips);
    await tx.ports.update({ id: port.id }, { fixed_ips, ...touched(call, port) });
  }
}

function isLacking(
  subnet: SubnetRow,
  has: readonly FixedIp[],
  subnets: ReadonlyMap<string, SubnetRow>,
): boolean {
  if (has.some(({ subnet_id }) => subnet_id === subnet.id)) return false;
  const chosen = has
    .flatMap(({ subnet_id }) => subnets.get(subnet_id) ?? [])
    .filter((one) => !isAutoAddress(one));
  return chosen.length === 0 || (chosen.length === 1 && chosen[0]?.ip_version !== subnet.ip_version);
}

async function addressIn(
  tx: Transaction,
  call: Call,
  { subnet, port }: { readonly subnet: SubnetRow; readonly port: PortRow },
): Promise<FixedIp[]> {
  if (isAutoAddress(subnet)) return [automaticAddress(subnet, port.mac_address)];
  const space = { networkId: subnet.network_id, subnets: [subnet] };
  const wants = [[{ kind: 'any' as const, subnetIds: [subnet.id] }]];
  const [found = []] = await chooseAddresses(tx, call, { space, wants, partial: true });
  return found;
}
