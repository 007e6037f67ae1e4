import type { Address, Cidr } from './address.ts';

/** Whether the 64 bit interface identifier fits: what SLAAC asks of a prefix (RFC 4862, 5.5.3). */
export const canEui64 = (cidr: Cidr): boolean => cidr.version === 6 && cidr.prefix === 64;

/**
 * The address that a machine with this MAC (`fa:16:3e:00:00:01`) gives itself in a /64: the MAC with `ff:fe` in its middle
 * and the universal/local bit inverted (RFC 4291, appendix A).
 */
export function eui64Address(cidr: Cidr, mac: string): Address {
  const value = BigInt(`0x${mac.replaceAll(/[^0-9a-fA-F]/g, '')}`);
  const identifier = ((value >> 24n) << 40n) | (0xfffen << 24n) | (value & 0xffffffn);
  return { version: 6, value: cidr.first | (identifier ^ (1n << 57n)) };
}
