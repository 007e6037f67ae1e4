/** What Deuteron adds to the Networking API: hosts with their credentials. Admins only. */
import type { FastifyRequest } from 'fastify';
import { addHost, type ListedHost, listHosts, removeHost } from '../operations/host.ts';
import type { HostRow } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import { isPlainObject } from '../resources/values.ts';
import type { Api } from './app.ts';
import { adminOnly } from './policy.ts';
import { requireObject, sendWritten } from './resource-routes.ts';
import { array, object, query as parameter, TEXT } from './route.ts';

const HOST = {
  ...{ name: TEXT, tunnel_ip: TEXT, management_ip: TEXT },
  ...{ physical_networks: array(TEXT), created_at: TEXT },
};
/** null: it has none, or it was not asked yet. */
const FENCE_DEVICE = {
  ...object({ ok: { type: 'boolean' }, since: TEXT, at: TEXT, message: TEXT }),
  type: ['object', 'null'],
} as const;
const SAYS = {
  list: {
    id: 'list_hosts',
    summary: 'The hosts whose agents may come.',
    answer: object({ hosts: array(object({ ...HOST, fence_device: FENCE_DEVICE })) }),
  },
  create: {
    id: 'create_host',
    summary: 'Adds a host, and answers with its credential, once.',
    body: object({ host: object({ name: TEXT }) }),
    status: 201,
    answer: object({ host: object({ ...HOST, credential: TEXT }) }),
  },
  remove: {
    id: 'delete_host',
    summary: 'Takes a host away, with its agents.',
    parameters: [parameter('force', 'Even if ports are bound to it.', { type: 'boolean' })],
    status: 204,
  },
};

/** The hash of the credential stays where it is. */
function shown(host: HostRow) {
  const { name, tunnel_ip, management_ip, physical_networks, created_at } = host;
  return { name, tunnel_ip, management_ip, physical_networks, created_at };
}

function listed({ host, fenceDevice }: ListedHost) {
  if (fenceDevice === null) return { ...shown(host), fence_device: null };
  const { ok, since, at, message } = fenceDevice;
  return { ...shown(host), fence_device: { ok, since, at, message } };
}

function nameIn(given: unknown): string {
  const { host } = requireObject(given);
  if (!isPlainObject(host)) throw new Fault('HTTPBadRequest', "Unable to find 'host' in request body");
  const unknown = Object.keys(host).filter((key) => key !== 'name');
  if (unknown.length > 0)
    throw new Fault('HTTPBadRequest', `Unrecognized attribute(s) '${unknown.join(', ')}'`);
  if (typeof host['name'] !== 'string') {
    throw new Fault(
      'InvalidInput',
      `Invalid input for name. Reason: '${String(host['name'])}' is not a valid string.`,
    );
  }
  return host['name'];
}

const query = (request: FastifyRequest) => request.query as URLSearchParams;

/** `secret` gives the text of 256 strongly random bits. */
export function addDeuteron(api: Api, secret: () => string): void {
  api.route(
    { method: 'GET', url: '/v2.0/deuteron/hosts', rule: 'get_host', says: SAYS.list },
    async (request, reply) => {
      adminOnly(api.callOf(request).caller, 'get_host');
      const hosts = await api.store.view((view) => listHosts(view));
      return reply.send(JSON.stringify({ hosts: hosts.map(listed) }));
    },
  );
  api.route(
    { method: 'POST', url: '/v2.0/deuteron/hosts', rule: 'create_host', says: SAYS.create },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'create_host');
      const name = nameIn(request.body);
      const written = await api.store.transact((tx) => addHost(tx, call, { name, secret }));
      const { host, credential } = written.result;
      return sendWritten(reply, {
        status: 201,
        place: written.place,
        body: { host: { ...shown(host), credential } },
      });
    },
  );
  api.route(
    { method: 'DELETE', url: '/v2.0/deuteron/hosts/:name', rule: 'delete_host', says: SAYS.remove },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'delete_host');
      const { name } = request.params as { name: string };
      const force = query(request).get('force') === 'true';
      const written = await api.store.transact((tx) => removeHost(tx, call, { name, force }));
      return sendWritten(reply, { status: 204, place: written.place });
    },
  );
}
