import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Cidr, formatCidr, networkOf, overlaps, parseCidr } from './address.ts';
import { carve, compacted, holdAll, remaining } from './blocks.ts';

const cidrs = (...texts: string[]): Cidr[] => texts.map((text) => parseCidr(text) as Cidr);
const written = (blocks: readonly Cidr[]): string[] => blocks.map(formatCidr);

/** Blocks within 10.0.0.0/24, so that a set of all their addresses is small. */
const BLOCKS = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 25, max: 32 }))
    .map(([low, prefix]) => networkOf({ version: 4, value: 0x0a000000n + BigInt(low) }, prefix)),
  { maxLength: 12 },
);
const addresses = (blocks: readonly Cidr[]): Set<number> =>
  new Set(
    blocks.flatMap(({ first, last }) =>
      Array.from({ length: Number(last - first) + 1 }, (_, i) => Number(first) + i),
    ),
  );
const sorted = (set: ReadonlySet<number>): number[] => [...set].sort((a, b) => a - b);

test('neighbours become one block, what lies in another goes', () => {
  assert.deepEqual(written(compacted(cidrs('10.0.1.0/24', '10.0.0.0/24', '10.0.0.9/32'))), ['10.0.0.0/23']);
  assert.deepEqual(written(compacted(cidrs('10.0.1.0/24', '10.0.2.0/24'))), ['10.0.1.0/24', '10.0.2.0/24']);
  assert.deepEqual(written(compacted(cidrs('::/1', '8000::/1'))), ['::/0']);
  assert.deepEqual(compacted([]), []);
});

test('the addresses stay the same, in blocks that can be no fewer', () =>
  fc.assert(
    fc.property(BLOCKS, (blocks) => {
      const few = compacted(blocks);
      assert.deepEqual(sorted(addresses(few)), sorted(addresses(blocks)));
      assert.deepEqual(compacted(few), few);
      assert.ok(few.length <= blocks.length);
    }),
  ));

test('what remains is what was not taken', () =>
  fc.assert(
    fc.property(BLOCKS, BLOCKS, (blocks, taken) => {
      const gone = addresses(taken);
      const left = new Set([...addresses(blocks)].filter((one) => !gone.has(one)));
      assert.deepEqual(sorted(addresses(remaining(blocks, taken))), sorted(left));
      assert.equal(holdAll(taken, blocks), left.size === 0);
    }),
  ));

test('a block is carved whenever there is one, free, of that length, and a larger one is broken only where no smaller will do', () =>
  fc.assert(
    fc.property(BLOCKS, BLOCKS, fc.integer({ min: 24, max: 32 }), (blocks, taken, prefix) => {
      const free = remaining(blocks, taken);
      const found = carve(free, prefix);
      const fitting = free.filter((block) => block.prefix <= prefix);
      if (!found) return assert.deepEqual(fitting, []);
      assert.equal(found.prefix, prefix);
      assert.ok(holdAll(free, [found]) && !taken.some((one) => overlaps(one, found)));
      const from = free.find((block) => overlaps(block, found)) as Cidr;
      assert.equal(from.prefix, Math.max(...fitting.map((block) => block.prefix)));
    }),
  ));

test('a pool is used up to its last address, and no more', () => {
  const pool = cidrs('10.0.0.0/26', '10.0.0.128/28');
  const taken: Cidr[] = [];
  for (let next = carve(pool, 28); next; next = carve(remaining(pool, taken), 28)) taken.push(next);
  assert.deepEqual(written(taken), [
    ...['10.0.0.128/28', '10.0.0.0/28', '10.0.0.16/28', '10.0.0.32/28', '10.0.0.48/28'],
  ]);
});
