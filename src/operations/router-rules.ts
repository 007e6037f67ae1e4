/** What a router may be attached to and what routes it may have: Neutron's rules, pure. Each throws a Fault that says what is wrong. */
import { contains, overlaps, parseAddress, parseCidr } from '../ipam/address.ts';
import { Fault } from '../resources/errors.ts';
import type { PortRow } from '../resources/port.ts';
import { ROUTER_GATEWAY_OWNER, ROUTER_HA_OWNER } from '../resources/router.ts';
import type { HostRoute, SubnetRow } from '../resources/subnet.ts';
import { badRequest } from './faults.ts';

/** A router's ports, and the subnets of all their networks. */
export interface Attached {
  readonly ports: readonly PortRow[];
  readonly subnets: readonly SubnetRow[];
}

/** Of the addresses by which replicas say who is active. They are on no subnet; who attached one there could not use it. */
const HA_OWN_CIDR = '169.254.0.0/24';

/** The subnets that the router reaches: of its gateway's network all, of others those in which it has an address. */
export function reachedSubnets({ ports, subnets }: Attached): SubnetRow[] {
  const own = new Set<SubnetRow>();
  for (const port of ports) {
    if (port.device_owner === ROUTER_HA_OWNER) continue;
    const isGateway = port.device_owner === ROUTER_GATEWAY_OWNER;
    for (const subnet of subnets) {
      const has = port.fixed_ips.some((ip) => ip.subnet_id === subnet.id);
      if (has || (isGateway && subnet.network_id === port.network_id)) own.add(subnet);
    }
  }
  return [...own];
}

const areApart = (one: string, other: string): boolean => {
  const [mine, theirs] = [parseCidr(one), parseCidr(other)];
  return !mine || !theirs || !overlaps(mine, theirs);
};

/** Refuses subnets that overlap with the segment on which an HA router's replicas talk (`ha`: its subnets; none where it is not HA). */
export function checkHaRange(fresh: readonly SubnetRow[], ha: readonly SubnetRow[]): void {
  checkApart(fresh, ha);
  const [first] = ha.length === 0 ? [] : fresh.filter(({ cidr }) => !areApart(cidr, HA_OWN_CIDR));
  if (!first) return;
  throw badRequest(
    'router',
    `Cidr ${first.cidr} of subnet ${first.id} overlaps with cidr ${HA_OWN_CIDR} of the replicas of HA routers`,
  );
}

function checkApart(fresh: readonly SubnetRow[], present: readonly SubnetRow[]): void {
  for (const old of present) {
    const subnet = fresh.find(({ cidr }) => !areApart(cidr, old.cidr));
    if (!subnet) continue;
    throw badRequest(
      'router',
      `Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${old.cidr} of subnet ${old.id}`,
    );
  }
}

/** Refuses a subnet that the router has already, and one that overlaps with what it has. `ha`: as of checkHaRange. */
export function checkOverlaps(
  fresh: readonly SubnetRow[],
  attached: Attached,
  ha: readonly SubnetRow[],
): void {
  const present = new Set(attached.ports.flatMap((port) => port.fixed_ips.map((ip) => ip.subnet_id)));
  for (const subnet of fresh) {
    if (present.has(subnet.id))
      throw badRequest('router', `Router already has a port on subnet ${subnet.id}`);
  }
  checkApart(fresh, reachedSubnets(attached));
  checkHaRange(fresh, ha);
}

/** Whether a subnet overlaps with one that the router has on another network, that of its replicas included. */
export function overlapsWith(subnet: SubnetRow, attached: Attached): boolean {
  const replicas = new Set(
    attached.ports.flatMap((port) => (port.device_owner === ROUTER_HA_OWNER ? port.network_id : [])),
  );
  const own = [
    ...reachedSubnets(attached),
    ...attached.subnets.filter((one) => replicas.has(one.network_id)),
  ];
  return own.some((old) => old.network_id !== subnet.network_id && !areApart(subnet.cidr, old.cidr));
}

/** Refuses a subnet whose machines take their addresses from a router that is not ours. */
export function checkAddressMode(subnet: SubnetRow): void {
  if (subnet.ip_version === 6 && subnet.ipv6_ra_mode === null && subnet.ipv6_address_mode !== null) {
    throw badRequest(
      'router',
      `IPv6 subnet ${subnet.id} configured to receive RAs from an external router cannot be added to Neutron Router`,
    );
  }
}

const hasIpv6 = (port: PortRow): boolean => port.fixed_ips.some((ip) => ip.ip_address.includes(':'));

/** The router's port with IPv6 addresses in a network: there is one at most. */
export const ipv6PortIn = (
  ports: readonly PortRow[],
  networkId: string,
  owner: string,
): PortRow | undefined =>
  ports.find((port) => port.network_id === networkId && port.device_owner === owner && hasIpv6(port));

/** Refuses a second port with IPv6 addresses in one network. */
export function checkOneIpv6Port(port: PortRow, ports: readonly PortRow[]): void {
  if (!hasIpv6(port)) return;
  const other = ports.find((one) => one.id !== port.id && one.network_id === port.network_id && hasIpv6(one));
  if (!other) return;
  throw badRequest(
    'router',
    `Router already contains IPv6 port ${other.id} belonging to network id ${other.network_id}. Only one IPv6 port from the same network subnet can be connected to a router.`,
  );
}

/** Refuses a port with addresses in several IPv4 subnets. */
export function checkOneIpv4Subnet(subnets: readonly SubnetRow[]): void {
  if (subnets.filter((subnet) => subnet.ip_version === 4).length > 1)
    throw badRequest('router', 'Cannot have multiple IPv4 subnets on router port');
}

const invalidRoutes = (routes: readonly HostRoute[], why: string): Fault =>
  new Fault('InvalidRoutes', `Invalid format for routes: ${JSON.stringify(routes)}, ${why}`);

const isIn = (cidr: string, address: string): boolean => {
  const [outer, inner] = [parseCidr(cidr), parseAddress(address)];
  return (
    outer !== undefined && inner !== undefined && outer.version === inner.version && contains(outer, inner)
  );
};

/** Refuses routes whose next hop is in no subnet in which the router has an address. */
export function checkRoutes(routes: readonly HostRoute[], attached: Attached): void {
  const has = new Set(
    attached.ports.flatMap((port) =>
      port.device_owner === ROUTER_HA_OWNER ? [] : port.fixed_ips.map((ip) => ip.subnet_id),
    ),
  );
  checkNexthops(
    routes,
    attached.ports,
    attached.subnets.filter((subnet) => has.has(subnet.id)),
  );
}

/** The same for routes that are there when ports change: Neutron lets a new gateway reach all subnets of its network. */
export function checkRoutesKept(routes: readonly HostRoute[], attached: Attached): void {
  checkNexthops(routes, attached.ports, reachedSubnets(attached));
}

function checkNexthops(
  routes: readonly HostRoute[],
  ports: readonly PortRow[],
  subnets: readonly SubnetRow[],
): void {
  const own = new Set(ports.flatMap((port) => port.fixed_ips.map((ip) => ip.ip_address)));
  for (const { nexthop } of routes) {
    if (!subnets.some(({ cidr }) => isIn(cidr, nexthop)))
      throw invalidRoutes(routes, 'the nexthop is not connected with router');
    if (own.has(nexthop)) throw invalidRoutes(routes, 'the nexthop is used by router');
  }
}

/** Refuses to take away a subnet by which routes go. */
export function checkNoRouteBy(routerId: string, routes: readonly HostRoute[], subnet: SubnetRow): void {
  if (!routes.some((route) => isIn(subnet.cidr, route.nexthop))) return;
  throw new Fault(
    'RouterInterfaceInUseByRoute',
    `Router interface for subnet ${subnet.id} on router ${routerId} cannot be deleted, as it is required by one or more routes.`,
  );
}
