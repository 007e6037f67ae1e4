/** `/v2.0/floatingips/<id>/port_forwardings`: some ports of a floating IP. */
import type { FastifyRequest } from 'fastify';
import {
  createPortForwarding,
  deletePortForwarding,
  listPortForwardings,
  showPortForwarding,
  updatePortForwarding,
} from '../operations/port-forwarding.ts';
import { readCreate, readUpdate, schemaOf } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { floatingIpMap } from '../resources/floating-ip.ts';
import { portForwardingMap as map } from '../resources/port-forwarding.ts';
import { isPlainObject } from '../resources/values.ts';
import type { Api } from './app.ts';
import { pick } from './few.ts';
import { readListQuery } from './list-query.ts';
import { pageLinks } from './paging.ts';
import { pathId, requireObject, sendWritten } from './resource-routes.ts';
import { array, object } from './route.ts';
import { bodyMaker, type Row } from './view.ts';

const SHOWN = schemaOf(map, 'shown');
const SAYS = {
  list: {
    id: 'list_port_forwardings',
    summary: 'Those of a floating IP.',
    answer: object({ port_forwardings: array(SHOWN) }),
  },
  show: {
    id: 'show_port_forwarding',
    summary: 'The one with that id.',
    answer: object({ port_forwarding: SHOWN }),
  },
  create: {
    id: 'create_port_forwarding',
    summary: 'Leads some ports to a machine.',
    body: object({ port_forwarding: schemaOf(map, 'post') }),
    status: 201,
    answer: object({ port_forwarding: SHOWN }),
  },
  update: {
    id: 'update_port_forwarding',
    summary: 'Changes what is named.',
    body: object({ port_forwarding: schemaOf(map, 'put') }),
    answer: object({ port_forwarding: SHOWN }),
  },
  delete: { id: 'delete_port_forwarding', summary: 'Deletes it.', status: 204 },
};

const ALL = '/v2.0/floatingips/:floatingip/port_forwardings';
const ONE = `${ALL}/:id`;

const parentOf = (request: FastifyRequest): string => pathId(floatingIpMap, request, 'floatingip');
const namedIn = (request: FastifyRequest) => ({ floatingIpId: parentOf(request), id: pathId(map, request) });

function bodyIn(given: unknown): unknown {
  const { port_forwarding } = requireObject(given);
  if (!isPlainObject(port_forwarding))
    throw new Fault('HTTPBadRequest', "Unable to find 'port_forwarding' in request body");
  return port_forwarding;
}

function addReads(api: Api): void {
  api.route({ method: 'GET', url: ALL, says: SAYS.list }, async (request, reply) => {
    const call = api.callOf(request);
    const parameters = request.query as URLSearchParams;
    const asked = readListQuery(map, parameters, call.caller);
    const all = await api.store.view((view) => listPortForwardings(view, call, parentOf(request)));
    const rows = asked.impossible ? [] : pick(map, all as unknown as Row[], asked);
    const toBody = bodyMaker(map, call.caller, asked.fields);
    const answer: Record<string, unknown> = { port_forwardings: rows.map((row) => toBody(row, () => ({}))) };
    if (asked.limit > 0) {
      const page = { url: api.urlOf(request), parameters, limit: asked.limit, reverse: asked.reverse };
      answer['port_forwardings_links'] = pageLinks(
        page,
        rows.map((row) => row.id),
      );
    }
    return reply.send(JSON.stringify(answer));
  });
  api.route({ method: 'GET', url: ONE, says: SAYS.show }, async (request, reply) => {
    const call = api.callOf(request);
    const row = await api.store.view((view) => showPortForwarding(view, call, namedIn(request)));
    const toBody = bodyMaker(map, call.caller, (request.query as URLSearchParams).getAll('fields'));
    const port_forwarding = toBody(row as unknown as Row, () => ({}));
    return reply.send(JSON.stringify({ port_forwarding }));
  });
}

export function addPortForwardings(api: Api): void {
  addReads(api);
  const shown = (row: object, request: FastifyRequest) => ({
    port_forwarding: bodyMaker(map, api.callOf(request).caller, [])(row as Row, () => ({})),
  });
  api.route({ method: 'POST', url: ALL, says: SAYS.create }, async (request, reply) => {
    const call = api.callOf(request);
    const floatingIpId = parentOf(request);
    const { values: asked } = readCreate(map, bodyIn(request.body), call.caller.projectId);
    const { result, place } = await api.store.transact((tx) =>
      createPortForwarding(tx, call, { floatingIpId, asked }),
    );
    return sendWritten(reply, { status: 201, place, body: shown(result, request) });
  });
  api.route({ method: 'PUT', url: ONE, says: SAYS.update }, async (request, reply) => {
    const call = api.callOf(request);
    const asked = { ...namedIn(request), changes: readUpdate(map, bodyIn(request.body)).values };
    const { result, place } = await api.store.transact((tx) => updatePortForwarding(tx, call, asked));
    return sendWritten(reply, { status: 200, place, body: shown(result, request) });
  });
  api.route({ method: 'DELETE', url: ONE, says: SAYS.delete }, async (request, reply) => {
    const call = api.callOf(request);
    const named = namedIn(request);
    const { place } = await api.store.transact((tx) => deletePortForwarding(tx, call, named));
    return sendWritten(reply, { status: 204, place });
  });
}
