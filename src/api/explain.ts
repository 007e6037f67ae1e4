/** `/v2.0/deuteron/explain`: why a port, a network, a router or an agent is not as it should be, in sentences. */
import {
  type Explanation,
  explainAgentByName,
  explainNetworkById,
  explainPortById,
  explainRouterById,
} from '../operations/explain.ts';
import type { Call } from '../operations/operation.ts';
import { networkMap } from '../resources/network.ts';
import { portMap } from '../resources/port.ts';
import { routerMap } from '../resources/router.ts';
import { display, isStorable } from '../resources/values.ts';
import { Fault } from '../resources/errors.ts';
import type { View } from '../store/store.ts';
import type { FastifyRequest } from 'fastify';
import type { Api } from './app.ts';
import type { Collection } from './collection.ts';
import { networkCollection, portCollection, routerCollection } from './collections.ts';
import { adminOnly } from './policy.ts';
import { mustGetById } from './policy-judge.ts';
import { pathId } from './resource-routes.ts';
import { array, object, TEXT } from './route.ts';

const FINDING = object({
  code: TEXT,
  state: { ...TEXT, enum: ['waiting', 'pending', 'failing'] },
  host: TEXT,
  role: TEXT,
  since: { type: ['string', 'null'] },
  sentence: TEXT,
});
const ANSWER = object({
  explanation: object({
    subject: TEXT,
    state: { ...TEXT, enum: ['converged', 'waiting', 'pending', 'failing'] },
    summary: TEXT,
    findings: array(FINDING),
    events: array({ type: 'object' }),
  }),
});

type Explain = (view: View, call: Call, id: string) => Promise<Explanation>;

function add(
  api: Api,
  url: string,
  it: {
    says: { id: string; summary: string };
    rule: string;
    /** What is explained, if it is one that its caller must be able to get. */
    of?: Collection;
    idOf: (request: FastifyRequest) => string;
    explain: Explain;
  },
) {
  const { rule } = it;
  api.route({ method: 'GET', url, rule, says: { ...it.says, answer: ANSWER } }, async (request, reply) => {
    const call = api.callOf(request);
    const id = it.idOf(request);
    const explanation = await api.store.view(async (view) => {
      if (it.of) await mustGetById(view, call, { it: it.of, id });
      return it.explain(view, call, id);
    });
    return reply.send(JSON.stringify({ explanation }));
  });
}

export function addExplain(api: Api): void {
  add(api, '/v2.0/deuteron/explain/port/:id', {
    says: { id: 'explain_port', summary: 'What a port lacks, where, since when, why, what is being done.' },
    ...{ rule: 'get_port', of: portCollection },
    idOf: (request) => pathId(portMap, request),
    explain: explainPortById,
  });
  add(api, '/v2.0/deuteron/explain/network/:id', {
    says: { id: 'explain_network', summary: 'The same of a network: its DHCP, and its hosts.' },
    ...{ rule: 'get_network', of: networkCollection },
    idOf: (request) => pathId(networkMap, request),
    explain: explainNetworkById,
  });
  add(api, '/v2.0/deuteron/explain/router/:id', {
    says: { id: 'explain_router', summary: 'The same of a router: who serves it, and who stands by.' },
    ...{ rule: 'get_router', of: routerCollection },
    idOf: (request) => pathId(routerMap, request),
    explain: explainRouterById,
  });
  add(api, '/v2.0/deuteron/explain/agent/:name', {
    says: {
      id: 'explain_agent',
      summary: "The same of an agent, by id or `HOST/ROLE`, or of all a host's, by `HOST`. Admins only.",
    },
    rule: 'get_agent',
    idOf(request) {
      adminOnly(api.callOf(request).caller, 'get_agent');
      const { name } = request.params as { name: string };
      if (!isStorable(name)) throw new Fault('AgentNotFound', `Agent ${display(name)} could not be found.`);
      return name;
    },
    explain: explainAgentByName,
  });
}
