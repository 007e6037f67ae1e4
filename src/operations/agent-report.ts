/** What an agent has realised, as it reports it; and what follows for ports. Status takes no position in the log. */
import { timestamp } from '../lib/clock.ts';
import { hasRealised, hasRealisedKey } from '../convergence/provisioning.ts';
import { isFirewallGroup, splitKey } from '../resources/agent-view.ts';
import type { AgentRow, KeptException, ReportException, Role } from '../resources/agent.ts';
import type { Place } from '../resources/place.ts';
import type { PortRow } from '../resources/port.ts';
import type { EventRow } from '../resources/event.ts';
import type { ReplicaReport } from '../resources/replica-report.ts';
import type { Transaction } from '../store/store.ts';
import { firewallKeysOf } from './firewall-keys.ts';
import type { Call } from './operation.ts';
import { liftBlocks, progressOf } from './provisioning.ts';
import { applyRoles, type Dispute, readRoles, type RolesOutcome, weightyRouters } from './router-roles.ts';

/** One role's state, whole: it replaces the previous report (watch/protocol.ts). */
export interface RoleReport {
  readonly role: Role;
  readonly incarnation: number;
  readonly counter: number;
  readonly exceptions: readonly ReportException[];
  readonly exceptionCount: number;
  readonly configurations: Readonly<Record<string, unknown>>;
  readonly roles?: readonly ReplicaReport[];
}

export interface ReportRequest {
  readonly host: string;
  readonly report: RoleReport;
  /** The report's realised place, if this log holds it; null: unknown. */
  readonly place: Place | null;
  /** What it says of roles was taken already (`takeRoles`). */
  readonly hasRoles?: boolean;
}

const PORT = 'port/';
const isNewer = (report: RoleReport, agent: AgentRow): boolean =>
  report.incarnation > agent.incarnation ||
  (report.incarnation === agent.incarnation && report.counter > agent.counter);

const isSame = (report: RoleReport, agent: AgentRow): boolean =>
  report.incarnation === agent.incarnation && report.counter === agent.counter;

/** Of these networks, routers and parts of firewalls, by their keys, those that the host's role has to care for. */
async function keysInScope(
  tx: Transaction,
  { host, role, agentId }: { host: string; role: Role; agentId: string },
  keys: readonly string[],
): Promise<Set<string>> {
  const idsOf = (kind: string) =>
    [...new Set(keys)].filter((key) => splitKey(key).kind === kind).map((key) => splitKey(key).id);
  if (role === 'l3') {
    const router_id = idsOf('router');
    const own = router_id.length > 0 ? await tx.routerBindings.find({ agent_id: agentId, router_id }) : [];
    return new Set(own.map((one) => `router/${one.router_id}`));
  }
  const network_id = idsOf('network');
  const firewall = role === 'l2' && keys.some(isFirewallGroup) ? await firewallOfHost(tx, host) : [];
  if (network_id.length === 0) return new Set(firewall);
  const found = (await tx.dhcpBindings.find({ host, network_id })).map((one) => one.network_id);
  if (role === 'l2') {
    found.push(...(await tx.ports.find({ host, network_id })).map((port) => port.network_id));
    const routers = (await tx.routerBindings.find({ host })).map((one) => one.router_id);
    if (routers.length > 0)
      found.push(...(await tx.ports.find({ network_id, device_id: routers })).map((port) => port.network_id));
  }
  return new Set([...firewall, ...found.map((id) => `network/${id}`)]);
}

/** What the firewalls of the host's ports are made of. */
async function firewallOfHost(tx: Transaction, host: string): Promise<string[]> {
  const ports = await tx.ports.find({ host });
  const firewallOf = await firewallKeysOf(tx, ports);
  return ports.flatMap((port) => [...firewallOf(port.id)]);
}

/**
 * The exceptions about what is still this host's to care for, and the ports that they name; the others are dropped one by one. What
 * an agent has yet to clear away is its own matter: nobody is served by it.
 */
async function inScope(
  tx: Transaction,
  agent: { host: string; role: Role; agentId: string },
  exceptions: readonly ReportException[],
): Promise<{ exceptions: ReportException[]; ports: Map<string, PortRow> }> {
  const { host, role } = agent;
  const portIdOf = (exception: ReportException) =>
    exception.object.startsWith(PORT) ? exception.object.slice(PORT.length) : undefined;
  const ids = [...new Set(exceptions.flatMap((exception) => portIdOf(exception) ?? []))];
  const rows = ids.length > 0 ? await tx.ports.find({ id: ids }) : [];
  const ports = new Map(rows.filter((port) => role !== 'l2' || port.host === host).map((p) => [p.id, p]));
  const keys = await keysInScope(
    tx,
    agent,
    exceptions.map((exception) => exception.key),
  );
  const kept = exceptions.filter(({ key, ...rest }) => {
    const { kind } = splitKey(key);
    if ((kind === 'network' || kind === 'router' || isFirewallGroup(key)) && !keys.has(key)) return false;
    const id = portIdOf({ key, ...rest });
    return id === undefined || ports.has(id);
  });
  return { exceptions: kept, ports };
}

/** Ports that were served and whose link is gone: DOWN, until a report at or above this one finds them wired. */
async function noteUnplugged(
  tx: Transaction,
  agent: AgentRow,
  { place, ports }: { place: Place; ports: ReadonlyMap<string, PortRow> },
): Promise<void> {
  const ids = agent.exceptions
    .filter((exception) => exception.state === 'waiting')
    .map((exception) => exception.object.slice(PORT.length))
    .filter((id) => ports.get(id)?.status === 'ACTIVE' && ports.get(id)?.host === agent.host);
  if (ids.length === 0) return;
  const gone = await tx.ports.lock({ id: ids, host: agent.host, status: 'ACTIVE' });
  // Bound again after the report: it says nothing of this binding.
  const same = gone.filter((port) => port.generation === ports.get(port.id)?.generation);
  if (same.length === 0) return;
  await tx.ports.update({ id: same.map((port) => port.id) }, { status: 'DOWN' });
  await tx.provisioningBlocks.insert(
    same.map((port) => ({
      port_id: port.id,
      entity: 'L2' as const,
      tag: place.tag,
      position: place.position,
      generation: port.generation,
    })),
  );
}

/** What a replica of its router has realised. */
async function routerCandidates(tx: Transaction, agent: AgentRow, realised: number): Promise<string[]> {
  const bindings = await tx.routerBindings.find({ agent_id: agent.id });
  if (bindings.length === 0) return [];
  await floatingIpsActive(tx, agent, { realised, routers: bindings.map((one) => one.router_id) });
  const open = await tx.provisioningBlocks.find({ entity: 'L3' });
  const reached = open.filter((block) => block.position !== null && block.position <= realised);
  if (reached.length === 0) return [];
  const ports = await tx.ports.find({
    ...{ id: reached.map((block) => block.port_id), device_id: bindings.map((one) => one.router_id) },
  });
  return ports.map((port) => port.id);
}

/** Floating IPs are ACTIVE once a replica has them in effect. */
async function floatingIpsActive(
  tx: Transaction,
  agent: AgentRow,
  { realised, routers }: { readonly realised: number; readonly routers: readonly string[] },
): Promise<void> {
  const progress = progressOf(agent);
  const down = await tx.floatingIps.find({ router_id: routers, status: 'DOWN' });
  const done = down.filter(({ id, router_id, position }) => {
    if (position === null || position > realised) return false;
    return hasRealisedKey(progress, { key: `router/${router_id}`, object: `floating-ip/${id}` }, position);
  });
  for (const { id, position, router_id } of done)
    await tx.floatingIps.update({ id, position, router_id }, { status: 'ACTIVE' });
}

/** The ports whose blocks may be lifted by what this agent has realised now. */
async function candidates(tx: Transaction, agent: AgentRow): Promise<string[]> {
  const realised = agent.realised_position;
  if (realised === null) return [];
  if (agent.role === 'l3') return routerCandidates(tx, agent, realised);
  const entity = agent.role === 'l2' ? 'L2' : 'DHCP';
  const open = await tx.provisioningBlocks.find({ entity });
  const reached = open.filter((block) => block.position !== null && block.position <= realised);
  if (reached.length === 0) return [];
  const ports = await tx.ports.find({ id: reached.map((block) => block.port_id) });
  const portOf = new Map(ports.map((port) => [port.id, port]));
  const bindings = await tx.dhcpBindings.find({ host: agent.host });
  const served = new Set(bindings.map((binding) => binding.network_id));
  const progress = progressOf(agent);
  return reached.flatMap(({ port_id, position }) => {
    const port = portOf.get(port_id);
    if (!port || position === null) return [];
    const isOwn = agent.role === 'l2' && port.host === agent.host;
    if (!isOwn && !served.has(port.network_id)) return [];
    const object = isOwn || agent.role === 'dhcp' ? `${PORT}${port.id}` : `endpoint/${port.host}`;
    return hasRealised(progress, { networkId: port.network_id, object }, position) ? [port.id] : [];
  });
}

/** Each with the time at which it was first reported, for display: what was missing before has been since. */
function datedAs(call: Call, before: AgentRow, exceptions: readonly ReportException[]): KeptException[] {
  const nameOf = ({ key, object, since, state }: ReportException) =>
    `${key} ${object} ${since} ${state === 'waiting'}`;
  const known = new Map(before.exceptions.map((one) => [nameOf(one), one.at]));
  const now = call.clock.wall().toISOString();
  return exceptions.map((one) => ({ ...one, at: known.get(nameOf(one)) ?? now }));
}

export interface ReportOutcome {
  /** false: not newer than the last one, or of an agent that is not there. */
  readonly accepted: boolean;
  /** false: no row says that a server holds the agent, as after a promotion that lost its registration. */
  readonly registered: boolean;
  /** What is within the host's scope, where an accepted report told of more. */
  readonly exceptions?: readonly ReportException[];
  /** The life that is known of the agent, where the report is of an earlier one. */
  readonly incarnation?: number;
  /** What was written down of roles of routers, and what is to be looked at again soon; absent for nothing. */
  readonly events?: readonly EventRow[];
  readonly disputes?: readonly Dispute[];
}

/** What the report says of roles, where it is newer than the last one, and the routers to lock: others depend on what it says of them. */
async function toldOf(tx: Transaction, call: Call, { host, report }: Pick<ReportRequest, 'host' | 'report'>) {
  const { role, roles, incarnation } = report;
  if (role !== 'l3' || roles === undefined) return undefined;
  const told = { host, incarnation, roles };
  const [agent, locked] = await Promise.all([tx.agents.get({ host, role }), weightyRouters(tx, call, told)]);
  return agent && isNewer(report, agent) ? { told, locked } : undefined;
}

/**
 * Takes from a report what it says of roles, where others depend on it: who is active is not to wait for all else that follows from a
 * report, nor others for the router meanwhile. Undefined: there is nothing of that kind, or the report is not newer than the last one.
 */
export async function takeRoles(
  tx: Transaction,
  call: Call,
  { host, report }: Pick<ReportRequest, 'host' | 'report'>,
): Promise<RolesOutcome | undefined> {
  const told = await toldOf(tx, call, { host, report });
  if (told === undefined || told.locked.length === 0) return undefined;
  const { role, incarnation, counter } = report;
  // One wait for all: statements keep their order, so what is read is of after the locks. Routers come before agents.
  const [, [agent], known] = await Promise.all([
    tx.routers.lock({ id: told.locked }),
    tx.agents.lock({ host, role }),
    readRoles(tx, told),
  ]);
  if (!agent || !isNewer(report, agent)) return undefined;
  const [said] = await Promise.all([
    applyRoles(tx, call, known),
    tx.agents.update({ id: agent.id }, { incarnation, counter }),
  ]);
  return said;
}

/** Takes a report that is newer than the last one, and lifts the provisioning blocks that waited for it. */
export async function applyReport(
  tx: Transaction,
  call: Call,
  request: ReportRequest,
): Promise<ReportOutcome> {
  const { host, report, place, hasRoles = false } = request;
  const { role } = report;
  const told = hasRoles ? undefined : await toldOf(tx, call, request);
  // routers come before agents
  if (told && told.locked.length > 0) await tx.routers.lock({ id: told.locked });
  const [known] = await tx.agents.lock({ host, role });
  const registered = known !== undefined && known.server_id !== '';
  if (known && known.incarnation > report.incarnation)
    return { accepted: false, registered, incarnation: known.incarnation };
  const isNext = known && (hasRoles ? isSame(report, known) : isNewer(report, known));
  if (!isNext) return { accepted: false, registered };
  const { exceptions, ports } = await inScope(tx, { host, role, agentId: known.id }, report.exceptions);
  const [agent = known] = await tx.agents.update(
    { id: known.id },
    {
      incarnation: report.incarnation,
      counter: report.counter,
      realised_position: place?.position ?? null,
      realised_tag: place?.tag ?? null,
      exceptions: datedAs(call, known, exceptions),
      exception_count: report.exceptionCount - (report.exceptions.length - exceptions.length),
      configurations: { ...report.configurations },
      heartbeat_at: timestamp(call.clock),
    },
  );
  // What is unknown revokes nothing.
  if (role === 'l2' && place) await noteUnplugged(tx, agent, { place, ports });
  await liftBlocks(tx, call, await candidates(tx, agent));
  const isWhole = exceptions.length === report.exceptions.length;
  const said = told ? await applyRoles(tx, call, await readRoles(tx, told)) : { events: [], disputes: [] };
  return {
    ...{ accepted: true, registered },
    ...(isWhole ? {} : { exceptions }),
    ...(said.events.length > 0 ? { events: said.events } : {}),
    ...(said.disputes.length > 0 ? { disputes: said.disputes } : {}),
  };
}
