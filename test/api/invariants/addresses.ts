/** Invariants of networks, subnets, pools and addresses. */
import { contains, formatAddress, formatCidr, isHostAddress, overlaps } from '../../../src/ipam/address.ts';
import { holdAll } from '../../../src/ipam/blocks.ts';
import { ROUTER_PORT_OWNERS } from '../../../src/resources/router.ts';
import { addressOf, byId, cidrOf, type Invariant, pairs, twice, type World } from './world.ts';

function* fixedIpsAreInTheirSubnets({ ports, subnets }: World) {
  const subnetOf = byId(subnets);
  for (const { id, fixed_ips, network_id, device_owner } of ports)
    for (const { subnet_id, ip_address } of fixed_ips) {
      const subnet = subnetOf.get(subnet_id);
      const of = `${ip_address} of port ${id}`;
      if (subnet?.network_id !== network_id) yield `${of}: its subnet is not of its network`;
      else if (!contains(cidrOf(subnet.cidr), addressOf(ip_address))) yield `${of} is not in ${subnet.cidr}`;
      else if (
        !isHostAddress(cidrOf(subnet.cidr), addressOf(ip_address), {
          router: ROUTER_PORT_OWNERS.includes(device_owner),
        })
      )
        yield `${of} is no host's in ${subnet.cidr}`;
      if (formatAddress(addressOf(ip_address)) !== ip_address) yield `${of} is not written as it should be`;
    }
}

function* allocationsAreTheFixedIps({ ports, ipAllocations }: World) {
  const held = new Set(
    ports.flatMap(({ id, network_id, fixed_ips }) =>
      fixed_ips.map((ip) => `${network_id} ${ip.subnet_id} ${ip.ip_address} ${id}`),
    ),
  );
  const allocated = new Set(
    ipAllocations.map((one) => `${one.network_id} ${one.subnet_id} ${one.ip_address} ${one.port_id}`),
  );
  for (const one of held) if (!allocated.has(one)) yield `no allocation: ${one}`;
  for (const one of allocated) if (!held.has(one)) yield `no fixed IP: ${one}`;
}

function* addressesAreHeldOnce({ ports }: World) {
  const all = ports.flatMap((port) => port.fixed_ips.map((ip) => `${port.network_id} ${ip.ip_address}`));
  yield* twice(all, (one) => one);
}

function* macsAreUnique({ ports }: World) {
  yield* twice(ports, (port) => `${port.network_id} ${port.mac_address}`);
  for (const { id, mac_address } of ports)
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac_address)) yield `${mac_address} of port ${id}`;
}

function* subnetsAreApart({ subnets }: World) {
  for (const own of Map.groupBy(subnets, (subnet) => subnet.network_id).values())
    for (const [one, other] of pairs(own))
      if (overlaps(cidrOf(one.cidr), cidrOf(other.cidr)))
        yield `${one.cidr} of ${one.id} and ${other.cidr} of ${other.id}`;
}

function* subnetsAreWhole({ subnets }: World) {
  for (const subnet of subnets) {
    const cidr = cidrOf(subnet.cidr);
    const of = `of ${subnet.cidr} (${subnet.id})`;
    if (formatCidr(cidr) !== subnet.cidr) yield `the text ${of}`;
    const texts = [
      ...(subnet.gateway_ip === null ? [] : [subnet.gateway_ip]),
      ...subnet.dns_nameservers,
      ...subnet.host_routes.map((route) => route.nexthop),
    ];
    for (const text of texts)
      if (addressOf(text).version !== subnet.ip_version) yield `${text} ${of} is of another version`;
    if (cidr.version !== subnet.ip_version) yield `the version ${of}`;
    const ranges = subnet.allocation_pools.map(
      ({ start, end }) => [addressOf(start), addressOf(end)] as const,
    );
    for (const [start, end] of ranges)
      if (start.value > end.value || !contains(cidr, start) || !contains(cidr, end))
        yield `the pool from ${formatAddress(start)} ${of}`;
    for (const [[from, to], [first, last]] of pairs(ranges))
      if (from.value <= last.value && first.value <= to.value) yield `pools overlap ${of}`;
    const gateway = subnet.gateway_ip === null ? undefined : addressOf(subnet.gateway_ip).value;
    if (
      gateway !== undefined &&
      ranges.some(([start, end]) => start.value <= gateway && gateway <= end.value)
    )
      yield `the gateway ${subnet.gateway_ip} ${of} is in a pool`;
  }
}

function* segmentsAreUnique({ networks }: World) {
  yield* twice(networks, (one) => `${one.network_type} ${one.physical_network} ${one.segmentation_id}`);
  const most = { vxlan: 2 ** 24 - 1, vlan: 4094, flat: 0 };
  for (const { id, network_type, segmentation_id, physical_network } of networks) {
    const isRight = network_type === 'flat' ? segmentation_id === null : (segmentation_id ?? 0) >= 1;
    if (!isRight || (segmentation_id ?? 0) > most[network_type]) yield `${segmentation_id} of ${id}`;
    if ((network_type === 'vxlan') !== (physical_network === null)) yield `${physical_network} of ${id}`;
  }
}

function* segmentRangesAreApart({ networkSegmentRanges }: World) {
  for (const { id, minimum, maximum, shared, project_id } of networkSegmentRanges) {
    if (minimum > maximum) yield `${minimum} to ${maximum} of ${id}`;
    if (shared !== (project_id === '')) yield `whose it is: ${id}`;
  }
  for (const own of Map.groupBy(
    networkSegmentRanges,
    (one) => `${one.network_type} ${one.physical_network}`,
  ).values())
    for (const [one, other] of pairs(own))
      if (one.minimum <= other.maximum && other.minimum <= one.maximum) yield `${one.id} and ${other.id}`;
}

function* poolsHoldTheirSubnets({ subnetPools, subnets }: World) {
  for (const pool of subnetPools) {
    const prefixes = pool.prefixes.map(cidrOf);
    if (prefixes.some(({ version }) => version !== pool.ip_version)) yield `the version of ${pool.id}`;
    for (const [one, other] of pairs(prefixes)) if (overlaps(one, other)) yield `prefixes of ${pool.id}`;
    const { min_prefixlen: min, max_prefixlen: max, default_prefixlen: usual } = pool;
    if (min > usual || usual > max || max > (pool.ip_version === 4 ? 32 : 128)) yield `bounds of ${pool.id}`;
    if (pool.default_version !== (pool.is_default ? pool.ip_version : null)) yield `default: ${pool.id}`;
    const own = subnets.filter(({ subnetpool_id }) => subnetpool_id === pool.id);
    for (const { id, cidr } of own)
      if (!holdAll(prefixes, [cidrOf(cidr)])) yield `${cidr} of ${id} is not in its pool ${pool.id}`;
    for (const [one, other] of pairs(own))
      if (overlaps(cidrOf(one.cidr), cidrOf(other.cidr))) yield `${one.id} and ${other.id} of ${pool.id}`;
  }
}

function* scopesHaveNoAddressTwice({ subnetPools, addressScopes }: World) {
  for (const scope of addressScopes) {
    const own = subnetPools.filter((pool) => pool.address_scope_id === scope.id);
    for (const { id, ip_version } of own)
      if (ip_version !== scope.ip_version) yield `pool ${id} in scope ${scope.id}`;
    for (const [one, other] of pairs(own))
      for (const prefix of one.prefixes)
        if (other.prefixes.some((another) => overlaps(cidrOf(prefix), cidrOf(another))))
          yield `${prefix} of ${one.id}, in scope ${scope.id} with ${other.id}`;
  }
}

function* networksAreInOneScope({ subnets, subnetPools }: World) {
  const poolOf = byId(subnetPools);
  for (const own of Map.groupBy(subnets, (one) => `${one.network_id}, IPv${one.ip_version}`)) {
    const [of, rows] = own;
    const pools = new Set(rows.map(({ subnetpool_id }) => subnetpool_id));
    const scopes = new Set([...pools].map((id) => poolOf.get(id ?? '')?.address_scope_id ?? null));
    if (pools.size > 1 && (scopes.size > 1 || scopes.has(null))) yield of;
  }
}

export const ADDRESS_INVARIANTS = {
  'a fixed IP is in its subnet': fixedIpsAreInTheirSubnets,
  'what is allocated are the fixed IPs': allocationsAreTheFixedIps,
  'an address is held once in a network': addressesAreHeldOnce,
  'a MAC address is unique in its network': macsAreUnique,
  'subnets of a network do not overlap': subnetsAreApart,
  'a subnet is whole': subnetsAreWhole,
  'a segment is of one network': segmentsAreUnique,
  'segment ranges do not overlap': segmentRangesAreApart,
  'a subnet is in its pool': poolsHoldTheirSubnets,
  'a scope has each address once': scopesHaveNoAddressTwice,
  'the subnets of a network are of one pool or scope': networksAreInOneScope,
} satisfies Record<string, Invariant>;
