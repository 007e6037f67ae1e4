import { Fault } from '../resources/errors.ts';
import {
  type GatewayRequest,
  INTERFACE_OWNERS,
  ROUTER_GATEWAY_OWNER,
  type RouterRow,
  type RouterView,
} from '../resources/router.ts';
import type { HostRoute } from '../resources/subnet.ts';
import { type ListQuery, RunAgain, type Tables, type Transaction, UniqueViolation } from '../store/store.ts';
import { checkZoneHints } from './availability-zone.ts';
import { badRequest, routerNotFound } from './faults.ts';
import { routerProvider } from './flavor.ts';
import { chooseHaPlace, releaseHaNetwork } from './ha-network.ts';
import { removeReplicas, scheduleRouter } from './l3-scheduling.ts';
import type { Call } from './operation.ts';
import { checkQuota } from './quota.ts';
import { removeGateway, setGateway, viewRouters } from './router-gateway.ts';
import { attachedTo, haSubnets, portsOfRouter } from './router-attached.ts';
import { checkHaRange, checkRoutes, reachedSubnets } from './router-rules.ts';
import {
  checkRevision,
  type DeleteRequest,
  differing,
  given,
  newAttributes,
  owns,
  touched,
  type UpdateRequest,
} from './standard.ts';

type Plain = Pick<RouterRow, 'name' | 'description' | 'admin_state_up' | 'ha' | 'availability_zone_hints'>;
type Made = Plain & Pick<RouterRow, 'flavor_id'>;

export type RouterCreate = { readonly [K in keyof Made]?: Made[K] | null | undefined } & {
  readonly id?: string;
  readonly project_id?: string;
  readonly external_gateway_info?: GatewayRequest | null;
};

export type RouterChanges = Partial<Plain> & {
  readonly routes?: HostRoute[];
  readonly external_gateway_info?: GatewayRequest | null;
};

const MAX_ROUTES = 30;

async function insertRouter(tx: Transaction, router: RouterRow): Promise<void> {
  try {
    await tx.routers.insert([router]);
  } catch (error) {
    // Another took the number at the same moment.
    if (error instanceof UniqueViolation && error.constraint === 'routers_vrid') throw new RunAgain();
    throw error;
  }
}

async function haOfFlavor(tx: Transaction, { flavor_id, ha }: RouterCreate): Promise<boolean | undefined> {
  if (!flavor_id) return undefined;
  if (ha !== undefined && ha !== null)
    throw badRequest('router', 'Cannot specify both flavor_id and ha: the flavor says whether it is HA');
  return (await routerProvider(tx, flavor_id)).ha;
}

async function createOne(tx: Transaction, call: Call, asked: RouterCreate): Promise<RouterRow> {
  const ha = (await haOfFlavor(tx, asked)) ?? asked.ha ?? call.settings.l3Ha ?? false;
  const standard = newAttributes(call, asked);
  const place = ha ? await chooseHaPlace(tx, call, standard.project_id) : undefined;
  const router: RouterRow = {
    ...standard,
    name: asked.name ?? '',
    admin_state_up: asked.admin_state_up ?? true,
    status: 'ACTIVE',
    ha,
    ha_network_id: place?.ha_network_id ?? null,
    ha_vr_id: place?.ha_vr_id ?? null,
    gw_port_id: null,
    enable_snat: true,
    routes: [],
    availability_zone_hints: asked.availability_zone_hints ?? [],
    qos_policy_id: null,
    flavor_id: asked.flavor_id ?? null,
  };
  await insertRouter(tx, router);
  const info = asked.external_gateway_info;
  const made = info ? await setGateway(tx, call, { router, asked: info }) : router;
  await scheduleRouter(tx, call, made);
  return made;
}

/** Creates all or none, each given to L3 agents where there are some. */
export async function createRouter(
  tx: Transaction,
  call: Call,
  asked: readonly RouterCreate[],
): Promise<RouterView[]> {
  const projects = asked.map((row) => ({ project_id: row.project_id ?? call.caller.projectId }));
  await checkQuota(tx, call, { resource: 'router', rows: projects });
  await checkZoneHints(tx, 'router', asked);
  const routers: RouterRow[] = [];
  for (const one of asked) routers.push(await createOne(tx, call, one));
  return viewRouters(tx, routers);
}

/** The router, locked for a change by the caller; others do not know that it is there. */
export async function lockRouter(tx: Transaction, call: Call, id: string): Promise<RouterRow> {
  const [router] = await tx.routers.lock({ id });
  if (!router || !owns(call, router)) throw routerNotFound(id);
  return router;
}

function checkHaChange(router: RouterRow, changed: Partial<RouterRow>): void {
  if (changed.ha === undefined) return;
  if (changed.admin_state_up ?? router.admin_state_up) {
    throw badRequest(
      'router',
      'Cannot change HA attribute of active routers. Please set router admin_state_up to False prior to upgrade',
    );
  }
}

/** From one replica to several or back: other owners of its ports, a place on a segment or none, other replicas. */
async function changeHa(tx: Transaction, call: Call, router: RouterRow): Promise<RouterRow> {
  const bindings = await tx.routerBindings.find({ router_id: router.id });
  await removeReplicas(tx, call, { router, bindings });
  const place = router.ha
    ? await chooseHaPlace(tx, call, router.project_id)
    : { ha_network_id: null, ha_vr_id: null };
  let updated: RouterRow[];
  try {
    updated = await tx.routers.update({ id: router.id }, place);
  } catch (error) {
    if (error instanceof UniqueViolation && error.constraint === 'routers_vrid') throw new RunAgain();
    throw error;
  }
  checkHaRange(reachedSubnets(await attachedTo(tx, router.id)), await haSubnets(tx, updated[0] ?? router));
  await tx.ports.update(
    { device_id: router.id, device_owner: INTERFACE_OWNERS },
    { device_owner: interfaceOwner(router) },
  );
  if (router.ha_network_id !== null && !router.ha) await releaseHaNetwork(tx, router.ha_network_id);
  return updated[0] ?? router;
}

/** The owner of the router's interfaces. */
export const interfaceOwner = ({ ha }: Pick<RouterRow, 'ha'>): string =>
  ha ? 'network:ha_router_replicated_interface' : 'network:router_interface';

export async function updateRouter(
  tx: Transaction,
  call: Call,
  { id, changes, ifMatch }: UpdateRequest<RouterChanges>,
): Promise<RouterView> {
  const router = await lockRouter(tx, call, id);
  checkRevision(router, ifMatch);
  const { external_gateway_info: asked, ...plain } = given(changes);
  const changed = differing<RouterRow>(router, plain);
  checkHaChange(router, changed);
  let now = router;
  // Routes before the gateway, as Neutron has it: one request takes both away, and it takes two to have them.
  if (changed.routes) {
    await checkNewRoutes(tx, id, changed.routes);
    [now = router] = await tx.routers.update({ id }, { routes: changed.routes });
  }
  if (asked !== undefined) now = await setGateway(tx, call, { router: now, asked });
  [now = router] = await tx.routers.update({ id }, { ...changed, ...touched(call, router) });
  if (changed.ha !== undefined) now = await changeHa(tx, call, now);
  await scheduleRouter(tx, call, now);
  return (await viewRouters(tx, [now]))[0]!;
}

async function checkNewRoutes(tx: Transaction, id: string, routes: readonly HostRoute[]): Promise<void> {
  checkRoutes(routes, await attachedTo(tx, id));
  if (routes.length <= MAX_ROUTES) return;
  throw new Fault(
    'RoutesExhausted',
    `Unable to complete operation for ${id}. The number of routes exceeds the maximum ${MAX_ROUTES}.`,
  );
}

const nameOf = ({ destination, nexthop }: HostRoute): string => `${destination} ${nexthop}`;

/** Adds or removes some routes at once with reading the others; what is there already, or gone already, is no fault. */
export async function changeRoutes(
  tx: Transaction,
  call: Call,
  {
    id,
    ifMatch,
    add = [],
    remove = [],
  }: DeleteRequest & { readonly add?: readonly HostRoute[]; readonly remove?: readonly HostRoute[] },
): Promise<RouterView> {
  const router = await lockRouter(tx, call, id);
  const gone = new Set(remove.map(nameOf));
  const all = new Map([...router.routes, ...add].map((route) => [nameOf(route), route]));
  const routes = [...all.values()].filter((route) => !gone.has(nameOf(route)));
  return updateRouter(tx, call, { id, ifMatch, changes: { routes } });
}

export async function deleteRouter(
  tx: Transaction,
  call: Call,
  { id, ifMatch }: DeleteRequest,
): Promise<void> {
  const router = await lockRouter(tx, call, id);
  checkRevision(router, ifMatch);
  const ports = await portsOfRouter(tx, id);
  const attached = ports.filter((port) => INTERFACE_OWNERS.includes(port.device_owner));
  if (attached.length > 0) {
    const ids = attached.map((port) => port.id).join(', ');
    throw new Fault('RouterInUse', `Router ${id} has ports still attached: ${ids}`);
  }
  const gateway = ports.find((port) => port.device_owner === ROUTER_GATEWAY_OWNER);
  if (gateway) await removeGateway(tx, call, { router, port: gateway });
  await tx.ports.remove({ id: ports.map((port) => port.id) });
  await tx.routers.remove({ id });
  if (router.ha_network_id !== null) await releaseHaNetwork(tx, router.ha_network_id);
}

export async function showRouter(tables: Tables, call: Call, id: string): Promise<RouterView> {
  const router = await tables.routers.get({ id });
  if (!router || !owns(call, router)) throw routerNotFound(id);
  return (await viewRouters(tables, [router]))[0]!;
}

/** A page of the caller's own routers; of all, for an admin. */
export async function listRouters(
  tables: Tables,
  call: Call,
  query: ListQuery<RouterRow>,
): Promise<RouterView[]> {
  const own = { column: 'project_id', operator: 'in', values: [call.caller.projectId] } as const;
  const asked = call.caller.isAdmin ? query : { ...query, filters: [...query.filters, own] };
  return viewRouters(tables, await tables.routers.list(asked));
}

/** The zones of the agents that have each router. */
export async function zonesOfRouters(
  tables: Tables,
  routerIds: readonly string[],
): Promise<Map<string, string[]>> {
  const found = new Map(routerIds.map((id): [string, string[]] => [id, []]));
  if (routerIds.length === 0) return found;
  const bindings = await tables.routerBindings.find({ router_id: routerIds, leaving: false });
  if (bindings.length === 0) return found;
  const agents = await tables.agents.find({ id: [...new Set(bindings.map((one) => one.agent_id))] });
  const zoneOf = new Map(agents.map((agent) => [agent.id, agent.availability_zone]));
  for (const { router_id, agent_id } of bindings) {
    const zones = found.get(router_id) ?? [];
    const zone = zoneOf.get(agent_id);
    if (zone !== undefined && !zones.includes(zone)) zones.push(zone);
  }
  return found;
}
