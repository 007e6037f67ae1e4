/** Networks of addresses with a prefix length, as `ip` prints them. Pure. */
import { isIP } from 'node:net';

function bitsOf(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = '', tail] = address.split('::');
  const words = (text: string) => text.split(':').filter((word) => word !== '');
  const right = words(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - words(head).length - right.length;
  const all = [...words(head), ...new Array<string>(zeros).fill('0'), ...right];
  return all.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

function textOf(bits: bigint, family: 4 | 6): string {
  const [parts, width] = family === 4 ? [4, 8n] : [8, 16n];
  const all = Array.from(
    { length: parts },
    (_, at) => (bits >> (BigInt(parts - 1 - at) * width)) & ((1n << width) - 1n),
  );
  // The shortest form (RFC 5952) is the one that a URL has.
  return family === 4
    ? all.join('.')
    : new URL(`http://[${all.map((word) => word.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

/** How many bits after the prefix, and its length. */
function shapeOf(addressAndPrefix: string) {
  const [address = '', prefix = ''] = addressAndPrefix.split('/');
  const family: 4 | 6 = isIP(address) === 4 ? 4 : 6;
  return { address, prefix, family, rest: BigInt((family === 4 ? 32 : 128) - Number(prefix)) };
}

/** Whether an address is in the subnet of another with its prefix length. */
export function isIn(addressAndPrefix: string, other: string): boolean {
  const { address, rest } = shapeOf(addressAndPrefix);
  return isIP(address) === isIP(other) && bitsOf(address) >> rest === bitsOf(other) >> rest;
}

/** `10.1.0.1/24` to `10.1.0.0/24`; null: of that length, it is alone in it. */
export function networkOf(addressAndPrefix: string): string | null {
  const { address, prefix, family, rest } = shapeOf(addressAndPrefix);
  return rest === 0n ? null : `${textOf((bitsOf(address) >> rest) << rest, family)}/${prefix}`;
}
