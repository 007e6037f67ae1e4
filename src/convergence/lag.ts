/** What each agent still owes: how far its watermark is behind the log, and what it reports as not realised. */
import type { AgentRow, ReportException, Role } from '../resources/agent.ts';

export interface AgentLag {
  readonly id: string;
  readonly host: string;
  readonly role: Role;
  readonly alive: boolean;
  /** converged: nothing is owed; pending: it has yet to come; failing: something was tried or waits; unknown: no report of this log. */
  readonly state: 'converged' | 'pending' | 'failing' | 'unknown';
  /** The position up to which everything is realised but for the exceptions; null: unknown. */
  readonly realised: number | null;
  /** Positions between that and the head of the log; null: unknown. */
  readonly lag: number | null;
  readonly exceptions: readonly ReportException[];
  /** All of them, also those that did not fit into the report. */
  readonly exceptionCount: number;
  /** When it last reported; for display. */
  readonly reportedAt: string;
}

export interface Convergence {
  readonly head: number;
  /** Whether every living agent has realised the whole log. */
  readonly converged: boolean;
  readonly agents: readonly AgentLag[];
}

function stateOf(realised: number | null, head: number, agent: AgentRow): AgentLag['state'] {
  if (realised === null) return 'unknown';
  if (agent.exceptions.some((exception) => exception.state !== 'pending')) return 'failing';
  return realised >= head && agent.exception_count === 0 ? 'converged' : 'pending';
}

/** `isCurrent` says whether an agent's realised place is of the log whose head is `head`. */
export function convergenceOf(
  agents: readonly AgentRow[],
  head: number,
  facts: { readonly isAlive: (agent: AgentRow) => boolean; readonly isCurrent: (agent: AgentRow) => boolean },
): Convergence {
  const lags = agents.map((agent): AgentLag => {
    const realised = facts.isCurrent(agent) ? agent.realised_position : null;
    return {
      id: agent.id,
      host: agent.host,
      role: agent.role,
      alive: facts.isAlive(agent),
      state: stateOf(realised, head, agent),
      realised,
      lag: realised === null ? null : Math.max(0, head - realised),
      exceptions: agent.exceptions,
      exceptionCount: agent.exception_count,
      reportedAt: agent.heartbeat_at,
    };
  });
  const converged = lags.every((lag) => !lag.alive || lag.state === 'converged');
  return { head, converged, agents: lags };
}
