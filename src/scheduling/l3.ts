/**
 * Which agents are given replicas of a router, and which of them is preferred. As for networks (place.ts): the zones that are asked for
 * only, spread over zones, then the least loaded. The first of a new router's replicas is preferred: of those that are chosen the one
 * that is preferred by the fewest routers, so that active instances are spread as well as replicas.
 */
import { type Candidate, planPlacements } from './place.ts';

export interface RouterCandidate extends Candidate {
  /** How many routers prefer it. */
  readonly preferred: number;
}

export interface RouterDemand {
  readonly routerId: string;
  readonly zoneHints: readonly string[];
  /** What its host must be able to attach. */
  readonly physicalNetworks: readonly string[];
  /** Agents that have it already, leaving ones included. */
  readonly bound: ReadonlySet<string>;
  /** The zones of the replicas that stay. */
  readonly staying: readonly string[];
  /** Ranks that are taken. */
  readonly ranks: readonly number[];
  readonly missing: number;
}

export interface Replica {
  readonly agentId: string;
  readonly rank: number;
}

/** The replicas to add, the preferred first; fewer than are missing where there are no more agents. */
export function planReplicas(demand: RouterDemand, candidates: readonly RouterCandidate[]): Replica[] {
  const fitting = candidates.filter((agent) =>
    demand.physicalNetworks.every((name) => agent.physicalNetworks.includes(name)),
  );
  const { additions } = planPlacements(
    [
      {
        networkId: demand.routerId,
        physicalNetwork: null,
        zoneHints: demand.zoneHints,
        bound: demand.bound,
        staying: demand.staying,
        missing: demand.missing,
      },
    ],
    fitting,
  );
  const byId = new Map(fitting.map((agent) => [agent.id, agent]));
  const chosen = additions.flatMap(({ agentId }) => byId.get(agentId) ?? []);
  const ranks = freeRanks(demand.ranks, chosen.length);
  // A preferred one that is there already stays so.
  if (ranks[0] === 0) chosen.sort((a, b) => a.preferred - b.preferred || (a.id < b.id ? -1 : 1));
  return chosen.map((agent, at) => ({ agentId: agent.id, rank: ranks[at] as number }));
}

function freeRanks(taken: readonly number[], count: number): number[] {
  const free: number[] = [];
  for (let rank = 0; free.length < count; rank++) if (!taken.includes(rank)) free.push(rank);
  return free;
}
