/** Creates that must be refused: every attribute with values that it cannot have. */
import type { BadRequest, World } from './bad-requests.ts';

const NOT_STRINGS: readonly unknown[] = [1, true, ['a'], { a: 1 }, null];
const NOT_BOOLEANS: readonly unknown[] = ['maybe', '', 2, null, [], {}, 1.5];
const NOT_INTEGERS: readonly unknown[] = ['x', '', 1.5, null, [], {}, true, 1e30, '1e3'];
const NOT_UUIDS: readonly unknown[] = ['x', '', 5, null, [], {}, '00000000-0000-0000-0000-00000000000', 'Ω'];
const NOT_ADDRESSES: readonly unknown[] = [
  'x',
  '',
  '10.0.0',
  '10.0.0.256',
  '010.0.0.1',
  '10.0.0.1/24',
  'fe80::1%eth0',
  '::g',
  '1:2:3',
  5,
  [],
  {},
  '10.0.0.1\n',
  ' 10.0.0.1',
];
const NOT_CIDRS: readonly unknown[] = [
  'x',
  '',
  '10.0.0.0',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '2001:db8::/129',
  '10.0.0/24',
  '/24',
  5,
  null,
  [],
  {},
  '10.0.0.0/24 ',
  '10.0.0.0/024',
  '10.0.0.0/x',
];
const NOT_MACS: readonly unknown[] = [
  'x',
  '',
  '00:00:00:00:00:00',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:01',
  'fa:16:3e:00:00',
  'fa:16:3e:00:00:00:01',
  'fa:16:3e:00:00:0g',
  7,
  [],
  {},
  'fa:16:3e:00:00:01\n',
];

type Attributes = Record<string, unknown>;

const shown = (value: unknown): string => JSON.stringify(value);

function* creates(
  plural: string,
  good: Attributes,
  bad: readonly (readonly [string, Attributes, number?, string?])[],
) {
  const singular = plural.slice(0, -1);
  for (const [what, attributes, status = 400, type] of bad) {
    yield {
      what: `${singular} with ${what}`,
      method: 'POST',
      path: `/v2.0/${plural}`,
      body: { [singular]: { ...good, ...attributes } },
      status,
      ...(type === undefined ? {} : { type }),
    };
  }
}

function each(name: string, values: readonly unknown[]): [string, Attributes][] {
  return values.map((value) => [`${name} ${shown(value)}`, { [name]: value }]);
}

export function* badNetworks(): Generator<BadRequest> {
  yield* creates('networks', {}, [
    ...each('name', NOT_STRINGS),
    ...each('admin_state_up', NOT_BOOLEANS),
    ...each('shared', NOT_BOOLEANS),
    ...each('mtu', NOT_INTEGERS),
    ...each('description', NOT_STRINGS),
    ['a name of 256 characters', { name: 'n'.repeat(256) }],
    ['a NUL in the name', { name: 'a\0b' }],
    ['a line break in the name', { name: 'a\nb' }],
    ['half a surrogate pair in the description', { description: 'a\ud800' }],
    ['a NUL in the description', { description: '\0' }],
    ['a huge description', { description: 'd'.repeat(100_000) }],
    ['an unknown attribute', { colour: 'red' }],
    ['__proto__', JSON.parse('{"__proto__": {"admin": true}}') as Attributes],
    ['constructor', { constructor: 1 }],
    ['a chosen id', { id: '6c9ce2a1-0000-4000-8000-000000000001' }],
    ['a chosen status', { status: 'ACTIVE' }],
    ['subnets', { subnets: [] }],
    ['a chosen revision', { revision_number: 5 }],
    ['a chosen time', { created_at: '2026-01-01T00:00:00Z' }],
    ['tags', { tags: ['x'] }],
    ['a negative mtu', { mtu: -1 }],
    ['a huge mtu', { mtu: 65_000 }],
    ['a tiny mtu', { mtu: 5 }],
    ['two projects', { project_id: 'a', tenant_id: 'b' }],
    ['a numeric project', { project_id: 5 }],
    ['an unknown type', { 'provider:network_type': 'carrier-pigeon' }],
    ['type gre', { 'provider:network_type': 'gre' }],
    [
      'a vlan',
      {
        'provider:network_type': 'vlan',
        'provider:physical_network': 'physnet1',
        'provider:segmentation_id': 5,
      },
    ],
    ['a flat network without a physical one', { 'provider:network_type': 'flat' }],
    [
      'a flat network on an unknown physical one',
      { 'provider:network_type': 'flat', 'provider:physical_network': 'nowhere' },
    ],
    [
      'a flat network with a VNI',
      {
        'provider:network_type': 'flat',
        'provider:physical_network': 'physnet2',
        'provider:segmentation_id': 5,
      },
    ],
    [
      'a vxlan on a physical network',
      { 'provider:network_type': 'vxlan', 'provider:physical_network': 'physnet1' },
    ],
    ['VNI 0', { 'provider:network_type': 'vxlan', 'provider:segmentation_id': 0 }],
    ['VNI 2^24', { 'provider:network_type': 'vxlan', 'provider:segmentation_id': 16_777_216 }],
    ['a VNI in words', { 'provider:network_type': 'vxlan', 'provider:segmentation_id': 'many' }],
    [
      'a VNI that is taken',
      { 'provider:network_type': 'vxlan', 'provider:segmentation_id': 77 },
      409,
      'TunnelIdInUse',
    ],
    [
      'a flat network that is taken',
      { 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1' },
      409,
      'FlatNetworkInUse',
    ],
    ['a domain without its dot', { dns_domain: 'example.org' }],
    ['a domain with a line break', { dns_domain: 'a\nb.' }],
    ['a domain with a comma', { dns_domain: 'a,b.' }],
    ['a numeric domain', { dns_domain: 5 }],
    ['hints that are no list', { availability_zone_hints: 'nova' }],
    ['hints that are numbers', { availability_zone_hints: [1] }],
    ['a QoS policy that is no id', { qos_policy_id: 'gold' }],
    ['is_default in words', { is_default: 'perhaps' }],
    ['router:external in words', { 'router:external': 'perhaps' }],
  ]);
}

export function* badSubnets(world: World): Generator<BadRequest> {
  const good = { network_id: world.otherNetwork, ip_version: 4, cidr: '192.0.2.0/24' };
  const v6 = { ip_version: 6, cidr: '2001:db8:9::/64' };
  const pools = (...all: [string, string][]) => ({
    allocation_pools: all.map(([start, end]) => ({ start, end })),
  });
  const routes = (destination: unknown, nexthop: unknown) => ({ host_routes: [{ destination, nexthop }] });
  yield* creates('subnets', good, [
    ...each('cidr', NOT_CIDRS),
    ...each('gateway_ip', NOT_ADDRESSES),
    ...each('network_id', NOT_UUIDS),
    ...each('ip_version', ['x', '', 5, null, [], {}, 4.5, -4]),
    ...each('enable_dhcp', NOT_BOOLEANS),
    ...NOT_ADDRESSES.map((value): [string, Attributes] => [
      `nameserver ${shown(value)}`,
      { dns_nameservers: [value] },
    ]),
    ['a network that is not there', { network_id: world.missing }, 404, 'NetworkNotFound'],
    ['no pool format', { allocation_pools: 'all' }],
    ['null for the pools', { allocation_pools: null }],
    ['a pool of numbers', { allocation_pools: [1] }],
    ['half a pool', { allocation_pools: [{ start: '192.0.2.5' }] }],
    ['a pool with more', { allocation_pools: [{ start: '192.0.2.5', end: '192.0.2.6', colour: 'red' }] }],
    ['a pool backwards', pools(['192.0.2.9', '192.0.2.5']), 400],
    ['a pool outside', pools(['198.51.100.1', '198.51.100.9']), 400],
    [
      'pools that overlap',
      pools(['192.0.2.5', '192.0.2.9'], ['192.0.2.8', '192.0.2.20']),
      409,
      'OverlappingAllocationPools',
    ],
    [
      'the gateway in the pool',
      { gateway_ip: '192.0.2.7', ...pools(['192.0.2.5', '192.0.2.9']) },
      409,
      'GatewayConflictWithAllocationPools',
    ],
    ['a pool of the other version', pools(['2001:db8::1', '2001:db8::9']), 400],
    ['a CIDR of the other version', { cidr: '2001:db8::/64' }],
    ['a gateway of the other version', { gateway_ip: '2001:db8::1' }],
    ['the network address as gateway', { gateway_ip: '192.0.2.0' }],
    ['the broadcast address as gateway', { gateway_ip: '192.0.2.255' }],
    ['a multicast CIDR', { cidr: '224.0.0.0/24' }],
    ['a loopback CIDR', { cidr: '127.0.0.0/24' }],
    ['a /0', { cidr: '0.0.0.0/0' }],
    ['nameservers as a word', { dns_nameservers: '8.8.8.8' }],
    ['the same nameserver twice', { dns_nameservers: ['8.8.8.8', '8.8.8.8'] }],
    [
      'too many nameservers',
      { dns_nameservers: ['8.8.8.1', '8.8.8.2', '8.8.8.3', '8.8.8.4', '8.8.8.5', '8.8.8.6'] },
    ],
    ['routes as a word', { host_routes: 'all' }],
    ['half a route', { host_routes: [{ destination: '10.0.0.0/8' }] }],
    ['a route with more', { host_routes: [{ destination: '10.0.0.0/8', nexthop: '192.0.2.9', metric: 1 }] }],
    ['a route to nowhere', routes('x', '192.0.2.9')],
    ['a route with host bits', routes('10.0.0.1/8', '192.0.2.9')],
    ['a route to loopback', routes('127.0.0.0/8', '192.0.2.9')],
    ['a route by nothing', routes('10.0.0.0/8', 'x')],
    ['a route of the other version', routes('2001:db8:1::/64', '2001:db8::1')],
    ['a line break in a route', routes('10.0.0.0/8\nx', '192.0.2.9')],
    [
      'the same route twice',
      {
        host_routes: [
          { destination: '10.0.0.0/8', nexthop: '192.0.2.9' },
          { destination: '10.0.0.0/8', nexthop: '192.0.2.9' },
        ],
      },
    ],
    ['an IPv6 mode on IPv4', { ipv6_ra_mode: 'slaac' }],
    ['an unknown RA mode', { ...v6, ipv6_ra_mode: 'loud' }],
    ['modes that do not go together', { ...v6, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'dhcpv6-stateful' }],
    [
      'SLAAC on a /96',
      { ip_version: 6, cidr: '2001:db8:9::/96', ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' },
    ],
    [
      'IPv6 modes without DHCP',
      { ...v6, enable_dhcp: false, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' },
    ],
    ['a subnet pool that is not there', { subnetpool_id: world.missing }, 404, 'SubnetPoolNotFound'],
    ['two pools', { subnetpool_id: world.missing, use_default_subnetpool: true }],
    ['a segment', { segment_id: world.missing }],
    ['a prefix length', { prefixlen: 24 }],
    ['service types as a word', { service_types: 'compute:nova' }],
    ['a service type that is none', { service_types: ['lunch'] }],
    ['the same service type twice', { service_types: ['compute:nova', 'compute:nova'] }],
    ['a chosen id', { id: world.missing }],
    ['an unknown attribute', { color: 1 }],
  ]);
  yield* creates('subnets', { network_id: world.network, ip_version: 4 }, [
    ['an overlapping CIDR', { cidr: '10.20.0.128/25' }],
    ['the same CIDR', { cidr: '10.20.0.0/24' }],
    ['a CIDR around it', { cidr: '10.20.0.0/16' }],
    ['no CIDR', {}],
  ]);
  yield* creates('subnets', { cidr: '192.0.2.0/24' }, [['neither network nor version', {}]]);
}

export function* badPorts(world: World): Generator<BadRequest> {
  const good = { network_id: world.network };
  const fixed = (...all: unknown[]) => ({ fixed_ips: all });
  const option = (opt_name: unknown, opt_value: unknown, more: object = {}) => ({
    extra_dhcp_opts: [{ opt_name, opt_value, ...more }],
  });
  yield* creates('ports', good, [
    ...each('network_id', NOT_UUIDS),
    ...each('mac_address', NOT_MACS),
    ...each('name', NOT_STRINGS),
    ...each('admin_state_up', NOT_BOOLEANS),
    ...each('device_id', NOT_STRINGS),
    ...NOT_ADDRESSES.map((value): [string, Attributes] => [
      `address ${shown(value)}`,
      fixed({ ip_address: value }),
    ]),
    ...NOT_UUIDS.map((value): [string, Attributes] => [
      `subnet ${shown(value)}`,
      fixed({ subnet_id: value }),
    ]),
    ['a network that is not there', { network_id: world.missing }, 404, 'NetworkNotFound'],
    ['a MAC that is taken', { mac_address: world.takenMac }, 409, 'MacAddressInUse'],
    ['that MAC in capitals', { mac_address: world.takenMac.toUpperCase() }, 409, 'MacAddressInUse'],
    ['an address that is taken', fixed({ ip_address: world.takenIp }), 409, 'IpAddressAlreadyAllocated'],
    ['an address out of every subnet', fixed({ ip_address: '203.0.113.9' }), 400, 'InvalidIpForNetwork'],
    [
      'an address out of its subnet',
      fixed({ ip_address: '203.0.113.9', subnet_id: world.subnet }),
      400,
      'InvalidIpForSubnet',
    ],
    ['the network address', fixed({ ip_address: '10.20.0.0', subnet_id: world.subnet }), 400],
    ['the broadcast address', fixed({ ip_address: '10.20.0.255', subnet_id: world.subnet }), 400],
    ['a subnet that is not there', fixed({ subnet_id: world.missing }), 400],
    [
      'a subnet of another network',
      { network_id: world.otherNetwork, ...fixed({ subnet_id: world.subnet }) },
      400,
    ],
    ['the same address twice', fixed({ ip_address: '10.20.0.77' }, { ip_address: '10.20.0.77' })],
    ['addresses as a word', { fixed_ips: '10.20.0.77' }],
    ['an address as a word', fixed('10.20.0.77')],
    ['an empty address', fixed({})],
    ['an address with more', fixed({ ip_address: '10.20.0.77', colour: 'red' })],
    ['too many addresses', fixed(...Array.from({ length: 6 }, () => ({ subnet_id: world.subnet })))],
    ['a security group that is not there', { security_groups: [world.missing] }, 404],
    ['a security group that is no id', { security_groups: ['x'] }],
    ['address pairs as a word', { allowed_address_pairs: '10.0.0.1' }],
    ['a QoS policy that is no id', { qos_policy_id: 7 }],
    ['a host with a line break', { 'binding:host_id': 'h1\nnetwork/x|y' }],
    ['a host with a bar', { 'binding:host_id': 'h1|h2' }],
    ['a host with a slash', { 'binding:host_id': 'a/b' }],
    ['a numeric host', { 'binding:host_id': 5 }],
    ['an unknown VNIC type', { 'binding:vnic_type': 'telepathic' }],
    ['a chosen VIF type', { 'binding:vif_type': 'bridge' }],
    ['chosen VIF details', { 'binding:vif_details': {} }],
    ['a profile as a word', { 'binding:profile': 'x' }],
    ['a profile as a list', { 'binding:profile': [] }],
    ['a NUL deep in the profile', { 'binding:profile': { a: [{ b: '\0' }] } }],
    ['a huge profile', { 'binding:profile': { a: 'x'.repeat(5000) } }],
    [
      'a deep profile',
      { 'binding:profile': JSON.parse(`${'{"a":'.repeat(60)}1${'}'.repeat(60)}`) as object },
    ],
    ['DHCP options as a word', { extra_dhcp_opts: 'mtu' }],
    ['half a DHCP option', { extra_dhcp_opts: [{ opt_name: 'mtu' }] }],
    ['a DHCP option with more', option('mtu', '1400', { colour: 'red' })],
    ['a line break in a DHCP option', option('mtu', '1400\ndhcp-script=/bin/sh')],
    ['a line break in a DHCP option name', option('mtu\nx', '1400')],
    ['a comma in a DHCP option name', option('tag:x,mtu', '1400')],
    ['an empty DHCP option name', option('', '1400')],
    ['a blank DHCP option value', option('bootfile-name', '')],
    ['a numeric DHCP option value', option('mtu', 1400)],
    ['a quote in a DHCP option', option('bootfile-name', 'a"b')],
    ['a DHCP option for IPv5', option('mtu', '1400', { ip_version: 5 })],
    ['a DHCP option name of 65 characters', option('m'.repeat(65), '1400')],
    ['a DHCP option value of 256 characters', option('bootfile-name', 'v'.repeat(256))],
    [
      'the same DHCP option twice',
      {
        extra_dhcp_opts: [
          { opt_name: 'mtu', opt_value: '1' },
          { opt_name: 'mtu', opt_value: '1' },
        ],
      },
    ],
    ['a DNS name with a blank', { dns_name: 'a b' }],
    ['a DNS name with a hyphen in front', { dns_name: '-a' }],
    ['a DNS name with a line break', { dns_name: 'a\nb' }],
    ['a DNS name with an empty part', { dns_name: 'a..b' }],
    ['a numeric DNS name', { dns_name: 5 }],
    ['a whole name in another domain', { dns_name: 'a.b.' }],
    ['the domain alone as its name', { dns_name: 'example.test.' }],
    ['a name that is too long with the domain', { dns_name: `${'a.'.repeat(121)}b` }],
    ['a port domain without its dot', { dns_domain: 'example.org' }],
    ['a chosen state of its data plane', { data_plane_status: 'ACTIVE' }],
    ['a chosen allocation', { ip_allocation: 'none' }],
    ['an unknown NUMA policy', { numa_affinity_policy: 'socket' }],
    ['a huge device profile', { device_profile: 'd'.repeat(256) }],
    ['propagation in words', { propagate_uplink_status: 'perhaps' }],
    ['a chosen status', { status: 'ACTIVE' }],
    ['an unknown attribute', { colour: 'red' }],
    ['a long device owner', { device_owner: 'o'.repeat(256) }],
  ]);
  yield* creates('ports', {}, [['no network', {}]]);
}
