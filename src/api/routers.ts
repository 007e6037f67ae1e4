/** What routers have beside what their collection says: interfaces, and the agents that have them. */
import { agentView } from '../operations/agent.ts';
import {
  addRouterToL3Agent,
  l3AgentsOfRouter,
  removeRouterFromL3Agent,
  routersOfL3Agent,
} from '../operations/l3-bindings.ts';
import {
  addRouterInterface,
  type InterfaceRequest,
  removeRouterInterface,
} from '../operations/router-interface.ts';
import { agentMap } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import { routerMap } from '../resources/router.ts';
import { canonicalUuid, display, isPlainObject } from '../resources/values.ts';
import type { Api } from './app.ts';
import { agentCollection, routerCollection } from './collections.ts';
import { adminOnly } from './policy.ts';
import { permit } from './policy-judge.ts';
import { pathId, requireObject, sendWritten } from './resource-routes.ts';
import { array, object, ref, TEXT } from './route.ts';
import { bodyMaker, type Row } from './view.ts';

const ID = { ...TEXT, format: 'uuid' };
const INTERFACE = object({
  ...{ id: ID, tenant_id: TEXT, project_id: TEXT, port_id: ID, network_id: ID, subnet_id: ID },
  subnet_ids: array(ID),
});
const INTERFACE_BODY = {
  type: 'object',
  properties: { subnet_id: ID, port_id: ID },
  additionalProperties: false,
};

const SAYS = {
  add_router_interface: {
    id: 'add_router_interface',
    summary: 'Attaches a subnet, by its gateway address, or a port.',
    body: INTERFACE_BODY,
    answer: INTERFACE,
  },
  remove_router_interface: {
    id: 'remove_router_interface',
    summary: 'Detaches a subnet or a port, which is deleted.',
    body: INTERFACE_BODY,
    answer: INTERFACE,
  },
  routers: {
    id: 'list_routers_on_l3_agent',
    summary: 'The routers that an L3 agent has.',
    answer: object({ routers: array(ref('Router')) }),
  },
  agents: {
    id: 'list_l3_agents_hosting_router',
    summary: 'The L3 agents that have a router; of an HA router with the `ha_state` of each.',
    answer: object({ agents: array(ref('Agent')) }),
  },
  add: {
    id: 'add_router_to_l3_agent',
    summary: 'Gives a router to an L3 agent.',
    body: object({ router_id: ID }),
    status: 201,
    answer: { type: 'null' },
  },
  remove: {
    id: 'remove_router_from_l3_agent',
    summary: 'Takes a router from an L3 agent.',
    status: 204,
  },
};

const badRouter = (why: string): Fault => new Fault('BadRequest', `Bad router request: ${why}.`);

function idIn(body: Record<string, unknown>, name: 'subnet_id' | 'port_id'): string | undefined {
  if (!(name in body)) return undefined;
  const id = canonicalUuid(body[name]);
  if (id === undefined) throw badRouter(`'${display(body[name])}' is not a valid UUID`);
  return id;
}

/** Neutron reads these two and leaves the rest alone. */
function interfaceIn(given: unknown, routerId: string, isAddition: boolean): InterfaceRequest {
  const body = isPlainObject(given) ? given : {};
  if (!('subnet_id' in body) && !('port_id' in body))
    throw badRouter('Either subnet_id or port_id must be specified');
  const asked = { routerId, subnetId: idIn(body, 'subnet_id'), portId: idIn(body, 'port_id') };
  if (isAddition && asked.subnetId !== undefined && asked.portId !== undefined)
    throw badRouter('Cannot specify both subnet-id and port-id');
  return asked;
}

function addInterfaces(api: Api): void {
  for (const [verb, operation] of [
    ['add_router_interface', addRouterInterface],
    ['remove_router_interface', removeRouterInterface],
  ] as const) {
    const url = `/v2.0/routers/:id/${verb}`;
    api.route({ method: 'PUT', url, rule: verb, says: SAYS[verb] }, async (request, reply) => {
      const call = api.callOf(request);
      const routerId = pathId(routerMap, request);
      const asked = interfaceIn(request.body, routerId, verb === 'add_router_interface');
      const { result, place } = await api.store.transact(async (tx) =>
        operation(tx, await permit(tx, call, { it: routerCollection, id: routerId, rule: verb }), asked),
      );
      return sendWritten(reply, { status: 200, place, body: result });
    });
  }
}

function routerIdIn(given: unknown): string {
  const { router_id } = requireObject(given);
  const id = canonicalUuid(router_id);
  if (id === undefined) {
    const why = `Invalid input for router_id. Reason: '${display(router_id)}' is not a valid UUID.`;
    throw new Fault('HTTPBadRequest', why);
  }
  return id;
}

function addScheduling(api: Api): void {
  const all = '/v2.0/agents/:id/l3-routers';
  api.route(
    { method: 'GET', url: all, rule: 'get_l3-routers', says: SAYS.routers },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'get_l3-routers');
      const agentId = pathId(agentMap, request);
      const routers = await api.store.view(async (view) => {
        const shown = (await routersOfL3Agent(view, agentId)) as unknown as Row[];
        const computed = await routerCollection.compute(view, call, shown);
        const toBody = bodyMaker(routerMap, call.caller, []);
        return shown.map((row) => toBody(row, computed));
      });
      return reply.send(JSON.stringify({ routers }));
    },
  );
  api.route(
    { method: 'GET', url: '/v2.0/routers/:id/l3-agents', rule: 'get_l3-agents', says: SAYS.agents },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'get_l3-agents');
      const routerId = pathId(routerMap, request);
      const agents = await api.store.view(async (view) => {
        const found = await l3AgentsOfRouter(view, call, routerId);
        const shown = found.map(({ agent }) => agentView(call, agent)) as unknown as Row[];
        const computed = await agentCollection.compute(view, call, shown);
        const toBody = bodyMaker(agentMap, call.caller, []);
        return shown.map((row, at) => ({ ...toBody(row, computed), ha_state: found[at]?.haState ?? null }));
      });
      return reply.send(JSON.stringify({ agents }));
    },
  );
  api.route(
    { method: 'POST', url: all, rule: 'create_l3-router', says: SAYS.add },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'create_l3-router');
      const asked = { agentId: pathId(agentMap, request), routerId: routerIdIn(request.body) };
      const { place } = await api.store.transact((tx) => addRouterToL3Agent(tx, call, asked));
      return sendWritten(reply, { status: 201, place, body: null });
    },
  );
  api.route(
    { method: 'DELETE', url: `${all}/:router`, rule: 'delete_l3-router', says: SAYS.remove },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'delete_l3-router');
      const asked = { agentId: pathId(agentMap, request), routerId: pathId(routerMap, request, 'router') };
      const { place } = await api.store.transact((tx) => removeRouterFromL3Agent(tx, call, asked));
      return sendWritten(reply, { status: 204, place });
    },
  );
}

export function addRouters(api: Api): void {
  addInterfaces(api);
  addScheduling(api);
}
