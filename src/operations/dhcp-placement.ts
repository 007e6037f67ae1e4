/** What `scheduling/` decides by, read from rows: who may be given networks, and what each network asks for. */
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import type { NetworkRow } from '../resources/network.ts';
import { type Candidate, type Demand, fits } from '../scheduling/place.ts';
import type { Standing } from '../scheduling/turnover.ts';
import type { Tables } from '../store/store.ts';
import type { Call } from './operation.ts';

/** Of more agents than this, as many are drawn and the least loaded of them taken: counting all would not scale. */
const SAMPLE = 16;

/** One network that fails says little of its agent, so many say that it is the agent or its host. */
const FAILING_NETWORKS = 3;

/** The facts of a binding as `scheduling/` takes them; one whose agent is unknown here is dead. */
export function standingOf(call: Call, binding: DhcpBindingRow, agent: AgentRow | undefined): Standing {
  return {
    agentId: binding.agent_id,
    leaving: binding.leaving,
    alive: agent !== undefined && call.isAlive(agent),
    on: agent?.admin_state_up ?? true,
  };
}

const isFailing = ({ exceptions }: AgentRow): boolean =>
  exceptions.filter((one) => one.state === 'failed' && one.object === '').length >= FAILING_NETWORKS;

/** An agent as a candidate; `room` how much more it may be given now. */
export function candidateOf(
  agent: AgentRow,
  facts: { readonly physicalNetworks: readonly string[]; readonly load: number; readonly room: number },
): Candidate {
  return { id: agent.id, zone: agent.availability_zone, isFailing: isFailing(agent), ...facts };
}

/** What a network asks for: `missing` replicas beside those that stay. */
export function demandOf(
  network: Pick<NetworkRow, 'id' | 'physical_network' | 'availability_zone_hints'>,
  context: {
    readonly bindings: readonly DhcpBindingRow[];
    readonly staying: readonly (AgentRow | undefined)[];
    readonly missing: number;
  },
): Demand {
  return {
    networkId: network.id,
    physicalNetwork: network.physical_network,
    zoneHints: network.availability_zone_hints,
    bound: new Set(context.bindings.map((binding) => binding.agent_id)),
    staying: context.staying.map((agent) => agent?.availability_zone ?? ''),
    missing: context.missing,
  };
}

/**
 * Those that may be given something new. Where there is none, those that are heard and only held down because they died
 * several times lately: a network is better with one of them than with nobody.
 */
export function takersAmong(call: Call, agents: readonly AgentRow[]): AgentRow[] {
  const eligible = agents.filter((agent) => call.isEligible(agent));
  return eligible.length > 0 ? eligible : agents.filter((agent) => isTaker(call, agent));
}

/** Whether it may be given something, for want of others at least. */
export const isTaker = (call: Call, agent: AgentRow): boolean =>
  call.isEligible(agent.liveness === 'held' ? { ...agent, liveness: 'alive' } : agent);

/** The DHCP agents that may be given something new (`takersAmong`), with the physical networks of their hosts. */
export async function eligibleAgents(
  tables: Tables,
  call: Call,
): Promise<{ agent: AgentRow; physicalNetworks: readonly string[] }[]> {
  const agents = await tables.agents.find({ role: 'dhcp', admin_state_up: true });
  const eligible = takersAmong(call, agents);
  if (eligible.length === 0) return [];
  const hosts = await tables.hosts.find({ name: eligible.map((agent) => agent.host) });
  const reach = new Map(hosts.map((host) => [host.name, host.physical_networks]));
  return eligible.map((agent) => ({ agent, physicalNetworks: reach.get(agent.host) ?? [] }));
}

/** Who may be given these networks right away; of many agents a random few for one network, so that creating it stays quick. */
export async function candidatesFor(
  tables: Tables,
  call: Call,
  demands: readonly Demand[],
): Promise<{ candidates: Candidate[]; agents: Map<string, AgentRow> }> {
  const eligible = await eligibleAgents(tables, call);
  const fitting = eligible.filter(({ agent, physicalNetworks }) =>
    demands.some((demand) => fits({ zone: agent.availability_zone, physicalNetworks }, demand)),
  );
  const loads = new Map<string, number>();
  if (demands.length === 1) {
    while (fitting.length > SAMPLE) fitting.splice(Math.floor(call.random.next() * fitting.length), 1);
  }
  if (fitting.length <= SAMPLE) {
    for (const { agent } of fitting) {
      loads.set(agent.id, await tables.dhcpBindings.count({ agent_id: agent.id, leaving: false }));
    }
  } else {
    for (const { agent_id, leaving } of await tables.dhcpBindings.find({})) {
      if (!leaving) loads.set(agent_id, (loads.get(agent_id) ?? 0) + 1);
    }
  }
  const candidates = fitting.map(({ agent, physicalNetworks }) =>
    candidateOf(agent, {
      physicalNetworks,
      load: loads.get(agent.id) ?? 0,
      room: Number.POSITIVE_INFINITY,
    }),
  );
  return { candidates, agents: new Map(fitting.map(({ agent }) => [agent.id, agent])) };
}
