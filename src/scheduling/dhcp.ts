/** Which agents serve a network's DHCP. */

export interface Candidate {
  readonly id: string;
  readonly alive: boolean;
  readonly adminStateUp: boolean;
  /** Whether the agent's host can attach the network. */
  readonly reachesNetwork: boolean;
  /** How many networks it serves already. */
  readonly load: number;
}

/**
 * The agents to add so that `wanted` serve the network, least loaded first, ties by id. Only agents that live and may be
 * used: others come into question again when the background looks for networks with too few. Those that serve already
 * count, dead or alive: moving away from a dead one is a decision of its own.
 */
export function chooseDhcpAgents(
  candidates: readonly Candidate[],
  hosting: ReadonlySet<string>,
  wanted: number,
): string[] {
  const missing = Math.max(0, wanted - hosting.size);
  return candidates
    .filter((c) => c.alive && c.adminStateUp && c.reachesNetwork && !hosting.has(c.id))
    .sort((a, b) => a.load - b.load || (a.id < b.id ? -1 : 1))
    .slice(0, missing)
    .map((c) => c.id);
}
