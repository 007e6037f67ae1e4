/** `/v2.0/auto-allocated-topology/<project>`: a GET makes it, as in Neutron; `None` is the caller's own project. */
import type { FastifyRequest } from 'fastify';
import { checkTopology, deleteTopology, getTopology } from '../operations/auto-allocated-topology.ts';
import type { Call } from '../operations/operation.ts';
import { Fault } from '../resources/errors.ts';
import { isStorable } from '../resources/values.ts';
import type { Api } from './app.ts';
import { permittedBy } from './policy.ts';
import { sendWritten } from './resource-routes.ts';
import { object, query, TEXT } from './route.ts';

const DRY_RUN = 'dry-run';
const SAYS = {
  get: {
    id: 'get_auto_allocated_topology',
    summary: "The network of a project's topology, which is made if there is none.",
    parameters: [query('fields', 'dry-run: says only whether it could be made.', TEXT)],
    answer: object({ auto_allocated_topology: object({ id: TEXT, tenant_id: TEXT, project_id: TEXT }) }),
  },
  remove: {
    id: 'delete_auto_allocated_topology',
    summary: 'Takes the network, its subnets and its router away.',
    status: 204,
  },
};

function projectOf(request: FastifyRequest, { caller }: Call): string {
  const { project } = request.params as { project: string };
  if (project.length > 255 || !isStorable(project))
    throw new Fault('HTTPBadRequest', 'Invalid input for project_id.');
  return project === 'None' ? caller.projectId : project;
}

export function addAutoAllocatedTopology(api: Api): void {
  const url = '/v2.0/auto-allocated-topology/:project';
  const rules = { get: 'get_auto_allocated_topology', remove: 'delete_auto_allocated_topology' };
  api.route({ method: 'GET', url, rule: rules.get, says: SAYS.get }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), rules.get);
    const project = projectOf(request, call);
    const shown = (id: string) => ({
      auto_allocated_topology: { id, tenant_id: project, project_id: project },
    });
    if ((request.query as URLSearchParams).getAll('fields').includes(DRY_RUN)) {
      await api.store.view((view) => checkTopology(view, call, project));
      return reply.send(JSON.stringify(shown('dry-run=pass')));
    }
    const { result, place } = await api.store.transact((tx) => getTopology(tx, call, project));
    return sendWritten(reply, { status: 200, place, body: shown(result) });
  });
  api.route({ method: 'DELETE', url, rule: rules.remove, says: SAYS.remove }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), rules.remove);
    const project = projectOf(request, call);
    const { place } = await api.store.transact((tx) => deleteTopology(tx, call, project));
    return sendWritten(reply, { status: 204, place });
  });
}
