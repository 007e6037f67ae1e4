/**
 * Who serves a network's DHCP, what is the matter with that, and what keeps an agent from being emptied. Pure, as `findings.ts`.
 * Who may be given a network, and when a binding goes, is decided in `scheduling/`; here it is told.
 */
import {
  type AgentFacts,
  agentFindings,
  type Audience,
  type Finding,
  finding,
  lastAbout,
  named,
} from './findings.ts';
import { hasRealised } from './provisioning.ts';

export interface BindingFacts {
  readonly agent: AgentFacts;
  readonly leaving: boolean;
  /** The position at which the agent was given the network; null: only just now. */
  readonly position: number | null;
}

/** What a network asks of an agent, and who there is beside those that have it. */
export interface TakerFacts {
  /** How many agents are to serve it. */
  readonly wanted: number;
  /** Living DHCP agents that take networks and do not have this one. */
  readonly living: number;
  /** Those of them that reach its physical network, in a zone that it allows. */
  readonly fitting: number;
  /** null: every host will do. */
  readonly physicalNetwork: string | null;
  /** Empty: any zone. */
  readonly zoneHints: readonly string[];
  /** Its subnets (CIDRs) without an address for another agent's DHCP port; looked at where an agent is to be emptied. */
  readonly full: readonly string[];
}

/** How a network's DHCP is served. */
export interface DhcpFacts extends TakerFacts {
  readonly networkId: string;
  /** Whether any subnet asks for DHCP. */
  readonly isWanted: boolean;
  readonly bindings: readonly BindingFacts[];
}

/** Whether the agent serves the network as of its binding. */
function isServing({ agent, position }: BindingFacts, networkId: string): boolean {
  if (!agent.lag.heard || position === null) return false;
  const { host, realised, exceptions } = agent.lag;
  return hasRealised({ host, realised, exceptions }, { networkId, object: '' }, position);
}

/** No server hears any agent that has it: that is what matters of it, whatever keeps it there. */
const isUnattended = ({ isWanted, bindings }: DhcpFacts): boolean =>
  isWanted && bindings.every(({ agent }) => !agent.lag.heard);

function needsOf({ physicalNetwork, zoneHints }: TakerFacts): string {
  const zone = `be in ${zoneHints.length === 1 ? 'zone' : 'one of the zones'} ${zoneHints.join(', ')}`;
  return [
    ...(physicalNetwork === null ? [] : [`reach physical network ${physicalNetwork}`]),
    ...(zoneHints.length === 0 ? [] : [zone]),
  ].join(' and ');
}

/** Why nobody else can be given the network; undefined where somebody can. For admins. */
function whyNobody(facts: TakerFacts, other: '' | 'other '): string | undefined {
  const { living, fitting } = facts;
  if (living === 0) return `there is no ${other}living DHCP agent that takes networks`;
  if (fitting > 0) return undefined;
  const which = living === 1 ? `the one ${other}living DHCP agent does not fit` : undefined;
  return `${which ?? `none of the ${living} ${other}living DHCP agents fits`}: it has to ${needsOf(facts)}`;
}

/** Whether the agent gives away what it has. */
const isToGo = ({ adminStateUp, liveness }: AgentFacts) => !adminStateUp || liveness === 'dead';

/**
 * Why the network cannot leave an agent that is switched off or dead; undefined where it can, or need not. As
 * `turnover` and `beginMoves` decide: a source that lives is not stripped of its address for the target's sake.
 */
export function whyStays(dhcp: DhcpFacts, binding: BindingFacts): string | undefined {
  const { agent, leaving } = binding;
  if (leaving || !dhcp.isWanted || !isToGo(agent)) return undefined;
  const stay = dhcp.bindings.filter((one) => !one.leaving && one !== binding);
  const good = stay.filter((one) => one.agent.lag.alive && one.agent.adminStateUp).length;
  const isLacking = good < dhcp.wanted;
  if (dhcp.fitting === 0)
    return good === 0 || (agent.adminStateUp && isLacking) ? whyNobody(dhcp, 'other ') : undefined;
  if (!isLacking || !agent.lag.alive || dhcp.full.length === 0) return undefined;
  return `no address is left in ${dhcp.full.join(', ')} for the DHCP port of another agent`;
}

function unservedFinding(audience: Audience, dhcp: DhcpFacts, said: { what: string; code: string }): Finding {
  const object = `network/${dhcp.networkId}`;
  const alert = lastAbout(audience, { object, kinds: ['alert', 'alert-ended'], alert: 'network-unserved' });
  const since = alert?.kind === 'alert' ? alert.at : null;
  const isWaiting = dhcp.bindings.some(({ agent }) => agent.adminStateUp && agent.liveness !== 'dead');
  const could = `${dhcp.fitting} living DHCP ${dhcp.fitting === 1 ? 'agent' : 'agents'} could take it`;
  const first = dhcp.living === 0 ? 'the first that comes' : 'the first that comes and fits';
  const given = isWaiting
    ? 'Once its agent is taken for dead, the servers give it to another.'
    : 'The servers give it to one of them within seconds.';
  const next =
    dhcp.fitting === 0 ? `It is given to ${first}; its clients keep their leases until they run out.` : given;
  const why = whyNobody(dhcp, '') ?? could;
  return finding(audience, { ...said, state: 'failing', since, why, doing: next });
}

/** A network that its agent should give away and cannot. */
function staysFindings(audience: Audience, dhcp: DhcpFacts): Finding[] {
  return dhcp.bindings.flatMap((binding) => {
    const why = whyStays(dhcp, binding);
    if (why === undefined) return [];
    const { host } = binding.agent;
    const where = named(audience, host, 'the host');
    const what = `The DHCP of network ${dhcp.networkId} stays on ${where}, and no other agent can take it`;
    return finding(audience, { code: 'dhcp-stays', state: 'waiting', host, role: 'dhcp', what, why });
  });
}

/** Who serves the DHCP of the network, and what is the matter with that. */
export function dhcpFindings(audience: Audience, dhcp: DhcpFacts): Finding[] {
  if (!dhcp.isWanted) return [];
  const { networkId, bindings } = dhcp;
  const network = `network ${networkId}`;
  if (bindings.length === 0) {
    const what = `No agent has the DHCP of ${network}`;
    return [unservedFinding(audience, dhcp, { what, code: 'dhcp-none' })];
  }
  const found: Finding[] = [];
  if (isUnattended(dhcp)) {
    const hosts = audience.isAdmin ? ` (${bindings.map(({ agent }) => agent.host).join(', ')})` : '';
    const what = `None of the agents that have the DHCP of ${network} is connected${hosts}`;
    found.push(unservedFinding(audience, dhcp, { what, code: 'dhcp-unserved' }));
  }
  found.push(...moveFindings(audience, dhcp));
  if (!isUnattended(dhcp)) found.push(...staysFindings(audience, dhcp));
  const isServed = bindings.some((binding) => isServing(binding, networkId));
  const hasTaker = dhcp.fitting > 0;
  for (const one of bindings.flatMap(({ agent }) => agentFindings(audience, agent, { hasTaker }))) {
    // As long as another serves, one that is away is no outage.
    found.push(isServed && one.state === 'failing' ? { ...one, state: 'pending' } : one);
  }
  return found;
}

function nextOfMove(dhcp: DhcpFacts, { coming, staying }: Record<'coming' | 'staying', BindingFacts[]>) {
  if (coming.length > 0) {
    return coming.every(({ agent }) => !agent.lag.heard)
      ? 'The new one is not connected.'
      : 'The new one has not reported it as served yet.';
  }
  if (staying.length > 0) return 'The new one serves; the old one goes now.';
  return dhcp.fitting > 0
    ? 'The servers give it to another within seconds.'
    : 'There is no other that can take it: it does not go before there is.';
}

/** A move goes on as long as a binding is leaving. */
function moveFindings(audience: Audience, dhcp: DhcpFacts): Finding[] {
  const { networkId, bindings } = dhcp;
  const leaving = bindings.filter((binding) => binding.leaving);
  if (leaving.length === 0) return [];
  const names = (of: readonly BindingFacts[], words: string) =>
    audience.isAdmin ? of.map(({ agent }) => agent.host).join(', ') : words;
  const others = bindings.filter((binding) => !binding.leaving);
  const coming = others.filter((binding) => !isServing(binding, networkId));
  const staying = others.filter((binding) => isServing(binding, networkId));
  const begun = lastAbout(audience, { object: `network/${networkId}`, kinds: ['move-begun'] });
  const from = names(leaving, 'one agent');
  const target = coming.length > 0 ? coming : staying;
  const what =
    target.length > 0
      ? `The DHCP of network ${networkId} moves from ${from} to ${names(target, 'another')}`
      : `The DHCP of network ${networkId} is to leave ${from}, and no other agent has it`;
  const serves = leaving.some(({ agent }) => agent.lag.heard);
  const old = serves ? 'The old one serves on until a new one does.' : 'Nobody hears the old one.';
  const isOver = coming.length === 0 && staying.length > 0;
  const next = nextOfMove(dhcp, { coming, staying });
  const doing = serves && isOver ? next : `${old} ${next}`;
  return [finding(audience, { code: 'moving', state: 'pending', what, since: begun?.at ?? null, doing })];
}

/** The hosts that serve it, or how many. */
export function serversOf(audience: Audience, { bindings, networkId }: DhcpFacts): string {
  const serving = bindings.filter((binding) => isServing(binding, networkId)).map(({ agent }) => agent.host);
  if (audience.isAdmin) return serving.join(' and ');
  return `${serving.length} ${serving.length === 1 ? 'agent' : 'agents'}`;
}

/** What a DHCP agent has that is to be emptied, or gets nothing new. */
export interface HoldingFacts {
  readonly agent: AgentFacts;
  /** How many networks it has. */
  readonly count: number;
  /** Those of them that were looked at. */
  readonly networks: readonly DhcpFacts[];
}

const MOST_NAMED = 3;

function listed(ids: readonly string[], count = ids.length): string {
  const more = count > MOST_NAMED ? ` and ${count - MOST_NAMED} more` : '';
  return `${count === 1 ? '1 network' : `${count} networks`} (${ids.slice(0, MOST_NAMED).join(', ')}${more})`;
}

/** What such an agent still serves, and what keeps it. For admins. */
export function holdingFindings(audience: Audience, { agent, count, networks }: HoldingFacts): Finding[] {
  const { host, adminStateUp, liveness } = agent;
  const of = { host, role: 'dhcp', state: 'waiting' } as const;
  const who = `The DHCP agent of ${host}`;
  if (count === 0) {
    const what = `${who} serves nothing${adminStateUp ? '' : ': it may be stopped'}`;
    return [finding(audience, { ...of, code: 'agent-empty', what })];
  }
  const own = networks.map((dhcp) => ({
    id: dhcp.networkId,
    isLeaving: dhcp.bindings.some((one) => one.agent.id === agent.id && one.leaving),
    isAlone: isUnattended(dhcp),
    why: dhcp.bindings.flatMap((one) => (one.agent.id === agent.id ? (whyStays(dhcp, one) ?? []) : []))[0],
  }));
  const kept = Map.groupBy(
    own.filter((one) => one.why !== undefined && !one.isAlone),
    (one) => one.why!,
  );
  const idsOf = (some: typeof own) => some.map((one) => one.id);
  const leaving = own.filter((one) => one.isLeaving);
  const alone = own.filter((one) => one.isAlone);
  const open = own.filter((one) => !one.isLeaving && one.why === undefined).length;
  const doing = [
    leaving.length > 0 ? `To leave as soon as others serve: ${listed(idsOf(leaving))}.` : '',
    open > 0 && isToGo(agent) ? 'They are given to others as far as there is room.' : '',
    isToGo(agent) ? '' : 'They stay there.',
  ].filter((part) => part !== '');
  const has = liveness === 'dead' ? 'still has' : 'still serves';
  const what = `${who} ${has} ${listed(idsOf(own), count)}`;
  return [
    finding(audience, { ...of, code: 'agent-serves', what, doing: doing.join(' ') }),
    ...[...kept].map(([why, some]) => {
      const stay = `${listed(idsOf(some))} cannot leave the DHCP agent of ${host}`;
      return finding(audience, { ...of, code: 'dhcp-stays', what: stay, why });
    }),
    ...(alone.length === 0 ? [] : [aloneFinding(audience, agent, listed(idsOf(alone)))]),
  ];
}

/** What the alert `network-unserved` tells of each. */
function aloneFinding(audience: Audience, { host }: AgentFacts, which: string): Finding {
  const what = `No server hears any agent that has the DHCP of ${which}`;
  const doing = 'Their clients keep their leases until they run out.';
  return finding(audience, { code: 'dhcp-unserved', state: 'failing', host, role: 'dhcp', what, doing });
}
