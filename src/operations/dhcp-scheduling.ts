/**
 * Keeps bindings and DHCP ports in step with subnets and agents, in the transaction that changes these. What comes of agents that
 * die, are switched off or return is the background's (dhcp-reschedule.ts).
 */
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { planPlacements } from '../scheduling/place.ts';
import { ForeignKeyViolation, RunAgain, type Transaction } from '../store/store.ts';
import { candidatesFor, demandOf } from './dhcp-placement.ts';
import {
  alignAddresses,
  createDhcpPorts,
  DHCP_OWNER,
  dhcpDeviceId,
  isOurs,
  ourPortsOn,
  type PortDemand,
} from './dhcp-ports.ts';
import type { Call } from './operation.ts';

/** Gives networks, locked, to agents from this transaction on. */
export async function insertBindings(
  tx: Transaction,
  added: readonly { readonly network_id: string; readonly agent: AgentRow }[],
): Promise<void> {
  try {
    await tx.dhcpBindings.insert(
      added.map(({ network_id, agent }) => ({
        ...{ network_id, agent_id: agent.id, host: agent.host },
        ...{ leaving: false, tag: tx.tag, position: null },
      })),
    );
  } catch (error) {
    // The agent went between being chosen and this; the next run does not find it.
    if (error instanceof ForeignKeyViolation && error.constraint === 'dhcp_bindings_agent')
      throw new RunAgain();
    throw error;
  }
}

/** Binds each of these networks, which are locked, to as many agents as it lacks, as far as there are any. */
async function schedule(
  tx: Transaction,
  call: Call,
  { networks, bindings }: { networks: readonly NetworkRow[]; bindings: readonly DhcpBindingRow[] },
): Promise<{ network_id: string; agent: AgentRow }[]> {
  const own = Map.groupBy(bindings, (binding) => binding.network_id);
  const short = networks.flatMap((network) => {
    const present = own.get(network.id) ?? [];
    const staying = present.filter((binding) => !binding.leaving);
    const missing = call.settings.dhcpAgentsPerNetwork - staying.length;
    return missing > 0 ? { network, present, staying, missing } : [];
  });
  if (short.length === 0) return [];
  const ids = [...new Set(short.flatMap((one) => one.staying.map((binding) => binding.agent_id)))];
  const bound = new Map((await tx.agents.find({ id: ids })).map((agent) => [agent.id, agent]));
  const demands = short.map(({ network, present, staying, missing }) =>
    demandOf(network, {
      ...{ bindings: present, missing },
      staying: staying.map((binding) => bound.get(binding.agent_id)),
    }),
  );
  const { candidates, agents } = await candidatesFor(tx, call, demands);
  const { additions } = planPlacements(demands, candidates);
  const added = additions.map(({ networkId, agentId }) => ({
    network_id: networkId,
    agent: agents.get(agentId)!,
  }));
  await insertBindings(tx, added);
  return added;
}

/** What one network's DHCP ports should be, against what they are. */
interface PortState {
  readonly network: NetworkRow;
  readonly served: readonly SubnetRow[];
  readonly hosts: ReadonlySet<string>;
  readonly ports: readonly PortRow[];
}

async function syncPorts(tx: Transaction, call: Call, states: readonly PortState[]): Promise<void> {
  const surplus = states.flatMap(({ ports, hosts }) => ports.filter((port) => !hosts.has(port.host)));
  if (surplus.length > 0) await tx.ports.remove({ id: surplus.map((port) => port.id) });
  const missing: PortDemand[] = [];
  for (const { network, served, hosts, ports } of states) {
    for (const port of ports) if (hosts.has(port.host)) await alignAddresses(tx, call, { port, served });
    const lacking = [...hosts].filter((host) => !ports.some((port) => port.host === host));
    if (lacking.length > 0) missing.push({ network, served, hosts: lacking });
  }
  await createDhcpPorts(tx, call, missing);
}

/**
 * Makes bindings and DHCP ports what the subnets of these networks ask for. The networks' rows are locked. Without a
 * subnet that has DHCP the ports go and the bindings stay. Returns how many bindings were added.
 */
export async function syncDhcp(
  tx: Transaction,
  call: Call,
  networks: readonly NetworkRow[],
): Promise<number> {
  if (networks.length === 0) return 0;
  const network_id = networks.map((network) => network.id);
  const subnets = Map.groupBy(
    await tx.subnets.find({ network_id, enable_dhcp: true }),
    (subnet) => subnet.network_id,
  );
  const bindings = await tx.dhcpBindings.find({ network_id });
  const withDhcp = networks.filter((network) => subnets.has(network.id));
  const added = await schedule(tx, call, { networks: withDhcp, bindings });
  const hosts = Map.groupBy(
    [...bindings, ...added.map((one) => ({ network_id: one.network_id, host: one.agent.host }))],
    (one) => one.network_id,
  );
  // All at once, and so in order: whoever locks ports of several networks does not wait in a circle.
  const ports = Map.groupBy(
    (await tx.ports.lock({ network_id, device_owner: DHCP_OWNER })).filter(isOurs),
    (port) => port.network_id,
  );
  const states = networks.map((network): PortState => {
    const served = subnets.get(network.id) ?? [];
    const own = served.length > 0 ? (hosts.get(network.id) ?? []) : [];
    return {
      ...{ network, served },
      hosts: new Set(own.map((one) => one.host)),
      ports: ports.get(network.id) ?? [],
    };
  });
  await syncPorts(tx, call, states);
  return added.length;
}

/** Locks the networks that a host serves, before its DHCP agent is removed. */
export async function lockServedNetworks(tx: Transaction, host: string): Promise<NetworkRow[]> {
  const served = [...(await tx.dhcpBindings.find({ host })), ...(await ourPortsOn(tx, host))];
  return tx.networks.lock({ id: [...new Set(served.map((one) => one.network_id))] });
}

/** Gives these networks to others, after the DHCP agent of the host that served them was removed with its bindings. */
export async function leaveNetworks(
  tx: Transaction,
  call: Call,
  { host, networks }: { readonly host: string; readonly networks: readonly NetworkRow[] },
): Promise<void> {
  const locked = new Set(networks.map((network) => network.id));
  // Given to the agent after the networks were looked up; its removal took that binding along unseen.
  if ((await ourPortsOn(tx, host)).some((port) => !locked.has(port.network_id))) throw new RunAgain();
  await syncDhcp(tx, call, networks);
}

/** The networks, of those with DHCP, that have a binding without its port: somebody deleted that. */
export async function withoutPort(
  tx: Pick<Transaction, 'ports'>,
  bindings: readonly Pick<DhcpBindingRow, 'network_id' | 'host'>[],
): Promise<string[]> {
  const ports = await tx.ports.find({ device_owner: DHCP_OWNER });
  const present = new Set(ports.map((port) => port.device_id));
  // A hash a host, not one a binding.
  const prefixes = new Map(bindings.map(({ host }) => [host, '']));
  for (const host of prefixes.keys()) prefixes.set(host, dhcpDeviceId(host, ''));
  const lacking = bindings.filter(
    ({ network_id, host }) => !present.has(`${prefixes.get(host)}${network_id}`),
  );
  return [...new Set(lacking.map((binding) => binding.network_id))];
}
