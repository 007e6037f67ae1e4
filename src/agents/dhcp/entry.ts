/** One port's lines: its static leases and its names. Pure. */
import type { LeaseBody } from '../../resources/agent-view.ts';
import { isLabel, isV4, isV6 } from './grammar.ts';

export interface PortEntry {
  /** Lines of a hosts file (`--dhcp-hostsfile`), each with its newline; '' for none. Never a `set:`: see README. */
  readonly hosts: string;
  /** Lines of a names file (`--hostsdir`); '' for none. */
  readonly names: string;
  /** Each static lease, for the lease file. */
  readonly leases: readonly { readonly mac: string; readonly ip: string; readonly name: string }[];
  /** MAC and addresses: no two entries of a network may share one. */
  readonly claims: readonly string[];
}

export interface EntryContext {
  /** Ids of the subnets whose clients ask for addresses. */
  readonly served: ReadonlySet<string>;
  readonly domain: string;
  readonly clientId: string | null;
  /** false: names only (a DHCP replica's own port). */
  readonly leases: boolean;
}

/** Neutron's default name of an address: `host-10-0-0-5`. */
export const defaultName = (ip: string): string => `host-${ip.replaceAll(/[.:]/g, '-').replace(/-+$/, '')}`;

/** The first label of `dns_name`; '' where there is none. */
function labelOf(lease: LeaseBody): string {
  return lease.dns_name.split('.')[0]?.toLowerCase() ?? '';
}

export function entryOf(
  lease: LeaseBody,
  context: EntryContext,
): { entry: PortEntry; refused: string | null } {
  const label = labelOf(lease);
  const addresses = lease.fixed_ips.filter((ip) => isV4(ip.ip_address) || isV6(ip.ip_address));
  let refused: string | null = null;
  if (label !== '' && !isLabel(label)) refused = 'its dns_name is not a host name';
  else if (addresses.length < lease.fixed_ips.length) refused = 'one of its addresses is malformed';

  const identity =
    context.clientId === null ? lease.mac_address : `${lease.mac_address},id:${context.clientId}`;
  const hosts: string[] = [];
  const names: string[] = [];
  const leases: { mac: string; ip: string; name: string }[] = [];
  const subnets = new Set<string>();
  for (const { subnet_id, ip_address: ip } of addresses) {
    const name = label !== '' && isLabel(label) ? label : defaultName(ip);
    names.push(`${ip} ${name}.${context.domain} ${name}\n`);
    // dnsmasq leases a MAC one address of a subnet: the first, as long as it is the only one that it reads.
    if (!context.leases || !context.served.has(subnet_id) || subnets.has(subnet_id)) continue;
    subnets.add(subnet_id);
    hosts.push(`${identity},${name}.${context.domain},${isV4(ip) ? ip : `[${ip}]`}\n`);
    leases.push({ mac: lease.mac_address, ip, name });
  }
  const claims = leases.length > 0 ? [lease.mac_address, ...leases.map((l) => l.ip)] : [];
  return { refused, entry: { hosts: hosts.join(''), names: names.join(''), leases, claims } };
}
