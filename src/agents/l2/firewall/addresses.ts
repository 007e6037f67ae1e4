/** Addresses as nft prints them, and as numbers. Pure. */
import { isIP, SocketAddress } from 'node:net';
import { assert } from '../../../lib/assert.ts';
import { byText } from './remember.ts';

export type Version = 4 | 6;

export interface Prefix {
  readonly version: Version;
  /** Of the first address. */
  readonly value: bigint;
  readonly length: number;
  /** As nft prints it: `192.0.2.1`, `2001:db8::/64`. */
  readonly text: string;
}

const BITS: Readonly<Record<Version, number>> = { 4: 32, 6: 128 };

const MOST_KEPT = 50_000;

/** Of an address or a CIDR, host bits dropped; null: it is neither. */
export const parsePrefix = byText(MOST_KEPT, parse);

function parse(text: string): Prefix | null {
  const [address = '', digits, ...rest] = text.split('/');
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || rest.length > 0 || address.includes('%')) return null;
  const bits = BITS[version];
  if (digits !== undefined && !/^\d{1,3}$/.test(digits)) return null;
  const length = digits === undefined ? bits : Number(digits);
  if (length > bits) return null;
  const free = BigInt(bits - length);
  const value = (numberOf(address, version) >> free) << free;
  const first = textOf(value, version);
  return { version, value, length, text: length === bits ? first : `${first}/${length}` };
}

export const isWhole = ({ version, length }: Prefix): boolean => length === BITS[version];

/** RFC 4291, section 2.2. */
function numberOf(address: string, version: Version): bigint {
  if (version === 4) return address.split('.').reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (dotted !== null) {
    const low = numberOf(dotted[2] ?? '', 4);
    const groups = [(low >> 16n).toString(16), (low & 0xffffn).toString(16)].join(':');
    return numberOf(`${dotted[1]}${groups}`, 6);
  }
  const [head = '', tail] = address.split('::');
  const wordsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const high = wordsOf(head);
  const low = wordsOf(tail ?? '');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - high.length - low.length }, () => '0');
  return [...high, ...zeros, ...low].reduce((sum, word) => (sum << 16n) + BigInt(`0x${word}`), 0n);
}

function textOf(value: bigint, version: Version): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  const digits = value.toString(16).padStart(32, '0');
  const address = (digits.match(/.{4}/g) ?? []).join(':');
  return new SocketAddress({ address, family: 'ipv6' }).address;
}

/** The link-local address that is made of a MAC address (RFC 4291, appendix A). */
export const linkLocal = byText(MOST_KEPT, (mac: string): Prefix => {
  const octets = mac.split(':').map((octet) => Number.parseInt(octet, 16));
  assert(octets.length === 6 && octets.every((octet) => octet >= 0 && octet <= 255), 'a MAC address');
  const [first = 0, ...others] = octets;
  const id = [first ^ 2, ...others.slice(0, 2), 0xff, 0xfe, ...others.slice(2)];
  const value = id.reduce((sum, octet) => (sum << 8n) + BigInt(octet), 0xfe80n << 48n);
  return { version: 6, value, length: 128, text: textOf(value, 6) };
});

/** Without those that lie in another: an interval set of nft takes no two that overlap. */
export function disjoint(prefixes: Iterable<Prefix>): Prefix[] {
  const sorted = [...prefixes].sort((a, b) =>
    a.value < b.value ? -1 : a.value > b.value ? 1 : a.length - b.length,
  );
  const kept: Prefix[] = [];
  for (const one of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !contains(last, one)) kept.push(one);
  }
  return kept;
}

function contains(outer: Prefix, inner: Prefix): boolean {
  const free = BigInt(BITS[outer.version] - outer.length);
  return outer.length <= inner.length && outer.value >> free === inner.value >> free;
}
