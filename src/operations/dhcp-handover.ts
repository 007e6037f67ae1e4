/** The end of moves: bindings that were leaving go, with their DHCP ports, once enough others serve (dhcp-moves.ts). */
import { doneUpTo, hasCaughtUp, type LogTail, tailOf } from '../convergence/handover.ts';
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
  readonly tail: LogTail;
  /** Its ports that are ACTIVE, as reports name them. */
  readonly active: ReadonlySet<string>;
}

/** What is read before it is known which ports are ACTIVE. */
type UnsettledFacts = Omit<NetworkFacts, 'active'>;

/** Of the log no more is read: whoever is further behind has not caught up. */
const MOST_CHANGES = 1_000;

const portOf = (facts: Pick<NetworkFacts, 'id' | 'ports'>, host: string): PortRow | undefined =>
  facts.ports.find((port) => port.device_id === dhcpDeviceId(host, facts.id));

/** What the agent has not realised of the network: objects, '' for all of it, and since when. */
const outstanding = (agent: AgentRow, networkId: string): ReportException[] =>
  agent.exceptions.filter((one) => one.key === `network/${networkId}`);

/** Whether the agent's dnsmasq runs as of the binding. */
function isRunning(
  agent: AgentRow,
  target: { readonly networkId: string; readonly position: number },
): boolean {
  const { networkId, position } = target;
  if (agent.exceptions.some((one) => isFailure(one, networkId))) return false;
  return hasRealised(progressOf(agent), { networkId, object: '' }, position);
}

const isFailure = (one: ReportException, networkId: string): boolean =>
  one.key === `network/${networkId}` && one.object === '' && one.state !== 'pending';

/** Whether somebody may be served by the object as it is now: a port that is ACTIVE, or what all ports have in common. */
const matters =
  (facts: NetworkFacts) =>
  (object: string): boolean =>
    facts.active.has(object) || !object.startsWith('port/');

/** Whether each agent that is to go lacks for as long what this one lacks of the network's objects that matter. */
function lacksNoMore(facts: NetworkFacts, agent: AgentRow): boolean {
  const sources = facts.bindings
    .filter((one) => one.leaving)
    .flatMap((one) => facts.dhcp.get(one.agent_id) ?? []);
  const lacks = outstanding(agent, facts.id).filter(({ object }) => object !== '' && matters(facts)(object));
  return sources.every((source) => {
    const theirs = outstanding(source, facts.id);
    return lacks.every(({ object, since }) =>
      theirs.some((one) => (one.object === '' || one.object === object) && one.since <= since),
    );
  });
}

/**
 * Whether the agent serves the network as of its binding, and all of it that another may serve (convergence/handover.ts): its dnsmasq
 * runs, its port is wired with an address wherever there is DHCP, it floods to those who are served, and each living host with a port
 * of the network floods to it. A host that does not yet would lose its DHCP with the old server.
 */
function isServed(call: Call, facts: NetworkFacts, binding: DhcpBindingRow): boolean {
  const { position, host } = binding;
  const dhcp = facts.dhcp.get(binding.agent_id);
  if (position === null || !dhcp || !isRunning(dhcp, { networkId: facts.id, position })) return false;
  const isUpToDate = (agent: AgentRow) =>
    hasCaughtUp(progressOf(agent), { networkId: facts.id, tail: facts.tail }, matters(facts));
  if (!isUpToDate(dhcp) || !lacksNoMore(facts, dhcp)) return false;
  if (facts.served.length === 0) return true;
  const port = portOf(facts, host);
  if (!port || !covers(port, facts.served)) return false;
  const reaches = (from: string): boolean => {
    const agent = facts.l2.get(from);
    if (!agent || !call.isAlive(agent)) return true;
    const isOwn = from === host;
    const object = isOwn ? `port/${port.id}` : `endpoint/${host}`;
    if (isOwn && (!isUpToDate(agent) || outstanding(agent, facts.id).some((one) => one.object === object)))
      return false;
    return hasRealised(progressOf(agent), { networkId: facts.id, object }, position);
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
  const tail = await readTail(tx, { bindings, dhcp, l2 });
  const [ownBindings, ownPorts] = [of(bindings), of(ports)];
  const facts = networks.map(({ id, admin_state_up }) => ({
    ...{ id, dhcp, l2, tail },
    bindings: ownBindings.get(id) ?? [],
    served: (admin_state_up && served.get(id)) || [],
    ports: ownPorts.get(id) ?? [],
  }));
  return withSettledPorts(tx, facts);
}

/** The log from where those are who are to take over. */
async function readTail(
  tx: Transaction,
  { bindings, dhcp, l2 }: Pick<NetworkFacts, 'bindings' | 'dhcp' | 'l2'>,
): Promise<LogTail> {
  const { position: head } = await tx.head();
  const done = bindings.flatMap(({ leaving, agent_id, host, network_id }) => {
    const agents = leaving ? [] : [dhcp.get(agent_id) ?? [], l2.get(host) ?? []].flat();
    return agents.map((agent) => doneUpTo(progressOf(agent), network_id));
  });
  const near = done.filter((position) => position >= head - MOST_CHANGES);
  const from = near.reduce((least, position) => Math.min(least, position), head) + 1;
  return tailOf(from > head ? [] : await tx.changesFrom(from, MOST_CHANGES), head + 1);
}

/**
 * The same, with the ports locked that a source alone may serve: those of the log's tail, and those that a target lacks. Else one could
 * become ACTIVE by the source's report at the very moment at which the source goes. The ports that go are locked in the same order.
 */
async function withSettledPorts(
  tx: Transaction,
  networks: readonly UnsettledFacts[],
): Promise<NetworkFacts[]> {
  const ids = networks.flatMap((facts) => {
    const changed = (facts.tail.byNetwork.get(facts.id) ?? []).map(({ object }) => object);
    const lacked = facts.bindings.flatMap(({ agent_id }) => {
      const agent = facts.dhcp.get(agent_id);
      return agent ? outstanding(agent, facts.id).map(({ object }) => object) : [];
    });
    const objects = new Set([...changed, ...lacked]);
    const leaving = facts.bindings.filter((one) => one.leaving).map((one) => portOf(facts, one.host));
    return facts.ports
      .filter((port) => objects.has(`port/${port.id}`) || leaving.includes(port))
      .map(({ id }) => id);
  });
  const found = ids.length > 0 ? await tx.ports.lock({ id: ids }) : [];
  const locked = new Map(found.map((port) => [port.id, port]));
  const asked = new Set(ids);
  return networks.map((facts) => {
    const ports = facts.ports.flatMap((port) => (asked.has(port.id) ? (locked.get(port.id) ?? []) : port));
    const active = ports.filter((port) => port.status === 'ACTIVE').map(({ id }) => `port/${id}`);
    return { ...facts, ports, active: new Set(active) };
  });
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
    return present.some(({ agent_id, leaving, position }) => {
      const agent = agents.get(agent_id);
      if (leaving || position === null || !agent || !call.isAlive(agent)) return false;
      return isRunning(agent, { networkId, position });
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
