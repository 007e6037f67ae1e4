/** How each agent stands against the head of the log, in one word and in full. */
import type { AgentRow, KeptException, Role } from '../resources/agent.ts';
import { DEADLINES_MS, type Kind } from './deadlines.ts';
import { currentPosition, type LogEnd, type Owed, owedBy } from './owed.ts';

export const AGENT_STATES = ['converged', 'waiting', 'pending', 'failing', 'unknown'] as const;
export type AgentState = (typeof AGENT_STATES)[number];

/** Something owed, and whether it should have been done by now. */
export interface OwedNow extends Owed {
  readonly overdue: boolean;
}

export interface AgentLag {
  readonly id: string;
  readonly host: string;
  readonly role: Role;
  readonly alive: boolean;
  /** Some server hears it. One that is alive and not heard is not taken for dead yet, or is one of too many at once. */
  readonly heard: boolean;
  /**
   * converged: nothing is owed; waiting: only for the world (a link that is not plugged); pending: it has yet to come;
   * failing: something was tried and did not work; unknown: no report of this log.
   */
  readonly state: AgentState;
  /** The position up to which everything is realised but for the exceptions; null: unknown. */
  readonly realised: number | null;
  /** As it last reported; what does not concern it has not been reported, and counts as realised. */
  readonly reported: number | null;
  /** Positions between `realised` and the head of the log; null: unknown. */
  readonly lag: number | null;
  readonly exceptions: readonly KeptException[];
  /** All of them, also those that did not fit into the report. */
  readonly exceptionCount: number;
  /** Everything that is owed, exceptions among it. */
  readonly owed: readonly OwedNow[];
  /** How many of these are past their deadline. */
  readonly overdue: number;
  /** When it last reported; for display. */
  readonly reportedAt: string;
}

export interface Convergence {
  readonly head: number;
  /** Whether nothing is owed by any living agent. */
  readonly converged: boolean;
  readonly agents: readonly AgentLag[];
}

export interface LagFacts {
  readonly isAlive: (agent: AgentRow) => boolean;
  /** Whether some living server hears it. */
  readonly isHeard: (agent: AgentRow) => boolean;
  /** The groups of the agent's host. */
  readonly scopeOf: (host: string) => ReadonlySet<string>;
  /** Now (ms since the epoch), by this server's clock: for what no change in the log tells the age of. */
  readonly wallMs: number;
  readonly deadlines?: Readonly<Record<Kind, number>>;
}

/** In one word, from what is owed. */
export function stateOf(realised: number | null, owed: readonly Pick<Owed, 'state'>[]): AgentState {
  if (realised === null) return 'unknown';
  if (owed.some((one) => one.state === 'failed')) return 'failing';
  if (owed.some((one) => one.state === 'pending')) return 'pending';
  return owed.length > 0 ? 'waiting' : 'converged';
}

/** By the database's clock where that is known, so that all servers say the same. */
function ageOf({ ageMs, sinceAt }: Owed, wallMs: number): number {
  if (ageMs !== null) return ageMs;
  return sinceAt === null ? 0 : wallMs - Date.parse(sinceAt);
}

/** An agent that is away is late with nothing: that it is away is the matter. */
function isOverdue(owed: Owed, facts: LagFacts & { readonly heard: boolean }): boolean {
  if (!facts.heard || owed.state === 'waiting') return false;
  return ageOf(owed, facts.wallMs) > (facts.deadlines ?? DEADLINES_MS)[owed.kind];
}

export function lagOf(agent: AgentRow, log: LogEnd, facts: LagFacts): AgentLag {
  const { realised, owed } = owedBy(agent, log, facts.scopeOf(agent.host));
  const alive = facts.isAlive(agent);
  const heard = facts.isHeard(agent);
  const now = owed.map((one): OwedNow => ({ ...one, overdue: isOverdue(one, { ...facts, heard }) }));
  const unnamed = agent.exception_count > agent.exceptions.length;
  const state = stateOf(realised, owed);
  return {
    id: agent.id,
    host: agent.host,
    role: agent.role,
    alive,
    heard,
    state: state === 'converged' && unnamed ? 'pending' : state,
    realised,
    reported: currentPosition(agent, log),
    lag: realised === null ? null : Math.max(0, log.head - realised),
    exceptions: agent.exceptions,
    exceptionCount: agent.exception_count,
    owed: now,
    overdue: now.filter((one) => one.overdue).length,
    reportedAt: agent.heartbeat_at,
  };
}

/** Whether nothing is owed, the world aside. */
export const isConverged = (lag: Pick<AgentLag, 'state'>): boolean =>
  lag.state === 'converged' || lag.state === 'waiting';

export function convergenceOf(agents: readonly AgentRow[], log: LogEnd, facts: LagFacts): Convergence {
  const lags = agents.map((agent) => lagOf(agent, log, facts));
  return { head: log.head, converged: lags.every((lag) => !lag.alive || isConverged(lag)), agents: lags };
}
