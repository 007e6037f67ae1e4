/** Convergence seen for one resource or one position only. Pure. */
import { splitKey } from '../resources/agent-view.ts';
import type { Role } from '../resources/agent.ts';
import { type AgentLag, type OwedNow, stateOf } from './lag.ts';

/** A resource, and which agents have to do with it. */
export interface Subject {
  readonly kind: 'port' | 'network' | 'subnet';
  readonly id: string;
  readonly networkId: string;
  /** The hosts of each role that it concerns. */
  readonly hosts: Readonly<Record<Role, ReadonlySet<string>>>;
  /** Where the port is bound; '' where it is not, and for others. */
  readonly boundHost: string;
  /** What the port's firewall on its host is made of, as keys of the L2 agent: `security-group/<id>` and the like. */
  readonly firewall?: ReadonlySet<string>;
  /** The routers that have the port, or ports on the network. */
  readonly routers?: ReadonlySet<string>;
  /** Their ports on the network, as `port/<id>`; of the port itself none. */
  readonly routerPorts?: ReadonlySet<string>;
}

export interface Narrowing {
  readonly subject?: Subject | undefined;
  /** Only what this change or an earlier one asked for. */
  readonly position?: number | undefined;
}

/** Whether what that host owes (or reports as missing) bears on the subject. */
export function bearsOn(
  subject: Subject,
  owed: { readonly key: string; readonly object: string },
  host: string,
): boolean {
  const { kind, id, networkId, boundHost } = subject;
  const { key, object } = owed;
  // Everything, or what may be anything.
  if (key === '' && object === '') return true;
  if (subject.firewall?.has(key)) return host === boundHost;
  if (key.startsWith('router/')) {
    if (!subject.routers?.has(splitKey(key).id)) return false;
    return object === '' || object === `${kind}/${id}` || (subject.routerPorts?.has(object) ?? false);
  }
  if (key !== '' && key !== `network/${networkId}`) return false;
  if (kind === 'network') return key !== '';
  if (object === `${kind}/${id}`) return true;
  if (key === '') return false;
  return object === '' || (kind === 'port' && boundHost !== '' && object === `endpoint/${boundHost}`);
}

/** What of an agent's standing is asked for. */
function narrowed(lag: AgentLag, { subject, position }: Narrowing): AgentLag {
  const isAsked = (one: { key: string; object: string; since: number; state: string }) =>
    (!subject || bearsOn(subject, one, lag.host)) &&
    (position === undefined || one.state === 'waiting' || one.since <= position);
  const owed: OwedNow[] = lag.owed.filter(isAsked);
  const exceptions = lag.exceptions.filter(isAsked);
  const unnamed = lag.exceptionCount - lag.exceptions.length;
  const state = stateOf(lag.realised, owed);
  return {
    ...lag,
    owed,
    exceptions,
    exceptionCount: exceptions.length + unnamed,
    overdue: owed.filter((one) => one.overdue).length,
    state: state === 'converged' && unnamed > 0 ? 'pending' : state,
  };
}

/** The agents that are asked for, each with what is asked for. */
export function narrow(lags: readonly AgentLag[], narrowing: Narrowing): AgentLag[] {
  const { subject, position } = narrowing;
  const concerned = subject ? lags.filter((lag) => subject.hosts[lag.role].has(lag.host)) : lags;
  return subject || position !== undefined
    ? concerned.map((lag) => narrowed(lag, narrowing))
    : [...concerned];
}
