import type { AllocationPool } from '../resources/subnet.ts';
import { type Address, type Cidr, formatAddress, parseAddress } from './address.ts';

/** Addresses from `first` to `last`, both included. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

export const sizeOf = (range: Range): bigint => range.last - range.first + 1n;

/** What hosts may use of a CIDR: without the IPv4 network and broadcast addresses and the IPv6 anycast address. */
export function usableRange(cidr: Cidr): Range {
  if (cidr.first === cidr.last) return { first: cidr.first, last: cidr.last };
  if (cidr.version === 6) return { first: cidr.first + 1n, last: cidr.last };
  if (cidr.prefix === 31) return { first: cidr.first, last: cidr.last };
  return { first: cidr.first + 1n, last: cidr.last - 1n };
}

/** The gateway that a subnet gets when none is named: its first usable address. */
export function defaultGateway(cidr: Cidr): Address {
  return { version: cidr.version, value: usableRange(cidr).first };
}

/** All usable addresses around the gateway: the pools of a subnet that names none. */
export function defaultPools(cidr: Cidr, gateway: Address | null): Range[] {
  const whole = usableRange(cidr);
  if (whole.first === whole.last || !gateway || gateway.version !== cidr.version) return [whole];
  const at = gateway.value;
  if (at < whole.first || at > whole.last) return [whole];
  const parts = [
    { first: whole.first, last: at - 1n },
    { first: at + 1n, last: whole.last },
  ];
  return parts.filter((part) => part.first <= part.last);
}

export function formatPool(range: Range, version: 4 | 6): AllocationPool {
  return {
    start: formatAddress({ version, value: range.first }),
    end: formatAddress({ version, value: range.last }),
  };
}

/** The pools of a stored subnet, as ranges. */
export function rangesOf(pools: readonly AllocationPool[]): Range[] {
  return pools.flatMap((pool) => {
    const start = parseAddress(pool.start);
    const end = parseAddress(pool.end);
    return start && end ? [{ first: start.value, last: end.value }] : [];
  });
}

export const inRanges = (ranges: readonly Range[], value: bigint): boolean =>
  ranges.some((range) => range.first <= value && value <= range.last);

/** Why pools that were asked for cannot be; the pools are in the canonical form `start-end`. */
export type PoolProblem =
  | { readonly kind: 'invalid'; readonly pool: string }
  | { readonly kind: 'out-of-bounds'; readonly pool: string }
  | { readonly kind: 'overlapping'; readonly pool: string; readonly other: string }
  | { readonly kind: 'holds-gateway'; readonly pool: string };

/** Reads pools that a client asked for, or says the first thing that is wrong with them. */
export function checkPools(
  cidr: Cidr,
  pools: readonly AllocationPool[],
  gateway: Address | null,
): { readonly ranges: Range[] } | { readonly problem: PoolProblem } {
  const usable = usableRange(cidr);
  const ranges: Range[] = [];
  const text = (range: Range) => Object.values(formatPool(range, cidr.version)).join('-');
  for (const { start, end } of pools) {
    const low = parseAddress(start);
    const high = parseAddress(end);
    if (low?.version !== cidr.version || high?.version !== cidr.version || low.value > high.value) {
      return { problem: { kind: 'invalid', pool: `${start}-${end}` } };
    }
    ranges.push({ first: low.value, last: high.value });
  }
  for (const range of ranges) {
    if (range.first < usable.first || range.last > usable.last) {
      return { problem: { kind: 'out-of-bounds', pool: text(range) } };
    }
  }
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : 1));
  for (const [i, range] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next && next.first <= range.last) {
      return { problem: { kind: 'overlapping', pool: text(range), other: text(next) } };
    }
  }
  const holder = gateway && sorted.find((range) => inRanges([range], gateway.value));
  if (holder) return { problem: { kind: 'holds-gateway', pool: text(holder) } };
  return { ranges };
}
