/**
 * The migrations as data. Names of constraints, what cascades and what is hinted are the migration's, so that an
 * operation meets the same errors here as there.
 */
import type { Group, Ref } from '../../resources/agent-view.ts';
import { dhcpGroup, hostGroup, networkGroup } from '../../resources/agent-view.ts';
import type { Tables } from '../store.ts';
import type { AnyRow } from './rows.ts';

export type TableName = keyof Tables;

export interface UniqueKey {
  readonly constraint: string;
  readonly columns: readonly string[];
  /** Two nulls are equal; otherwise a null is never taken. */
  readonly nullsEqual: boolean;
}

export interface ForeignKey {
  readonly constraint: string;
  readonly column: string;
  readonly parent: TableName;
  readonly cascade: boolean;
}

/** Hints staged by one changed row. */
export interface Hints {
  readonly refs: readonly Ref[];
  readonly hosts: readonly string[];
}

export interface TableSchema {
  readonly name: TableName;
  readonly primaryKey: readonly string[];
  readonly uniques: readonly UniqueKey[];
  readonly foreignKeys: readonly ForeignKey[];
  /** Columns whose change is hinted. */
  readonly seen: readonly string[];
  /** The refs of one row, before or after; `network_ids` are those where the row's host is an endpoint. */
  readonly hint?: (row: AnyRow, networkIdsOfHost: (host: string) => readonly string[]) => Hints;
}

const ref = (group: Group, kind: string, id: unknown): Ref => `${group}|${kind}/${id as string}`;

function define(
  name: TableName,
  sqlName: string,
  primaryKey: readonly string[],
  rest: {
    uniques?: readonly { constraint: string; columns: readonly string[]; nullsEqual?: boolean }[];
    foreignKeys?: readonly ForeignKey[];
    seen?: readonly string[];
    hint?: TableSchema['hint'];
  } = {},
): TableSchema {
  return {
    name,
    primaryKey,
    uniques: [
      { constraint: `${sqlName}_pkey`, columns: primaryKey, nullsEqual: false },
      ...(rest.uniques ?? []).map((u) => ({ nullsEqual: false, ...u })),
    ],
    foreignKeys: rest.foreignKeys ?? [],
    seen: rest.seen ?? [],
    ...(rest.hint ? { hint: rest.hint } : {}),
  };
}

const networks = define('networks', 'networks', ['id'], {
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
  hint: (row) => ({ refs: [ref(networkGroup(row.id as string), 'network', row.id)], hosts: [] }),
});

const subnets = define('subnets', 'subnets', ['id'], {
  foreignKeys: [{ constraint: 'subnets_network', column: 'network_id', parent: 'networks', cascade: true }],
  seen: ['gateway_ip', 'enable_dhcp', 'ipv6_ra_mode', 'ipv6_address_mode', 'dns_nameservers', 'host_routes'],
  hint: (row) => ({ refs: [ref(dhcpGroup(row.network_id as string), 'subnet', row.id)], hosts: [] }),
});

const ports = define('ports', 'ports', ['id'], {
  uniques: [{ constraint: 'ports_mac', columns: ['network_id', 'mac_address'] }],
  foreignKeys: [{ constraint: 'ports_network', column: 'network_id', parent: 'networks', cascade: false }],
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
  hint: (row) => {
    const network = row.network_id as string;
    const host = row.host as string;
    const lease = ref(dhcpGroup(network), 'lease', row.id);
    if (host === '') return { refs: [lease], hosts: [] };
    const bound = [ref(hostGroup(host), 'port', row.id), ref(networkGroup(network), 'endpoint', host)];
    return { refs: [lease, ...bound], hosts: [host] };
  },
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
  seen: ['tunnel_ip'],
  hint: (row, networkIdsOfHost) => {
    const host = row.name as string;
    const endpoints = networkIdsOfHost(host).map((id) => ref(networkGroup(id), 'endpoint', host));
    return { refs: [ref(hostGroup(host), 'host', host), ...endpoints], hosts: [host] };
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

const quotas = define('quotas', 'quotas', ['project_id', 'resource']);

const leases = define('leases', 'leases', ['name']);

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
  quotas,
  leases,
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

/** The primary key as one string, in which rows also sort. */
export function keyOf(schema: TableSchema, row: AnyRow): string {
  const [only] = schema.primaryKey;
  if (schema.primaryKey.length === 1) return row[only as string] as string;
  return schema.primaryKey.map((column) => row[column] as string).join('\u0000');
}

/** `constraint` and values as one string; undefined where a null makes the key never taken. */
export function uniqueKeyOf(unique: UniqueKey, row: AnyRow): string | undefined {
  const values = unique.columns.map((column) => row[column] ?? null);
  if (!unique.nullsEqual && values.includes(null)) return undefined;
  return `${unique.constraint}\u0000${JSON.stringify(values)}`;
}
