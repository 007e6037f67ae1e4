import type { Table, Tables } from '../../src/store/store.ts';
import {
  agent,
  agentId,
  allocation,
  block,
  dhcpBinding,
  floatingIp,
  forwarding,
  host,
  network,
  networkId,
  port,
  portId,
  qosPolicy,
  qosRule,
  router,
  routerBinding,
  securityGroup,
  securityGroupRule,
  standard,
  subnet,
  subnetId,
} from './rows.ts';

type RowOf<Name extends keyof Tables> = Tables[Name] extends Table<infer Row> ? Row : never;

/** A row in every table, each column with something to lose on the way. */
export const EVERYTHING: { readonly [Name in keyof Tables]: readonly RowOf<Name>[] } = {
  networks: [
    network(1, {
      name: 'Zürich "x" \\ \' ; -- 😀',
      physical_network: 'physnet1',
      network_type: 'flat',
      segmentation_id: null,
      availability_zone_hints: ['a', "b'c", '{"d"}'],
      revision_number: 2 ** 53 - 1,
    }),
  ],
  subnets: [
    subnet(1, 1, {
      host_routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.1.9' }],
      dns_nameservers: ['10.0.1.5', '10.0.1.4'],
      service_types: ['compute:nova'],
      gateway_ip: null,
      ipv6_ra_mode: 'slaac',
      subnetpool_id: networkId(6),
    }),
  ],
  ports: [
    port(1, 1, {
      fixed_ips: [{ subnet_id: subnetId(1), ip_address: '10.0.1.2' }],
      profile: { deep: { list: [1, null, true, 'x'] } },
      vif_details: { port_filter: true },
      extra_dhcp_opts: [{ opt_name: 'mtu', opt_value: '1400', ip_version: 4 }],
      generation: 3,
      allowed_address_pairs: [{ ip_address: '10.0.1.0/24', mac_address: 'fa:16:3e:00:00:09' }],
    }),
    port(90, 1),
    port(91, 1),
  ],
  ipAllocations: [allocation(1, 1, 1, '10.0.1.2')],
  provisioningBlocks: [{ ...block(1, 'L2', 2 ** 53 - 1), position: 7 }],
  hosts: [host('h1', { credential_hash: 'abc', physical_networks: ['physnet1', 'physnet2'] })],
  agents: [
    agent(1, 'h1', {
      configurations: { a: 1 },
      incarnation: 2 ** 53 - 1,
      realised_position: 5,
      realised_tag: 2 ** 53 - 2,
      exceptions: [{ key: 'network/x', object: '', state: 'waiting', since: 4, reason: 'because' }],
    }),
  ],
  dhcpBindings: [dhcpBinding(1, 1, 'h1')],
  haNetworks: [{ network_id: networkId(1), project_id: 'p1' }],
  meteringLabels: [{ id: networkId(15), project_id: 'p1', name: 'l', description: 'd', shared: true }],
  meteringLabelRules: [
    {
      ...{ id: networkId(16), metering_label_id: networkId(15), direction: 'egress', excluded: true },
      ...{ remote_ip_prefix: null, source_ip_prefix: '10.0.0.0/8', destination_ip_prefix: '::/0' },
    },
  ],
  autoAllocatedTopologies: [{ project_id: 'p9', network_id: networkId(1), router_id: networkId(14) }],
  networkSegmentRanges: [
    {
      ...standard(networkId(13)),
      ...{ name: 'r', shared: false, network_type: 'vlan', physical_network: 'physnet1' },
      ...{ minimum: 1, maximum: 2 ** 24 - 1 },
    },
  ],
  flavors: [
    { id: networkId(11), name: 'f', description: 'd', service_type: 'L3_ROUTER_NAT', enabled: false },
  ],
  serviceProfiles: [
    { id: networkId(12), description: 'd', driver: 'x.Y', enabled: true, metainfo: '{"a": 1}' },
  ],
  flavorProfiles: [{ flavor_id: networkId(11), service_profile_id: networkId(12) }],
  routers: [
    router(1, {
      ...{ ha: true, ha_network_id: networkId(1), ha_vr_id: 7, gw_port_id: portId(90) },
      availability_zone_hints: ['z'],
      flavor_id: networkId(11),
      routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.1.9' }],
    }),
    router(2),
  ],
  routerBindings: [
    {
      ...routerBinding(1, 1, 'h1', 2),
      ...{ leaving: true, ha_state: 'standby', tag: 2 ** 53 - 1, role_since: '2026-01-01T00:00:00Z' },
      ...{ role_incarnation: 2 ** 53 - 1, role_seq: 4, epoch: 3 },
      order: { epoch: 3, do: 'yield', incarnation: 2 ** 53 - 1, seq: 4, why: 'two "actives"' },
      role_details: {
        ...{ state: 'fault', penalty: 60, reasons: ['a peer is not reached'], hears: true, order: null },
        paths: { tunnel: 'down', management: 'up' },
        checks: [{ name: 'uplink', ok: false, since: '2026-01-01T00:00:00Z', text: 'no answer' }],
      },
    },
  ],
  floatingIps: [
    floatingIp(1, 1, 90, { port_id: portId(90), fixed_ip_address: '10.0.1.2', router_id: router(1).id }),
    floatingIp(2, 1, 90),
  ],
  portForwardings: [
    forwarding(1, { floatingIp: 1, router: 1, port: 90 }, { protocol: 'udp', external_port_last: 9000 }),
  ],
  routerRemovals: [{ router_id: router(1).id, agent_id: agentId(1), at: '2026-01-01T00:00:00Z' }],
  addressGroups: [
    { ...standard(networkId(7)), name: 'a', addresses: ['10.0.0.0/24'], shared: false, tags: ["o'clock"] },
  ],
  addressScopes: [{ ...standard(networkId(8)), name: 's', ip_version: 6, shared: true }],
  subnetPools: [
    {
      ...standard(networkId(6)),
      ...{ name: 'pool', prefixes: ['10.0.0.0/8'], ip_version: 4, default_quota: 2 ** 53 - 1 },
      ...{ default_prefixlen: 26, min_prefixlen: 8, max_prefixlen: 32, address_scope_id: networkId(8) },
      ...{ is_default: true, default_version: 4, shared: true },
    },
  ],
  qosPolicies: [qosPolicy(1, { is_default: true, default_of: 'p1' })],
  qosRules: [
    qosRule(1, 1, { parameters: { max_kbps: 2 ** 31 - 1, max_burst_kbps: 0 } }),
    qosRule(2, 1, { type: 'dscp_marking', direction: null }),
  ],
  rbacPolicies: [
    {
      ...standard(networkId(9)),
      ...{ object_type: 'address_scope', object_id: networkId(8), action: 'access_as_shared' },
      target_tenant: '*',
    },
  ],
  securityGroups: [
    securityGroup(1, { name: "g'1", stateful: false, default_of: 'p1', tags: ['a'] }),
    securityGroup(2, { shared: true }),
  ],
  securityGroupRules: [
    securityGroupRule(1, 1, { protocol: 'tcp', port_range_min: 22, port_range_max: 65_535 }),
    securityGroupRule(2, 1, { direction: 'egress', ethertype: 'IPv6', remote_ip_prefix: '::/0' }),
    securityGroupRule(3, 1, { remote_group_id: securityGroup(2).id }),
    securityGroupRule(4, 2, { remote_address_group_id: networkId(7) }),
  ],
  portSecurityGroups: [{ port_id: portId(1), security_group_id: securityGroup(1).id }],
  trunks: [{ ...standard(networkId(10)), name: 't', admin_state_up: false, port_id: portId(1) }],
  subports: [
    { port_id: portId(91), trunk_id: networkId(10), segmentation_type: 'vlan', segmentation_id: 4094 },
  ],
  quotas: [{ project_id: 'p1', resource: 'port', limit: -1 }],
  leases: [{ name: 'duties', holder: 's1', term: 3, beat: 2 ** 40 }],
  fencings: [
    { host: 'h9', number: 2 ** 53 - 1, state: 'failed', server_id: 's"1', at: '2026-01-01T00:00:00Z' },
  ],
  fenceChecks: [
    {
      host: 'h9',
      ok: false,
      since: '2026-01-01T00:00:00Z',
      at: '2026-01-01T01:00:00Z',
      message: 'no "way" in',
    },
  ],
  events: [
    {
      id: networkId(77),
      at: '2026-01-01T00:00:00Z',
      kind: 'remedy',
      severity: 'warning',
      host: 'h1',
      role: 'dhcp',
      object: 'network/1',
      message: 'again "x"',
      data: { step: 2, deep: [null] },
    },
  ],
};
