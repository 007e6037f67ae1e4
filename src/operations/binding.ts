/** Binding: how, if at all, a host's L2 agent will wire a port. */
import type { AgentRow, HostRow } from '../resources/agent.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import type { Tables } from '../store/store.ts';

export type Binding = Pick<PortRow, 'host' | 'vif_type' | 'vif_details'>;

/** The hosts that ports are to be bound to, with their L2 agents. */
export interface BindingFacts {
  readonly hosts: ReadonlyMap<string, HostRow>;
  readonly agents: ReadonlyMap<string, AgentRow>;
}

export const UNBOUND: Binding = { host: '', vif_type: 'unbound', vif_details: {} };

export async function bindingFacts(tables: Tables, names: readonly string[]): Promise<BindingFacts> {
  const wanted = [...new Set(names)].filter((name) => name !== '');
  if (wanted.length === 0) return { hosts: new Map(), agents: new Map() };
  const hosts = await tables.hosts.find({ name: wanted });
  const agents = await tables.agents.find({ host: wanted, role: 'l2' });
  return {
    hosts: new Map(hosts.map((host) => [host.name, host])),
    agents: new Map(agents.map((agent) => [agent.host, agent])),
  };
}

/** Whether a host can attach the network: any with VXLAN, those with the physical network otherwise. */
export function reaches(host: Pick<HostRow, 'physical_networks'>, network: NetworkRow): boolean {
  return network.physical_network === null || host.physical_networks.includes(network.physical_network);
}

/**
 * The binding to `host`. A known L2 agent is enough, connected or not: it wires the port as soon as it is back, where Neutron
 * would give up with `binding_failed` for good.
 */
export function bind(
  facts: BindingFacts,
  {
    host,
    network,
    vnicType,
  }: { readonly host: string; readonly network: NetworkRow; readonly vnicType: string },
): Binding {
  if (host === '') return UNBOUND;
  const row = facts.hosts.get(host);
  const agent = facts.agents.get(host);
  const fits = row && agent?.admin_state_up && reaches(row, network) && vnicType === 'normal';
  if (!fits) return { host, vif_type: 'binding_failed', vif_details: {} };
  return { host, vif_type: 'bridge', vif_details: { port_filter: false, connectivity: 'l2' } };
}
