/** The rows of routers as agents see them: part of agent-objects.ts. */
import {
  type Body,
  floatingIpBody,
  forwardingBody,
  type Group,
  interfaceBody,
  replicaBody,
  routerBody,
  routerGroup,
} from '../resources/agent-view.ts';
import type { PortRow } from '../resources/port.ts';
import { ROUTER_GATEWAY_OWNER, ROUTER_PORT_OWNERS, type RouterBindingRow } from '../resources/router.ts';
import { canonicalUuid } from '../resources/values.ts';
import { qosOfPolicies } from './qos-objects.ts';
import type { View } from './store.ts';

export const isRouterPort = (port: PortRow): boolean =>
  ROUTER_PORT_OWNERS.includes(port.device_owner) && canonicalUuid(port.device_id) === port.device_id;

/** Where the networks of these ports are for the sake of the routers that have them. */
export async function replicaEndpoints(
  view: View,
  ports: readonly PortRow[],
): Promise<{ network_id: string; host: string }[]> {
  const own = ports.filter(isRouterPort);
  const bindings = await bindingsOf(view, [...new Set(own.map((port) => port.device_id))]);
  const byRouter = Map.groupBy(bindings, (binding) => binding.router_id);
  return own.flatMap(({ network_id, device_id }) =>
    (byRouter.get(device_id) ?? []).map(({ host }) => ({ network_id, host })),
  );
}

async function bindingsOf(view: View, routerIds: readonly string[]): Promise<RouterBindingRow[]> {
  return routerIds.length === 0 ? [] : view.routerBindings.find({ router_id: routerIds });
}

type Put = (group: Group, key: string, body: Body) => void;

async function putInterfaces(view: View, ports: readonly PortRow[], put: Put): Promise<void> {
  if (ports.length === 0) return;
  const networks = await view.networks.find({ id: [...new Set(ports.map((port) => port.network_id))] });
  const subnetIds = new Set(ports.flatMap((port) => port.fixed_ips.map((ip) => ip.subnet_id)));
  const gateways = ports.filter((port) => port.device_owner === ROUTER_GATEWAY_OWNER);
  const outside = [...new Set(gateways.map((port) => port.network_id))];
  const subnets = [
    ...(subnetIds.size > 0 ? await view.subnets.find({ id: [...subnetIds] }) : []),
    ...(outside.length > 0 ? await view.subnets.find({ network_id: outside }) : []),
  ];
  const networkOf = new Map(networks.map((network) => [network.id, network]));
  const subnetOf = new Map(subnets.map((subnet) => [subnet.id, subnet]));
  for (const port of ports) {
    const network = networkOf.get(port.network_id);
    if (network)
      put(routerGroup(port.device_id), `interface/${port.id}`, interfaceBody(port, network, subnetOf));
  }
}

async function putReplicas(view: View, bindings: readonly RouterBindingRow[], put: Put): Promise<void> {
  if (bindings.length === 0) return;
  const hosts = await view.hosts.find({ name: [...new Set(bindings.map((binding) => binding.host))] });
  const hostOf = new Map(hosts.map((host) => [host.name, host]));
  for (const binding of bindings) {
    const host = hostOf.get(binding.host);
    if (host) put(routerGroup(binding.router_id), `replica/${binding.host}`, replicaBody(binding, host));
  }
}

async function putFloatingIps(
  view: View,
  where: { id: string[] } | { router_id: string[] },
  put: Put,
): Promise<void> {
  const rows = (await view.floatingIps.find(where)).filter(
    (row) => row.port_id !== null && row.router_id !== null,
  );
  if (rows.length === 0) return;
  const ports = await view.ports.find({ id: [...new Set(rows.map((row) => row.port_id as string))] });
  const portOf = new Map(ports.map((port) => [port.id, port]));
  const qosOf = await qosOfPolicies(
    view,
    rows.map((row) => row.qos_policy_id),
  );
  for (const row of rows) {
    const body = floatingIpBody(row, portOf.get(row.port_id as string));
    if (!body) continue;
    const qos = qosOf(row.qos_policy_id);
    put(routerGroup(row.router_id as string), `floating-ip/${row.id}`, { ...body, ...qos });
  }
}

async function putForwardings(
  view: View,
  where: { id: string[] } | { router_id: string[] },
  put: Put,
): Promise<void> {
  const rows = await view.portForwardings.find(where);
  if (rows.length === 0) return;
  const floatings = await view.floatingIps.find({ id: [...new Set(rows.map((row) => row.floating_ip_id))] });
  const floatingOf = new Map(floatings.map((floating) => [floating.id, floating]));
  for (const row of rows) {
    const floating = floatingOf.get(row.floating_ip_id);
    if (floating) put(routerGroup(row.router_id), `forwarding/${row.id}`, forwardingBody(row, floating));
  }
}

async function putRoutersThemselves(view: View, ids: readonly string[], put: Put): Promise<void> {
  const rows = await view.routers.find({ id: ids });
  const qosOf = await qosOfPolicies(
    view,
    rows.map((row) => row.qos_policy_id),
  );
  for (const row of rows)
    put(routerGroup(row.id), `router/${row.id}`, { ...routerBody(row), ...qosOf(row.qos_policy_id) });
}

/** Whole groups of routers. */
export async function putRouters(view: View, ids: readonly string[], put: Put): Promise<void> {
  if (ids.length === 0) return;
  await putRoutersThemselves(view, ids, put);
  await putReplicas(view, await bindingsOf(view, ids), put);
  const ports = await view.ports.find({ device_id: ids, device_owner: ROUTER_PORT_OWNERS });
  await putInterfaces(view, ports, put);
  await putFloatingIps(view, { router_id: [...ids] }, put);
  await putForwardings(view, { router_id: [...ids] }, put);
}

/** Some objects of routers; `ids` by kind, and the routers whose groups are named. */
export async function putRouterObjects(
  view: View,
  {
    routers,
    ids,
  }: { readonly routers: readonly string[]; readonly ids: ReadonlyMap<string, ReadonlySet<string>> },
  put: Put,
): Promise<void> {
  const of = (kind: string) => [...(ids.get(kind) ?? [])];
  if (ids.has('router')) {
    await putRoutersThemselves(view, of('router'), put);
  }
  if (ids.has('replica')) {
    await putReplicas(view, await view.routerBindings.find({ router_id: routers, host: of('replica') }), put);
  }
  if (ids.has('interface')) {
    await putInterfaces(view, (await view.ports.find({ id: of('interface') })).filter(isRouterPort), put);
  }
  if (ids.has('floating-ip')) await putFloatingIps(view, { id: of('floating-ip') }, put);
  if (ids.has('forwarding')) await putForwardings(view, { id: of('forwarding') }, put);
}
