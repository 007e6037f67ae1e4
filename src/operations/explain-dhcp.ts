/** Who serves the DHCP of networks and who else could, as the scheduler sees it: the facts that `explain.ts` tells from. */
import type { BindingFacts, DhcpFacts, HoldingFacts } from '../convergence/dhcp-findings.ts';
import type { AgentFacts } from '../convergence/findings.ts';
import { parseAddress } from '../ipam/address.ts';
import { scan } from '../ipam/choose.ts';
import { isAutoAddress } from '../ipam/fixed-ips.ts';
import { rangesOf, sizeOf } from '../ipam/pool.ts';
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { fits } from '../scheduling/place.ts';
import type { View } from '../store/store.ts';
import { isHeard } from './convergence.ts';
import { demandOf, eligibleAgents } from './dhcp-placement.ts';
import type { Call } from './operation.ts';

/** The DHCP agents that live and take networks, with what their hosts reach. */
export type Takers = Awaited<ReturnType<typeof eligibleAgents>>;

export const readTakers = async (view: View, call: Call): Promise<Takers> =>
  (await eligibleAgents(view, call)).filter(({ agent }) => isHeard(call, agent));

/** Networks' DHCP but for the agents' standing. */
export interface DhcpRows {
  readonly networks: readonly NetworkRow[];
  readonly subnets: readonly SubnetRow[];
  readonly bindings: readonly DhcpBindingRow[];
  /** Those that have a binding. */
  readonly agents: readonly AgentRow[];
}

export async function readDhcp(view: View, ids: readonly string[]): Promise<DhcpRows> {
  if (ids.length === 0) return { networks: [], subnets: [], bindings: [], agents: [] };
  const networks = await view.networks.find({ id: ids });
  const subnets = await view.subnets.find({ network_id: ids, enable_dhcp: true });
  const bindings = await view.dhcpBindings.find({ network_id: ids });
  const bound = [...new Set(bindings.map((binding) => binding.agent_id))];
  const agents = bound.length === 0 ? [] : await view.agents.find({ id: bound });
  return { networks, subnets, bindings, agents };
}

/** Whether the subnet has no address left for another port. All of its addresses are read only where few can be left. */
async function isFull(view: View, subnet: SubnetRow): Promise<boolean> {
  if (isAutoAddress(subnet)) return false;
  const ranges = rangesOf(subnet.allocation_pools);
  const size = ranges.reduce((sum, range) => sum + sizeOf(range), 0n);
  if (size > BigInt(await view.ipAllocations.count({ subnet_id: subnet.id }))) return false;
  const rows = await view.ipAllocations.find({ subnet_id: subnet.id });
  const taken = new Set(rows.flatMap((row) => parseAddress(row.ip_address)?.value ?? []));
  return scan(ranges, taken, 1).length === 0;
}

/** How these networks' DHCP stands, in the order of the networks. */
export async function dhcpFactsOf(
  view: View,
  call: Call,
  context: { rows: DhcpRows; agents: ReadonlyMap<string, AgentFacts>; takers: Takers },
): Promise<DhcpFacts[]> {
  const { rows, agents, takers } = context;
  const subnetsOf = Map.groupBy(rows.subnets, (subnet) => subnet.network_id);
  const bindingsOf = Map.groupBy(rows.bindings, (binding) => binding.network_id);
  const found: DhcpFacts[] = [];
  for (const network of rows.networks) {
    const own = bindingsOf.get(network.id) ?? [];
    const subnets = subnetsOf.get(network.id) ?? [];
    const bindings = own.flatMap(({ agent_id, leaving, position }): BindingFacts[] => {
      const agent = agents.get(agent_id);
      return agent ? [{ agent, leaving, position }] : [];
    });
    const demand = demandOf(network, { bindings: own, staying: [], missing: 1 });
    const others = takers.filter(({ agent }) => !demand.bound.has(agent.id));
    const fitting = others.filter(({ agent, physicalNetworks }) =>
      fits({ zone: agent.availability_zone, physicalNetworks }, demand),
    );
    const isEmptied = bindings.some((one) => !one.leaving && !one.agent.adminStateUp);
    const full: string[] = [];
    for (const subnet of isEmptied ? subnets : []) if (await isFull(view, subnet)) full.push(subnet.cidr);
    found.push({
      ...{ networkId: network.id, isWanted: subnets.length > 0, bindings },
      ...{ wanted: call.settings.dhcpAgentsPerNetwork, living: others.length, fitting: fitting.length },
      ...{ physicalNetwork: demand.physicalNetwork, zoneHints: demand.zoneHints, full },
    });
  }
  return found;
}

/** Of an agent with more networks so many are looked at: enough to say what keeps them. */
const MOST_LOOKED_AT = 100;

/** What each of these DHCP agents has of those that are switched off, dead or held. */
export async function readHoldings(
  view: View,
  call: Call,
  context: {
    agents: readonly AgentFacts[];
    takers: Takers;
    standings: (rows: readonly AgentRow[]) => Promise<ReadonlyMap<string, AgentFacts>>;
  },
): Promise<HoldingFacts[]> {
  const { takers, standings } = context;
  const found: HoldingFacts[] = [];
  for (const agent of context.agents) {
    if (agent.role !== 'dhcp' || (agent.adminStateUp && agent.liveness === 'alive')) continue;
    const own = await view.dhcpBindings.find({ agent_id: agent.id });
    const ids = own.slice(0, MOST_LOOKED_AT).map((binding) => binding.network_id);
    const rows = await readDhcp(view, ids);
    const agents = await standings(rows.agents);
    const networks = await dhcpFactsOf(view, call, { rows, agents, takers });
    found.push({ agent, count: own.length, networks });
  }
  return found;
}
