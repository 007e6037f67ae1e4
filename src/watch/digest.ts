/**
 * The digest of a group: a sum mod 2^64 of hash(key, canonical body). A sum, so that one object's change costs one
 * subtraction and one addition whatever the group's size, and so that the order of objects does not matter.
 */
import { hash } from 'node:crypto';
import type { Body } from '../resources/agent-view.ts';
import type { Digest } from './protocol.ts';

export const EMPTY_DIGEST: Digest = '0000000000000000';

/** JSON with the keys of every object sorted, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const record = value as Record<string, unknown>;
  let text = '{';
  for (const key of Object.keys(record).sort()) {
    if (record[key] === undefined) continue;
    text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(record[key])}`;
  }
  return `${text}}`;
}

/** 64 bits of SHA-256 over key and body; the key is JSON-quoted, so that no two pairs give the same text. */
export function objectHash(key: string, body: Body): bigint {
  return hash('sha256', JSON.stringify(key) + canonicalJson(body), 'buffer').readBigUInt64BE(0);
}

/** A running sum over the objects of one group. */
export class DigestSum {
  #sum = 0n;

  add(key: string, body: Body): void {
    this.#sum = BigInt.asUintN(64, this.#sum + objectHash(key, body));
  }

  remove(key: string, body: Body): void {
    this.#sum = BigInt.asUintN(64, this.#sum - objectHash(key, body));
  }

  toString(): Digest {
    return this.#sum.toString(16).padStart(16, '0');
  }
}

/** The digest of a whole group at once. */
export function digestOf(objects: Iterable<readonly [string, Body]>): Digest {
  const sum = new DigestSum();
  for (const [key, body] of objects) sum.add(key, body);
  return sum.toString();
}
