/** Which L3 agents have which routers: what an operator sees of it, and does by hand. */
import type { AgentRow } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import type { RouterView } from '../resources/router.ts';
import { planReplicas } from '../scheduling/l3.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { agentNotFound, routerNotFound } from './faults.ts';
import { noteRemoval } from './l3-removals.ts';
import { addReplicas, physicalNetworksOf, removeReplicas } from './l3-scheduling.ts';
import type { Call } from './operation.ts';
import { showRouter } from './router.ts';
import { viewRouters } from './router-gateway.ts';
import { aliveAmong, shownState } from './router-view.ts';

const invalidAgent = (id: string): Fault =>
  new Fault('InvalidL3Agent', `Agent ${id} is not a L3 Agent or has been disabled`);

async function l3Agent(tables: Tables, id: string): Promise<AgentRow> {
  const agent = await tables.agents.get({ id });
  if (!agent) throw agentNotFound(id);
  if (agent.role !== 'l3') throw invalidAgent(id);
  return agent;
}

interface BindingRequest {
  readonly agentId: string;
  readonly routerId: string;
}

/** Gives a router to an L3 agent: another replica of an HA router, or the one of a router that no agent has. */
export async function addRouterToL3Agent(
  tx: Transaction,
  call: Call,
  { agentId, routerId }: BindingRequest,
): Promise<void> {
  const [router] = await tx.routers.lock({ id: routerId });
  if (!router) throw routerNotFound(routerId);
  const agent = await l3Agent(tx, agentId);
  if (!agent.admin_state_up) throw invalidAgent(agentId);
  const bindings = await tx.routerBindings.find({ router_id: routerId });
  if (bindings.some((binding) => binding.agent_id === agentId)) return;
  const [other] = bindings;
  if (other && !router.ha) {
    throw new Fault(
      'RouterHostedByL3Agent',
      `The router ${routerId} has been already hosted by the L3 Agent ${other.agent_id}.`,
    );
  }
  const host = await tx.hosts.get({ name: agent.host });
  const replicas = planReplicas(
    {
      ...{ routerId, zoneHints: [], bound: new Set(), staying: [], missing: 1 },
      physicalNetworks: await physicalNetworksOf(tx, routerId),
      ranks: bindings.map((binding) => binding.rank),
    },
    [
      {
        ...{ id: agentId, zone: agent.availability_zone, load: 0, preferred: 0, room: 1 },
        physicalNetworks: host?.physical_networks ?? [],
      },
    ],
  );
  if (replicas.length === 0) throw invalidAgent(agentId);
  await addReplicas(tx, call, {
    router,
    replicas: replicas.map((replica) => ({ ...replica, host: agent.host })),
  });
}

/** Takes a router from an L3 agent; from one that has it not, nothing, as in Neutron. No other takes over by this alone: for a while only a request gives it to one (l3-removals.ts). */
export async function removeRouterFromL3Agent(
  tx: Transaction,
  call: Call,
  { agentId, routerId }: BindingRequest,
): Promise<void> {
  const [router] = await tx.routers.lock({ id: routerId });
  if (!router) throw routerNotFound(routerId);
  await l3Agent(tx, agentId);
  const bindings = await tx.routerBindings.find({ router_id: routerId, agent_id: agentId });
  if (bindings.length === 0) return;
  await removeReplicas(tx, call, { router, bindings });
  await noteRemoval(tx, call, { router_id: routerId, agent_id: agentId });
}

/** The routers that an agent has. */
export async function routersOfL3Agent(tables: Tables, agentId: string): Promise<RouterView[]> {
  if (!(await tables.agents.get({ id: agentId }))) throw agentNotFound(agentId);
  const bindings = await tables.routerBindings.find({ agent_id: agentId });
  if (bindings.length === 0) return [];
  return viewRouters(tables, await tables.routers.find({ id: bindings.map((one) => one.router_id) }));
}

/** The agents that have a router, the preferred first, with what each replica is; null where the router is not HA. */
export async function l3AgentsOfRouter(
  tables: Tables,
  call: Call,
  routerId: string,
): Promise<{ agent: AgentRow; haState: string | null }[]> {
  const router = await showRouter(tables, call, routerId);
  const bindings = await tables.routerBindings.find({ router_id: routerId });
  if (bindings.length === 0) return [];
  const { isAlive, agents } = await aliveAmong(tables, call, bindings);
  const sorted = [...bindings].sort((a, b) => a.rank - b.rank);
  return sorted.flatMap((binding) => {
    const agent = agents.get(binding.agent_id);
    const haState = router.ha ? shownState(binding, { all: bindings, isAlive }) : null;
    return agent ? [{ agent, haState }] : [];
  });
}
