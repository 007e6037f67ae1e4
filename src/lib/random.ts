import { randomBytes } from 'node:crypto';

/** Chance as an argument. `realRandom` draws from the operating system, `seededRandom` replays from a seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A version 4 UUID (RFC 9562). */
  uuid(): string;
  /** Uniform integer in [1, 2^53 - 1]: a transaction's tag. */
  tag(): number;
}

function uuidFrom(hex: string): string {
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Cryptographically strong. */
export const realRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  uuid: () => uuidFrom(randomBytes(16).toString('hex')),
  tag: () => Number(randomBytes(8).readBigUInt64BE() & (2n ** 53n - 1n) || 1n),
};

/** sfc32: small, fast, replayable; for simulation and tests, never for secrets. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88 ^ Math.trunc(seed / 2 ** 32);
  let c = 0xb7e15162;
  let counter = 1;
  const word = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 15; i++) word();
  const hex = () => word().toString(16).padStart(8, '0');
  return {
    next: () => word() / 2 ** 32,
    uuid: () => uuidFrom(hex() + hex() + hex() + hex()),
    tag: () => word() * 2 ** 21 + (word() >>> 11) || 1,
  };
}

/** A whole number in [low, high], both included. */
export function integerBetween(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low + 1));
}
