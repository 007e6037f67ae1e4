import { type Convergence, convergenceOf } from '../convergence/lag.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { View } from '../store/store.ts';
import type { Call } from './operation.ts';

/** What every agent still owes against the head of the log, as of one consistent view. */
export async function convergence(view: View, call: Call): Promise<Convergence> {
  const { position: head } = await view.head();
  const agents = await view.agents.find({});
  // A realised place beyond the head is of a lineage that was lost; tags are compared when a report is taken.
  const isCurrent = (agent: AgentRow) => agent.realised_position === null || agent.realised_position <= head;
  return convergenceOf(agents, head, { isAlive: call.isAlive, isCurrent });
}
