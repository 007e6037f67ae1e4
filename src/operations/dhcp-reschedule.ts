/**
 * What the background should do about DHCP, read from rows: networks of dead agents and of those that are switched off, networks
 * with too few agents, moves whose target died, ports that somebody deleted, agents with far more than others. It only reads and
 * decides; `beginMoves` does it. Nothing is remembered from one time to the next.
 */
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import type { NetworkRow } from '../resources/network.ts';
import { type Candidate, type Demand, planPlacements } from '../scheduling/place.ts';
import { overloaded, planRebalance, type Served, type Shift } from '../scheduling/rebalance.ts';
import { lacking, turnover } from '../scheduling/turnover.ts';
import type { Tables } from '../store/store.ts';
import type { Stay } from './dhcp-alerts.ts';
import type { Move } from './dhcp-moves.ts';
import { candidateOf, demandOf, eligibleAgents, standingOf } from './dhcp-placement.ts';
import { withoutPort } from './dhcp-scheduling.ts';
import type { Call } from './operation.ts';

export interface RescheduleOrder {
  /** Looks at every network; else only at those of agents that are dead or switched off, and at moves under way. */
  readonly all: boolean;
  /** Looks for bindings whose port is gone, at every port. */
  readonly ports: boolean;
  /** Replicas to add at most. */
  readonly most: number;
  /** Networks that an agent may have been given and not serve yet. */
  readonly budget: number;
  /** Networks to move at most to even out loads, when there is nothing else to do. */
  readonly even: number;
  /** Networks that were tried lately and could not be moved: they are left alone. */
  readonly skip?: ReadonlySet<string>;
  /** Networks whose move was refused lately: moves of these keep no others from being evened out, and they are not themselves. */
  readonly refused?: ReadonlySet<string>;
}

export interface ReschedulePlan {
  /** false: there was no reason to look. */
  readonly looked: boolean;
  readonly moves: readonly Move[];
  /** Whether more is to be done as soon as there is room. */
  readonly waiting: boolean;
  /** Networks with a binding that lacks its port: for `syncDhcp`. */
  readonly portless: readonly string[];
  /** Networks with DHCP that nobody serves now: their agents are dead, or switched off and heard by no server. */
  readonly deserted: ReadonlySet<string>;
  /**
   * Those of them that stay so after these moves. `queued`: that may be over soon, for some agent is to be given them when it has
   * room, or none is dead, and silence may end. `unserved`: all others.
   */
  readonly queued: readonly string[];
  readonly unserved: readonly string[];
  /** Networks that stay with an agent which is switched off, because there is no other that may have them. */
  readonly staying: readonly Stay[];
}

const NOTHING: ReschedulePlan = {
  looked: false,
  moves: [],
  waiting: false,
  portless: [],
  deserted: new Set(),
  queued: [],
  unserved: [],
  staying: [],
};

/** The rows of one decision. */
interface Facts {
  readonly agents: ReadonlyMap<string, AgentRow>;
  readonly bindings: readonly DhcpBindingRow[];
  readonly own: ReadonlyMap<string, readonly DhcpBindingRow[]>;
  readonly candidates: readonly Candidate[];
}

/** How many networks the agent has been given and does not serve yet, by what it reported. */
function owed(agent: AgentRow, bindings: readonly DhcpBindingRow[]): number {
  const realised = agent.realised_position;
  return bindings.filter((one) => one.position === null || realised === null || one.position > realised)
    .length;
}

async function readFacts(tables: Tables, call: Call, budget: number): Promise<Facts> {
  const agents = await tables.agents.find({ role: 'dhcp' });
  const bindings = await tables.dhcpBindings.find({});
  const staying = Map.groupBy(
    bindings.filter((one) => !one.leaving),
    (one) => one.agent_id,
  );
  const candidates = (await eligibleAgents(tables, call)).map(({ agent, physicalNetworks }) => {
    const given = staying.get(agent.id) ?? [];
    const room = Math.max(0, budget - owed(agent, given));
    return candidateOf(agent, { physicalNetworks, load: given.length, room });
  });
  return {
    agents: new Map(agents.map((agent) => [agent.id, agent])),
    bindings,
    own: Map.groupBy(bindings, (binding) => binding.network_id),
    candidates,
  };
}

/** The bindings that may be a matter now: of agents that are dead or switched off, and those that are leaving. Cheap where there are none. */
async function suspects(tables: Tables, call: Call): Promise<DhcpBindingRow[]> {
  const off = await tables.agents.find({ role: 'dhcp', admin_state_up: false });
  const dead = await tables.agents.find({ role: 'dhcp', liveness: 'dead' });
  const gone = [...off, ...dead.filter((agent) => !call.isAlive(agent))].map((agent) => agent.id);
  const left = gone.length > 0 ? await tables.dhcpBindings.find({ agent_id: gone }) : [];
  return [...left, ...(await tables.dhcpBindings.find({ leaving: true }))];
}

const standings = (call: Call, facts: Facts, networkId: string) =>
  (facts.own.get(networkId) ?? []).map((one) => standingOf(call, one, facts.agents.get(one.agent_id)));

function demandFor(call: Call, facts: Facts, network: NetworkRow): Demand {
  const bindings = facts.own.get(network.id) ?? [];
  const good = standings(call, facts, network.id).filter((one) => !one.leaving && one.alive && one.on);
  return demandOf(network, {
    bindings,
    staying: good.map((one) => facts.agents.get(one.agentId)),
    missing: lacking(standings(call, facts, network.id), call.settings.dhcpAgentsPerNetwork),
  });
}

/** The moves that these networks, which have DHCP, need. */
async function planMoves(
  tables: Tables,
  call: Call,
  { facts, networkIds, most }: { facts: Facts; networkIds: readonly string[]; most: number },
): Promise<{ moves: Move[]; waiting: ReadonlySet<string> }> {
  const wanted = call.settings.dhcpAgentsPerNetwork;
  const short = networkIds.filter((id) => lacking(standings(call, facts, id), wanted) > 0);
  const networks = short.length > 0 ? await tables.networks.find({ id: short }) : [];
  const demands = networks.map((network) => demandFor(call, facts, network));
  const plan = planPlacements(demands, facts.candidates, most);
  const additions = Map.groupBy(plan.additions, (one) => one.networkId);
  const waiting = new Set(plan.waiting);
  const moves = networkIds.flatMap((networkId): Move[] => {
    const add = (additions.get(networkId) ?? []).map((one) => one.agentId);
    const { leave, stay } = turnover(standings(call, facts, networkId), add.length, wanted);
    // Somebody will be given it soon: until then nothing is turned back.
    const kept = waiting.has(networkId) ? [] : stay;
    if (add.length + leave.length + kept.length === 0) return [];
    const isOff = leave.some((id) => facts.agents.get(id)?.admin_state_up === false);
    const why = leave.length === 0 ? 'short' : isOff ? 'off' : 'dead';
    return [{ networkId, add, leave, stay: kept, why }];
  });
  return { moves, waiting };
}

/** A few moves from the most loaded agent that can give any away. */
async function planEven(tables: Tables, facts: Facts, order: RescheduleOrder): Promise<Move[]> {
  if (order.even <= 0) return [];
  for (const source of overloaded(facts.candidates)) {
    const shifts = await shiftsFrom(tables, facts, { source, order });
    if (shifts.length > 0)
      return shifts.map(({ networkId, from, to }) => ({
        ...{ networkId, leave: [from], add: [to], stay: [] },
        why: 'uneven' as const,
      }));
  }
  return [];
}

/** What this agent has too many of and others may have. */
async function shiftsFrom(
  tables: Tables,
  facts: Facts,
  { source, order }: { readonly source: Candidate; readonly order: RescheduleOrder },
): Promise<Shift[]> {
  const { even: most, skip, refused } = order;
  const own = facts.bindings.filter((one) => one.agent_id === source.id && !one.leaving);
  const isSettled = (id: string) =>
    !skip?.has(id) && !refused?.has(id) && !facts.own.get(id)?.some((other) => other.leaving);
  const settled = own.filter((one) => isSettled(one.network_id));
  const networks = await tables.networks.find({ id: settled.map((one) => one.network_id) });
  const served = networks.map((network): Served => {
    const bindings = facts.own.get(network.id) ?? [];
    const others = bindings.filter((one) => one.agent_id !== source.id);
    return {
      networkId: network.id,
      physicalNetwork: network.physical_network,
      zoneHints: network.availability_zone_hints,
      bound: new Set(bindings.map((one) => one.agent_id)),
      otherZones: others.map((one) => facts.agents.get(one.agent_id)?.availability_zone ?? ''),
    };
  });
  const others = facts.candidates.filter((one) => one.id !== source.id);
  return planRebalance(source, others, { networks: served, most });
}

/**
 * Whether somebody serves the network, as far as is known. Where many hosts are silent at once none is declared dead; one that was
 * switched off meanwhile and that no server hears is not counted on.
 */
const isServed = (call: Call, facts: Facts, networkId: string): boolean =>
  (facts.own.get(networkId) ?? []).some(({ agent_id }) => {
    const agent = facts.agents.get(agent_id);
    if (!agent || !call.isAlive(agent)) return false;
    return agent.admin_state_up || call.isEligible({ ...agent, liveness: 'alive' });
  });

/** Who has the network although it is switched off, while nobody else is to serve it. */
function stayOf(call: Call, facts: Facts, networkId: string): Stay | undefined {
  const current = standings(call, facts, networkId).filter((one) => !one.leaving && one.alive);
  const [off] = current.filter((one) => !one.on);
  if (!off || current.some((one) => one.on)) return undefined;
  const host = facts.agents.get(off.agentId)?.host ?? '';
  return { networkId, host, reason: 'no other agent fits' };
}

/** What is to be done now. */
export async function planReschedule(
  tables: Tables,
  call: Call,
  order: RescheduleOrder,
): Promise<ReschedulePlan> {
  const { all, ports, most, budget, skip, refused } = order;
  const found = await suspects(tables, call);
  if (found.length === 0 && !all) return NOTHING;
  const facts = await readFacts(tables, call, budget);
  const concerned = [...new Set(found.map((one) => one.network_id))];
  const subnets = await tables.subnets.find({
    enable_dhcp: true,
    ...(all ? {} : { network_id: concerned }),
  });
  const networkIds = [...new Set(subnets.map((subnet) => subnet.network_id))].sort();
  const open = skip ? networkIds.filter((id) => !skip.has(id)) : networkIds;
  const { moves, waiting } = await planMoves(tables, call, { facts, networkIds: open, most });
  const portless = ports
    ? await withoutPort(
        tables,
        networkIds.flatMap((id) => facts.own.get(id) ?? []),
      )
    : [];
  const given = new Set(moves.filter((move) => move.add.length > 0).map((move) => move.networkId));
  const deserted = new Set(networkIds.filter((id) => !isServed(call, facts, id)));
  const alone = [...deserted].filter((id) => !given.has(id));
  const maySoon = (id: string) => waiting.has(id) || standings(call, facts, id).some((one) => one.alive);
  const isSettled = (id: string) => !given.has(id) && !waiting.has(id) && !deserted.has(id);
  // What is refused again and again is no reason to leave all others as they are.
  const isBusy = waiting.size > 0 || moves.some((move) => !refused?.has(move.networkId));
  return {
    looked: true,
    moves: all && !isBusy ? [...moves, ...(await planEven(tables, facts, order))] : moves,
    waiting: waiting.size > 0,
    portless,
    deserted,
    queued: alone.filter(maySoon),
    unserved: alone.filter((id) => !maySoon(id)),
    staying: open.flatMap((id) => (isSettled(id) ? (stayOf(call, facts, id) ?? []) : [])),
  };
}
