/**
 * The port that a DHCP agent has in each network that it serves, with one address in each subnet that has DHCP. Many networks at
 * once: a dead agent's thousand are a few statements, not a few thousand. These ports are made past the project's port
 * quota, of which they use, as in Neutron: a full project is served all the same.
 */
import { createHash } from 'node:crypto';
import { randomMac } from '../ipam/choose.ts';
import { requestedWants } from '../ipam/fixed-ips.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { FixedIp, PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { chooseAddresses, drawAddresses, setAddresses } from './addresses.ts';
import { bindingFacts } from './binding.ts';
import type { Call } from './operation.ts';
import { insertPorts, portRow } from './port.ts';
import { touched } from './standard.ts';

export const DHCP_OWNER = 'network:dhcp';
const DNS_NAMESPACE = '6ba7b8109dad11d180b400c04fd430c8';

/** A version 5 UUID in the DNS namespace (RFC 9562, 5.5). */
function nameUuid(name: string): string {
  const hash = createHash('sha1').update(Buffer.from(DNS_NAMESPACE, 'hex')).update(name).digest('hex');
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

/** The device_id of the DHCP port of a host in a network, in Neutron's form. */
export const dhcpDeviceId = (host: string, networkId: string): string => `dhcp${nameUuid(host)}-${networkId}`;

/** Whether it is a DHCP port of ours: those of that owner which somebody else made, for a server of their own, are not. */
export const isOurs = (port: PortRow): boolean =>
  port.device_owner === DHCP_OWNER && port.device_id === dhcpDeviceId(port.host, port.network_id);

/** The DHCP ports of a host's agent. */
export const ourPortsOn = async (tables: Tables, host: string): Promise<PortRow[]> =>
  (await tables.ports.find({ host, device_owner: DHCP_OWNER })).filter(isOurs);

/** A network, locked, and the hosts on which it lacks a DHCP port. `served`: its subnets that have DHCP, one at least. */
export interface PortDemand {
  readonly network: NetworkRow;
  readonly served: readonly SubnetRow[];
  readonly hosts: readonly string[];
}

/** The port but for addresses that are to be chosen, and the subnets where they are. */
interface Draft {
  readonly port: PortRow;
  readonly demand: PortDemand;
  readonly open: readonly string[];
}

function draftOf(
  call: Call,
  demand: PortDemand,
  context: { host: string; facts: Awaited<ReturnType<typeof bindingFacts>> },
): Draft {
  const { network } = demand;
  const { host, facts } = context;
  const asked = {
    project_id: network.project_id,
    network_id: network.id,
    device_owner: DHCP_OWNER,
    device_id: dhcpDeviceId(host, network.id),
    host,
    port_security_enabled: false,
  };
  const mac = randomMac(call.settings.macPrefix, call.random);
  const port = portRow(call, asked, { network, facts, mac });
  // It is on each subnet that it serves, whatever the service types.
  const subnets = demand.served.map((subnet) => ({ ...subnet, service_types: [] }));
  const requests = demand.served.map((subnet) => ({ subnet_id: subnet.id }));
  const open: string[] = [];
  for (const want of requestedWants(requests, subnets, port)) {
    if (want.kind === 'address') port.fixed_ips.push(want.ip);
    else open.push(...want.subnetIds);
  }
  return { port, demand, open };
}

/**
 * The rows of the DHCP ports that these networks lack, in the order of the demands and their hosts. Where a subnet has no
 * address left, the port is without one there.
 */
export async function planDhcpPorts(
  tx: Transaction,
  call: Call,
  demands: readonly PortDemand[],
): Promise<PortRow[]> {
  const hosts = demands.flatMap((demand) => demand.hosts);
  if (hosts.length === 0) return [];
  const facts = await bindingFacts(tx, hosts);
  const drafts = demands.flatMap((demand) =>
    demand.hosts.map((host) => draftOf(call, demand, { host, facts })),
  );
  const wanted = new Map<string, { subnet: SubnetRow; count: number }>();
  for (const { demand, open } of drafts) {
    for (const subnet of demand.served.filter((one) => open.includes(one.id))) {
      wanted.set(subnet.id, { subnet, count: (wanted.get(subnet.id)?.count ?? 0) + 1 });
    }
  }
  const drawn = await drawAddresses(tx, call, [...wanted.values()]);
  for (const { port, open } of drafts) {
    for (const subnet_id of open) {
      const ip_address = drawn.get(subnet_id)?.pop();
      if (ip_address !== undefined) port.fixed_ips.push({ subnet_id, ip_address });
    }
  }
  return drafts.map((draft) => draft.port);
}

/** Makes the DHCP ports that these networks lack. */
export async function createDhcpPorts(
  tx: Transaction,
  call: Call,
  demands: readonly PortDemand[],
): Promise<void> {
  const ports = await planDhcpPorts(tx, call, demands);
  await insertPorts(
    tx,
    ports,
    demands.flatMap((demand) => demand.served),
  );
}

/** Whether the port has an address in each of these subnets. */
export const covers = (port: Pick<PortRow, 'fixed_ips'>, served: readonly Pick<SubnetRow, 'id'>[]): boolean =>
  served.every((subnet) => port.fixed_ips.some((ip) => ip.subnet_id === subnet.id));

/** Gives a DHCP port, locked, one address in each subnet that has DHCP, keeping those that it has there. */
export async function alignAddresses(
  tx: Transaction,
  call: Call,
  { port, served }: { port: PortRow; served: readonly SubnetRow[] },
): Promise<void> {
  const keep = port.fixed_ips.filter((ip) => served.some((subnet) => subnet.id === ip.subnet_id));
  const missing = served.filter((subnet) => !keep.some((ip) => ip.subnet_id === subnet.id));
  let fresh: FixedIp[] = [];
  if (missing.length > 0) {
    const requests = missing.map((subnet) => ({ subnet_id: subnet.id }));
    const wants = requestedWants(requests, missing, port);
    const space = { networkId: port.network_id, subnets: missing };
    fresh = (await chooseAddresses(tx, call, { space, wants: [wants], partial: true }))[0] ?? [];
  }
  if (fresh.length === 0 && keep.length === port.fixed_ips.length) return;
  const fixed_ips = [...keep, ...fresh];
  await setAddresses(tx, port, fixed_ips);
  await tx.ports.update({ id: port.id }, { fixed_ips, ...touched(call, port) });
}
