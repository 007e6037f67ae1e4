/**
 * Why a port, a network or an agent is not as it should be, in sentences: what is missing, where, since when, why, what is
 * being done. Pure: `operations/explain.ts` brings the facts, `findings.ts` has the sentences.
 */
import type { Role } from '../resources/agent.ts';
import {
  type AgentFacts,
  agentFindings,
  type Audience,
  doingAbout,
  type EventFacts,
  type Finding,
  finding,
  lastAbout,
  named,
  owedFinding,
  shortTime,
} from './findings.ts';
import { bearsOn, type Subject } from './narrow.ts';
import { hasRealised } from './provisioning.ts';

export type ExplainedState = 'converged' | 'waiting' | 'pending' | 'failing';

export interface Explanation {
  /** `port/<id>`, `network/<id>`, `agent/<host>` */
  readonly subject: string;
  /** The worst of the findings; converged where there are none. */
  readonly state: ExplainedState;
  /** One sentence on the whole. */
  readonly summary: string;
  /** The worst first. */
  readonly findings: readonly Finding[];
  /** What happened about it lately, the newest first. */
  readonly events: readonly EventFacts[];
}

export interface BindingFacts {
  readonly agent: AgentFacts;
  readonly leaving: boolean;
  /** The position at which the agent was given the network; null: only just now. */
  readonly position: number | null;
}

/** How a network's DHCP is served. */
export interface DhcpFacts {
  readonly networkId: string;
  /** Whether any subnet asks for DHCP. */
  readonly isWanted: boolean;
  readonly bindings: readonly BindingFacts[];
  /** How many DHCP agents live and take networks. */
  readonly usable: number;
}

/** How all agents are. */
export interface FleetFacts {
  readonly agents: number;
  /** How many some server hears. */
  readonly heard: number;
}

export interface NetworkFacts {
  readonly subject: Subject;
  readonly dhcp: DhcpFacts;
  /** The L2 agents of its hosts. */
  readonly l2: readonly AgentFacts[];
  readonly fleet: FleetFacts;
}

export interface PortFacts {
  readonly subject: Subject;
  readonly status: string;
  readonly adminStateUp: boolean;
  readonly vifType: string;
  /** Whether its addresses are given out by DHCP. */
  readonly wantsDhcp: boolean;
  /** Whether the server knows the host at all. */
  readonly isHostKnown: boolean;
  /** The L2 agent of its host. */
  readonly l2: AgentFacts | undefined;
  /** Those of the other hosts that serve its DHCP: they flood to its host. */
  readonly floods: readonly AgentFacts[];
  readonly dhcp: DhcpFacts;
  readonly fleet: FleetFacts;
}

const RANK: Readonly<Record<ExplainedState, number>> = { failing: 0, pending: 1, waiting: 2, converged: 3 };

/** Of more findings the worst are told. */
const MAX_FINDINGS = 100;

function explained(
  subject: string,
  audience: Audience,
  told: { findings: Finding[]; well: string },
): Explanation {
  const sorted = [...told.findings].sort((a, b) => RANK[a.state] - RANK[b.state]);
  const findings = sorted.slice(0, MAX_FINDINGS);
  const [worst] = findings;
  const others = sorted.length > 1 ? ` (And ${sorted.length - 1} more.)` : '';
  return {
    subject,
    state: worst?.state ?? 'converged',
    summary: worst ? `${worst.sentence}${others}` : told.well,
    findings,
    events: audience.events,
  };
}

function fleetFindings(audience: Audience, { agents, heard }: FleetFacts): Finding[] {
  const mass = lastAbout(audience, { object: 'fleet', kinds: ['alert', 'alert-ended'] });
  if (agents > 0 && heard === 0) {
    const what = `None of the fleet's ${agents} agents is connected to any server`;
    const doing =
      'The fault is hardly theirs: look at the network between servers and hosts. Nothing is moved, and what runs on the hosts runs on.';
    return [finding(audience, { code: 'fleet-silent', state: 'failing', what, doing })];
  }
  if (mass?.kind !== 'alert') return [];
  const what = `Much of the fleet is silent at once (${heard} of ${agents} agents are connected)`;
  const doing = 'The fault is hardly theirs, so nothing is moved until they are back or fewer.';
  return [finding(audience, { code: 'mass-silence', state: 'failing', what, since: mass.at, doing })];
}

/** Whether the agent serves the network as of its binding. */
function isServing({ agent, position }: BindingFacts, networkId: string): boolean {
  if (!agent.lag.heard || position === null) return false;
  const { host, realised, exceptions } = agent.lag;
  return hasRealised({ host, realised, exceptions }, { networkId, object: '' }, position);
}

function unservedFinding(audience: Audience, dhcp: DhcpFacts, what: string, code: string): Finding {
  const object = `network/${dhcp.networkId}`;
  const alert = lastAbout(audience, { object, kinds: ['alert', 'alert-ended'] });
  const since = alert?.kind === 'alert' ? alert.at : null;
  const why =
    dhcp.usable === 0
      ? 'there is no living DHCP agent that takes networks'
      : `${dhcp.usable} living DHCP agents could take it`;
  const next =
    dhcp.usable === 0
      ? 'It is given to the first that comes; its clients keep their leases until they run out.'
      : 'The servers give it to one of them within seconds.';
  return finding(audience, { code, state: 'failing', what, since, why, doing: next });
}

/** Who serves the DHCP of the network, and what is the matter with that. */
function dhcpFindings(audience: Audience, dhcp: DhcpFacts): Finding[] {
  if (!dhcp.isWanted) return [];
  const { networkId, bindings } = dhcp;
  const network = `network ${networkId}`;
  if (bindings.length === 0)
    return [unservedFinding(audience, dhcp, `No agent has the DHCP of ${network}`, 'dhcp-none')];
  const found: Finding[] = [];
  if (bindings.every(({ agent }) => !agent.lag.heard)) {
    const hosts = audience.isAdmin ? ` (${bindings.map(({ agent }) => agent.host).join(', ')})` : '';
    const what = `None of the agents that have the DHCP of ${network} is connected${hosts}`;
    found.push(unservedFinding(audience, dhcp, what, 'dhcp-unserved'));
  }
  found.push(...moveFindings(audience, dhcp));
  const isServed = bindings.some((binding) => isServing(binding, networkId));
  for (const one of bindings.flatMap(({ agent }) => agentFindings(audience, agent))) {
    // As long as another serves, one that is away is no outage.
    found.push(isServed && one.state === 'failing' ? { ...one, state: 'pending' } : one);
  }
  return found;
}

/** A move goes on as long as a binding is leaving. */
function moveFindings(audience: Audience, { networkId, bindings }: DhcpFacts): Finding[] {
  const leaving = bindings.filter((binding) => binding.leaving);
  if (leaving.length === 0) return [];
  const names = (of: readonly BindingFacts[], words: string) =>
    audience.isAdmin ? of.map(({ agent }) => agent.host).join(', ') : words;
  const coming = bindings.filter((binding) => !binding.leaving && !isServing(binding, networkId));
  const staying = bindings.filter((binding) => !binding.leaving && isServing(binding, networkId));
  const begun = lastAbout(audience, { object: `network/${networkId}`, kinds: ['move-begun'] });
  const from = names(leaving, 'one agent');
  const to = names(coming.length > 0 ? coming : staying, 'another');
  const what = `The DHCP of network ${networkId} moves from ${from} to ${to === '' ? 'nobody yet' : to}`;
  const serves = leaving.some(({ agent }) => agent.lag.heard);
  const doing = [
    serves ? 'The old one serves on until the new one does.' : 'Nobody hears the old one.',
    coming.length > 0
      ? 'The new one has not reported it as served yet.'
      : 'The new one serves; the old one goes now.',
  ].join(' ');
  return [finding(audience, { code: 'moving', state: 'pending', what, since: begun?.at ?? null, doing })];
}

/** What agents owe that bears on the subject; not what follows from being behind as a whole, which is said already. */
function owedFindings(audience: Audience, agents: readonly AgentFacts[], subject: Subject): Finding[] {
  return agents.flatMap((agent) =>
    agent.lag.owed
      .filter((one) => one.key !== '' && bearsOn(subject, one))
      .filter((one) => agent.lag.heard || one.state !== 'pending')
      .map((one) => owedFinding(audience, agent, one)),
  );
}

const serversOf = (audience: Audience, { bindings, networkId }: DhcpFacts): string => {
  const serving = bindings.filter((binding) => isServing(binding, networkId)).map(({ agent }) => agent.host);
  return audience.isAdmin
    ? serving.join(' and ')
    : `${serving.length} ${serving.length === 1 ? 'agent' : 'agents'}`;
};

export function explainNetwork(facts: NetworkFacts, audience: Audience): Explanation {
  const { subject, dhcp, l2, fleet } = facts;
  const dhcpAgents = dhcp.bindings.map((binding) => binding.agent);
  const findings = [
    ...fleetFindings(audience, fleet),
    ...dhcpFindings(audience, dhcp),
    ...l2.flatMap((agent) => agentFindings(audience, agent)),
    ...owedFindings(audience, [...l2, ...dhcpAgents], subject),
  ];
  const served = dhcp.isWanted ? `DHCP is served by ${serversOf(audience, dhcp)}` : 'no subnet asks for DHCP';
  const well = `Network ${subject.id} is as it should be: ${served}, and each of its hosts has realised it.`;
  return explained(`network/${subject.id}`, audience, { findings, well });
}

/** Why a port is at no host. */
function bindingFindings(facts: PortFacts, audience: Audience): Finding[] {
  const { subject, vifType, isHostKnown, l2 } = facts;
  const { boundHost: host, id } = subject;
  const where = named(audience, host, 'the host that was asked for');
  if (host === '') {
    const what = `Port ${id} is bound to no host`;
    const doing = 'Nobody has asked for it to be anywhere (binding:host_id is empty).';
    return [finding(audience, { code: 'unbound', state: 'waiting', what, doing })];
  }
  if (vifType === 'bridge') return [];
  const what = `Port ${id} could not be bound to ${where}`;
  const common = { state: 'failing', host, role: 'l2', what } as const;
  if (!isHostKnown || !l2) {
    const why = isHostKnown ? 'its agent has never come' : 'no such host is known';
    const doing = `It is bound as soon as the host's agent comes${isHostKnown ? '' : ' (`deuteron host add` first)'}.`;
    return [finding(audience, { code: 'host-without-agent', ...common, why, doing })];
  }
  const why = l2.adminStateUp
    ? 'the host does not reach its physical network, or its vnic_type is not offered'
    : 'the L2 agent is switched off (admin_state_up is false)';
  const doing = 'Give it another binding:host_id, or set it anew once that has changed.';
  return [finding(audience, { code: 'binding-failed', ...common, why, doing })];
}

export function explainPort(facts: PortFacts, audience: Audience): Explanation {
  const { subject, l2, dhcp, fleet, adminStateUp, wantsDhcp, status } = facts;
  const { id, boundHost } = subject;
  const findings = [...fleetFindings(audience, fleet), ...bindingFindings(facts, audience)];
  if (!adminStateUp) {
    const what = `Port ${id} is switched off (admin_state_up is false)`;
    findings.push(finding(audience, { code: 'port-off', state: 'waiting', what }));
  }
  const agents = l2 && facts.vifType === 'bridge' ? [l2] : [];
  for (const agent of agents) findings.push(...agentFindings(audience, agent));
  if (wantsDhcp && boundHost !== '') findings.push(...dhcpFindings(audience, dhcp));
  const servers =
    wantsDhcp && boundHost !== '' ? [...dhcp.bindings.map((binding) => binding.agent), ...facts.floods] : [];
  findings.push(...owedFindings(audience, [...agents, ...servers], subject));
  if (findings.length === 0 && status !== 'ACTIVE') {
    const what = `Port ${id} is ${status}, though all that it waits for is reported`;
    const doing = doingAbout(
      audience,
      { key: `port/${id}`, host: '' },
      'The servers look again within 30 s.',
    );
    findings.push(finding(audience, { code: 'blocks', state: 'pending', what, doing }));
  }
  const by = wantsDhcp ? `, its DHCP served by ${serversOf(audience, dhcp)}` : '';
  const well = `Port ${id} is as it should be: ${status}, wired on ${named(audience, boundHost, 'its host')}${by}.`;
  return explained(`port/${id}`, audience, { findings, well });
}

/** Of a host, all its agents or one. */
export function explainAgent(
  { name, agents, fleet }: { name: string; agents: readonly AgentFacts[]; fleet: FleetFacts },
  audience: Audience,
): Explanation {
  const findings = [
    ...fleetFindings(audience, fleet),
    ...agents.flatMap((agent) => agentFindings(audience, agent)),
    ...agents.flatMap((agent) => {
      // What waits for an agent that is away is counted where that is said.
      const owed = agent.lag.owed.filter(
        (one) => one.key !== '' && (agent.lag.heard || one.state !== 'pending'),
      );
      return owed.map((one) => owedFinding(audience, agent, one));
    }),
  ];
  const roles = agents.map((agent): Role => agent.role).join(' and ');
  const [first] = agents;
  const at = first ? `position ${first.lag.realised} of the log` : 'nothing';
  const heard = first ? `, last report at ${shortTime(first.lag.reportedAt)}` : '';
  return explained(`agent/${name}`, audience, {
    findings,
    well: `Agent ${name} (${roles}) has realised everything up to ${at}${heard}.`,
  });
}
