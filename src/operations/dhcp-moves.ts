/**
 * Moves of DHCP from agent to agent, in two transactions. The first (`beginMoves`) gives the network to the target, with a DHCP
 * port and addresses of the target's own, and marks the source's binding as leaving: the source serves on, and if it is dead
 * and returns meanwhile it serves until the second (`finishMoves`) finds that enough others do, and takes its binding and port.
 * Nothing waits for a dead agent: what it is to give up it learns when it is back, from the rows.
 *
 * Each is told what somebody decided from facts that may have changed since: it looks again under the networks' locks and leaves
 * out what no longer fits. So two servers that decide the same at once do it once.
 */
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { planPlacements } from '../scheduling/place.ts';
import type { Transaction } from '../store/store.ts';
import { recordBegun } from './dhcp-move-events.ts';
import { candidatesFor, demandOf, isTaker } from './dhcp-placement.ts';
import { covers, DHCP_OWNER, dhcpDeviceId, planDhcpPorts } from './dhcp-ports.ts';
import { insertBindings } from './dhcp-scheduling.ts';
import type { Call } from './operation.ts';
import { insertPorts } from './port.ts';

/** dead, off: of the source; short: too few served it; uneven: the source has many more than the target; stuck: it does not get it served. */
export type MoveReason = 'dead' | 'off' | 'short' | 'uneven' | 'stuck';

/** What is to change about one network. */
export interface Move {
  readonly networkId: string;
  /** Agents that are to leave it. */
  readonly leave: readonly string[];
  /** Agents that are given it. */
  readonly add: readonly string[];
  /** Agents that were to leave and stay after all. */
  readonly stay: readonly string[];
  readonly why: MoveReason;
}

export interface Begun {
  /** Bindings added, marked as leaving, and kept after all. */
  readonly added: number;
  readonly leaving: number;
  readonly kept: number;
  /** Moves that were left out because no address is left for the target's port, and the source lives. */
  readonly refused: readonly Move[];
  /** What was written down, for the log to say the same. */
  readonly events: readonly EventRow[];
}

/** The rows that moves are checked against, their networks locked. */
interface Facts {
  readonly networks: ReadonlyMap<string, NetworkRow>;
  readonly bindings: ReadonlyMap<string, readonly DhcpBindingRow[]>;
  readonly agents: ReadonlyMap<string, AgentRow>;
  readonly served: ReadonlyMap<string, readonly SubnetRow[]>;
  /** DHCP ports by device_id. */
  readonly ports: ReadonlyMap<string, PortRow>;
}

async function readFacts(tx: Transaction, networkIds: readonly string[]): Promise<Facts> {
  const networks = await tx.networks.lock({ id: networkIds });
  const network_id = networks.map((network) => network.id);
  const [bindings, subnets, ports, agents] = [
    await tx.dhcpBindings.find({ network_id }),
    await tx.subnets.find({ network_id, enable_dhcp: true }),
    await tx.ports.find({ network_id, device_owner: DHCP_OWNER }),
    await tx.agents.find({ role: 'dhcp' }),
  ];
  return {
    networks: new Map(networks.map((network) => [network.id, network])),
    bindings: Map.groupBy(bindings, (binding) => binding.network_id),
    agents: new Map(agents.map((agent) => [agent.id, agent])),
    served: Map.groupBy(subnets, (subnet) => subnet.network_id),
    ports: new Map(ports.map((port) => [port.device_id, port])),
  };
}

/** A move as it is done: what is left of it when it meets the rows. */
export interface Step {
  readonly network: NetworkRow;
  readonly why: MoveReason;
  readonly leave: AgentRow[];
  readonly add: AgentRow[];
  readonly stay: AgentRow[];
  /** Of `leave`, those whose binding goes at once. */
  readonly gone: AgentRow[];
}

/** What still fits of a move; undefined where nothing does, or nobody would be left. */
function checked(call: Call, facts: Facts, move: Move): Step | undefined {
  const network = facts.networks.get(move.networkId);
  if (!network) return undefined;
  const bindings = facts.bindings.get(network.id) ?? [];
  const agentsOf = (ids: readonly string[]) => ids.flatMap((id) => facts.agents.get(id) ?? []);
  const isBound = (leaving: boolean) => (agent: AgentRow) =>
    bindings.some((one) => one.agent_id === agent.id && one.leaving === leaving);
  const leave = agentsOf(move.leave).filter(isBound(false));
  const others = bindings.filter((one) => !one.leaving && !leave.some((agent) => agent.id === one.agent_id));
  const good = others.filter(({ agent_id }) => {
    const agent = facts.agents.get(agent_id);
    return agent?.admin_state_up && call.isAlive(agent);
  });
  const wanted = call.settings.dhcpAgentsPerNetwork;
  const add = agentsOf(move.add)
    .filter((agent) => agent.admin_state_up && isTaker(call, agent))
    .filter((agent) => !bindings.some((one) => one.agent_id === agent.id))
    .slice(0, Math.max(wanted - good.length, leave.length));
  const stay = agentsOf(move.stay)
    .filter(isBound(true))
    .slice(0, Math.max(0, wanted - good.length - add.length));
  if (leave.length + add.length + stay.length === 0) return undefined;
  if (leave.length > 0 && good.length + add.length === 0) return undefined;
  return { network, why: move.why, leave, add, stay, gone: [] };
}

/** The source's addresses in subnets that have none left for the target's port. */
function addressesOf(port: PortRow | undefined, target: PortRow, served: readonly SubnetRow[]) {
  const lacking = served.filter((subnet) => !covers(target, [subnet]));
  return port?.fixed_ips.filter((ip) => lacking.some((subnet) => subnet.id === ip.subnet_id)) ?? [];
}

/**
 * Sees to a target whose port found no address: it takes over that of a dead source, whose binding and port go at once, for
 * nobody is served by these. A source that lives keeps what it serves instead: false.
 */
function takeOver(call: Call, facts: Facts, { step, ports }: { step: Step; ports: readonly PortRow[] }) {
  const served = facts.served.get(step.network.id) ?? [];
  const short = ports.filter((port) => !covers(port, served));
  if (short.length === 0) return true;
  const sources = step.leave.map((agent) => ({
    agent,
    port: facts.ports.get(dhcpDeviceId(agent.host, step.network.id)),
  }));
  if (sources.some(({ agent }) => call.isAlive(agent))) return false;
  for (const port of short) {
    const source = sources.find((one) => addressesOf(one.port, port, served).length > 0);
    if (!source) continue;
    port.fixed_ips.push(...addressesOf(source.port, port, served));
    sources.splice(sources.indexOf(source), 1);
    step.gone.push(source.agent);
  }
  return true;
}

/** The ports that the steps' targets need, of the steps that can be done. */
async function portsFor(
  tx: Transaction,
  call: Call,
  { steps, facts }: { steps: readonly Step[]; facts: Facts },
): Promise<{ ports: PortRow[]; done: Step[] }> {
  const demands = steps.map((step) => ({
    network: step.network,
    served: facts.served.get(step.network.id) ?? [],
    hosts: (facts.served.has(step.network.id) ? step.add : [])
      .map((agent) => agent.host)
      .filter((host) => !facts.ports.has(dhcpDeviceId(host, step.network.id))),
  }));
  const planned = Map.groupBy(await planDhcpPorts(tx, call, demands), (port) => port.network_id);
  const done = steps.filter((step) =>
    takeOver(call, facts, { step, ports: planned.get(step.network.id) ?? [] }),
  );
  return { ports: done.flatMap((step) => planned.get(step.network.id) ?? []), done };
}

/** Pairs of agent and network, the networks of each agent together: one statement an agent. */
const byAgent = (steps: readonly Step[], agentsOf: (step: Step) => readonly AgentRow[]) =>
  Map.groupBy(
    steps.flatMap((step) => agentsOf(step).map((agent) => ({ id: agent.id, networkId: step.network.id }))),
    (pair) => pair.id,
  );

async function mark(tx: Transaction, leaving: boolean, pairs: ReturnType<typeof byAgent>): Promise<number> {
  let count = 0;
  for (const [agent_id, own] of pairs) {
    const network_id = own.map((pair) => pair.networkId);
    const where = { agent_id, network_id, leaving: !leaving };
    count += (await tx.dhcpBindings.update(where, { leaving })).length;
  }
  return count;
}

/** Begins many moves, of different networks, in one transaction. */
export async function beginMoves(tx: Transaction, call: Call, moves: readonly Move[]): Promise<Begun> {
  if (moves.length === 0) return { added: 0, leaving: 0, kept: 0, refused: [], events: [] };
  const facts = await readFacts(
    tx,
    moves.map((move) => move.networkId),
  );
  const steps = moves.flatMap((move) => checked(call, facts, move) ?? []);
  const { ports, done } = await portsFor(tx, call, { steps, facts });
  const gone = done.flatMap(({ network, gone: agents }) =>
    agents.flatMap((agent) => facts.ports.get(dhcpDeviceId(agent.host, network.id))?.id ?? []),
  );
  // Before their addresses are given to others.
  if (gone.length > 0) await tx.ports.remove({ id: gone });
  for (const [agent_id, own] of byAgent(done, (step) => step.gone)) {
    await tx.dhcpBindings.remove({ agent_id, network_id: own.map((pair) => pair.networkId) });
  }
  const leaving = await mark(
    tx,
    true,
    byAgent(done, (step) => step.leave.filter((agent) => !step.gone.includes(agent))),
  );
  const kept = await mark(
    tx,
    false,
    byAgent(done, (step) => step.stay),
  );
  const added = done.flatMap(({ network, add }) => add.map((agent) => ({ network_id: network.id, agent })));
  if (added.length > 0) await insertBindings(tx, added);
  await insertPorts(tx, ports, [...facts.served.values()].flat());
  const left = new Set(steps.filter((step) => !done.includes(step)).map((step) => step.network.id));
  const refused = moves.filter((move) => left.has(move.networkId));
  return { added: added.length, leaving, kept, refused, events: await recordBegun(tx, call, done) };
}

/** replaced: another was given it; leaving: that had happened already; nobody: there is none to give it to, or it is not bound. */
export type Replacement = 'replaced' | 'leaving' | 'nobody';

/**
 * Gives a network to another agent beside one that does not get it served. That one goes once the other serves, so that nothing is
 * taken down meanwhile; if there is no other, it stays.
 */
export async function replaceDhcpBinding(
  tx: Transaction,
  call: Call,
  { networkId, agentId }: { readonly networkId: string; readonly agentId: string },
): Promise<Replacement> {
  const [network] = await tx.networks.lock({ id: networkId });
  if (!network) return 'nobody';
  const bindings = await tx.dhcpBindings.find({ network_id: networkId });
  const own = bindings.find((binding) => binding.agent_id === agentId);
  if (!own) return 'nobody';
  if (own.leaving) return 'leaving';
  const others = bindings.filter((binding) => binding !== own && !binding.leaving);
  const agents = await tx.agents.find({ id: others.map((binding) => binding.agent_id) });
  const demand = demandOf(network, { bindings, staying: agents, missing: 1 });
  const { candidates } = await candidatesFor(tx, call, [demand]);
  const [addition] = planPlacements([demand], candidates).additions;
  if (!addition) return 'nobody';
  const move = { networkId, leave: [agentId], add: [addition.agentId], stay: [], why: 'stuck' as const };
  return (await beginMoves(tx, call, [move])).leaving > 0 ? 'replaced' : 'nobody';
}
