/** What a host should have, computed from rows alone, and what it lacks. */
import type { NetworkRow } from '../../src/resources/network.ts';
import type { PortRow } from '../../src/resources/port.ts';
import type { SubnetRow } from '../../src/resources/subnet.ts';
import { type HostPicture, type Machine, PHYSICAL } from './machine.ts';
import { endpointsOf, type Rows } from './oracle.ts';

export const tapOf = (port: { id: string }) => `tap${port.id.slice(0, 11)}`;
export const bridgeOf = (networkId: string) => `brq${networkId.slice(0, 11)}`;
const vxlanOf = (network: NetworkRow) => `vxlan-${network.segmentation_id}`;

const DHCP_OWNER = 'network:dhcp';

/** Whether clients of the subnet get their addresses by DHCP. */
function leases(subnet: SubnetRow): boolean {
  if (!subnet.enable_dhcp) return false;
  if (subnet.ip_version === 4) return true;
  const { ipv6_address_mode: mode, ipv6_ra_mode: ra } = subnet;
  return mode === 'dhcpv6-stateful' || (mode === null && ra === null);
}

/** What a DHCP server of the network should lease to the port: `mac ip`, one address a subnet. */
export function leasesOf(port: PortRow, subnets: readonly SubnetRow[]): string[] {
  if (port.device_owner === DHCP_OWNER) return [];
  const seen = new Set<string>();
  return port.fixed_ips.flatMap(({ subnet_id, ip_address }) => {
    const subnet = subnets.find((one) => one.id === subnet_id);
    if (!subnet || !leases(subnet) || seen.has(subnet_id)) return [];
    seen.add(subnet_id);
    return [`${port.mac_address} ${ip_address}`];
  });
}

/** Whether the port's tap is up and on its network's bridge. */
export function isWired(port: PortRow, picture: HostPicture): boolean {
  const tap = picture.links.get(tapOf(port));
  return tap?.master === bridgeOf(port.network_id) && tap.up;
}

/** The first thing on which host and rows do not agree; undefined for none. */
export async function hostDifference(machine: Machine, rows: Rows): Promise<string | undefined> {
  const picture = await machine.look(true);
  const present = new Set(rows.ports.filter((p) => p.host === machine.name).map((p) => p.network_id));
  const served = new Set(rows.dhcpBindings.filter((b) => b.host === machine.name).map((b) => b.network_id));
  const networks = rows.networks.filter((n) => present.has(n.id) || served.has(n.id));
  return (
    extraLinks(networks, picture) ??
    physicalDifference(networks, machine, picture) ??
    first(networks, (network) => networkDifference(network, { machine, picture, rows })) ??
    tapDifference(machine.name, picture, rows) ??
    dhcpDifference(
      networks.filter((network) => served.has(network.id)),
      { machine, picture, rows },
    )
  );
}

interface Context {
  readonly machine: Machine;
  readonly picture: HostPicture;
  readonly rows: Rows;
}

function first<Item>(items: Iterable<Item>, find: (item: Item) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function extraLinks(networks: readonly NetworkRow[], { links }: HostPicture): string | undefined {
  const wanted = new Set(networks.flatMap((network) => [bridgeOf(network.id), vxlanOf(network)]));
  return first(links.keys(), (name) =>
    /^(brq|vxlan-\d)/.test(name) && !wanted.has(name) ? `${name} is left over` : undefined,
  );
}

/** A link to a physical network is on the bridge of the flat network that has it, or on none. */
function physicalDifference(
  networks: readonly NetworkRow[],
  { physicalNetworks }: Machine,
  { links }: HostPicture,
): string | undefined {
  return first(physicalNetworks, (name) => {
    const flat = networks.find((one) => one.network_type === 'flat' && one.physical_network === name);
    const link = links.get(PHYSICAL.get(name) as string);
    const wanted = flat ? bridgeOf(flat.id) : null;
    return link?.master === wanted ? undefined : `${link?.name} is on ${link?.master}, not ${wanted}`;
  });
}

function networkDifference(network: NetworkRow, { machine, picture, rows }: Context): string | undefined {
  const bridge = picture.links.get(bridgeOf(network.id));
  const vxlan = network.network_type === 'vxlan' ? picture.links.get(vxlanOf(network)) : undefined;
  if (!bridge) return `no bridge for network ${network.id}`;
  if (bridge.up !== network.admin_state_up) return `${bridge.name} is up: ${bridge.up}`;
  if (bridge.mtu !== network.mtu) return `${bridge.name} has MTU ${bridge.mtu}, not ${network.mtu}`;
  if (network.network_type !== 'vxlan') return undefined;
  if (vxlan?.vxlan?.id !== network.segmentation_id) return `no vxlan for network ${network.id}`;
  if (vxlan.master !== bridge.name) return `${vxlan.name} is on ${vxlan.master}`;
  const wanted = endpointsOf(network.id, rows)
    .filter((host) => host.name !== machine.name && host.tunnel_ip !== '')
    .map((host) => host.tunnel_ip)
    .sort()
    .join(' ');
  const found = picture.flood
    .filter((entry) => entry.link === vxlan.name)
    .map((entry) => entry.destination)
    .sort()
    .join(' ');
  return found === wanted ? undefined : `${vxlan.name} floods to "${found}", not "${wanted}"`;
}

function tapDifference(host: string, { links }: HostPicture, rows: Rows): string | undefined {
  const ports = new Map(rows.ports.map((port) => [tapOf(port), port]));
  return first(links.values(), (link) => {
    if (!link.name.startsWith('tap')) return undefined;
    const port = ports.get(link.name);
    if (port?.host !== host)
      return link.master ? `${link.name} is on ${link.master}, but not bound here` : undefined;
    if (link.master !== bridgeOf(port.network_id)) return `${link.name} is on ${link.master}`;
    return link.up === port.admin_state_up ? undefined : `${link.name} is up: ${link.up}`;
  });
}

function dhcpDifference(
  served: readonly NetworkRow[],
  { machine, picture, rows }: Context,
): string | undefined {
  const wanted = served.filter(
    (network) =>
      network.admin_state_up && rows.subnets.some((s) => s.network_id === network.id && s.enable_dhcp),
  );
  const names = new Set(wanted.map((network) => `dnsmasq-${network.id}`));
  const extra =
    first(picture.processes, (name) =>
      name.startsWith('dnsmasq-') && !names.has(name) ? `${name} still runs` : undefined,
    ) ??
    first(picture.namespaces, (name) =>
      name.startsWith('qdhcp-') && !names.has(name.replace('qdhcp', 'dnsmasq'))
        ? `${name} is left over`
        : undefined,
    );
  return extra ?? first(wanted, (network) => leaseDifference(network, machine, rows));
}

function leaseDifference(network: NetworkRow, machine: Machine, rows: Rows): string | undefined {
  const dnsmasq = machine.dnsmasq(network.id);
  if (!dnsmasq) return `no dnsmasq for network ${network.id}`;
  const wanted = rows.ports
    .filter((port) => port.network_id === network.id)
    .flatMap((port) => leasesOf(port, rows.subnets))
    .sort()
    .join(', ');
  const found = dnsmasq.leases().join(', ');
  return found === wanted ? undefined : `dnsmasq of ${network.id} leases "${found}", not "${wanted}"`;
}

function isUnserved({ network_id }: PortRow, { dhcpBindings }: Rows, machines: readonly Machine[]): boolean {
  const living = new Set(machines.map((machine) => machine.name));
  return !dhcpBindings.some((binding) => binding.network_id === network_id && living.has(binding.host));
}

/** The first port whose status is not what its host and its DHCP servers make of it. */
export async function statusDifference(
  rows: Rows,
  machines: readonly Machine[],
): Promise<string | undefined> {
  for (const port of rows.ports) {
    const machine = machines.find((one) => one.name === port.host);
    const network = rows.networks.find((one) => one.id === port.network_id);
    if (!machine || !network?.admin_state_up || port.vif_type !== 'bridge') continue;
    const isUp = port.admin_state_up && isWired(port, await machine.look());
    if (port.status === 'ACTIVE' && !isUp) return `port ${port.id} is ACTIVE and not wired`;
    // a network that nobody may serve: its ports wait
    if (
      port.status !== 'ACTIVE' &&
      leasesOf(port, rows.subnets).length > 0 &&
      isUnserved(port, rows, machines)
    )
      continue;
    if (port.status !== 'ACTIVE' && isUp) return `port ${port.id} is ${port.status}, though served`;
  }
  return undefined;
}
