/**
 * Who serves a network's DHCP: the rows, and what an operator does with them by hand. A binding gives a network to an agent;
 * each has a DHCP port on the agent's host (dhcp-ports.ts). One that is leaving serves on until others do (dhcp-moves.ts).
 */
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { dhcpDeviceId } from './dhcp-ports.ts';
import { insertBindings, syncDhcp } from './dhcp-scheduling.ts';
import { agentNotFound, networkNotFound } from './faults.ts';
import type { Call } from './operation.ts';

/** The agent, if it serves DHCP. */
async function dhcpAgent(tables: Tables, id: string): Promise<AgentRow> {
  const agent = await tables.agents.get({ id });
  if (!agent) throw agentNotFound(id);
  if (agent.role !== 'dhcp') {
    throw new Fault('InvalidDHCPAgent', `Agent ${id} is not a valid DHCP Agent or has been disabled.`);
  }
  return agent;
}

interface BindingRequest {
  readonly agentId: string;
  readonly networkId: string;
}

/** Gives a network to a DHCP agent, beside those that serve it. One that is leaving it is to keep it: that is what was asked for. */
export async function addNetworkToDhcpAgent(
  tx: Transaction,
  call: Call,
  { agentId, networkId }: BindingRequest,
): Promise<void> {
  const [network] = await tx.networks.lock({ id: networkId });
  if (!network) throw networkNotFound(networkId);
  const agent = await dhcpAgent(tx, agentId);
  if (!agent.admin_state_up) {
    throw new Fault('InvalidDHCPAgent', `Agent ${agentId} is not a valid DHCP Agent or has been disabled.`);
  }
  const own = { network_id: networkId, agent_id: agentId };
  const present = await tx.dhcpBindings.get(own);
  if (present?.leaving === false) {
    throw new Fault(
      'NetworkHostedByDHCPAgent',
      `The network ${networkId} has been already hosted by the DHCP Agent ${agentId}.`,
    );
  }
  if (present) await tx.dhcpBindings.update(own, { leaving: false });
  else await insertBindings(tx, [{ network_id: networkId, agent }]);
  await syncDhcp(tx, call, [network]);
}

/** Takes a network from a DHCP agent, with the DHCP port that it had for it. No other agent takes over by this alone. */
export async function removeNetworkFromDhcpAgent(
  tx: Transaction,
  _call: Call,
  { agentId, networkId }: BindingRequest,
): Promise<void> {
  const [network] = await tx.networks.lock({ id: networkId });
  if (!network) throw networkNotFound(networkId);
  const agent = await dhcpAgent(tx, agentId);
  const removed = await tx.dhcpBindings.remove({ network_id: networkId, agent_id: agentId });
  if (removed.length === 0) {
    throw new Fault(
      'NetworkNotHostedByDhcpAgent',
      `The network ${networkId} is not hosted by the DHCP agent ${agentId}.`,
    );
  }
  await tx.ports.remove({ network_id: networkId, device_id: dhcpDeviceId(agent.host, networkId) });
}

/**
 * Whether the API shows a binding. In Neutron a network that was taken from a dead agent is no longer listed with it, and a script
 * that empties an agent waits until its list is empty. So one that is leaving is shown exactly while it still serves: while its
 * agent lives.
 */
const isShown = (call: Call, binding: DhcpBindingRow, agent: AgentRow): boolean =>
  !binding.leaving || call.isAlive(agent);

/** The networks that an agent serves. */
export async function networksOfDhcpAgent(
  tables: Tables,
  call: Call,
  agentId: string,
): Promise<NetworkRow[]> {
  const agent = await dhcpAgent(tables, agentId);
  const bindings = await tables.dhcpBindings.find({ agent_id: agentId });
  const shown = bindings.filter((binding) => isShown(call, binding, agent));
  const ids = shown.map((binding) => binding.network_id);
  return ids.length === 0 ? [] : tables.networks.find({ id: ids });
}

/** The agents that serve a network. */
export async function dhcpAgentsOfNetwork(
  tables: Tables,
  call: Call,
  networkId: string,
): Promise<AgentRow[]> {
  const bindings = new Map(
    (await tables.dhcpBindings.find({ network_id: networkId })).map((one) => [one.agent_id, one]),
  );
  if (bindings.size === 0) return [];
  const agents = await tables.agents.find({ id: [...bindings.keys()] });
  return agents.filter((agent) => isShown(call, bindings.get(agent.id)!, agent));
}
