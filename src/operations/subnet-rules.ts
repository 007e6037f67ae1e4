/** What a subnet may be: Neutron's rules, pure. Each throws a Fault that says what is wrong. */
import {
  type Address,
  type Cidr,
  contains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from '../ipam/address.ts';
import { canEui64 } from '../ipam/eui64.ts';
import { checkPools, defaultGateway, defaultPools, formatPool, inRanges, rangesOf } from '../ipam/pool.ts';
import { Fault } from '../resources/errors.ts';
import type { AllocationPool, SubnetRow } from '../resources/subnet.ts';
import { invalidInput } from './faults.ts';
import type { Settings } from './operation.ts';

/** The attributes that the rules are about. */
type Ruled = Pick<
  SubnetRow,
  | 'ip_version'
  | 'cidr'
  | 'gateway_ip'
  | 'enable_dhcp'
  | 'ipv6_ra_mode'
  | 'ipv6_address_mode'
  | 'allocation_pools'
  | 'dns_nameservers'
  | 'host_routes'
  | 'service_types'
>;

const SERVICE_TYPE_PREFIXES = ['network:', 'compute:', 'baremetal:', 'neutron:', 'trunk:'];

function addressOf(text: string, { name, version }: { name: string; version: 4 | 6 }): Address {
  const address = parseAddress(text);
  if (!address) throw invalidInput(`'${text}' is not a valid IP address`);
  if (address.version !== version) {
    throw invalidInput(`'${name}' '${text}' does not match the ip_version '${version}'`);
  }
  return address;
}

/** The CIDR that the client named, host bits cleared. */
export function checkCidr(text: string | null | undefined, version: 4 | 6): Cidr {
  if (!text) {
    throw new Fault(
      'BadRequest',
      'Bad subnets request: a subnetpool must be specified in the absence of a cidr.',
    );
  }
  const cidr = parseCidr(text);
  if (!cidr) throw invalidInput(`'${text}' is not a valid IP subnet`);
  if (cidr.version !== version) {
    throw invalidInput(`'cidr' '${text}' does not match the ip_version '${version}'`);
  }
  // dnsmasq cannot serve it.
  if (cidr.prefix === 0) throw invalidInput('0 is not allowed as CIDR prefix length');
  if (version === 6 && cidr.first === 0n) throw invalidInput("IPv6 subnet '::' is not supported");
  return cidr;
}

const within = (cidr: Cidr, ...blocks: string[]): boolean =>
  blocks.some((block) => {
    const outer = parseCidr(block);
    return outer !== undefined && contains(outer, { version: cidr.version, value: cidr.first });
  });

function checkServable(cidr: Cidr): void {
  if (cidr.prefix > (cidr.version === 4 ? 30 : 126)) {
    throw invalidInput('Subnet has a prefix length that is incompatible with DHCP service enabled');
  }
  if (within(cidr, '224.0.0.0/4', 'ff00::/8')) {
    throw invalidInput('Multicast IP subnet is not supported if enable_dhcp is True');
  }
  if (within(cidr, '127.0.0.0/8') || (cidr.version === 6 && cidr.first === 1n)) {
    throw invalidInput('Loopback IP subnet is not supported if enable_dhcp is True');
  }
  if (cidr.version === 4 && cidr.first === 0n) {
    throw invalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.");
  }
}

/** The gateway: what the client named, null for none, the first usable address if it named nothing. */
export function checkGateway(cidr: Cidr, asked: string | null | undefined): string | null {
  if (asked === null) return null;
  if (asked === undefined) {
    return cidr.first === cidr.last ? null : formatAddress(defaultGateway(cidr));
  }
  const gateway = addressOf(asked, { name: 'gateway_ip', version: cidr.version });
  const isEdge = gateway.value === cidr.first || gateway.value === cidr.last;
  if (cidr.version === 4 && cidr.prefix < 31 && isEdge) throw invalidInput('Gateway is not valid on subnet');
  return formatAddress(gateway);
}

/** The pools: canonical, disjoint, inside the CIDR, without the gateway. */
export function checkAllocationPools(
  cidr: Cidr,
  asked: readonly AllocationPool[] | null | undefined,
  gatewayIp: string | null,
): AllocationPool[] {
  const gateway = gatewayIp === null ? null : (parseAddress(gatewayIp) ?? null);
  if (asked === null || asked === undefined) {
    return defaultPools(cidr, gateway).map((range) => formatPool(range, cidr.version));
  }
  const result = checkPools(cidr, asked, gateway);
  if ('ranges' in result) return result.ranges.map((range) => formatPool(range, cidr.version));
  const { problem } = result;
  switch (problem.kind) {
    case 'invalid':
      throw new Fault('InvalidAllocationPool', `The allocation pool ${problem.pool} is not valid.`);
    case 'out-of-bounds':
      throw new Fault(
        'OutOfBoundsAllocationPool',
        `The allocation pool ${problem.pool} spans beyond the subnet cidr ${formatCidr(cidr)}.`,
      );
    case 'overlapping':
      throw new Fault(
        'OverlappingAllocationPools',
        `Found overlapping allocation pools: ${problem.pool} ${problem.other} for subnet ${formatCidr(cidr)}.`,
      );
    case 'holds-gateway':
      throw new Fault(
        'GatewayConflictWithAllocationPools',
        `Gateway ip ${gatewayIp} conflicts with allocation pool ${problem.pool}.`,
      );
  }
}

/** Refuses a new gateway that lies in the pools as they are. */
export function checkGatewayOutsidePools(subnet: Pick<SubnetRow, 'gateway_ip' | 'allocation_pools'>): void {
  const gateway = subnet.gateway_ip === null ? undefined : parseAddress(subnet.gateway_ip);
  const pool = gateway && subnet.allocation_pools.find((one) => inRanges(rangesOf([one]), gateway.value));
  if (pool) {
    throw new Fault(
      'GatewayConflictWithAllocationPools',
      `Gateway ip ${subnet.gateway_ip} conflicts with allocation pool ${pool.start}-${pool.end}.`,
    );
  }
}

function checkLists(settings: Settings, subnet: Ruled, name: string): void {
  const exhausted = (what: string, limit: number) =>
    `Unable to complete operation for ${name}. The number of ${what} exceeds the limit ${limit}.`;
  if (subnet.dns_nameservers.length > settings.maxDnsNameservers) {
    throw new Fault('DNSNameServersExhausted', exhausted('DNS nameservers', settings.maxDnsNameservers));
  }
  const version = subnet.ip_version;
  for (const server of subnet.dns_nameservers) addressOf(server, { name: 'dns_nameserver', version });
  if (subnet.host_routes.length > settings.maxHostRoutes) {
    throw new Fault('HostRoutesExhausted', exhausted('host routes', settings.maxHostRoutes));
  }
  for (const { destination, nexthop } of subnet.host_routes) {
    addressOf(nexthop, { name: 'nexthop', version });
    if (parseCidr(destination)?.version !== version) {
      throw invalidInput(`'destination' '${destination}' does not match the ip_version '${version}'`);
    }
  }
  for (const type of subnet.service_types) {
    if (!SERVICE_TYPE_PREFIXES.some((prefix) => type.startsWith(prefix))) {
      throw new Fault('InvalidServiceType', `Invalid service type: ${type}.`);
    }
  }
}

function checkModes(cidr: Cidr, subnet: Ruled): void {
  const { ipv6_ra_mode: ra, ipv6_address_mode: address } = subnet;
  if (subnet.ip_version === 4) {
    if (ra !== null) throw invalidInput('ipv6_ra_mode is not valid when ip_version is 4');
    if (address !== null) throw invalidInput('ipv6_address_mode is not valid when ip_version is 4');
    return;
  }
  if (ra === null && address === null) return;
  if (!subnet.enable_dhcp) {
    throw invalidInput('ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False');
  }
  if (ra !== null && address !== null && ra !== address) {
    throw invalidInput(
      `ipv6_ra_mode set to '${ra}' with ipv6_address_mode set to '${address}' is not valid. If both attributes are set, they must be the same value`,
    );
  }
  if ([ra, address].some((mode) => mode === 'slaac' || mode === 'dhcpv6-stateless') && !canEui64(cidr)) {
    throw invalidInput(
      `Invalid CIDR ${subnet.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64`,
    );
  }
}

/** Checks a subnet that is to be. */
export function checkNewSubnet(settings: Settings, cidr: Cidr, subnet: Ruled): void {
  if (subnet.enable_dhcp) checkServable(cidr);
  checkLists(settings, subnet, 'new subnet');
  checkModes(cidr, subnet);
}

/** Checks a subnet as it would be after an update. */
export function checkChangedSubnet(settings: Settings, before: SubnetRow, after: SubnetRow): void {
  const cidr = checkCidr(after.cidr, after.ip_version);
  if (after.enable_dhcp && !before.enable_dhcp) checkServable(cidr);
  if (!after.enable_dhcp && (after.ipv6_ra_mode !== null || after.ipv6_address_mode !== null)) {
    throw invalidInput('Cannot disable enable_dhcp with ipv6 attributes set');
  }
  checkLists(settings, after, after.id);
}
