/**
 * What may stand in a line for `ip`, `bridge` or in a path. Those tools split their batch at blanks and know no quoting
 * that is safe, so a word that does not match is a bug of ours and must not get that far.
 */
import { isIP } from 'node:net';
import { assert } from '../lib/assert.ts';

/** IFNAMSIZ is 16 with the final zero; `ip` itself refuses '/' and blanks. */
export function linkName(name: string): string {
  assert(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name), `not a link name: ${JSON.stringify(name)}`);
  return name;
}

export function namespaceName(name: string): string {
  assert(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(name), `not a namespace name: ${JSON.stringify(name)}`);
  return name;
}

export function macAddress(mac: string): string {
  assert(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac), `not a MAC address: ${JSON.stringify(mac)}`);
  return mac.toLowerCase();
}

export function ipAddress(address: string): string {
  assert(isIP(address) !== 0 && !address.includes('%'), `not an IP address: ${JSON.stringify(address)}`);
  return address;
}

/** `192.0.2.1/24` or `2001:db8::1/64`. */
export function addressWithPrefix(text: string): string {
  const slash = text.indexOf('/');
  const address = ipAddress(text.slice(0, slash));
  const prefix = text.slice(slash + 1);
  const longest = isIP(address) === 4 ? 32 : 128;
  assert(/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest, `not a prefix: ${JSON.stringify(text)}`);
  return text;
}

export function wholeNumber(value: number, low: number, high: number): number {
  assert(Number.isInteger(value) && value >= low && value <= high, `not in ${low}..${high}: ${value}`);
  return value;
}

/** RFC 791: no IPv4 link has less than 68; 65535 is the largest that bridge and vxlan take. */
export function mtuValue(mtu: number): number {
  return wholeNumber(mtu, 68, 65535);
}

/** Names files and log lines. */
export function processName(name: string): string {
  assert(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(name), `not a process name: ${JSON.stringify(name)}`);
  return name;
}

/** `inet deuteron_l2` */
export function tableName(table: string): string {
  assert(
    /^(ip|ip6|inet|arp|bridge|netdev) [A-Za-z_][A-Za-z0-9_]{0,63}$/.test(table),
    `not an nftables family and table: ${JSON.stringify(table)}`,
  );
  return table;
}

/** A dotted kernel parameter, as a path below /proc/sys; a link's name in it may itself hold dots, written as '/'. */
export function sysctlPath(name: string): string {
  assert(
    /^[a-z][A-Za-z0-9_./-]*$/.test(name) && !name.includes('..'),
    `not a sysctl: ${JSON.stringify(name)}`,
  );
  return name.includes('/') ? name : name.replaceAll('.', '/');
}

/** A path below the state directory: no way out of it. */
export function relativePath(path: string): string {
  const parts = path.split('/');
  assert(
    path !== '' &&
      parts.every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0')),
    `not a path below the state directory: ${JSON.stringify(path)}`,
  );
  return path;
}
