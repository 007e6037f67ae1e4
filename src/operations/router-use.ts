/**
 * Which addresses of routers' and floating IPs' ports are in use, so that they are not taken away. Neutron lets the ports API change any
 * address but one for which a floating IP stands; here also none goes that a floating IP has, and none by which routes, floating IPs or
 * forwardings go.
 */
import { Fault } from '../resources/errors.ts';
import type { FixedIp, PortRow } from '../resources/port.ts';
import { INTERFACE_OWNERS, ROUTER_GATEWAY_OWNER, type RouterRow } from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { Transaction } from '../store/store.ts';
import { badRequest } from './faults.ts';
import { FLOATING_IP_OWNER } from './port-routing.ts';
import { attachedTo, haSubnets } from './router-attached.ts';
import {
  type Attached,
  checkAddressMode,
  checkNoRouteBy,
  checkOneIpv6Port,
  checkOneIpv4Subnet,
  checkOverlaps,
  checkRoutesKept,
} from './router-rules.ts';

/** Refuses to take a subnet from a router, which is locked, while something goes by it. */
export async function checkUnused(tx: Transaction, router: RouterRow, subnet: SubnetRow): Promise<void> {
  checkNoRouteBy(router.id, router.routes, subnet);
  const inUse = () =>
    new Fault(
      'RouterInterfaceInUseByFloatingIP',
      `Router interface for subnet ${subnet.id} on router ${router.id} cannot be deleted, as it is required by one or more floating IPs.`,
    );
  const allocations = await tx.ipAllocations.find({ subnet_id: subnet.id });
  const held = new Set(allocations.map((one) => `${one.port_id} ${one.ip_address}`));
  const floating = await tx.floatingIps.find({ router_id: router.id });
  if (floating.some((one) => held.has(`${one.port_id} ${one.fixed_ip_address}`))) throw inUse();
  const forwardings = await tx.portForwardings.find({ router_id: router.id });
  if (forwardings.some((one) => held.has(`${one.internal_port_id} ${one.internal_ip_address}`)))
    throw inUse();
}

/** The router that the port names as its own, and its row, locked, where there is one. To be asked before the port's network is locked. */
export async function lockRouterOf(
  tx: Transaction,
  portId: string,
): Promise<{ readonly named: string | undefined; readonly router: RouterRow | undefined }> {
  const named = routerIdOf(await tx.ports.get({ id: portId }));
  const [router] = named === undefined ? [] : await tx.routers.lock({ id: named });
  return { named, router };
}

/** Whose gateway or interface a port says it is. */
export function routerIdOf(port: PortRow | undefined): string | undefined {
  const isRouters = [...INTERFACE_OWNERS, ROUTER_GATEWAY_OWNER].includes(port?.device_owner ?? '');
  return port && isRouters ? canonicalUuid(port.device_id) : undefined;
}

/** Refuses addresses for a port, which is locked, that take away what is in use. `router`: whose it is, if any, locked. */
export async function checkUsesKept(
  tx: Transaction,
  { port, fixedIps, router }: { port: PortRow; fixedIps: readonly FixedIp[]; router: RouterRow | undefined },
): Promise<void> {
  if (port.device_owner === FLOATING_IP_OWNER) await checkFloatingIpKept(tx, port, fixedIps);
  if (!router) return;
  const attached = await attachedTo(tx, router.id);
  const isIn = (ips: readonly FixedIp[]) => (subnet: SubnetRow) =>
    ips.some((ip) => ip.subnet_id === subnet.id);
  const own = attached.subnets.filter((subnet) => subnet.network_id === port.network_id);
  const [before, after] = [own.filter(isIn(port.fixed_ips)), own.filter(isIn(fixedIps))];
  const changed = { ...port, fixed_ips: [...fixedIps] };
  const ports = attached.ports.map((one) => (one.id === port.id ? changed : one));
  if (port.device_owner === ROUTER_GATEWAY_OWNER)
    await checkGatewayKept(tx, router, { before: port, after: changed });
  else {
    for (const subnet of before.filter((one) => !after.includes(one))) await checkUnused(tx, router, subnet);
    const fresh = after.filter((one) => !before.includes(one));
    for (const subnet of fresh) checkAddressMode(subnet);
    if (fresh.length > 0) {
      checkOverlaps(fresh, attached, await haSubnets(tx, router));
      checkOneIpv6Port(changed, ports);
      checkOneIpv4Subnet(after);
    }
  }
  const now: Attached = { ports, subnets: attached.subnets };
  if (router.routes.length > 0) checkRoutesKept(router.routes, now);
}

async function checkFloatingIpKept(
  tx: Transaction,
  port: PortRow,
  fixedIps: readonly FixedIp[],
): Promise<void> {
  const floating = await tx.floatingIps.find({ floating_port_id: port.id });
  const isKept = (address: string) => fixedIps.some((ip) => ip.ip_address === address);
  if (floating.every((one) => isKept(one.floating_ip_address))) return;
  throw badRequest(
    'port',
    `Cannot update the fixed_ips of the port ${port.id}, because it has the address of a floating ip`,
  );
}

const hasIpv4 = (port: PortRow): boolean => port.fixed_ips.some((ip) => !ip.ip_address.includes(':'));

async function checkGatewayKept(
  tx: Transaction,
  router: RouterRow,
  { before, after }: { before: PortRow; after: PortRow },
): Promise<void> {
  if (!hasIpv4(before) || hasIpv4(after)) return;
  if ((await tx.floatingIps.count({ router_id: router.id })) === 0) return;
  throw new Fault(
    'RouterExternalGatewayInUseByFloatingIp',
    `Gateway cannot be updated for router ${router.id}, since a gateway to external network ${before.network_id} is required by one or more floating IPs.`,
  );
}
