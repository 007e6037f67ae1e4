/** Evening out: which networks go from the most to the least loaded agents, a few at a time, until loads are close. */
import { type Candidate, fits } from './place.ts';

/** A network that an agent serves, with all that decides where else it may be. */
export interface Served {
  readonly networkId: string;
  readonly physicalNetwork: string | null;
  readonly zoneHints: readonly string[];
  /** Every agent that has it, the one that serves it here included. */
  readonly bound: ReadonlySet<string>;
  /** The zones of its other replicas. */
  readonly otherZones: readonly string[];
}

export interface Shift {
  readonly networkId: string;
  readonly from: string;
  readonly to: string;
}

const FEWEST = 10;
const SHARE = 0.25;

/** Whether two loads are so far apart that moving is worth its while: by more than ten networks, and a quarter of the larger. */
export const isUneven = (most: number, least: number): boolean =>
  most - least > Math.max(FEWEST, most * SHARE);

/** The agents of which something should be moved, for some other has so much less: the most loaded first, ties by id. */
export function overloaded(candidates: readonly Candidate[]): Candidate[] {
  const sorted = [...candidates].sort((a, b) => b.load - a.load || (a.id < b.id ? -1 : 1));
  const least = sorted.findLast((one) => !one.isFailing)?.load ?? Number.POSITIVE_INFINITY;
  return sorted.filter((one) => isUneven(one.load, least));
}

/** Whether the network's replicas would stand in fewer zones with `to` instead of `from`. */
function crowds(network: Served, from: Candidate, to: Candidate): boolean {
  const zonesWith = (zone: string) => new Set([...network.otherZones, zone]).size;
  return zonesWith(to.zone) < zonesWith(from.zone);
}

/**
 * At most `most` networks of `source` for less loaded agents: only where hints, reach and the spread over zones allow, and
 * only while the loads of the two are uneven, so that nothing ever goes to and fro. Nothing goes where much fails.
 */
export function planRebalance(
  source: Candidate,
  others: readonly Candidate[],
  { networks, most }: { readonly networks: readonly Served[]; readonly most: number },
): Shift[] {
  const shifts: Shift[] = [];
  const targets = others
    .filter((agent) => !agent.isFailing)
    .map((agent) => ({ agent, load: agent.load, room: agent.room }));
  let load = source.load;
  for (const network of [...networks].sort((a, b) => (a.networkId < b.networkId ? -1 : 1))) {
    if (shifts.length >= most) break;
    targets.sort((a, b) => a.load - b.load || (a.agent.id < b.agent.id ? -1 : 1));
    const target = targets.find(
      ({ agent, room }) =>
        room > 0 && !network.bound.has(agent.id) && fits(agent, network) && !crowds(network, source, agent),
    );
    if (!target || !isUneven(load, target.load)) continue;
    shifts.push({ networkId: network.networkId, from: source.id, to: target.agent.id });
    target.load += 1;
    target.room -= 1;
    load -= 1;
  }
  return shifts;
}
