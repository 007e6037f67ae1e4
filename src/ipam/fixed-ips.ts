/** Which addresses a port gets, by Neutron's rules: pure, but for the choice of free ones (`choose.ts`). */
import type { FixedIp } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { canonicalAddress, formatAddress, isHostAddress, parseAddress, parseCidr } from './address.ts';
import { eui64Address } from './eui64.ts';

/** What a client asks for: an address, any of a subnet, or that address of that subnet. */
export interface FixedIpRequest {
  readonly subnet_id?: string;
  readonly ip_address?: string;
}

/** An address that is decided, or a free one to be chosen in the first of these subnets that has one. */
export type Wanted =
  | { readonly kind: 'address'; readonly ip: FixedIp; readonly automatic: boolean }
  | { readonly kind: 'any'; readonly subnetIds: readonly string[] };

/** The kinds of port that decide the rules. */
export interface Owner {
  readonly device_owner: string;
  readonly mac_address: string;
}

const ROUTER_INTERFACE_OWNERS = new Set([
  'network:router_interface',
  'network:router_interface_distributed',
  'network:ha_router_replicated_interface',
]);
const ROUTER_OWNERS = new Set([
  ...ROUTER_INTERFACE_OWNERS,
  'network:router_centralized_snat',
  'network:router_gateway',
  'network:router_ha_interface',
  'network:floatingip',
]);

/** Whether the owner is a router's interface in a network of its project. */
export const isRouterInterface = (deviceOwner: string): boolean => ROUTER_INTERFACE_OWNERS.has(deviceOwner);

const takesNoAutomatic = (deviceOwner: string): boolean =>
  isRouterInterface(deviceOwner) || deviceOwner === 'network:router_centralized_snat';

/** Whether machines give themselves their addresses in this subnet (SLAAC, stateless DHCPv6). */
export function isAutoAddress(subnet: Pick<SubnetRow, 'ipv6_address_mode' | 'ipv6_ra_mode'>): boolean {
  const modes = [subnet.ipv6_address_mode, subnet.ipv6_ra_mode];
  return modes.includes('slaac') || modes.includes('dhcpv6-stateless');
}

/**
 * The subnets from which a port of this owner may have addresses: those for its service type if there are any, and
 * those for none in particular.
 */
export function subnetsForOwner(subnets: readonly SubnetRow[], deviceOwner: string): SubnetRow[] {
  const fits = subnets.filter((s) => s.service_types.length === 0 || s.service_types.includes(deviceOwner));
  return fits.sort((a, b) => Number(b.service_types.length > 0) - Number(a.service_types.length > 0));
}

/** The address that the port has in a subnet whose machines choose for themselves. */
export function automaticAddress(subnet: SubnetRow, mac: string): FixedIp {
  const cidr = parseCidr(subnet.cidr);
  if (!cidr) throw new RangeError(`not a CIDR: ${subnet.cidr}`);
  return { subnet_id: subnet.id, ip_address: formatAddress(eui64Address(cidr, mac)) };
}

const automatic = (subnets: readonly SubnetRow[], owner: Owner, except: ReadonlySet<string>): Wanted[] =>
  takesNoAutomatic(owner.device_owner)
    ? []
    : subnets
        .filter((s) => isAutoAddress(s) && !except.has(s.id))
        .map((s) => ({ kind: 'address', ip: automaticAddress(s, owner.mac_address), automatic: true }));

/** What a port gets that asks for nothing: one IPv4, one IPv6 address, and one in each subnet with automatic addresses. */
export function defaultWants(subnets: readonly SubnetRow[], owner: Owner): Wanted[] {
  const manual = subnets.filter((s) => !isAutoAddress(s));
  const any = [4, 6].flatMap((version): Wanted[] => {
    const subnetIds = manual.filter((s) => s.ip_version === version).map((s) => s.id);
    return subnetIds.length === 0 ? [] : [{ kind: 'any', subnetIds }];
  });
  return [...any, ...automatic(subnets, owner, new Set())];
}

/** Why a request for addresses cannot be served. */
export type FixedIpProblem =
  | { readonly kind: 'no-subnets' | 'nothing-named' }
  | { readonly kind: 'not-on-network'; readonly subnetId: string }
  | { readonly kind: 'not-in-subnet' | 'not-in-network'; readonly address: string }
  | { readonly kind: 'automatic-subnet'; readonly address: string; readonly subnetId: string };

export class FixedIpRefused extends Error {
  override readonly name = 'FixedIpRefused';
  readonly problem: FixedIpProblem;
  constructor(problem: FixedIpProblem) {
    super(problem.kind);
    this.problem = problem;
  }
}

function subnetOf(request: FixedIpRequest, subnets: readonly SubnetRow[], owner: Owner): SubnetRow {
  if (subnets.length === 0) throw new FixedIpRefused({ kind: 'no-subnets' });
  const address = request.ip_address === undefined ? undefined : parseAddress(request.ip_address);
  const router = ROUTER_OWNERS.has(owner.device_owner) || owner.device_owner === '';
  const fits = (subnet: SubnetRow) => {
    const cidr = parseCidr(subnet.cidr);
    return cidr && address && isHostAddress(cidr, address, { router });
  };
  if (request.subnet_id !== undefined) {
    const subnet = subnets.find((s) => s.id === request.subnet_id);
    if (!subnet) throw new FixedIpRefused({ kind: 'not-on-network', subnetId: request.subnet_id });
    if (request.ip_address !== undefined && !fits(subnet)) {
      throw new FixedIpRefused({ kind: 'not-in-subnet', address: request.ip_address });
    }
    return subnet;
  }
  if (request.ip_address === undefined) throw new FixedIpRefused({ kind: 'nothing-named' });
  const subnet = subnets.find(fits);
  if (!subnet) throw new FixedIpRefused({ kind: 'not-in-network', address: request.ip_address });
  return subnet;
}

/** What a request means, subnet by subnet. Throws FixedIpRefused. */
function resolve(requests: readonly FixedIpRequest[], subnets: readonly SubnetRow[], owner: Owner): Wanted[] {
  return requests.flatMap((request): Wanted[] => {
    const subnet = subnetOf(request, subnets, owner);
    const auto = isAutoAddress(subnet) && !isRouterInterface(owner.device_owner);
    if (request.ip_address !== undefined) {
      const address = canonicalAddress(request.ip_address) ?? request.ip_address;
      if (auto && automaticAddress(subnet, owner.mac_address).ip_address !== address) {
        throw new FixedIpRefused({ kind: 'automatic-subnet', address, subnetId: subnet.id });
      }
      return [{ kind: 'address', ip: { subnet_id: subnet.id, ip_address: address }, automatic: auto }];
    }
    // Automatic addresses are added for every such subnet, named or not.
    return isAutoAddress(subnet) && !takesNoAutomatic(owner.device_owner)
      ? []
      : [{ kind: 'any', subnetIds: [subnet.id] }];
  });
}

/** What a port gets that asks for these. An empty list is a port without addresses. Throws FixedIpRefused. */
export function requestedWants(
  requests: readonly FixedIpRequest[],
  subnets: readonly SubnetRow[],
  owner: Owner,
): Wanted[] {
  if (requests.length === 0) return [];
  const wants = resolve(requests, subnets, owner);
  const named = new Set(wants.flatMap((want) => (want.kind === 'address' ? [want.ip.subnet_id] : [])));
  return [...wants, ...automatic(subnets, owner, named)];
}

/** The change from what a port has to what it asks for. */
export interface FixedIpChange {
  readonly keep: FixedIp[];
  readonly add: Wanted[];
}

/**
 * Keeps what is asked for again: first by address, then by subnet. An automatic address stays unless its MAC changed,
 * asked for or not. Throws FixedIpRefused.
 */
export function changedWants(
  has: readonly FixedIp[],
  requests: readonly FixedIpRequest[],
  context: { readonly subnets: readonly SubnetRow[]; readonly owner: Owner },
): FixedIpChange {
  const { subnets, owner } = context;
  const keep: FixedIp[] = [];
  const add: Wanted[] = [];
  let left = [...has];
  const wants =
    requests.length === 0 ? automatic(subnets, owner, new Set()) : requestedWants(requests, subnets, owner);
  const claim = (matches: (ip: FixedIp) => boolean): boolean => {
    const found = left.find(matches);
    if (!found) return false;
    keep.push(found);
    left = left.filter((ip) => ip !== found);
    return true;
  };
  for (const want of wants) {
    if (want.kind !== 'address') continue;
    if (claim((ip) => ip.ip_address === want.ip.ip_address && ip.subnet_id === want.ip.subnet_id)) continue;
    if (requests.length > 0 || has.some((ip) => ip.subnet_id === want.ip.subnet_id)) add.push(want);
  }
  for (const want of wants) {
    if (want.kind === 'any' && !claim((ip) => want.subnetIds.includes(ip.subnet_id))) add.push(want);
  }
  return { keep, add };
}
