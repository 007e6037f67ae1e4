/** What should be, computed from rows alone and in the plainest way: nothing here is shared with the code under test. */
import type { Body } from '../../src/resources/agent-view.ts';
import type { AgentRow, DhcpBindingRow, HostRow } from '../../src/resources/agent.ts';
import type { NetworkRow } from '../../src/resources/network.ts';
import type { PortRow } from '../../src/resources/port.ts';
import type { SubnetRow } from '../../src/resources/subnet.ts';

/** One state of the tables that hosts see. */
export interface Rows {
  readonly networks: readonly NetworkRow[];
  readonly subnets: readonly SubnetRow[];
  readonly ports: readonly PortRow[];
  readonly hosts: readonly HostRow[];
  readonly agents: readonly AgentRow[];
  readonly dhcpBindings: readonly DhcpBindingRow[];
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
  for (const port of rows.ports) {
    if (port.host === host) put(`host/${host}`, `port/${port.id}`, portBody(port));
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
  return scope;
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
