/** `/v2.0/quotas`: limits by project. */
import {
  defaultQuota,
  deleteQuota,
  listQuotas,
  quotaUsage,
  showQuota,
  updateQuota,
} from '../operations/quota.ts';
import type { Call } from '../operations/operation.ts';
import { Fault } from '../resources/errors.ts';
import { boolean, display, integer, isPlainObject, isStorable } from '../resources/values.ts';
import type { FastifyRequest } from 'fastify';
import type { Api } from './app.ts';
import { adminOnly, forbidden, verdictOf } from './policy.ts';
import { requireObject, sendWritten } from './resource-routes.ts';
import { array, object, TEXT } from './route.ts';

const LIMIT = integer(-1, 2_147_483_647);

const COUNT = { type: 'integer' };
const LIMITS = { type: 'object', additionalProperties: LIMIT.schema };
const SAYS = {
  list: {
    id: 'list_quotas',
    summary: 'The projects that have limits of their own.',
    answer: object({ quotas: array({ ...LIMITS, additionalProperties: true }) }),
  },
  show: {
    id: 'show_quota',
    summary: "A project's limits by resource; -1 for none.",
    answer: object({ quota: { ...LIMITS, additionalProperties: true } }),
  },
  default: {
    id: 'show_default_quota',
    summary: 'The limits of a project that has none of its own.',
    answer: object({ quota: LIMITS }),
  },
  details: {
    id: 'show_quota_details',
    summary: 'Limits, and how much of each is used.',
    answer: object({
      quota: {
        type: 'object',
        additionalProperties: object({ limit: COUNT, used: COUNT, reserved: COUNT }),
      },
    }),
  },
  update: {
    id: 'update_quota',
    summary: 'Sets limits of a project.',
    body: object({ quota: LIMITS }),
    answer: object({ quota: { ...LIMITS, additionalProperties: true } }),
  },
  remove: { id: 'delete_quota', summary: "Takes a project's own limits away.", status: 204 },
};

function projectOf(request: FastifyRequest): string {
  const { project } = request.params as { project: string };
  if (project.length > 255 || !isStorable(project))
    throw new Fault('HTTPNotFound', 'The resource could not be found.');
  return project;
}

const aboutProject = (project: string) => ({ project_id: project, tenant_id: project });

/** Who may read a project's limits: its own members, and admins. */
function checkRead(call: Call, project: string): void {
  const isOwn = project === call.caller.projectId;
  if (!(verdictOf(call.caller, 'get_quota', aboutProject(project)) ?? isOwn)) throw forbidden('get_quota');
}

function readLimits(call: Call, given: unknown): Record<string, number> {
  const { quota } = requireObject(given);
  if (!isPlainObject(quota)) throw new Fault('HTTPBadRequest', "Unable to find 'quota' in request body");
  const known = new Set(Object.keys(defaultQuota(call)));
  const limits: Record<string, number> = {};
  const unknown: string[] = [];
  for (const [resource, value] of Object.entries(quota)) {
    // clients send these beside the limits; without check_limit an update takes effect whatever is used, forced or not
    if (['force', 'check_limit', 'tenant_id', 'project_id'].includes(resource)) continue;
    if (!known.has(resource)) {
      unknown.push(resource);
      continue;
    }
    const reading = LIMIT.read(value);
    if ('reason' in reading)
      throw new Fault('HTTPBadRequest', `Invalid input for ${resource}. Reason: ${reading.reason}.`);
    limits[resource] = reading.value as number;
  }
  if (unknown.length > 0)
    throw new Fault('HTTPBadRequest', `Unrecognized attribute(s) '${display(unknown.join(', '))}'`);
  return limits;
}

/** `check_limit`: refuse limits below what is used (Neutron's extension quota-check-limit). */
function checksLimit(given: unknown): boolean {
  const asked = (requireObject(given)['quota'] as Record<string, unknown>)['check_limit'] ?? false;
  const reading = boolean.read(asked);
  if ('value' in reading) return reading.value as boolean;
  throw new Fault('HTTPBadRequest', `Invalid input for check_limit. Reason: ${reading.reason}.`);
}

export function addQuotas(api: Api): void {
  api.route(
    { method: 'GET', url: '/v2.0/quotas', rule: 'get_quota', says: SAYS.list },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'get_quota');
      const quotas = await api.store.view((view) => listQuotas(view, call));
      const body = quotas.map((quota) => ({ ...quota, tenant_id: quota.project_id }));
      return reply.send(JSON.stringify({ quotas: body }));
    },
  );
  for (const word of ['tenant', 'project']) {
    const says = {
      id: `show_own_${word}`,
      summary: "The caller's own project.",
      answer: object({ [word]: object({ [`${word}_id`]: TEXT }) }),
    };
    api.route({ method: 'GET', url: `/v2.0/quotas/${word}`, says }, async (request, reply) => {
      const { projectId } = api.callOf(request).caller;
      return reply.send(JSON.stringify({ [word]: { [`${word}_id`]: projectId } }));
    });
  }
  api.route(
    { method: 'GET', url: '/v2.0/quotas/:project', rule: 'get_quota', says: SAYS.show },
    async (request, reply) => {
      const call = api.callOf(request);
      const project = projectOf(request);
      checkRead(call, project);
      const quota = await api.store.view((view) => showQuota(view, call, project));
      return reply.send(JSON.stringify({ quota: { ...quota, project_id: project, tenant_id: project } }));
    },
  );
  api.route(
    { method: 'GET', url: '/v2.0/quotas/:project/default', rule: 'get_quota', says: SAYS.default },
    async (request, reply) => {
      const call = api.callOf(request);
      checkRead(call, projectOf(request));
      return reply.send(JSON.stringify({ quota: defaultQuota(call) }));
    },
  );
  api.route(
    { method: 'GET', url: '/v2.0/quotas/:project/details', rule: 'get_quota', says: SAYS.details },
    async (request, reply) => {
      const call = api.callOf(request);
      const project = projectOf(request);
      checkRead(call, project);
      const quota = await api.store.view((view) => quotaUsage(view, call, project));
      return reply.send(JSON.stringify({ quota }));
    },
  );
  api.route(
    { method: 'PUT', url: '/v2.0/quotas/:project', rule: 'update_quota', says: SAYS.update },
    async (request, reply) => {
      const call = api.callOf(request);
      const projectId = projectOf(request);
      adminOnly(call.caller, 'update_quota', aboutProject(projectId));
      const limits = readLimits(call, request.body);
      const asked = { projectId, limits, checkUsed: checksLimit(request.body) };
      const { result, place } = await api.store.transact((tx) => updateQuota(tx, call, asked));
      const quota = { ...result, project_id: projectId, tenant_id: projectId };
      return sendWritten(reply, { status: 200, place, body: { quota } });
    },
  );
  api.route(
    { method: 'DELETE', url: '/v2.0/quotas/:project', rule: 'delete_quota', says: SAYS.remove },
    async (request, reply) => {
      const call = api.callOf(request);
      const project = projectOf(request);
      adminOnly(call.caller, 'delete_quota', aboutProject(project));
      const { place } = await api.store.transact((tx) => deleteQuota(tx, call, project));
      return sendWritten(reply, { status: 204, place });
    },
  );
}
