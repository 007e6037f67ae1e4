/** Network segment ranges, and which ids a project's networks may get. */
import type { Range } from '../ipam/pool.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import { type NetworkSegmentRangeRow, networkSegmentRangeMap } from '../resources/network-segment-range.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { invalidInput } from './faults.ts';
import type { Call } from './operation.ts';
import type { Change, Plain } from './plain.ts';

const MAX_VLAN = 4094;
const MOST_SHOWN = 4096;

type Kind = Pick<NetworkSegmentRangeRow, 'network_type' | 'physical_network'>;

const kindOf = ({ network_type, physical_network }: Kind): Kind => ({ network_type, physical_network });

const holds = ({ minimum, maximum }: NetworkSegmentRangeRow, id: number | null): boolean =>
  id !== null && id >= minimum && id <= maximum;

/** A shared one is of no project; VXLAN has no physical network. */
function complete(row: NetworkSegmentRangeRow): NetworkSegmentRangeRow {
  const physical_network = row.network_type === 'vlan' ? row.physical_network : null;
  return { ...row, physical_network, project_id: row.shared ? '' : row.project_id };
}

function checkEligible(row: NetworkSegmentRangeRow): void {
  const { minimum, maximum, network_type, physical_network, shared, project_id } = row;
  if (minimum > maximum) throw invalidInput(`minimum ${minimum} is larger than maximum ${maximum}`);
  if (network_type === 'vlan' && maximum > MAX_VLAN)
    throw invalidInput(`${maximum} is not a VLAN's tag: at most ${MAX_VLAN}`);
  if (network_type === 'vlan' && !physical_network)
    throw invalidInput("Network type vlan requires 'physical_network' to be specified");
  if (!shared && project_id === '') throw invalidInput('a range that is not shared needs a project_id');
}

/** The networks whose ids lie in these ranges of one kind. */
async function networksIn(tables: Tables, rows: readonly NetworkSegmentRangeRow[]): Promise<NetworkRow[]> {
  const [first] = rows;
  if (!first) return [];
  const size = ({ minimum, maximum }: NetworkSegmentRangeRow) => maximum - minimum + 1;
  // so few are found by the index
  const areFew = rows.reduce((sum, row) => sum + size(row), 0) <= MOST_SHOWN;
  const idsOf = (row: NetworkSegmentRangeRow) =>
    Array.from({ length: size(row) }, (_, at) => row.minimum + at);
  const named = areFew ? { segmentation_id: rows.flatMap(idsOf) } : {};
  const networks = await tables.networks.find({ ...kindOf(first), ...named });
  return networks.filter(({ segmentation_id }) => rows.some((row) => holds(row, segmentation_id)));
}

const inUse = (id: string): Fault =>
  new Fault(
    'NetworkSegmentRangeReferencedByProject',
    `Network Segment Range ${id} is referenced by one or more tenant networks.`,
  );

async function check(
  tx: Transaction,
  _call: Call,
  { before, after }: Change<NetworkSegmentRangeRow>,
): Promise<void> {
  checkEligible(after);
  const others = (await tx.networkSegmentRanges.lock(kindOf(after))).filter(({ id }) => id !== after.id);
  const overlapping = others.filter(
    (other) => after.minimum <= other.maximum && after.maximum >= other.minimum,
  );
  if (overlapping.length > 0) {
    const ids = overlapping.map(({ id }) => id).join(', ');
    const message = `Network segment range overlaps with range(s) with id ${ids}`;
    throw new Fault('NetworkSegmentRangeOverlaps', message);
  }
  if (before === null) return;
  const left = (await networksIn(tx, [before])).filter((network) => !holds(after, network.segmentation_id));
  if (left.length > 0) throw inUse(after.id);
}

export const networkSegmentRanges: Plain<NetworkSegmentRangeRow> = {
  map: networkSegmentRangeMap,
  table: 'networkSegmentRanges',
  adminWrites: true,
  complete,
  check,
  async checkUnused(tx, _call, row) {
    if ((await networksIn(tx, [row])).length > 0) throw inUse(row.id);
  },
};

/** What is used of each range, and what is free. */
export async function usage(
  tables: Tables,
  rows: readonly NetworkSegmentRangeRow[],
): Promise<Map<string, { used: Record<string, string>; available: number[] }>> {
  const found = new Map<string, { used: Record<string, string>; available: number[] }>();
  for (const alike of Map.groupBy(rows, (row) => JSON.stringify(kindOf(row))).values()) {
    const networks = await networksIn(tables, alike);
    for (const row of alike) {
      const own = networks.filter(({ segmentation_id }) => holds(row, segmentation_id));
      const used = Object.fromEntries(own.map((one) => [`${one.segmentation_id}`, one.project_id]));
      const available: number[] = [];
      for (let id = row.minimum; id <= row.maximum && available.length < MOST_SHOWN; id++)
        if (!Object.hasOwn(used, `${id}`)) available.push(id);
      found.set(row.id, { used, available });
    }
  }
  return found;
}

/** The range without what lies in the other. */
function without({ first, last }: Range, other: Range): Range[] {
  if (other.last < first || other.first > last) return [{ first, last }];
  return [
    ...(other.first > first ? [{ first, last: other.first - 1n }] : []),
    ...(other.last < last ? [{ first: other.last + 1n, last }] : []),
  ];
}

const asRange = ({ minimum, maximum }: NetworkSegmentRangeRow): Range => ({
  first: BigInt(minimum),
  last: BigInt(maximum),
});

/**
 * Where a project's network may get its id from, the first of them that has one left: what is the project's alone; then the
 * configured range and what is shared, without what is another project's alone. As in Neutron.
 */
export async function rangesFor(
  tables: Tables,
  { kind, projectId, configured }: { kind: Kind; projectId: string; configured: Range },
): Promise<Range[][]> {
  const rows = await tables.networkSegmentRanges.find(kindOf(kind));
  const own = rows.filter((row) => !row.shared && row.project_id === projectId);
  const kept = rows.filter((row) => !row.shared).map(asRange);
  let open: Range[] = [configured];
  for (const taken of [...kept, ...rows.filter((row) => row.shared).map(asRange)])
    open = open.flatMap((range) => without(range, taken));
  const shared = [...open, ...rows.filter((row) => row.shared).map(asRange)];
  return [own.map(asRange), shared].filter((ranges) => ranges.length > 0);
}
