/**
 * dnsmasq's lease file, read and primed. Every start is given the leases of all ports in scope: a client that only asks
 * to keep its address (INIT-REBOOT) is answered at once instead of after its own time-out. Pure.
 *
 * Lines: `<expiry> <mac> <ip> <name|*> <client id|*>`; then `duid <server DUID>` and
 * `<expiry> <[T]iaid> <ip6> <name|*> <client DUID>` for IPv6.
 */
import { isMac, isV4, isV6 } from './grammar.ts';
import type { PortEntry } from './entry.ts';

export interface Lease {
  readonly expiry: number;
  /** MAC address for IPv4, IAID for IPv6. */
  readonly identity: string;
  readonly ip: string;
  readonly name: string;
  readonly client: string;
}

/** Lines that are no leases are left out: a file cut short must not stop a start. */
export function parseLeases(text: string): Lease[] {
  return text.split('\n').flatMap((line) => {
    const words = line.split(' ');
    const [expiry = '', identity = '', ip = '', name = '', client = ''] = words;
    if (words.length !== 5 || !/^\d{1,12}$/.test(expiry)) return [];
    const isLease = (isV4(ip) && isMac(identity)) || (isV6(ip) && /^T?\d+$/.test(identity));
    if (!isLease || !/^[\w.*-]+$/.test(name) || !/^(\*|[0-9a-f]{2}(:[0-9a-f]{2})*)$/.test(client)) return [];
    return [{ expiry: Number(expiry), identity, ip, name, client }];
  });
}

/**
 * dnsmasq compares every lease with every entry whenever a file is added: ten times the leases make a new port ten times
 * slower. In networks larger than this only those leases are there that clients really hold.
 */
export const PRIMED_AT_MOST = 500;

export interface PrimeInput {
  readonly entries: ReadonlyMap<string, PortEntry>;
  readonly dhcpPortId: string;
  /** The file as dnsmasq left it; '' for none. */
  readonly previous: string;
  /** Which MAC each IPv6 address had when that was written: an IPv6 lease itself does not say. */
  readonly previousMacs: ReadonlyMap<string, string>;
  readonly nowSeconds: number;
  readonly leaseSeconds: number;
}

/** DUID-UUID (RFC 6355) of the DHCP port: whichever replica holds the port is the same server to its clients. */
export const serverDuid = (portId: string): string =>
  `00:04:${portId.replaceAll('-', '').match(/../g)?.join(':') ?? ''}`;

/** Text of the lease file to start with: what is still true of the old one, and every other IPv4 port. */
export function primeLeases(input: PrimeInput): string {
  const wanted = new Map<string, { mac: string; name: string }>();
  for (const entry of input.entries.values())
    for (const { ip, mac, name } of entry.leases) wanted.set(ip, { mac, name });

  const v4: string[] = [];
  const v6: string[] = [];
  const kept = new Set<string>();
  for (const lease of parseLeases(input.previous)) {
    const port = wanted.get(lease.ip);
    if (!port || lease.expiry <= input.nowSeconds || kept.has(lease.ip)) continue;
    const isSix = isV6(lease.ip);
    if ((isSix ? input.previousMacs.get(lease.ip) : lease.identity) !== port.mac) continue;
    kept.add(lease.ip);
    (isSix ? v6 : v4).push(`${lease.expiry} ${lease.identity} ${lease.ip} ${port.name} ${lease.client}`);
  }
  const expiry = input.nowSeconds + input.leaseSeconds;
  const unheld = wanted.size > PRIMED_AT_MOST ? [] : wanted;
  for (const [ip, port] of unheld)
    if (isV4(ip) && !kept.has(ip)) v4.push(`${expiry} ${port.mac} ${ip} ${port.name} *`);
  return `${[...v4, `duid ${serverDuid(input.dhcpPortId)}`, ...v6].join('\n')}\n`;
}
