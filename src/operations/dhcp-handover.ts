/** The end of moves: bindings that were leaving go, with their DHCP ports, once enough others serve (dhcp-moves.ts). */
import { hasRealised, isUnattached } from '../convergence/provisioning.ts';
import type { AgentRow, DhcpBindingRow, ReportException } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { mayGo } from '../scheduling/turnover.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { aboutNetworks } from './dhcp-move-events.ts';
import { standingOf } from './dhcp-placement.ts';
import { covers, DHCP_OWNER, dhcpDeviceId } from './dhcp-ports.ts';
import { record } from './event.ts';
import type { Call } from './operation.ts';
import { progressOf } from './provisioning.ts';

/** One network's rows. */
interface NetworkFacts {
  readonly id: string;
  readonly bindings: readonly DhcpBindingRow[];
  /** Its subnets that have DHCP; none while the network is switched off, for then nobody serves it. */
  readonly served: readonly SubnetRow[];
  readonly ports: readonly PortRow[];
  readonly dhcp: ReadonlyMap<string, AgentRow>;
  /** L2 agents by host. */
  readonly l2: ReadonlyMap<string, AgentRow>;
}

const portOf = (facts: NetworkFacts, host: string): PortRow | undefined =>
  facts.ports.find((port) => port.device_id === dhcpDeviceId(host, facts.id));

/** What the agent has not realised of the network: objects, '' for all of it, and since when. */
const outstanding = (agent: AgentRow, networkId: string): ReportException[] =>
  agent.exceptions.filter((one) => one.key === `network/${networkId}`);

/**
 * Whether the agent's dnsmasq runs as of the binding and is no worse than those of `sources`, the living agents that are to go: it is as
 * far as they are, and what it lacks they lack too. A port that is ACTIVE by what one of these has realised is served on.
 */
function isRunning(
  agent: AgentRow | undefined,
  target: { readonly networkId: string; readonly position: number },
  sources: readonly AgentRow[],
): boolean {
  const { networkId, position } = target;
  if (!agent || !hasRealised(progressOf(agent), { networkId, object: '' }, position)) return false;
  const lacks = outstanding(agent, networkId);
  if (agent.exceptions.some((one) => isFailure(one, networkId))) return false;
  return sources.every((source) => {
    const theirs = outstanding(source, networkId);
    const isLackedThere = ({ object, since }: ReportException) =>
      theirs.some((one) => (one.object === '' || one.object === object) && one.since <= since);
    // one that lives and has not said how far it is, as after a lost tail, will say so: until then it may serve anything
    const isAsFar =
      source.realised_position !== null && (agent.realised_position ?? 0) >= source.realised_position;
    return isAsFar && lacks.every(isLackedThere);
  });
}

const isFailure = (one: ReportException, networkId: string): boolean =>
  one.key === `network/${networkId}` && one.object === '' && one.state !== 'pending';

/** The living agents that are leaving the network. */
function leavers(
  call: Call,
  bindings: readonly DhcpBindingRow[],
  agents: ReadonlyMap<string, AgentRow>,
): AgentRow[] {
  const found = bindings.filter((one) => one.leaving).flatMap((one) => agents.get(one.agent_id) ?? []);
  return found.filter((agent) => call.isAlive(agent));
}

/**
 * Whether the agent serves the network as of its binding: its dnsmasq runs, its port is wired with an address wherever there is
 * DHCP, and each living host with a port of the network floods to it. A host that does not yet would lose its DHCP with the old server.
 */
function isServed(call: Call, facts: NetworkFacts, binding: DhcpBindingRow): boolean {
  const { position, host } = binding;
  const sources = leavers(call, facts.bindings, facts.dhcp);
  if (position === null) return false;
  if (!isRunning(facts.dhcp.get(binding.agent_id), { networkId: facts.id, position }, sources)) return false;
  if (facts.served.length === 0) return true;
  const port = portOf(facts, host);
  if (!port || !covers(port, facts.served)) return false;
  const reaches = (from: string): boolean => {
    const agent = facts.l2.get(from);
    if (!agent || !call.isAlive(agent)) return true;
    const isOwn = from === host;
    const object = isOwn ? `port/${port.id}` : `endpoint/${host}`;
    // Its own floods go to every host that the old one was reached from.
    const least = isOwn ? Math.max(position, ...sources.map((one) => one.realised_position ?? 0)) : position;
    return hasRealised(progressOf(agent), { networkId: facts.id, object }, least);
  };
  // a host that the network does not reach floods to nobody, whatever is bound to it
  const clients = facts.ports.filter((one) => one.device_owner !== DHCP_OWNER && one.vif_type === 'bridge');
  return [...new Set([host, ...clients.map((one) => one.host)])].every(reaches);
}

/** The agents whose leaving bindings of the network may go. */
function done(call: Call, facts: NetworkFacts): Set<string> {
  // one that the network does not reach, as only a user can choose it, never serves: none is to wait for it
  const able = facts.bindings.filter(({ leaving, host }) => {
    const l2 = facts.l2.get(host);
    return leaving || !l2 || !isUnattached(progressOf(l2), facts.id);
  });
  const bindings = able.map((binding) => ({
    ...standingOf(call, binding, facts.dhcp.get(binding.agent_id)),
    served: isServed(call, facts, binding),
  }));
  return new Set(mayGo(bindings, call.settings.dhcpAgentsPerNetwork));
}

async function readFacts(tx: Transaction, networks: readonly NetworkRow[]): Promise<NetworkFacts[]> {
  const network_id = networks.map((network) => network.id);
  const of = <Row extends { readonly network_id: string }>(rows: readonly Row[]) =>
    Map.groupBy(rows, (row) => row.network_id);
  const bindings = await tx.dhcpBindings.find({ network_id });
  const served = of(await tx.subnets.find({ network_id, enable_dhcp: true }));
  const ports = await tx.ports.find({ network_id });
  const hosts = new Set([...bindings, ...ports].map((row) => row.host));
  const agents = await tx.agents.find({ host: [...hosts] });
  const dhcp = new Map(agents.filter((one) => one.role === 'dhcp').map((one) => [one.id, one]));
  const l2 = new Map(agents.filter((one) => one.role === 'l2').map((one) => [one.host, one]));
  const [ownBindings, ownPorts] = [of(bindings), of(ports)];
  return networks.map(({ id, admin_state_up }) => ({
    ...{ id, dhcp, l2 },
    bindings: ownBindings.get(id) ?? [],
    served: (admin_state_up && served.get(id)) || [],
    ports: ownPorts.get(id) ?? [],
  }));
}

/** The networks with a binding that is leaving: few at most times. */
export async function leavingNetworks(tables: Tables): Promise<string[]> {
  const leaving = await tables.dhcpBindings.find({ leaving: true });
  return [...new Set(leaving.map((binding) => binding.network_id))];
}

/** Those of them that are worth a look under their locks: some other agent has realised its binding. */
export async function ripeNetworks(tables: Tables, call: Call): Promise<string[]> {
  const ids = await leavingNetworks(tables);
  if (ids.length === 0) return [];
  const bindings = await tables.dhcpBindings.find({ network_id: ids });
  const own = Map.groupBy(bindings, (binding) => binding.network_id);
  const agents = new Map((await tables.agents.find({ role: 'dhcp' })).map((agent) => [agent.id, agent]));
  return ids.filter((networkId) => {
    const present = own.get(networkId) ?? [];
    const sources = leavers(call, present, agents);
    return present.some(({ agent_id, leaving, position }) => {
      const agent = agents.get(agent_id);
      if (leaving || position === null || !agent || !call.isAlive(agent)) return false;
      return isRunning(agent, { networkId, position }, sources);
    });
  });
}

export interface Finished {
  /** Bindings that went. */
  readonly gone: number;
  readonly events: readonly EventRow[];
}

/**
 * Removes what was leaving from those of these networks where enough others serve now. For a
 * hundred networks or so at once: their ports are read.
 */
export async function finishMoves(
  tx: Transaction,
  call: Call,
  networkIds: readonly string[],
): Promise<Finished> {
  const facts = await readFacts(tx, await tx.networks.lock({ id: networkIds }));
  const going = facts.flatMap((network) => {
    const agents = done(call, network);
    const bindings = network.bindings.filter((one) => one.leaving && agents.has(one.agent_id));
    return bindings.map((binding) => ({ binding, port: portOf(network, binding.host) }));
  });
  const ports = going.flatMap(({ port }) => port?.id ?? []);
  if (ports.length > 0) await tx.ports.remove({ id: ports });
  const events: EventRow[] = [];
  for (const [agent_id, own] of Map.groupBy(going, ({ binding }) => binding.agent_id)) {
    const network_id = own.map(({ binding }) => binding.network_id);
    await tx.dhcpBindings.remove({ agent_id, network_id, leaving: true });
    const { host } = own[0]!.binding;
    const event = aboutNetworks({ id: agent_id, host }, network_id, {
      ...{ kind: 'move-done', severity: 'info' },
      say: (networks) => `DHCP of ${networks} is served by others; ${host} no longer has it.`,
    });
    events.push(await record(tx, call, event));
  }
  return { gone: going.length, events };
}
