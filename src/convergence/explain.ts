/**
 * Why a port, a network or an agent is not as it should be, in sentences: what is missing, where, since when, why, what is
 * being done. Pure: `operations/explain.ts` brings the facts, `findings.ts` has the sentences.
 */
import type { Role } from '../resources/agent.ts';
import {
  type DhcpFacts,
  dhcpFindings,
  type HoldingFacts,
  holdingFindings,
  serversOf,
} from './dhcp-findings.ts';
import {
  type AgentFacts,
  agentFindings,
  type Audience,
  doingAbout,
  type EventFacts,
  type Finding,
  finding,
  named,
  owedFinding,
  shortTime,
} from './findings.ts';
import { bearsOn, type Subject } from './narrow.ts';

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

/** How all agents are. */
export interface FleetFacts {
  readonly agents: number;
  /** How many some server hears. */
  readonly heard: number;
  readonly hosts: number;
  /** How many DHCP agents live and take networks. */
  readonly takers: number;
  /** Where a mass is silent at once (mass-silence.ts), of the areas that the matter is about; the fleet first. */
  readonly silent: readonly { readonly area: string; readonly since: string }[];
}

/** A port that is bound to a host which could not take it. */
export interface HomelessPort {
  /** `port/<id>` */
  readonly resource: string;
  readonly host: string;
  readonly reason: string;
}

export interface NetworkFacts {
  readonly subject: Subject;
  readonly dhcp: DhcpFacts;
  /** The L2 agents of its hosts, those that were looked at. */
  readonly l2: readonly AgentFacts[];
  /** How many more there are. */
  readonly unlooked: number;
  /** The L3 agents that have a router with a port on it. */
  readonly l3: readonly AgentFacts[];
  readonly homeless: readonly HomelessPort[];
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
  /** Of a router's port: the agents of the hosts that have a replica, but for the L2 agent of its host. */
  readonly replicas: readonly AgentFacts[];
  readonly dhcp: DhcpFacts;
  readonly fleet: FleetFacts;
}

const RANK: Readonly<Record<ExplainedState, number>> = { failing: 0, pending: 1, waiting: 2, converged: 3 };

/** Of more findings the worst are told. */
const MAX_FINDINGS = 100;

export function explained(
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

/** Up to so many hosts nothing can be told from that all are silent at once. */
const SMALL_FLEET = 2;

export function fleetFindings(audience: Audience, { agents, heard, hosts, silent }: FleetFacts): Finding[] {
  const { isAdmin } = audience;
  if (agents > 0 && heard === 0) {
    const all = isAdmin ? `None of the fleet's ${agents} agents is` : 'No agent is';
    const where =
      hosts <= SMALL_FLEET
        ? 'Look at its hosts, and at the network between them and the servers.'
        : 'The fault is hardly theirs: look at the network between servers and hosts.';
    const moved = 'Nothing is moved, for there is nobody to move it to; what runs on the hosts runs on.';
    const doing = isAdmin ? `${where} ${moved}` : 'What runs on the hosts runs on.';
    const what = `${all} connected to any server`;
    return [finding(audience, { code: 'fleet-silent', state: 'failing', what, doing })];
  }
  const [mass] = silent;
  if (mass === undefined) return [];
  const count = isAdmin ? ` (${heard} of the fleet's ${agents} agents are connected)` : '';
  const where = mass.area === 'fleet' ? 'the fleet' : isAdmin ? mass.area.replace('/', ' ') : 'a zone';
  const what = `Much of ${where} is silent at once${count}`;
  const doing =
    'The fault is hardly theirs, so none of them is taken for dead, and what they serve is not moved, until they are back or fewer.';
  return [finding(audience, { code: 'mass-silence', state: 'failing', what, since: mass.since, doing })];
}

/** What agents owe that bears on the subject; not what follows from being behind as a whole, which is said already. */
function owedFindings(audience: Audience, agents: readonly AgentFacts[], subject: Subject): Finding[] {
  return agents.flatMap((agent) =>
    agent.lag.owed
      .filter((one) => one.key !== '' && bearsOn(subject, one, agent.host))
      .filter((one) => agent.lag.heard || one.state !== 'pending')
      .map((one) => owedFinding(audience, agent, one)),
  );
}

const MOST_NAMED = 3;

/** Ports that no host could take, one finding for each reason. */
function homelessFindings(audience: Audience, homeless: readonly HomelessPort[]): Finding[] {
  return [...Map.groupBy(homeless, (one) => one.reason)].map(([reason, ports]) => {
    const names = ports.slice(0, MOST_NAMED).map(({ resource, host }) => {
      const id = resource.slice('port/'.length);
      return audience.isAdmin ? `${id} on ${host}` : id;
    });
    const more = ports.length > MOST_NAMED ? ` and ${ports.length - MOST_NAMED} more` : '';
    const count = ports.length === 1 ? '1 port of it is' : `${ports.length} ports of it are`;
    const what = `${count} nowhere, for ${reason} (${names.join(', ')}${more})`;
    const doing = '`deuteron explain port` says of each what would help.';
    return finding(audience, { code: 'ports-homeless', state: 'failing', role: 'l2', what, doing });
  });
}

export function explainNetwork(facts: NetworkFacts, audience: Audience): Explanation {
  const { subject, dhcp, l2, l3, fleet, unlooked } = facts;
  const dhcpAgents = dhcp.bindings.map((binding) => binding.agent);
  const findings = [
    ...fleetFindings(audience, fleet),
    ...dhcpFindings(audience, dhcp),
    ...l2.flatMap((agent) => agentFindings(audience, agent)),
    ...homelessFindings(audience, facts.homeless),
    ...owedFindings(audience, [...l2, ...dhcpAgents, ...l3], subject),
  ];
  const served = dhcp.isWanted ? `DHCP is served by ${serversOf(audience, dhcp)}` : 'no subnet asks for DHCP';
  const more = audience.isAdmin ? `${unlooked} more were` : 'Some were';
  const each =
    unlooked === 0
      ? 'each of its hosts has realised it.'
      : `each of its hosts that was looked at has realised it. ${more} not looked at.`;
  const well = `Network ${subject.id} is as it should be: ${served}, and ${each}`;
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
  findings.push(...owedFindings(audience, [...new Set([...agents, ...servers, ...facts.replicas])], subject));
  if (findings.length === 0 && status !== 'ACTIVE') {
    const what = `Port ${id} is ${status}, though all that it waits for is reported`;
    const doing = doingAbout(
      audience,
      { key: `port/${id}`, host: '', role: '', since: null },
      'The servers look again within 30 s.',
    );
    findings.push(finding(audience, { code: 'blocks', state: 'pending', what, doing }));
  }
  const by = wantsDhcp ? `, its DHCP served by ${serversOf(audience, dhcp)}` : '';
  const well = `Port ${id} is as it should be: ${status}, wired on ${named(audience, boundHost, 'its host')}${by}.`;
  return explained(`port/${id}`, audience, { findings, well });
}

export interface HostFacts {
  readonly name: string;
  /** All of the host's agents, or one. */
  readonly agents: readonly AgentFacts[];
  /** What those of them have that are to be emptied, or get nothing new. */
  readonly holdings: readonly HoldingFacts[];
  readonly fleet: FleetFacts;
}

/** Of a host, all its agents or one. */
export function explainAgent({ name, agents, holdings, fleet }: HostFacts, audience: Audience): Explanation {
  const hasTaker = fleet.takers > 0;
  const findings = [
    ...fleetFindings(audience, fleet),
    ...holdings.flatMap((holding) => holdingFindings(audience, holding)),
    ...agents.flatMap((agent) => agentFindings(audience, agent, { hasTaker })),
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
