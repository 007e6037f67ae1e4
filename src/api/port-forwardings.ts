/** `/v2.0/floatingips/<id>/port_forwardings`: some ports of a floating IP. */
import type { FastifyRequest } from 'fastify';
import {
  createPortForwarding,
  deletePortForwarding,
  listPortForwardings,
  showPortForwarding,
  updatePortForwarding,
} from '../operations/port-forwarding.ts';
import { missingFault, readCreate, readUpdate, schemaOf } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { floatingIpMap } from '../resources/floating-ip.ts';
import { portForwardingMap as map } from '../resources/port-forwarding.ts';
import { isPlainObject } from '../resources/values.ts';
import type { Call } from '../operations/operation.ts';
import type { Tables } from '../store/store.ts';
import type { Api } from './app.ts';
import { floatingIpCollection } from './collections.ts';
import { pick } from './few.ts';
import { readListQuery } from './list-query.ts';
import { pageLinks } from './paging.ts';
import { forbidden } from './policy.ts';
import { targetFor, targetOf } from './policy-target.ts';
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

const RULES = {
  create: 'create_floatingip_port_forwarding',
  get: 'get_floatingip_port_forwarding',
  update: 'update_floatingip_port_forwarding',
  delete: 'delete_floatingip_port_forwarding',
} as const;

/** Whether a policy file, if it says something of the rule, lets the caller do that with these of the floating IP, which it sees. */
async function judge(
  tables: Tables,
  call: Call,
  asked: { readonly rule: string; readonly floatingIpId: string; readonly rows: readonly object[] },
): Promise<boolean[]> {
  const { rule, floatingIpId, rows } = asked;
  const { isAdmin, overrides } = call.caller;
  if (isAdmin || !overrides?.changes(rule)) return rows.map(() => true);
  const parent = await floatingIpCollection.show(tables, call, floatingIpId);
  const known = { ext_parent: targetOf(floatingIpMap, parent) };
  const targets = rows.map((row) => targetFor(tables, call, { rule, map, known, row: { ...row } }));
  return (await Promise.all(targets)).map((target) => overrides.allows(rule, target));
}

async function mustPass(
  tables: Tables,
  call: Call,
  { row, ...asked }: { rule: string; floatingIpId: string; row: () => Promise<object> },
): Promise<void> {
  if (!call.caller.overrides?.changes(asked.rule)) return;
  const [isAllowed] = await judge(tables, call, { ...asked, rows: [await row()] });
  if (!isAllowed) throw forbidden(asked.rule);
}

function addReads(api: Api): void {
  api.route({ method: 'GET', url: ALL, rule: RULES.get, says: SAYS.list }, async (request, reply) => {
    const call = api.callOf(request);
    const parameters = request.query as URLSearchParams;
    const asked = readListQuery(map, parameters, call.caller);
    const all = await api.store.view(async (view) => {
      const floatingIpId = parentOf(request);
      const rows = await listPortForwardings(view, call, floatingIpId);
      const judged = await judge(view, call, { rule: RULES.get, floatingIpId, rows });
      return rows.filter((_row, at) => judged[at]);
    });
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
  api.route({ method: 'GET', url: ONE, rule: RULES.get, says: SAYS.show }, async (request, reply) => {
    const call = api.callOf(request);
    const named = namedIn(request);
    const row = await api.store.view(async (view) => {
      const found = await showPortForwarding(view, call, named);
      const [isSeen] = await judge(view, call, { ...named, rule: RULES.get, rows: [found] });
      if (!isSeen) throw missingFault(map, named.id);
      return found;
    });
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
  api.route({ method: 'POST', url: ALL, rule: RULES.create, says: SAYS.create }, async (request, reply) => {
    const call = api.callOf(request);
    const floatingIpId = parentOf(request);
    const { values: asked } = readCreate(map, bodyIn(request.body), call.caller.projectId);
    const { result, place } = await api.store.transact(async (tx) => {
      await mustPass(tx, call, { rule: RULES.create, floatingIpId, row: () => Promise.resolve(asked) });
      return createPortForwarding(tx, call, { floatingIpId, asked });
    });
    return sendWritten(reply, { status: 201, place, body: shown(result, request) });
  });
  api.route({ method: 'PUT', url: ONE, rule: RULES.update, says: SAYS.update }, async (request, reply) => {
    const call = api.callOf(request);
    const asked = { ...namedIn(request), changes: readUpdate(map, bodyIn(request.body)).values };
    const { result, place } = await api.store.transact(async (tx) => {
      const row = async () => ({ ...(await showPortForwarding(tx, call, asked)), ...asked.changes });
      await mustPass(tx, call, { ...asked, rule: RULES.update, row });
      return updatePortForwarding(tx, call, asked);
    });
    return sendWritten(reply, { status: 200, place, body: shown(result, request) });
  });
  api.route({ method: 'DELETE', url: ONE, rule: RULES.delete, says: SAYS.delete }, async (request, reply) => {
    const call = api.callOf(request);
    const named = namedIn(request);
    const { place } = await api.store.transact(async (tx) => {
      const row = () => showPortForwarding(tx, call, named);
      await mustPass(tx, call, { ...named, rule: RULES.delete, row });
      return deletePortForwarding(tx, call, named);
    });
    return sendWritten(reply, { status: 204, place });
  });
}
