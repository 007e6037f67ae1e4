/** Which segment carries a network: a VNI of our own choice, or what an admin names. */
import { candidates, scan } from '../ipam/choose.ts';
import type { Range } from '../ipam/pool.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow, NetworkType } from '../resources/network.ts';
import type { Transaction } from '../store/store.ts';
import { invalidInput } from './faults.ts';
import { rangesFor } from './network-segment-range.ts';
import type { Call, Settings } from './operation.ts';

export type Segment = Pick<NetworkRow, 'network_type' | 'physical_network' | 'segmentation_id'>;

/** A segment as asked for; `segmentation_id` null is to be chosen. */
type Asked = { -readonly [K in keyof Segment]?: Segment[K] | undefined };

const MAX_ID = { vxlan: 2 ** 24 - 1, vlan: 4094, flat: 0 } as const;
/** In place of the physical networks' names: all of them. */
const ANY = '*';
/** VXLAN, UDP, IPv4 and the inner Ethernet header. */
const VXLAN_OVERHEAD = 50;

/** The largest MTU of a network of this type. */
export const maxMtu = (settings: Settings, type: NetworkType): number =>
  type === 'vxlan' ? settings.underlayMtu - VXLAN_OVERHEAD : settings.underlayMtu;

/** Refuses combinations that mean nothing or that this cloud does not offer. */
export function checkSegment(settings: Settings, asked: Asked): Segment {
  const { physical_network = null, segmentation_id = null } = asked;
  if (asked.network_type === undefined && (physical_network !== null || segmentation_id !== null)) {
    throw invalidInput('network_type required');
  }
  const network_type = asked.network_type ?? 'vxlan';
  if (network_type === 'vxlan') {
    if (physical_network !== null) {
      throw invalidInput('provider:physical_network specified for vxlan network');
    }
  } else {
    const offered = network_type === 'vlan' ? settings.vlanNetworks : settings.flatNetworks;
    if (physical_network === null) {
      throw invalidInput(`physical_network required for ${network_type} provider network`);
    }
    if (offered.length === 0) {
      const what = network_type === 'vlan' ? 'VLAN' : 'Flat';
      throw invalidInput(`${what} provider networks are disabled`);
    }
    const offers = (name: string) => offered.includes(name);
    if (physical_network === ANY || !(offers(ANY) || offers(physical_network))) {
      throw invalidInput(
        `physical_network '${physical_network}' unknown for ${network_type} provider network`,
      );
    }
  }
  if (segmentation_id !== null) {
    if (network_type === 'flat') throw invalidInput('segmentation_id prohibited for flat provider network');
    if (segmentation_id < 1 || segmentation_id > MAX_ID[network_type]) {
      throw invalidInput(`segmentation_id out of range (1 through ${MAX_ID[network_type]})`);
    }
  }
  return { network_type, physical_network, segmentation_id };
}

function inUse(segment: Segment): Fault {
  const lead = 'Unable to create the';
  switch (segment.network_type) {
    case 'flat':
      return new Fault(
        'FlatNetworkInUse',
        `${lead} flat network. Physical network ${segment.physical_network} is in use.`,
      );
    case 'vlan':
      return new Fault(
        'VlanIdInUse',
        `${lead} network. The VLAN ${segment.segmentation_id} on physical network ${segment.physical_network} is in use.`,
      );
    case 'vxlan':
      return new Fault(
        'TunnelIdInUse',
        `${lead} network. The tunnel ID ${segment.segmentation_id} is in use.`,
      );
  }
}

interface Wanted {
  readonly kind: Segment;
  readonly count: number;
  readonly reserved: ReadonlySet<number>;
}

/** Free ids of one type and physical network out of these ranges, as many as asked for if there are. */
async function idsWithin(
  tx: Transaction,
  call: Call,
  { kind, count, reserved, ranges }: Wanted & { readonly ranges: readonly Range[] },
): Promise<number[]> {
  const { network_type, physical_network } = kind;
  const drawn = candidates(ranges, count * 2 + 6, call.random).map(Number);
  const rows = await tx.networks.find({ network_type, physical_network, segmentation_id: drawn });
  const taken = new Set([...reserved, ...rows.map((row) => row.segmentation_id)]);
  const free = drawn.filter((id) => !taken.has(id)).slice(0, count);
  if (free.length === count) return free;
  const all = await tx.networks.find({ network_type, physical_network });
  const used = new Set([...reserved, ...all.map((row) => row.segmentation_id ?? 0)].map(BigInt));
  const left = scan(ranges, used, MAX_ID.vxlan).map(Number);
  // From where nobody else begins who looks at the same moment.
  const offset = Math.floor(call.random.next() * (Math.max(left.length - count, 0) + 1));
  return left.slice(offset, offset + count);
}

/** Free ids for networks of one project, as many as asked for. */
async function chooseIds(
  tx: Transaction,
  call: Call,
  { projectId, ...wanted }: Wanted & { readonly projectId: string },
): Promise<number[]> {
  const { network_type, physical_network } = wanted.kind;
  if (network_type === 'flat') return [];
  const [first, last] = network_type === 'vxlan' ? call.settings.vniRange : [1, MAX_ID.vlan];
  const configured = { first: BigInt(first), last: BigInt(last) };
  const kind = { network_type, physical_network };
  const found: number[] = [];
  for (const ranges of await rangesFor(tx, { kind, projectId, configured })) {
    const count = wanted.count - found.length;
    if (count > 0) found.push(...(await idsWithin(tx, call, { ...wanted, count, ranges })));
  }
  if (found.length === wanted.count) return found;
  throw new Fault(
    'NoNetworkAvailable',
    'Unable to create the network. No project network is available for allocation.',
  );
}

/** Segments for new networks, each free as far as this transaction can see; a unique constraint has the last word. */
export async function chooseSegments(
  tx: Transaction,
  call: Call,
  asked: readonly (Asked & { readonly project_id: string })[],
): Promise<Segment[]> {
  const segments = asked.map((one) => checkSegment(call.settings, one));
  const projectOf = new Map(segments.map((segment, i) => [segment, asked[i]?.project_id ?? '']));
  const seen = new Set<string>();
  for (const segment of segments) {
    if (segment.segmentation_id === null && segment.network_type !== 'flat') continue;
    const key = JSON.stringify(segment);
    if (seen.has(key) || (await tx.networks.count(segment)) > 0) throw inUse(segment);
    seen.add(key);
  }
  const open = segments.filter((s) => s.segmentation_id === null && s.network_type !== 'flat');
  for (const group of Map.groupBy(
    open,
    (s) => `${s.network_type}/${s.physical_network}/${projectOf.get(s)}`,
  ).values()) {
    const kind = group[0];
    if (!kind) continue;
    const reserved = new Set(
      segments.flatMap((s) => (s.segmentation_id === null ? [] : [s.segmentation_id])),
    );
    const projectId = projectOf.get(kind) ?? '';
    const ids = await chooseIds(tx, call, { kind, count: group.length, reserved, projectId });
    for (const [i, segment] of group.entries()) segment.segmentation_id = ids[i] ?? null;
  }
  return segments;
}
