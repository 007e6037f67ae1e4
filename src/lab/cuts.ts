/**
 * Faults of links, as data. A cut with `kind: carrier` takes the link down at the switch, which the host sees; the others
 * are rules of the switch, which it does not. The rules are one nftables table, replaced as a whole.
 */
import { type Layout, type Segment, findNode, linkOn } from './layout.ts';

export interface Cut {
  readonly node: string;
  readonly segment: Segment;
  readonly kind: 'carrier' | 'silent' | 'loss' | 'mtu';
  /** Seen from the host: `in` is what it no longer receives. */
  readonly direction: 'both' | 'in' | 'out';
  /** For loss: percent of frames lost. For mtu: the largest packet that passes, in bytes. */
  readonly amount?: number;
}

/** A sentence for people. */
export function describeCut(cut: Cut): string {
  const way = cut.direction === 'both' ? '' : `, ${cut.direction} only`;
  const what = {
    carrier: 'no carrier',
    silent: 'frames vanish',
    loss: `${cut.amount}% of frames lost`,
    mtu: `packets over ${cut.amount} bytes vanish`,
  }[cut.kind];
  return `${cut.node} ${cut.segment}: ${what}${way}`;
}

/** A later cut of the same link replaces the earlier one. */
export function withCut(cuts: readonly Cut[], cut: Cut): Cut[] {
  return [...cuts.filter((one) => one.node !== cut.node || one.segment !== cut.segment), cut];
}

/** Without those of the node (undefined: of any) on the segment (undefined: on any). */
export function withoutCuts(cuts: readonly Cut[], node?: string, segment?: Segment): Cut[] {
  return cuts.filter(
    (one) => (node !== undefined && one.node !== node) || (segment !== undefined && one.segment !== segment),
  );
}

const TABLE = 'bridge deuteron-lab';

/** The switch's rules for all cuts that are not of the carrier: text for `nft -f`. */
export function cutRuleset(layout: Layout, cuts: readonly Cut[]): string {
  const rules = cuts.flatMap((cut) => {
    const port = linkOn(findNode(layout, cut.node), cut.segment).switchPort;
    const match = {
      carrier: undefined,
      silent: '',
      loss: `numgen random mod 100 < ${cut.amount} `,
      mtu: `meta length > ${cut.amount} `,
    }[cut.kind];
    if (match === undefined) return [];
    const out = `    iifname "${port}" ${match}drop`;
    const into = `    oifname "${port}" ${match}drop`;
    return cut.direction === 'both' ? [out, into] : [cut.direction === 'out' ? out : into];
  });
  return [
    `table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    '  chain cuts {',
    '    type filter hook forward priority 0; policy accept;',
    ...rules,
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Lines for `ip -batch` in the switch namespace: down is what a carrier cut names, up all else. */
export function carrierBatch(layout: Layout, cuts: readonly Cut[]): string {
  const down = new Set(
    cuts
      .filter((cut) => cut.kind === 'carrier')
      .map((cut) => linkOn(findNode(layout, cut.node), cut.segment).switchPort),
  );
  return layout.nodes
    .flatMap((node) => node.links)
    .map((link) => `link set ${link.switchPort} ${down.has(link.switchPort) ? 'down' : 'up'}\n`)
    .join('');
}
