/** Why a router is not served as it should be, in sentences. Pure; `operations/explain.ts` brings the facts. */
import { PATHS, type ReplicaState } from '../resources/replica-report.ts';
import { type Explanation, explained, type FleetFacts, fleetFindings } from './explain.ts';
import {
  type AgentFacts,
  agentFindings,
  type Audience,
  doingAbout,
  type Finding,
  finding,
  named,
  owedFinding,
} from './findings.ts';

export interface ReplicaFacts {
  readonly host: string;
  readonly alive: boolean;
  readonly leaving: boolean;
  readonly state: ReplicaState;
  readonly since: string | null;
  readonly reasons: readonly string[];
  readonly paths: { readonly tunnel: string; readonly management: string };
  readonly agent: AgentFacts | undefined;
}

export interface RouterFacts {
  readonly id: string;
  readonly adminStateUp: boolean;
  readonly ha: boolean;
  readonly state: 'served' | 'disputed' | 'unserved' | 'unknown' | 'off';
  readonly summary: string;
  readonly replicas: readonly ReplicaFacts[];
  /** What connects it on its hosts: their L2 agents, and what of these is the router's. */
  readonly wiring: {
    readonly agents: readonly AgentFacts[];
    /** `network/<id>` */
    readonly networks: ReadonlySet<string>;
    /** `port/<id>` */
    readonly ports: ReadonlySet<string>;
  };
  readonly fleet: FleetFacts;
}

function servingFindings(audience: Audience, { id, state, summary, replicas, ha }: RouterFacts): Finding[] {
  const matter = { key: `router/${id}`, host: '', role: 'l3', since: null } as const;
  const why = summary.replace(/\.$/, '');
  if (state === 'disputed') {
    const doing = doingAbout(audience, matter, 'The servers decide who keeps it.');
    const what = `Router ${id} has more than one active replica`;
    return [finding(audience, { code: 'router-disputed', state: 'failing', what, why, doing })];
  }
  if (state === 'unserved') {
    const otherwise = ha
      ? 'One becomes active by itself as soon as it can.'
      : 'It goes to a living host as soon as there is one that reaches its networks.';
    const what = `Router ${id} is served by nobody`;
    const doing = doingAbout(audience, matter, otherwise);
    return [finding(audience, { code: 'router-unserved', state: 'failing', what, why, doing })];
  }
  if (state === 'unknown') {
    const what = `It is not known who serves router ${id}`;
    const isLost = replicas.some((one) => one.state === 'active' && !one.alive);
    const doing = isLost
      ? 'Whoever stands by takes over once it does not hear it any more.'
      : 'Its agents say so with their next reports.';
    const grade = isLost ? 'failing' : 'pending';
    return [finding(audience, { code: 'router-unknown', state: grade, what, why, doing })];
  }
  const ready = replicas.filter((one) => one.alive && one.state === 'standby');
  if (!ha || ready.length > 0) return [];
  const what = `Nobody stands by for router ${id}`;
  const doing = 'If its active replica fails now, it is served by nobody.';
  return [finding(audience, { code: 'router-alone', state: 'waiting', what, doing })];
}

function replicaFindings(audience: Audience, replica: ReplicaFacts): Finding[] {
  const { host, state, since, reasons, paths, leaving } = replica;
  const where = named(audience, host, 'a host');
  const of = { host, role: 'l3' } as const;
  const found: Finding[] = [];
  if (state === 'fault') {
    const what = `Its replica on ${where} takes no part`;
    const why = reasons.join('; ');
    found.push(finding(audience, { code: 'replica-fault', state: 'waiting', ...of, what, why, since }));
  } else if (reasons.length > 0) {
    const what = `Its replica on ${where} is not the best choice`;
    const why = reasons.join('; ');
    found.push(finding(audience, { code: 'replica-penalty', state: 'waiting', ...of, what, why }));
  }
  const down = PATHS.filter((path) => paths[path] === 'down');
  if (down.length > 0) {
    const what = `Heartbeats of ${where} do not come by the ${down.join(' and the ')} network`;
    found.push(finding(audience, { code: 'heartbeat-path', state: 'waiting', ...of, what }));
  }
  if (leaving) {
    const what = `Its replica on ${where} is to go once those that stay are ready`;
    found.push(finding(audience, { code: 'replica-leaving', state: 'pending', ...of, what }));
  }
  return found;
}

/** What its hosts lack of the networks that it connects: a standby without them would serve nobody. */
function wiringFindings(audience: Audience, { wiring }: RouterFacts): Finding[] {
  const { agents, networks, ports } = wiring;
  return agents.flatMap((agent) =>
    agent.lag.owed
      .filter(({ key, object }) => networks.has(key) && (object === '' || ports.has(object)))
      .filter((one) => agent.lag.heard || one.state !== 'pending')
      .map((one) => owedFinding(audience, agent, one)),
  );
}

export function explainRouter(facts: RouterFacts, audience: Audience): Explanation {
  const { id, replicas, summary, adminStateUp, fleet } = facts;
  const findings = [...fleetFindings(audience, fleet)];
  if (!adminStateUp) {
    const what = `Router ${id} is switched off (admin_state_up is false)`;
    findings.push(finding(audience, { code: 'router-off', state: 'waiting', what }));
  } else findings.push(...servingFindings(audience, facts));
  for (const replica of replicas) {
    findings.push(...replicaFindings(audience, replica));
    const { agent } = replica;
    if (!agent) continue;
    findings.push(...agentFindings(audience, agent));
    const owed = agent.lag.owed.filter((one) => one.key === `router/${id}`);
    for (const one of owed)
      if (agent.lag.heard || one.state !== 'pending') findings.push(owedFinding(audience, agent, one));
  }
  findings.push(...wiringFindings(audience, facts));
  const served = audience.isAdmin ? ` ${summary}` : '';
  return explained(`router/${id}`, audience, { findings, well: `Router ${id} is as it should be.${served}` });
}
