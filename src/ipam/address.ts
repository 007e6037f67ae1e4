/** An IP address: its version and its value. */
export interface Address {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** All addresses from `first` to `last`, both included, written `first's text/prefix`. */
export interface Cidr {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
  readonly prefix: number;
}

export const widthOf = (version: 4 | 6): number => (version === 4 ? 32 : 128);

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    // No leading zeros: some read them as octal.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  let rest = text;
  // The last two groups may be written as a dotted quad (RFC 4291, 2.2).
  if (rest.includes('.')) {
    const colon = rest.lastIndexOf(':');
    const low = parseV4(rest.slice(colon + 1));
    if (low === undefined) return undefined;
    rest = `${rest.slice(0, colon + 1)}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const halves = rest.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string | undefined) => (half === undefined || half === '' ? [] : half.split(':'));
  const head = groupsOf(halves[0]);
  const tail = groupsOf(halves[1]);
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<string>(missing).fill('0'), ...tail]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    value = (value << 16n) | BigInt(`0x${group}`);
  }
  return value;
}

/** Reads an address; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const version = text.includes(':') ? 6 : 4;
  const value = version === 4 ? parseV4(text) : parseV6(text);
  return value === undefined ? undefined : { version, value };
}

function formatV6(value: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  // The first of the longest runs of two or more zero groups is written `::` (RFC 5952, 4.2).
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** Canonical text (RFC 5952 for IPv6). */
export function formatAddress(address: Address): string {
  if (address.version === 6) return formatV6(address.value);
  return [24n, 16n, 8n, 0n].map((shift) => ((address.value >> shift) & 0xffn).toString()).join('.');
}

/** The address in canonical text; undefined if it is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address);
}

/** The network that `address` lies in, with a prefix of that length. */
export function networkOf(address: Address, prefix: number): Cidr {
  const hostBits = BigInt(widthOf(address.version) - prefix);
  const first = (address.value >> hostBits) << hostBits;
  return { version: address.version, first, last: first + (1n << hostBits) - 1n, prefix };
}

/** Reads `address/prefix`, host bits set or not; undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const prefix = Number(match?.[2]);
  if (!address || prefix > widthOf(address.version)) return undefined;
  return networkOf(address, prefix);
}

/** Canonical text, host bits cleared. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ version: cidr.version, value: cidr.first })}/${cidr.prefix}`;
}

export function contains(cidr: Cidr, address: Address): boolean {
  return cidr.version === address.version && cidr.first <= address.value && address.value <= cidr.last;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.version === b.version && a.first <= b.last && b.first <= a.last;
}

/**
 * Whether a port may have this address in this subnet: not the IPv4 network and broadcast addresses, nor, but for routers,
 * the IPv6 subnet-router anycast address (RFC 4291, 2.6.1).
 */
export function isHostAddress(cidr: Cidr, address: Address, options: { router: boolean }): boolean {
  if (!contains(cidr, address)) return false;
  if (cidr.version === 6) return options.router || address.value !== cidr.first;
  // A /31 has two hosts and no broadcast (RFC 3021), a /32 one.
  if (cidr.prefix >= 31) return true;
  return address.value !== cidr.first && address.value !== cidr.last;
}
