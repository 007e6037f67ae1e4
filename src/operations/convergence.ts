/** What agents owe against the head of the log, as of one consistent view. */
import { type AgentLag, type AgentState, type Convergence, isConverged, lagOf } from '../convergence/lag.ts';
import { narrow, type Subject } from '../convergence/narrow.ts';
import { LogEnd } from '../convergence/owed.ts';
import type { AgentRow, Role } from '../resources/agent.ts';
import type { Tables, View } from '../store/store.ts';
import { networkNotFound, portNotFound, subnetNotFound } from './faults.ts';
import type { Call } from './operation.ts';

/** An agent that is further behind owes "everything from there on": what is read stays bounded, however long it was away. */
const MAX_CHANGES = 1_000;

/** The kinds of resources that one may ask for. */
export type ResourceKind = Subject['kind'];

export interface ConvergenceQuery {
  readonly agentId?: string | undefined;
  readonly host?: string | undefined;
  readonly role?: Role | undefined;
  readonly resource?: { readonly kind: ResourceKind; readonly id: string } | undefined;
  readonly position?: number | undefined;
  readonly states?: readonly AgentState[] | undefined;
}

/** The end of the log, as far back as these agents need it. */
async function readLogEnd(view: View, call: Call, agents: readonly AgentRow[]): Promise<LogEnd> {
  const { position: head } = await view.head();
  const oldest = head - MAX_CHANGES;
  const from = agents.reduce((least, { realised_position: at }) => {
    return at === null || at > head || at < oldest ? least : Math.min(least, at);
  }, head);
  const wallMs = call.clock.wall().getTime();
  const changes = await view.changesFrom(from, MAX_CHANGES + 1);
  return new LogEnd(
    head,
    changes.map((change) => ({ ...change, at: new Date(wallMs - change.ageMs).toISOString() })),
  );
}

/** How each of these agents stands, in their order. */
export async function readLags(
  view: View,
  call: Call,
  agents: readonly AgentRow[],
): Promise<{ head: number; lags: AgentLag[] }> {
  const log = await readLogEnd(view, call, agents);
  const behind = agents.filter(
    ({ realised_position: at }) => at !== null && at < log.head && at + 1 >= log.from,
  );
  const hosts = [...new Set(behind.map((agent) => agent.host))];
  const scopes = hosts.length === 0 ? new Map<string, string[]>() : await view.scopes(hosts);
  const facts = {
    isAlive: call.isAlive,
    scopeOf: (host: string) => new Set(scopes.get(host)),
    wallMs: call.clock.wall().getTime(),
  };
  return { head: log.head, lags: agents.map((agent) => lagOf(agent, log, facts)) };
}

/** Which agents have to do with a resource. Throws the Fault of one that is not there. */
export async function readSubject(
  tables: Tables,
  { kind, id }: { readonly kind: ResourceKind; readonly id: string },
): Promise<Subject> {
  if (kind === 'port') {
    const port = await tables.ports.get({ id });
    if (!port) throw portNotFound(id);
    const serving = await servingHosts(tables, port.network_id);
    const l2 = new Set([...serving, ...(port.host === '' ? [] : [port.host])]);
    return { kind, id, networkId: port.network_id, boundHost: port.host, hosts: { l2, dhcp: serving } };
  }
  if (kind === 'subnet') {
    const subnet = await tables.subnets.get({ id });
    if (!subnet) throw subnetNotFound(id);
    const dhcp = await servingHosts(tables, subnet.network_id);
    return { kind, id, networkId: subnet.network_id, boundHost: '', hosts: { l2: new Set(), dhcp } };
  }
  if (!(await tables.networks.get({ id }))) throw networkNotFound(id);
  const dhcp = await servingHosts(tables, id);
  const bound = (await tables.ports.find({ network_id: id })).map((port) => port.host);
  const l2 = new Set([...dhcp, ...bound.filter((host) => host !== '')]);
  return { kind, id, networkId: id, boundHost: '', hosts: { l2, dhcp } };
}

async function servingHosts(tables: Tables, networkId: string): Promise<Set<string>> {
  return new Set((await tables.dhcpBindings.find({ network_id: networkId })).map((binding) => binding.host));
}

/** The agents that are asked for, by id, each with what is asked for of it; and whether that is all realised. */
export async function convergence(
  view: View,
  call: Call,
  query: ConvergenceQuery = {},
): Promise<Convergence> {
  const { agentId, host, role, position, states = [] } = query;
  const subject = query.resource && (await readSubject(view, query.resource));
  const agents = await view.agents.find({
    ...(agentId === undefined ? {} : { id: agentId }),
    ...(host === undefined ? {} : { host }),
    ...(role === undefined ? {} : { role }),
  });
  const { head, lags } = await readLags(view, call, agents);
  const asked = narrow(lags, { subject, position, states });
  return { head, converged: asked.every((lag) => !lag.alive || isConverged(lag)), agents: asked };
}
