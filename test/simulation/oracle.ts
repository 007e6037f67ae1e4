/** What should be, computed from rows alone and in the plainest way: nothing here is shared with the code under test. */
import type { Body } from '../../src/resources/agent-view.ts';
import type { AgentRow, DhcpBindingRow, HostRow } from '../../src/resources/agent.ts';
import type { NetworkRow } from '../../src/resources/network.ts';
import type { AddressGroupRow } from '../../src/resources/address-group.ts';
import type { PortRow } from '../../src/resources/port.ts';
import type { PortSecurityGroupRow, SecurityGroupRow } from '../../src/resources/security-group.ts';
import type { SecurityGroupRuleRow } from '../../src/resources/security-group-rule.ts';
import type { SubnetRow } from '../../src/resources/subnet.ts';

/** One state of the tables that hosts see. */
export interface Rows {
  readonly networks: readonly NetworkRow[];
  readonly subnets: readonly SubnetRow[];
  readonly ports: readonly PortRow[];
  readonly hosts: readonly HostRow[];
  readonly agents: readonly AgentRow[];
  readonly dhcpBindings: readonly DhcpBindingRow[];
  readonly securityGroups: readonly SecurityGroupRow[];
  readonly securityGroupRules: readonly SecurityGroupRuleRow[];
  readonly portSecurityGroups: readonly PortSecurityGroupRow[];
  readonly addressGroups: readonly AddressGroupRow[];
}

export type Scope = Map<string, Map<string, Body>>;

const only = <Value extends object>(value: Value, names: readonly (keyof Value)[]) =>
  Object.fromEntries(names.map((name) => [name, value[name]])) as unknown as Body;

/** The same body for the same row: it is compared with many times. */
function once<Row extends object>(make: (row: Row) => Body): (row: Row) => Body {
  const made = new WeakMap<Row, Body>();
  return (row) => {
    const known = made.get(row) ?? make(row);
    made.set(row, known);
    return known;
  };
}

/** Every group that the host should hold, with every object in it. */
export function expectedScope(host: string, rows: Rows): Scope {
  const scope: Scope = new Map();
  const put = (group: string, key: string, body: Body) => {
    const objects = scope.get(group) ?? new Map<string, Body>();
    scope.set(group, objects.set(key, body));
  };
  for (const row of rows.hosts) {
    if (row.name === host) put(`host/${host}`, `host/${host}`, hostBody(row));
  }
  const served = new Set(rows.dhcpBindings.filter((b) => b.host === host).map((b) => b.network_id));
  const present = new Set(rows.ports.filter((p) => p.host === host).map((p) => p.network_id));
  const groupsOf = Map.groupBy(rows.portSecurityGroups, (one) => one.port_id);
  for (const port of rows.ports) {
    if (port.host === host)
      put(`host/${host}`, `port/${port.id}`, securedBody(port, groupsOf.get(port.id) ?? []));
    if (served.has(port.network_id)) put(`dhcp/${port.network_id}`, `lease/${port.id}`, leaseBody(port));
  }
  for (const subnet of rows.subnets) {
    if (served.has(subnet.network_id))
      put(`dhcp/${subnet.network_id}`, `subnet/${subnet.id}`, subnetBody(subnet));
  }
  for (const network of rows.networks) {
    if (!served.has(network.id) && !present.has(network.id)) continue;
    put(`network/${network.id}`, `network/${network.id}`, networkBody(network));
    for (const other of endpointsOf(network.id, rows)) {
      put(`network/${network.id}`, `endpoint/${other.name}`, endpointBody(other));
    }
  }
  putSecurity(host, rows, put);
  return scope;
}

/** The groups of the host's ports with their rules; who is in the groups that these name, and what in the address groups. */
function putSecurity(host: string, rows: Rows, put: (group: string, key: string, body: Body) => void): void {
  const here = new Set(rows.ports.filter((port) => port.host === host).map((port) => port.id));
  const own = new Set(
    rows.portSecurityGroups.filter((one) => here.has(one.port_id)).map((one) => one.security_group_id),
  );
  const rules = rows.securityGroupRules.filter((one) => own.has(one.security_group_id));
  for (const group of rows.securityGroups.filter((one) => own.has(one.id))) {
    const its = rules.filter((one) => one.security_group_id === group.id);
    const body = { id: group.id, stateful: group.stateful, rules: its.map(ruleBody).sort(byId) };
    put(`security-group/${group.id}`, `security-group/${group.id}`, body as unknown as Body);
  }
  const remotes = new Set(rules.map((one) => one.remote_group_id));
  const portOf = new Map(rows.ports.map((port) => [port.id, port]));
  for (const { port_id, security_group_id } of rows.portSecurityGroups) {
    const port = remotes.has(security_group_id) && portOf.get(port_id);
    if (port) put(`members/${security_group_id}`, `member/${port_id}`, memberBody(port));
  }
  const named = new Set(rules.map((one) => one.remote_address_group_id));
  for (const { id, addresses } of rows.addressGroups.filter((one) => named.has(one.id)))
    put(`address-group/${id}`, `address-group/${id}`, { id, addresses: [...addresses].sort() });
}

const byId = (one: object, other: object) =>
  (one as { id: string }).id < (other as { id: string }).id ? -1 : 1;

const ruleBody = once((row: SecurityGroupRuleRow) =>
  only(row, [
    ...(['id', 'direction', 'ethertype', 'protocol', 'port_range_min', 'port_range_max'] as const),
    ...(['remote_ip_prefix', 'remote_group_id', 'remote_address_group_id'] as const),
  ]),
);

const memberBody = once((row: PortRow) => {
  const addresses = new Set(row.fixed_ips.map((one) => one.ip_address));
  for (const pair of row.allowed_address_pairs) addresses.add(pair.ip_address);
  return { port_id: row.id, addresses: [...addresses].sort() };
});

function securedBody(port: PortRow, associations: readonly PortSecurityGroupRow[]): Body {
  if (!port.port_security_enabled) return portBody(port);
  const { allowed_address_pairs } = port;
  const security_groups = associations.map((one) => one.security_group_id).sort();
  return { ...portBody(port), port_security_enabled: true, security_groups, allowed_address_pairs } as Body;
}

/** The hosts to which a network's floods go: with a port of it, or serving its DHCP. */
export function endpointsOf(networkId: string, rows: Rows): HostRow[] {
  const names = new Set<string>();
  for (const port of rows.ports) if (port.network_id === networkId) names.add(port.host);
  for (const binding of rows.dhcpBindings) if (binding.network_id === networkId) names.add(binding.host);
  return rows.hosts.filter((host) => names.has(host.name));
}

const hostBody = once((row: HostRow) => only(row, ['name', 'tunnel_ip']));

const endpointBody = once((row: HostRow) => ({ host: row.name, tunnel_ip: row.tunnel_ip }) as Body);

const networkBody = once((row: NetworkRow) =>
  only(row, [
    'id',
    'name',
    'admin_state_up',
    'network_type',
    'physical_network',
    'segmentation_id',
    'mtu',
    'dns_domain',
  ]),
);

const portBody = once((row: PortRow) =>
  only(row, [
    'id',
    'network_id',
    'admin_state_up',
    'mac_address',
    'device_owner',
    'device_id',
    'fixed_ips',
    'generation',
  ]),
);

const leaseBody = once((row: PortRow) => {
  const rest = only(row, ['mac_address', 'fixed_ips', 'device_owner', 'dns_name', 'extra_dhcp_opts']);
  return { port_id: row.id, ...rest } as Body;
});

const subnetBody = once((row: SubnetRow) =>
  only(row, [
    'id',
    'ip_version',
    'cidr',
    'gateway_ip',
    'enable_dhcp',
    'ipv6_ra_mode',
    'ipv6_address_mode',
    'dns_nameservers',
    'host_routes',
  ]),
);
