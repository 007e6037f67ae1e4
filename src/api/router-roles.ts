/** `/v2.0/deuteron/routers` and the drain of hosts: who is active, why, and moving it by hand. */
import { Fault } from '../resources/errors.ts';
import { routerMap } from '../resources/router.ts';
import { display, isPlainObject } from '../resources/values.ts';
import { type DrainWish, drainHost, showDrain } from '../operations/host-drain.ts';
import { failoverRouter, type Wish } from '../operations/router-failover.ts';
import { showRoles } from '../operations/router-view.ts';
import type { Api } from './app.ts';
import { adminOnly } from './policy.ts';
import { pathId, requireObject, sendWritten } from './resource-routes.ts';
import { array, object, TEXT } from './route.ts';

const COUNT = { type: 'integer' };
const MAYBE_TEXT = { type: ['string', 'null'] };
const FLAG = { type: 'boolean' };
const PATH = { ...TEXT, enum: ['up', 'down', 'unknown'] };
const CHECK = object({ name: TEXT, ok: FLAG, since: TEXT, text: TEXT });
const SAID = object({
  ...{ host: TEXT, agent_id: TEXT, rank: COUNT, alive: FLAG, leaving: FLAG, ha_state: MAYBE_TEXT },
  state: { ...TEXT, enum: ['active', 'standby', 'fault', 'unknown'] },
  ...{ since: MAYBE_TEXT, penalty: COUNT, reasons: array(TEXT), hears: FLAG },
  paths: object({ tunnel: PATH, management: PATH }),
  checks: array(CHECK),
  order: { type: ['object', 'null'] },
});
// Where it is known.
const REPLICA = { ...SAID, properties: { ...(SAID.properties as object), rival: FLAG } };
const ROUTER = object({
  ...{ id: TEXT, name: TEXT, ha: FLAG, summary: TEXT },
  state: { ...TEXT, enum: ['served', 'disputed', 'unserved', 'unknown', 'off'] },
  replicas: array(REPLICA),
  events: array({ type: 'object' }),
});
const DRAIN = object({
  ...{ host: TEXT, draining: FLAG, active_routers: COUNT, replicas: COUNT, networks: COUNT, ports: COUNT },
});
const STUCK = array(object({ router: TEXT, why: TEXT }));

const SAYS = {
  show: {
    id: 'show_router_roles',
    summary:
      'A router with its replicas: who is active, since when, why, and what was decided lately. Admins only.',
    answer: object({ router: ROUTER }),
  },
  failover: {
    id: 'failover_router',
    summary:
      'Moves the active role of an HA router, to the best of the others or to the one on host `to`; `force`: also to one that ails, is held back, switched off or about to leave. Admins only.',
    body: { type: 'object', properties: { to: TEXT, force: FLAG }, additionalProperties: false },
    status: 202,
    answer: object({ failover: object({ from: TEXT, to: TEXT }) }),
  },
  drained: {
    id: 'show_drain',
    summary: 'What a host has that others could: routers, DHCP, and the ports of machines. Admins only.',
    answer: object({ drain: DRAIN }),
  },
  drain: {
    id: 'drain_host',
    summary: 'Empties a host before maintenance, or lets it take part again. Admins only.',
    body: object({
      drain: { type: 'object', properties: { draining: FLAG, force: FLAG }, required: ['draining'] },
    }),
    status: 202,
    answer: object({ drain: object({ ...(DRAIN.properties as object), moved: COUNT, stuck: STUCK }) }),
  },
};

function isForced(force: unknown): boolean {
  if (force === undefined || force === null) return false;
  if (typeof force !== 'boolean')
    throw new Fault(
      'InvalidInput',
      `Invalid input for force. Reason: '${display(force)}' is not true or false.`,
    );
  return force;
}

function wishIn(given: unknown): Wish {
  const {
    to,
    force: forced,
    ...rest
  } = isPlainObject(given) ? given : given == null ? {} : requireObject(given);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw new Fault('HTTPBadRequest', `Unrecognized attribute(s) '${display(unknown)}'`);
  const force = isForced(forced);
  if (to === undefined || to === null) return { force };
  if (typeof to !== 'string' || to === '')
    throw new Fault('InvalidInput', `Invalid input for to. Reason: '${display(to)}' is no host's name.`);
  return { to, force };
}

function drainIn(given: unknown): Omit<DrainWish, 'host'> {
  const { drain } = requireObject(given);
  const draining = isPlainObject(drain) ? drain['draining'] : undefined;
  if (typeof draining !== 'boolean')
    throw new Fault(
      'HTTPBadRequest',
      "Unable to find 'draining', true or false, in 'drain' of the request body",
    );
  return { draining, force: isForced(isPlainObject(drain) ? drain['force'] : undefined) };
}

function addRouterRoles(api: Api): void {
  const one = '/v2.0/deuteron/routers/:id';
  api.route(
    { method: 'GET', url: one, rule: 'get_router_roles', says: SAYS.show },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'get_router_roles');
      const id = pathId(routerMap, request);
      const router = await api.store.view((view) => showRoles(view, call, id));
      return reply.send(JSON.stringify({ router }));
    },
  );
  api.route(
    { method: 'POST', url: `${one}/failover`, rule: 'failover_router', says: SAYS.failover },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'failover_router');
      const asked = { routerId: pathId(routerMap, request), ...wishIn(request.body) };
      const { result, place } = await api.store.transact((tx) => failoverRouter(tx, call, asked));
      const { from, to } = result;
      return sendWritten(reply, { status: 202, place, body: { failover: { from, to } } });
    },
  );
}

function addDrain(api: Api): void {
  const url = '/v2.0/deuteron/hosts/:name/drain';
  api.route({ method: 'GET', url, rule: 'get_host', says: SAYS.drained }, async (request, reply) => {
    const call = api.callOf(request);
    adminOnly(call.caller, 'get_host');
    const { name } = request.params as { name: string };
    const drain = await api.store.view((view) => showDrain(view, call, name));
    return reply.send(JSON.stringify({ drain }));
  });
  api.route({ method: 'PUT', url, rule: 'update_host', says: SAYS.drain }, async (request, reply) => {
    const call = api.callOf(request);
    adminOnly(call.caller, 'update_host');
    const { name: host } = request.params as { name: string };
    const wish = drainIn(request.body);
    const { result, place } = await api.store.transact(async (tx) => {
      const { moved, stuck } = await drainHost(tx, call, { host, ...wish });
      return { ...(await showDrain(tx, call, host)), moved, stuck };
    });
    return sendWritten(reply, { status: 202, place, body: { drain: result } });
  });
}

export function addRoles(api: Api): void {
  addRouterRoles(api);
  addDrain(api);
}
