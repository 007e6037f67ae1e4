/**
 * The migrations as data. Names of constraints, what cascades and what is hinted are the migration's, so that an
 * operation meets the same errors here as there.
 */
import type { Ref } from '../../resources/agent-view.ts';
import { dhcpGroup, hostGroup, networkGroup, routerGroup } from '../../resources/agent-view.ts';
import { ROUTER_PORT_OWNERS } from '../../resources/router.ts';
import { canonicalUuid } from '../../resources/values.ts';
import { qosPolicies, qosRefsOfNetwork, qosRules } from './qos-tables.ts';
import type { AnyRow } from './rows.ts';
import {
  addressGroups,
  memberRef,
  portSecurityGroups,
  securityGroupRules,
  securityGroups,
} from './security-tables.ts';
import { define, type ForeignKey, type Look, ref, type TableName, type TableSchema } from './table-schema.ts';

export {
  type ForeignKey,
  type Hints,
  keyOf,
  type Look,
  type TableName,
  type TableSchema,
  type UniqueKey,
  uniqueKeyOf,
} from './table-schema.ts';

const isRouterPort = ({ device_owner, device_id }: AnyRow): boolean =>
  ROUTER_PORT_OWNERS.includes(device_owner as string) && canonicalUuid(device_id) === device_id;

const interfaceRef = (port: AnyRow): Ref => ref(routerGroup(port.device_id as string), 'interface', port.id);

/** Of the routers' interfaces in a network. */
const interfaceRefs = (networkId: unknown, look: Look): Ref[] =>
  look('ports', { network_id: networkId, device_owner: ROUTER_PORT_OWNERS })
    .filter(isRouterPort)
    .map(interfaceRef);

/** Of the host, as an endpoint of the networks that a router is on. */
const endpointRefs = (routerId: unknown, host: string, look: Look): Ref[] =>
  look('ports', { device_id: routerId, device_owner: ROUTER_PORT_OWNERS }).map((port) =>
    ref(networkGroup(port.network_id as string), 'endpoint', host),
  );

const networks = define('networks', 'networks', ['id'], {
  foreignKeys: [
    { constraint: 'networks_qos_policy', column: 'qos_policy_id', parent: 'qosPolicies', cascade: false },
  ],
  uniques: [
    {
      constraint: 'networks_segment',
      columns: ['network_type', 'physical_network', 'segmentation_id'],
      nullsEqual: true,
    },
  ],
  seen: [
    'name',
    'admin_state_up',
    'mtu',
    'network_type',
    'physical_network',
    'segmentation_id',
    'dns_domain',
  ],
  hint: (row, look) => ({
    refs: [ref(networkGroup(row.id as string), 'network', row.id), ...interfaceRefs(row.id, look)],
    hosts: [],
  }),
  alone: [
    {
      seen: ['qos_policy_id'],
      hint: (row, look) => ({ refs: qosRefsOfNetwork(row.id, look), hosts: [] }),
    },
  ],
});

const subnets = define('subnets', 'subnets', ['id'], {
  foreignKeys: [
    { constraint: 'subnets_network', column: 'network_id', parent: 'networks', cascade: true },
    { constraint: 'subnets_subnet_pool', column: 'subnetpool_id', parent: 'subnetPools', cascade: false },
  ],
  seen: ['gateway_ip', 'enable_dhcp', 'ipv6_ra_mode', 'ipv6_address_mode', 'dns_nameservers', 'host_routes'],
  hint: (row, look) => ({
    refs: [
      ref(dhcpGroup(row.network_id as string), 'subnet', row.id),
      ...interfaceRefs(row.network_id, look),
    ],
    hosts: [],
  }),
});

const ports = define('ports', 'ports', ['id'], {
  uniques: [{ constraint: 'ports_mac', columns: ['network_id', 'mac_address'] }],
  foreignKeys: [
    { constraint: 'ports_network', column: 'network_id', parent: 'networks', cascade: false },
    { constraint: 'ports_qos_policy', column: 'qos_policy_id', parent: 'qosPolicies', cascade: false },
  ],
  seen: [
    'admin_state_up',
    'mac_address',
    'fixed_ips',
    'device_id',
    'device_owner',
    'host',
    'generation',
    'extra_dhcp_opts',
    'dns_name',
  ],
  hint: (row, look) => {
    const network = row.network_id as string;
    const host = row.host as string;
    const refs = [ref(dhcpGroup(network), 'lease', row.id)];
    const hosts = host === '' ? [] : [host];
    if (host !== '') refs.push(ref(hostGroup(host), 'port', row.id));
    if (isRouterPort(row)) {
      refs.push(interfaceRef(row));
      for (const binding of look('routerBindings', { router_id: row.device_id }))
        hosts.push(binding.host as string);
    }
    refs.push(...hosts.map((name) => ref(networkGroup(network), 'endpoint', name)));
    return { refs, hosts };
  },
  alone: [
    {
      seen: ['fixed_ips', 'allowed_address_pairs'],
      hint: ({ id }, look) => ({
        refs: look('portSecurityGroups', { port_id: id }).map((one) => memberRef(one)),
        hosts: [],
      }),
    },
    {
      seen: ['port_security_enabled', 'allowed_address_pairs'],
      hint: ({ id, host }) => ({
        refs: host === '' ? [] : [ref(hostGroup(host as string), 'port', id)],
        hosts: [],
      }),
    },
    {
      seen: ['qos_policy_id'],
      hint: ({ id, host }) => ({
        refs: host === '' ? [] : [ref(hostGroup(host as string), 'port', id)],
        hosts: [],
      }),
    },
  ],
});

const ipAllocations = define('ipAllocations', 'ip_allocations', ['subnet_id', 'ip_address'], {
  uniques: [{ constraint: 'ip_allocations_address', columns: ['network_id', 'ip_address'] }],
  foreignKeys: [
    { constraint: 'ip_allocations_subnet', column: 'subnet_id', parent: 'subnets', cascade: false },
    { constraint: 'ip_allocations_port', column: 'port_id', parent: 'ports', cascade: true },
  ],
});

const provisioningBlocks = define('provisioningBlocks', 'provisioning_blocks', ['port_id', 'entity'], {
  foreignKeys: [
    { constraint: 'provisioning_blocks_port', column: 'port_id', parent: 'ports', cascade: true },
  ],
});

const hosts = define('hosts', 'hosts', ['name'], {
  uniques: [{ constraint: 'hosts_credential', columns: ['credential_hash'] }],
  seen: ['tunnel_ip', 'management_ip'],
  hint: (row, look) => {
    const host = row.name as string;
    const own = [...look('ports', { host }), ...look('dhcpBindings', { host })];
    const endpoints = own.map((one) => ref(networkGroup(one.network_id as string), 'endpoint', host));
    const replicas = look('routerBindings', { host }).flatMap(({ router_id }) => [
      ref(routerGroup(router_id as string), 'replica', host),
      ...endpointRefs(router_id, host, look),
    ]);
    return { refs: [ref(hostGroup(host), 'host', host), ...endpoints, ...replicas], hosts: [host] };
  },
});

const agents = define('agents', 'agents', ['id'], {
  uniques: [{ constraint: 'agents_host_role', columns: ['host', 'role'] }],
  foreignKeys: [{ constraint: 'agents_host', column: 'host', parent: 'hosts', cascade: true }],
});

const dhcpBindings = define('dhcpBindings', 'dhcp_bindings', ['network_id', 'agent_id'], {
  foreignKeys: [
    { constraint: 'dhcp_bindings_network', column: 'network_id', parent: 'networks', cascade: true },
    { constraint: 'dhcp_bindings_agent', column: 'agent_id', parent: 'agents', cascade: true },
  ],
  hint: (row) => ({
    refs: [ref(networkGroup(row.network_id as string), 'endpoint', row.host)],
    hosts: [row.host as string],
  }),
});

const haNetworks = define('haNetworks', 'ha_networks', ['network_id'], {
  foreignKeys: [
    { constraint: 'ha_networks_network', column: 'network_id', parent: 'networks', cascade: true },
  ],
});

const routers = define('routers', 'routers', ['id'], {
  uniques: [{ constraint: 'routers_vrid', columns: ['ha_network_id', 'ha_vr_id'] }],
  foreignKeys: [
    { constraint: 'routers_ha_network', column: 'ha_network_id', parent: 'haNetworks', cascade: false },
    { constraint: 'routers_gateway', column: 'gw_port_id', parent: 'ports', cascade: false },
    { constraint: 'routers_qos_policy', column: 'qos_policy_id', parent: 'qosPolicies', cascade: false },
    { constraint: 'routers_flavor', column: 'flavor_id', parent: 'flavors', cascade: false },
  ],
  seen: ['name', 'admin_state_up', 'ha', 'ha_vr_id', 'enable_snat', 'routes', 'qos_policy_id'],
  hint: (row) => ({ refs: [ref(routerGroup(row.id as string), 'router', row.id)], hosts: [] }),
});

const routerBindings = define('routerBindings', 'router_bindings', ['router_id', 'agent_id'], {
  foreignKeys: [
    { constraint: 'router_bindings_router', column: 'router_id', parent: 'routers', cascade: true },
    { constraint: 'router_bindings_agent', column: 'agent_id', parent: 'agents', cascade: true },
  ],
  seen: ['rank'],
  hint: ({ router_id, host }, look) => ({
    refs: [
      ref(routerGroup(router_id as string), 'replica', host),
      ...endpointRefs(router_id, host as string, look),
    ],
    hosts: [host as string],
  }),
  alone: [
    {
      seen: ['order'],
      hint: ({ router_id, host }) => ({
        refs: [ref(routerGroup(router_id as string), 'replica', host)],
        hosts: [],
      }),
    },
  ],
});

const floatingIps = define('floatingIps', 'floating_ips', ['id'], {
  uniques: [
    {
      constraint: 'floating_ips_fixed',
      columns: ['floating_network_id', 'port_id', 'fixed_ip_address'],
    },
  ],
  foreignKeys: [
    {
      constraint: 'floating_ips_network',
      column: 'floating_network_id',
      parent: 'networks',
      cascade: false,
    },
    {
      constraint: 'floating_ips_floating_port',
      column: 'floating_port_id',
      parent: 'ports',
      cascade: false,
    },
    { constraint: 'floating_ips_port', column: 'port_id', parent: 'ports', cascade: false },
    { constraint: 'floating_ips_router', column: 'router_id', parent: 'routers', cascade: false },
    { constraint: 'floating_ips_qos_policy', column: 'qos_policy_id', parent: 'qosPolicies', cascade: false },
  ],
  seen: ['port_id', 'fixed_ip_address', 'router_id', 'qos_policy_id'],
  hint: ({ id, router_id }) => ({
    refs: router_id === null ? [] : [ref(routerGroup(router_id as string), 'floating-ip', id)],
    hosts: [],
  }),
});

const portForwardings = define('portForwardings', 'port_forwardings', ['id'], {
  uniques: [
    {
      constraint: 'port_forwardings_external',
      columns: ['floating_ip_id', 'protocol', 'external_port_first'],
    },
    {
      constraint: 'port_forwardings_internal',
      columns: ['internal_port_id', 'internal_ip_address', 'protocol', 'internal_port_first'],
    },
  ],
  foreignKeys: [
    {
      constraint: 'port_forwardings_floating_ip',
      column: 'floating_ip_id',
      parent: 'floatingIps',
      cascade: true,
    },
    { constraint: 'port_forwardings_router', column: 'router_id', parent: 'routers', cascade: false },
    { constraint: 'port_forwardings_port', column: 'internal_port_id', parent: 'ports', cascade: false },
  ],
  seen: [
    ...['router_id', 'internal_ip_address', 'protocol', 'external_port_first', 'external_port_last'],
    ...['internal_port_first', 'internal_port_last'],
  ],
  hint: ({ id, router_id }) => ({
    refs: [ref(routerGroup(router_id as string), 'forwarding', id)],
    hosts: [],
  }),
});

const routerRemovals = define('routerRemovals', 'router_removals', ['router_id', 'agent_id'], {
  foreignKeys: [
    { constraint: 'router_removals_router', column: 'router_id', parent: 'routers', cascade: true },
    { constraint: 'router_removals_agent', column: 'agent_id', parent: 'agents', cascade: true },
  ],
});

const addressScopes = define('addressScopes', 'address_scopes', ['id']);

const subnetPools = define('subnetPools', 'subnet_pools', ['id'], {
  uniques: [{ constraint: 'subnet_pools_default', columns: ['default_version'] }],
  foreignKeys: [
    {
      constraint: 'subnet_pools_address_scope',
      column: 'address_scope_id',
      parent: 'addressScopes',
      cascade: false,
    },
  ],
});

const rbacPolicies = define('rbacPolicies', 'rbac_policies', ['id'], {
  uniques: [
    { constraint: 'rbac_policies_target', columns: ['object_type', 'object_id', 'target_tenant', 'action'] },
  ],
});

const meteringLabels = define('meteringLabels', 'metering_labels', ['id']);

const meteringLabelRules = define('meteringLabelRules', 'metering_label_rules', ['id'], {
  foreignKeys: [
    {
      constraint: 'metering_label_rules_label',
      column: 'metering_label_id',
      parent: 'meteringLabels',
      cascade: true,
    },
  ],
});

const autoAllocatedTopologies = define(
  'autoAllocatedTopologies',
  'auto_allocated_topologies',
  ['project_id'],
  {
    foreignKeys: [
      {
        constraint: 'auto_allocated_topologies_network',
        column: 'network_id',
        parent: 'networks',
        cascade: true,
      },
    ],
  },
);

const networkSegmentRanges = define('networkSegmentRanges', 'network_segment_ranges', ['id']);

const flavors = define('flavors', 'flavors', ['id']);

const serviceProfiles = define('serviceProfiles', 'service_profiles', ['id']);

const flavorProfiles = define('flavorProfiles', 'flavor_profiles', ['flavor_id', 'service_profile_id'], {
  foreignKeys: [
    { constraint: 'flavor_profiles_flavor', column: 'flavor_id', parent: 'flavors', cascade: true },
    {
      constraint: 'flavor_profiles_profile',
      column: 'service_profile_id',
      parent: 'serviceProfiles',
      cascade: false,
    },
  ],
});

const trunks = define('trunks', 'trunks', ['id'], {
  uniques: [{ constraint: 'trunks_parent', columns: ['port_id'] }],
  foreignKeys: [{ constraint: 'trunks_port', column: 'port_id', parent: 'ports', cascade: false }],
});

const subports = define('subports', 'trunk_subports', ['port_id'], {
  uniques: [
    { constraint: 'trunk_subports_tag', columns: ['trunk_id', 'segmentation_type', 'segmentation_id'] },
  ],
  foreignKeys: [
    { constraint: 'trunk_subports_port', column: 'port_id', parent: 'ports', cascade: false },
    { constraint: 'trunk_subports_trunk', column: 'trunk_id', parent: 'trunks', cascade: true },
  ],
});

const quotas = define('quotas', 'quotas', ['project_id', 'resource']);

const leases = define('leases', 'leases', ['name']);

const fencings = define('fencings', 'fencings', ['host'], {
  uniques: [{ constraint: 'fencings_number', columns: ['number'] }],
});

const fenceChecks = define('fenceChecks', 'fence_checks', ['host']);

const events = define('events', 'events', ['id']);

export const SCHEMA: Readonly<Record<TableName, TableSchema>> = {
  networks,
  subnets,
  ports,
  ipAllocations,
  provisioningBlocks,
  hosts,
  agents,
  dhcpBindings,
  haNetworks,
  routers,
  routerBindings,
  floatingIps,
  portForwardings,
  routerRemovals,
  addressGroups,
  addressScopes,
  subnetPools,
  qosPolicies,
  qosRules,
  rbacPolicies,
  securityGroups,
  securityGroupRules,
  portSecurityGroups,
  meteringLabels,
  meteringLabelRules,
  autoAllocatedTopologies,
  networkSegmentRanges,
  flavors,
  serviceProfiles,
  flavorProfiles,
  trunks,
  subports,
  quotas,
  leases,
  fencings,
  fenceChecks,
  events,
};

export const TABLE_NAMES = Object.keys(SCHEMA) as TableName[];

/** The foreign keys that refer to each table, with the child that holds them. */
export const CHILDREN: Readonly<Record<TableName, readonly { child: TableSchema; key: ForeignKey }[]>> =
  Object.fromEntries(
    TABLE_NAMES.map((parent) => [
      parent,
      TABLE_NAMES.flatMap((name) =>
        SCHEMA[name].foreignKeys
          .filter((key) => key.parent === parent)
          .map((key) => ({ child: SCHEMA[name], key })),
      ),
    ]),
  ) as Record<TableName, { child: TableSchema; key: ForeignKey }[]>;
