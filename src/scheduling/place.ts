/**
 * Which agents are given which networks, many at once. Zones that a network names (`availability_zone_hints`) are the only ones
 * for it, as in Neutron; within what is allowed an agent with which much fails is the last resort, replicas are spread over zones
 * next, then the least loaded agent is taken, ties by id. So the same facts give the same plan on every server.
 */

/** An agent that may be given more. */
export interface Candidate {
  readonly id: string;
  readonly zone: string;
  readonly physicalNetworks: readonly string[];
  /** How many networks it serves already. */
  readonly load: number;
  /** How many more it may be given now: what it was given and does not serve yet counts against its budget. */
  readonly room: number;
  /** Much of what it has been given fails there: only where there is no other. */
  readonly isFailing?: boolean;
}

/** Where a network may go. */
export interface Demand {
  readonly networkId: string;
  /** What the host must be able to attach; null: every host can. */
  readonly physicalNetwork: string | null;
  /** Empty: any zone. */
  readonly zoneHints: readonly string[];
  /** Agents that have it already, leaving ones included: never chosen again. */
  readonly bound: ReadonlySet<string>;
  /** The zones of the replicas that stay, one entry each. */
  readonly staying: readonly string[];
  /** How many replicas it lacks. */
  readonly missing: number;
}

export interface Addition {
  readonly networkId: string;
  readonly agentId: string;
}

export interface Plan {
  readonly additions: readonly Addition[];
  /** Networks for which there is an agent, but none that may be given more now. */
  readonly waiting: readonly string[];
  /** Networks for which there is no agent (any more) at all. */
  readonly hopeless: readonly string[];
}

/** Whether this agent could serve such a network, load and budget apart. */
export function fits(
  agent: Pick<Candidate, 'zone' | 'physicalNetworks'>,
  network: Pick<Demand, 'physicalNetwork' | 'zoneHints'>,
): boolean {
  const { physicalNetwork, zoneHints } = network;
  if (physicalNetwork !== null && !agent.physicalNetworks.includes(physicalNetwork)) return false;
  return zoneHints.length === 0 || zoneHints.includes(agent.zone);
}

interface Slot {
  readonly agent: Candidate;
  load: number;
  room: number;
}

const kindOf = ({ physicalNetwork, zoneHints }: Demand) =>
  JSON.stringify([physicalNetwork, [...zoneHints].sort()]);

/** Networks that nobody serves come first, then those with the fewest agents to choose from: others can give way. */
function inOrder(demands: readonly Demand[], slotsOf: ReadonlyMap<string, readonly Slot[]>): Demand[] {
  const choices = (demand: Demand) => slotsOf.get(kindOf(demand))?.length ?? 0;
  return [...demands].sort(
    (a, b) =>
      a.staying.length - b.staying.length ||
      choices(a) - choices(b) ||
      (a.networkId < b.networkId ? -1 : a.networkId > b.networkId ? 1 : 0),
  );
}

const isBefore = (a: Slot, b: Slot, crowd: ReadonlyMap<string, number>): boolean => {
  const failing = Number(a.agent.isFailing ?? false) - Number(b.agent.isFailing ?? false);
  const zones = (crowd.get(a.agent.zone) ?? 0) - (crowd.get(b.agent.zone) ?? 0);
  const order = failing || zones || a.load - b.load;
  return order === 0 ? a.agent.id < b.agent.id : order < 0;
};

/** Gives each network the agents that it lacks, at most `most` in all. */
export function planPlacements(
  demands: readonly Demand[],
  candidates: readonly Candidate[],
  most = Number.POSITIVE_INFINITY,
): Plan {
  const slots = candidates.map((agent): Slot => ({ agent, load: agent.load, room: agent.room }));
  const slotsOf = new Map<string, Slot[]>();
  for (const demand of demands) {
    const kind = kindOf(demand);
    if (!slotsOf.has(kind))
      slotsOf.set(
        kind,
        slots.filter((slot) => fits(slot.agent, demand)),
      );
  }
  const additions: Addition[] = [];
  const waiting: string[] = [];
  const hopeless: string[] = [];
  for (const demand of inOrder(demands, slotsOf)) {
    const { networkId, bound, staying, missing } = demand;
    const crowd = new Map<string, number>();
    for (const zone of staying) crowd.set(zone, (crowd.get(zone) ?? 0) + 1);
    const open = new Set((slotsOf.get(kindOf(demand)) ?? []).filter((slot) => !bound.has(slot.agent.id)));
    for (let given = 0; given < missing; given++) {
      let best: Slot | undefined;
      for (const slot of open) if (slot.room > 0 && (!best || isBefore(slot, best, crowd))) best = slot;
      if (!best || additions.length >= most) {
        (open.size > 0 ? waiting : hopeless).push(networkId);
        break;
      }
      additions.push({ networkId, agentId: best.agent.id });
      open.delete(best);
      best.load += 1;
      best.room -= 1;
      crowd.set(best.agent.zone, (crowd.get(best.agent.zone) ?? 0) + 1);
    }
  }
  return { additions, waiting, hopeless };
}
