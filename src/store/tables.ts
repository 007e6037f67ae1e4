/** The tables: their columns and kinds, their keys. `migrations/` has the same as SQL; the contract suite compares. */
import type { Row as TableRow, TableDescription } from './table.ts';
import type { Tables } from './store.ts';

type RowOf<Name extends keyof Tables> = Tables[Name] extends { get(where: never): Promise<infer Found> }
  ? Exclude<Found, undefined>
  : never;

const standard = {
  id: 'uuid',
  project_id: 'text',
  description: 'text',
  revision_number: 'bigint',
  created_at: 'text',
  updated_at: 'text',
} as const;

export const DESCRIPTIONS: { readonly [Name in keyof Tables]: TableDescription<RowOf<Name> & TableRow> } = {
  networks: {
    name: 'networks',
    key: ['id'],
    columns: {
      ...standard,
      name: 'text',
      admin_state_up: 'boolean',
      status: 'text',
      shared: 'boolean',
      external: 'boolean',
      mtu: 'integer',
      network_type: 'text',
      physical_network: 'text',
      segmentation_id: 'integer',
      port_security_enabled: 'boolean',
      dns_domain: 'text',
      availability_zone_hints: 'jsonb',
    },
  },
  subnets: {
    name: 'subnets',
    key: ['id'],
    columns: {
      ...standard,
      name: 'text',
      network_id: 'uuid',
      ip_version: 'integer',
      cidr: 'text',
      gateway_ip: 'text',
      enable_dhcp: 'boolean',
      ipv6_ra_mode: 'text',
      ipv6_address_mode: 'text',
      allocation_pools: 'jsonb',
      dns_nameservers: 'jsonb',
      host_routes: 'jsonb',
      service_types: 'jsonb',
      dns_publish_fixed_ip: 'boolean',
    },
  },
  ports: {
    name: 'ports',
    key: ['id'],
    columns: {
      ...standard,
      name: 'text',
      network_id: 'uuid',
      admin_state_up: 'boolean',
      status: 'text',
      mac_address: 'text',
      fixed_ips: 'jsonb',
      device_id: 'text',
      device_owner: 'text',
      host: 'text',
      vnic_type: 'text',
      profile: 'jsonb',
      vif_type: 'text',
      vif_details: 'jsonb',
      generation: 'integer',
      port_security_enabled: 'boolean',
      extra_dhcp_opts: 'jsonb',
      dns_name: 'text',
    },
  },
  ipAllocations: {
    name: 'ip_allocations',
    key: ['subnet_id', 'ip_address'],
    columns: { subnet_id: 'uuid', ip_address: 'text', port_id: 'uuid', network_id: 'uuid' },
  },
  provisioningBlocks: {
    name: 'provisioning_blocks',
    key: ['port_id', 'entity'],
    columns: { port_id: 'uuid', entity: 'text', tag: 'bigint', position: 'bigint', generation: 'integer' },
  },
  hosts: {
    name: 'hosts',
    key: ['name'],
    columns: {
      name: 'text',
      credential_hash: 'text',
      tunnel_ip: 'text',
      physical_networks: 'jsonb',
      created_at: 'text',
    },
  },
  agents: {
    name: 'agents',
    key: ['id'],
    columns: {
      id: 'uuid',
      host: 'text',
      role: 'text',
      description: 'text',
      admin_state_up: 'boolean',
      availability_zone: 'text',
      configurations: 'jsonb',
      created_at: 'text',
      started_at: 'text',
      heartbeat_at: 'text',
      server_id: 'text',
      incarnation: 'bigint',
      counter: 'bigint',
      realised_position: 'bigint',
      realised_tag: 'bigint',
      exceptions: 'jsonb',
      exception_count: 'integer',
    },
  },
  dhcpBindings: {
    name: 'dhcp_bindings',
    key: ['network_id', 'agent_id'],
    columns: { network_id: 'uuid', agent_id: 'uuid', host: 'text' },
  },
  quotas: {
    name: 'quotas',
    key: ['project_id', 'resource'],
    columns: { project_id: 'text', resource: 'text', limit: 'bigint' },
  },
};
