/** Sets of addresses as CIDRs: the blocks of a subnet pool, what is free of them, and which to take. */
import { type Cidr, networkOf, widthOf } from './address.ts';
import type { Range } from './pool.ts';

/** The addresses of CIDRs of one version as ranges, apart from each other and in order. */
function merged(cidrs: readonly Range[]): Range[] {
  const sorted = [...cidrs].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const ranges: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of sorted) {
    const before = ranges.at(-1);
    if (!before || first > before.last + 1n) ranges.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return ranges;
}

/** The addresses of `ranges` that are not in `taken`; both are merged. */
function without(ranges: readonly Range[], taken: readonly Range[]): Range[] {
  const left: Range[] = [];
  let next = 0;
  for (const { first, last } of ranges) {
    let at = first;
    while (next < taken.length && (taken[next] as Range).last < at) next++;
    for (let i = next; i < taken.length && (taken[i] as Range).first <= last; i++) {
      const hole = taken[i] as Range;
      if (hole.first > at) left.push({ first: at, last: hole.first - 1n });
      at = hole.last + 1n;
    }
    if (at <= last) left.push({ first: at, last });
  }
  return left;
}

/** As few CIDRs as hold the range: each as large as its alignment and the end allow. */
function blocksOf({ first, last }: Range, version: 4 | 6): Cidr[] {
  const blocks: Cidr[] = [];
  for (let value = first; value <= last; ) {
    let prefix = widthOf(version);
    let block = networkOf({ version, value }, prefix);
    while (prefix > 0) {
      const larger = networkOf({ version, value }, prefix - 1);
      if (larger.first !== value || larger.last > last) break;
      block = larger;
      prefix--;
    }
    blocks.push(block);
    value = block.last + 1n;
  }
  return blocks;
}

const asBlocks = (ranges: readonly Range[], version: 4 | 6): Cidr[] =>
  ranges.flatMap((range) => blocksOf(range, version));

/** As few CIDRs as hold the same addresses, in order. All are of one version. */
export function compacted(cidrs: readonly Cidr[]): Cidr[] {
  const [one] = cidrs;
  return one ? asBlocks(merged(cidrs), one.version) : [];
}

/** What is left of the CIDRs without those of `taken`, in as few blocks as can be, in order. All are of one version. */
export function remaining(cidrs: readonly Cidr[], taken: readonly Cidr[]): Cidr[] {
  const [one] = cidrs;
  return one ? asBlocks(without(merged(cidrs), merged(taken)), one.version) : [];
}

/** Whether `cidrs` hold every address of `part`. All are of one version. */
export const holdAll = (cidrs: readonly Cidr[], part: readonly Cidr[]): boolean =>
  without(merged(part), merged(cidrs)).length === 0;

/** A block of that length out of `free`: from the smallest that has it, of these the first, so that large ones last (as Neutron). */
export function carve(free: readonly Cidr[], prefix: number): Cidr | undefined {
  let best: Cidr | undefined;
  for (const block of free) {
    if (block.prefix > prefix) continue;
    if (!best || block.prefix > best.prefix || (block.prefix === best.prefix && block.first < best.first))
      best = block;
  }
  return best && networkOf({ version: best.version, value: best.first }, prefix);
}
