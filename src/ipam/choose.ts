import type { Random } from '../lib/random.ts';
import { type Range, sizeOf } from './pool.ts';

const totalOf = (ranges: readonly Range[]): bigint => ranges.reduce((sum, range) => sum + sizeOf(range), 0n);

/** A whole number in [0, bound). */
function below(random: Random, bound: bigint): bigint {
  if (bound <= 1n << 32n) return BigInt(Math.floor(random.next() * Number(bound)));
  // Two draws of 32 bits: pools beyond 2^64 addresses are drawn from their beginning only.
  const wide =
    (BigInt(Math.floor(random.next() * 2 ** 32)) << 32n) | BigInt(Math.floor(random.next() * 2 ** 32));
  return wide % bound;
}

/** The address at `index` of the ranges laid end to end. */
function at(ranges: readonly Range[], index: bigint): bigint {
  let rest = index;
  for (const range of ranges) {
    const size = sizeOf(range);
    if (rest < size) return range.first + rest;
    rest -= size;
  }
  throw new RangeError('index beyond the ranges');
}

/**
 * Up to `count` different addresses of the ranges, drawn at random: whoever asks then looks which of them are free.
 * Random, so that those who ask at the same time seldom ask for the same.
 */
export function candidates(ranges: readonly Range[], count: number, random: Random): bigint[] {
  const total = totalOf(ranges);
  const drawn = new Set<bigint>();
  if (total <= BigInt(count)) {
    for (let index = 0n; index < total; index++) drawn.add(at(ranges, index));
  } else {
    for (let draw = 0; draw < count * 4 && drawn.size < count; draw++)
      drawn.add(at(ranges, below(random, total)));
  }
  return [...drawn];
}

/** The free addresses of the ranges in order, at most `count`: looks at every address, for when candidates were all taken. */
export function scan(ranges: readonly Range[], taken: ReadonlySet<bigint>, count: number): bigint[] {
  const free: bigint[] = [];
  for (const range of ranges) {
    for (let value = range.first; value <= range.last && free.length < count; value++) {
      if (!taken.has(value)) free.push(value);
    }
  }
  return free;
}

/** A MAC with this prefix (`fa:16:3e`, or four bytes) and random last bytes. */
export function randomMac(prefix: string, random: Random): string {
  const bytes = prefix.toLowerCase().split(':').slice(0, 6);
  // Neutron's base_mac is written with six bytes, the trailing zeros to be filled in.
  while (bytes.length > 3 && bytes.at(-1) === '00') bytes.pop();
  while (bytes.length < 6)
    bytes.push(
      Math.floor(random.next() * 256)
        .toString(16)
        .padStart(2, '0'),
    );
  return bytes.join(':');
}
