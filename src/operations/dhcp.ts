/**
 * Who serves a network's DHCP. A binding gives a network to an agent; each binding has a DHCP port on the agent's host with
 * one address in each subnet that has DHCP. Both are written together, and kept in step with subnets and agents.
 */
import { createHash } from 'node:crypto';
import { requestedWants } from '../ipam/fixed-ips.ts';
import type { AgentRow, DhcpBindingRow } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { FixedIp, PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { chooseDhcpAgents } from '../scheduling/dhcp.ts';
import { ForeignKeyViolation, RunAgain, type Tables, type Transaction } from '../store/store.ts';
import { chooseAddresses, setAddresses } from './addresses.ts';
import { bind, bindingFacts, reaches } from './binding.ts';
import { agentNotFound, networkNotFound } from './faults.ts';
import type { Call } from './operation.ts';
import { insertPorts, planPorts } from './port.ts';
import { raiseBlocks, reopenBlocks } from './provisioning.ts';
import { touched } from './standard.ts';

const DHCP_OWNER = 'network:dhcp';
const DNS_NAMESPACE = '6ba7b8109dad11d180b400c04fd430c8';
/** Of more agents than this, as many are drawn and the least loaded of them taken: counting all would not scale. */
const SAMPLE = 16;
const NETWORKS_PER_PASS = 50;

/** A version 5 UUID in the DNS namespace (RFC 9562, 5.5). */
function nameUuid(name: string): string {
  const hash = createHash('sha1').update(Buffer.from(DNS_NAMESPACE, 'hex')).update(name).digest('hex');
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 3) | 8).toString(16);
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}

/** The device_id of the DHCP port of a host in a network, in Neutron's form. */
export const dhcpDeviceId = (host: string, networkId: string): string => `dhcp${nameUuid(host)}-${networkId}`;

async function schedulable(tx: Transaction, call: Call, network: NetworkRow): Promise<AgentRow[]> {
  const agents = await tx.agents.find({ role: 'dhcp', admin_state_up: true });
  const alive = agents.filter((agent) => call.isAlive(agent));
  if (alive.length === 0) return [];
  const hosts = await tx.hosts.find({ name: alive.map((agent) => agent.host) });
  const fit = new Set(hosts.filter((host) => reaches(host, network)).map((host) => host.name));
  const fitting = alive.filter((agent) => fit.has(agent.host));
  while (fitting.length > SAMPLE) fitting.splice(Math.floor(call.random.next() * fitting.length), 1);
  return fitting;
}

/** Gives one network to agents. Its ports' open blocks wait for what these realise from now on: before, it was not theirs. */
async function insertBindings(tx: Transaction, rows: readonly DhcpBindingRow[]): Promise<void> {
  try {
    await tx.dhcpBindings.insert(rows);
  } catch (error) {
    // The agent went between being chosen and this; the next run does not find it.
    if (error instanceof ForeignKeyViolation && error.constraint === 'dhcp_bindings_agent')
      throw new RunAgain();
    throw error;
  }
  await raiseBlocks(tx, rows[0]!.network_id);
}

/** A binding that this transaction makes. */
const fresh = (tx: Transaction) => ({ leaving: false, tag: tx.tag, position: null });

/** Binds the network to as many agents as are missing, as far as there are living ones. */
async function schedule(
  tx: Transaction,
  call: Call,
  { network, bindings }: { network: NetworkRow; bindings: readonly DhcpBindingRow[] },
): Promise<DhcpBindingRow[]> {
  const wanted = call.settings.dhcpAgentsPerNetwork;
  if (bindings.length >= wanted) return [];
  const agents = await schedulable(tx, call, network);
  const candidates = [];
  for (const { id } of agents) {
    const load = await tx.dhcpBindings.count({ agent_id: id });
    candidates.push({ id, alive: true, adminStateUp: true, reachesNetwork: true, load });
  }
  const chosen = chooseDhcpAgents(candidates, new Set(bindings.map((one) => one.agent_id)), wanted);
  const rows = chosen.map((agent_id) => ({
    network_id: network.id,
    agent_id,
    host: agents.find((agent) => agent.id === agent_id)!.host,
    ...fresh(tx),
  }));
  if (rows.length > 0) await insertBindings(tx, rows);
  return rows;
}

async function createDhcpPorts(
  tx: Transaction,
  call: Call,
  context: { network: NetworkRow; served: readonly SubnetRow[]; hosts: readonly string[] },
): Promise<void> {
  const { network, served, hosts } = context;
  if (hosts.length === 0) return;
  const facts = await bindingFacts(tx, hosts);
  const ports = await planPorts(tx, call, {
    network,
    // The DHCP port is on each subnet it serves, whatever the service types.
    subnets: served.map((subnet) => ({ ...subnet, service_types: [] })),
    facts,
    asked: hosts.map((host) => ({
      project_id: network.project_id,
      network_id: network.id,
      device_owner: DHCP_OWNER,
      device_id: dhcpDeviceId(host, network.id),
      host,
      port_security_enabled: false,
      fixed_ips: served.map((subnet) => ({ subnet_id: subnet.id })),
    })),
    partial: true,
  });
  await insertPorts(tx, ports, served);
}

/** Gives a DHCP port one address in each subnet that has DHCP, keeping those that it has there. */
async function alignAddresses(
  tx: Transaction,
  call: Call,
  { port, served }: { port: PortRow; served: readonly SubnetRow[] },
): Promise<void> {
  const keep = port.fixed_ips.filter((ip) => served.some((subnet) => subnet.id === ip.subnet_id));
  const missing = served.filter((subnet) => !keep.some((ip) => ip.subnet_id === subnet.id));
  let fresh: FixedIp[] = [];
  if (missing.length > 0) {
    const requests = missing.map((subnet) => ({ subnet_id: subnet.id }));
    const wants = requestedWants(requests, missing, port);
    const space = { networkId: port.network_id, subnets: missing };
    fresh = (await chooseAddresses(tx, call, { space, wants: [wants], partial: true }))[0] ?? [];
  }
  if (fresh.length === 0 && keep.length === port.fixed_ips.length) return;
  const fixed_ips = [...keep, ...fresh];
  await setAddresses(tx, port, fixed_ips);
  await tx.ports.update({ id: port.id }, { fixed_ips, ...touched(call, port) });
}

/** Whether it is a DHCP port of ours: those of that owner which somebody else made, for a server of their own, are not. */
const isOurs = (port: PortRow): boolean =>
  port.device_owner === DHCP_OWNER && port.device_id === dhcpDeviceId(port.host, port.network_id);

async function syncNetwork(tx: Transaction, call: Call, network: NetworkRow): Promise<number> {
  const subnets = await tx.subnets.find({ network_id: network.id });
  const served = subnets.filter((subnet) => subnet.enable_dhcp);
  const bindings = await tx.dhcpBindings.find({ network_id: network.id });
  const added = served.length > 0 ? await schedule(tx, call, { network, bindings }) : [];
  const hosts = served.length > 0 ? [...bindings, ...added].map((binding) => binding.host) : [];
  const ports = await tx.ports.lock({ network_id: network.id, device_owner: DHCP_OWNER });
  const ours = ports.filter(isOurs);
  const surplus = ours.filter((port) => !hosts.includes(port.host));
  if (surplus.length > 0) await tx.ports.remove({ id: surplus.map((port) => port.id) });
  for (const port of ours) {
    if (hosts.includes(port.host)) await alignAddresses(tx, call, { port, served });
  }
  const missing = hosts.filter((host) => !ours.some((port) => port.host === host));
  await createDhcpPorts(tx, call, { network, served, hosts: missing });
  return added.length;
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
  // All at once, and so in order: whoever locks ports of several networks does not wait in a circle.
  const ids = networks.map((network) => network.id);
  if (ids.length > 1) await tx.ports.lock({ network_id: ids, device_owner: DHCP_OWNER });
  let added = 0;
  for (const network of networks) added += await syncNetwork(tx, call, network);
  return added;
}

const ourPortsOn = async (tx: Transaction, host: string): Promise<PortRow[]> =>
  (await tx.ports.find({ host, device_owner: DHCP_OWNER })).filter(isOurs);

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

/** Some of the networks, in turn: those that cannot be helped do not keep others out. */
async function syncSome(tx: Transaction, call: Call, networkIds: readonly string[]): Promise<number> {
  const ids = [...networkIds].sort();
  if (ids.length > NETWORKS_PER_PASS) {
    const first = Math.floor(call.random.next() * ids.length);
    ids.push(...ids.splice(0, first));
    ids.length = NETWORKS_PER_PASS;
  }
  return ids.length === 0 ? 0 : syncDhcp(tx, call, await tx.networks.lock({ id: ids }));
}

/** The networks that have DHCP and fewer agents than they could have. */
async function underserved(tx: Transaction, call: Call): Promise<string[]> {
  const agents = await tx.agents.find({ role: 'dhcp', admin_state_up: true });
  const alive = agents.filter((agent) => call.isAlive(agent));
  if (alive.length === 0) return [];
  const served = await tx.subnets.find({ enable_dhcp: true });
  const counts = new Map(served.map((subnet) => [subnet.network_id, 0]));
  for (const binding of await tx.dhcpBindings.find({})) {
    const count = counts.get(binding.network_id);
    if (count !== undefined) counts.set(binding.network_id, count + 1);
  }
  // Fewer agents than wanted cannot be helped: such networks are not looked at for every new agent.
  const wanted = Math.min(call.settings.dhcpAgentsPerNetwork, alive.length);
  return [...counts].filter(([, count]) => count < wanted).map(([id]) => id);
}

/** The networks that have DHCP, and a binding without its port: somebody deleted that. */
async function withoutPort(tx: Transaction): Promise<string[]> {
  const subnets = await tx.subnets.find({ enable_dhcp: true });
  const served = new Set(subnets.map((subnet) => subnet.network_id));
  const ports = (await tx.ports.find({ device_owner: DHCP_OWNER })).filter(isOurs);
  const present = new Set(ports.map((port) => `${port.network_id} ${port.host}`));
  const bindings = await tx.dhcpBindings.find({});
  const lacking = bindings.filter(
    ({ network_id, host }) => served.has(network_id) && !present.has(`${network_id} ${host}`),
  );
  return [...new Set(lacking.map((binding) => binding.network_id))];
}

/**
 * Finds networks that have DHCP and too few agents (when they were made, none was alive) and gives them some, some
 * networks at a time. Returns how many bindings were added: call again until it is none.
 */
export const scheduleUnderserved = async (tx: Transaction, call: Call): Promise<number> =>
  syncSome(tx, call, await underserved(tx, call));

/** As `scheduleUnderserved`, and makes the DHCP ports again that somebody deleted, which takes a look at all of them. */
export async function scheduleUnhosted(tx: Transaction, call: Call): Promise<number> {
  const ids = [...(await underserved(tx, call)), ...(await withoutPort(tx))];
  return syncSome(tx, call, [...new Set(ids)]);
}

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

/** Gives a network to a DHCP agent, beside those that serve it. */
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
  if ((await tx.dhcpBindings.count({ network_id: networkId, agent_id: agentId })) > 0) {
    throw new Fault(
      'NetworkHostedByDHCPAgent',
      `The network ${networkId} has been already hosted by the DHCP Agent ${agentId}.`,
    );
  }
  await insertBindings(tx, [{ network_id: networkId, agent_id: agentId, host: agent.host, ...fresh(tx) }]);
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
 * Gives a network of one agent to another, with the DHCP port and its addresses: the new server then answers renewals that
 * clients send to the old one's address.
 */
export async function moveDhcpNetwork(
  tx: Transaction,
  call: Call,
  { networkId, from, to }: { readonly networkId: string; readonly from: string; readonly to: string },
): Promise<void> {
  const [network] = await tx.networks.lock({ id: networkId });
  if (!network) throw networkNotFound(networkId);
  const source = await dhcpAgent(tx, from);
  const target = await dhcpAgent(tx, to);
  await tx.dhcpBindings.remove({ network_id: networkId, agent_id: from });
  await insertBindings(tx, [{ network_id: networkId, agent_id: to, host: target.host, ...fresh(tx) }]);
  const [port] = await tx.ports.lock({
    network_id: networkId,
    device_id: dhcpDeviceId(source.host, networkId),
  });
  if (port) {
    const facts = await bindingFacts(tx, [target.host]);
    const [moved] = await tx.ports.update(
      { id: port.id },
      {
        ...bind(facts, { host: target.host, network, vnicType: 'normal' }),
        device_id: dhcpDeviceId(target.host, networkId),
        generation: port.generation + 1,
        status: 'DOWN',
        ...touched(call, port),
      },
    );
    if (moved) await reopenBlocks(tx, moved);
  }
  await syncDhcp(tx, call, [network]);
}

/** The networks that an agent serves. */
export async function networksOfDhcpAgent(
  tables: Tables,
  _call: Call,
  agentId: string,
): Promise<NetworkRow[]> {
  await dhcpAgent(tables, agentId);
  const bindings = await tables.dhcpBindings.find({ agent_id: agentId });
  const ids = bindings.map((binding) => binding.network_id);
  return ids.length === 0 ? [] : tables.networks.find({ id: ids });
}

/** The agents that serve a network. */
export async function dhcpAgentsOfNetwork(
  tables: Tables,
  _call: Call,
  networkId: string,
): Promise<AgentRow[]> {
  const bindings = await tables.dhcpBindings.find({ network_id: networkId });
  const ids = bindings.map((binding) => binding.agent_id);
  return ids.length === 0 ? [] : tables.agents.find({ id: ids });
}
