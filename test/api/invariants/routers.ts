/** Invariants of routers, floating IPs and forwardings. */
import { contains, overlaps } from '../../../src/ipam/address.ts';
import type { PortRow } from '../../../src/resources/port.ts';
import { INTERFACE_OWNERS, ROUTER_GATEWAY_OWNER, ROUTER_HA_OWNER } from '../../../src/resources/router.ts';
import { addressOf, byId, cidrOf, type Invariant, pairs, twice, type World } from './world.ts';

const FLOATING_IP_OWNER = 'network:floatingip';

const interfacesOf = ({ ports }: World, routerId: string): PortRow[] =>
  ports.filter((port) => port.device_id === routerId && INTERFACE_OWNERS.includes(port.device_owner));

function* gatewaysAreTheirRouters({ routers, ports, networks }: World) {
  const routerOf = byId(routers);
  const portOf = byId(ports);
  const networkOf = byId(networks);
  for (const { id, gw_port_id } of routers) {
    const port = gw_port_id === null ? undefined : portOf.get(gw_port_id);
    if (gw_port_id === null) continue;
    if (port?.device_owner !== ROUTER_GATEWAY_OWNER || port.device_id !== id) yield `${gw_port_id} of ${id}`;
    if (!networkOf.get(port?.network_id ?? '')?.external) yield `the network of the gateway of ${id}`;
  }
  for (const { id, device_id, device_owner } of ports) {
    const router = routerOf.get(device_id);
    if (router && device_owner === ROUTER_GATEWAY_OWNER && router.gw_port_id !== id)
      yield `port ${id} is no gateway of ${device_id}`;
  }
}

function* routersReachEachAddressOnce(world: World) {
  const subnetOf = byId(world.subnets);
  const portOf = byId(world.ports);
  for (const router of world.routers) {
    const gateway = portOf.get(router.gw_port_id ?? '');
    const own = [...interfacesOf(world, router.id), ...(gateway ? [gateway] : [])];
    const ids = own.flatMap((port) => port.fixed_ips.map((ip) => ip.subnet_id));
    for (const id of twice(ids, (one) => one)) yield `router ${router.id} is twice on subnet ${id}`;
    const subnets = [...new Set(ids)].flatMap((id) => subnetOf.get(id) ?? []);
    for (const [one, other] of pairs(subnets))
      if (overlaps(cidrOf(one.cidr), cidrOf(other.cidr)))
        yield `router ${router.id}: ${one.cidr} of ${one.id}, ${other.cidr} of ${other.id}`;
    const v6 = own.filter((port) => port.fixed_ips.some((ip) => ip.ip_address.includes(':')));
    for (const id of twice(v6, (port) => port.network_id)) yield `router ${router.id}, IPv6, twice on ${id}`;
    for (const { id, fixed_ips } of own.filter((port) => port !== gateway))
      if (fixed_ips.length === 0) yield `interface ${id} of router ${router.id} has no address`;
  }
}

function* routesAreReached(world: World) {
  const portOf = byId(world.ports);
  for (const { id, routes, gw_port_id } of world.routers) {
    if (routes.length === 0) continue;
    const gateway = portOf.get(gw_port_id ?? '');
    const own = interfacesOf(world, id).flatMap((port) => port.fixed_ips.map((ip) => ip.subnet_id));
    const reached = world.subnets.filter(
      (subnet) => own.includes(subnet.id) || subnet.network_id === gateway?.network_id,
    );
    for (const { nexthop } of routes)
      if (!reached.some(({ cidr }) => contains(cidrOf(cidr), addressOf(nexthop))))
        yield `${nexthop} of ${id}`;
  }
}

function* haRoutersHaveTheirSegment({ routers, haNetworks, ports }: World) {
  const known = new Set(haNetworks.map(({ network_id }) => network_id));
  for (const { id, ha, ha_network_id, ha_vr_id } of routers) {
    if ((ha_network_id !== null) !== (ha_vr_id !== null)) yield id;
    if (!ha && ha_network_id !== null) yield `${id} is not HA`;
    if (ha_network_id !== null && !known.has(ha_network_id)) yield `${ha_network_id} of ${id}`;
  }
  yield* twice(routers, (one) =>
    one.ha_network_id === null ? null : `${one.ha_network_id} ${one.ha_vr_id}`,
  );
  const routerOf = byId(routers);
  for (const { id, device_id, device_owner, network_id } of ports) {
    const router = routerOf.get(device_id);
    if (router && device_owner === ROUTER_HA_OWNER && router.ha_network_id !== network_id)
      yield `port ${id} of router ${device_id}`;
  }
}

function* floatingIpsAreTheirPorts({ floatingIps, ports }: World) {
  const portOf = byId(ports);
  for (const fip of floatingIps) {
    const port = portOf.get(fip.floating_port_id);
    const isOwn = port?.device_owner === FLOATING_IP_OWNER && port.device_id === fip.id;
    if (!isOwn || port.network_id !== fip.floating_network_id) yield `the port of ${fip.id}`;
    if (!port?.fixed_ips.some((ip) => ip.ip_address === fip.floating_ip_address))
      yield `${fip.floating_ip_address} of ${fip.id} is not its port's`;
  }
  yield* twice(floatingIps, (fip) => `${fip.floating_network_id} ${fip.floating_ip_address}`);
}

/** Whether the router leads from the address of the port to the external network. */
function leads(world: World, routerId: string, { port, address, externalId }: Path): boolean {
  const subnetId = port.fixed_ips.find((ip) => ip.ip_address === address)?.subnet_id;
  const router = world.routers.find(({ id }) => id === routerId);
  const gateway = world.ports.find(({ id }) => id === router?.gw_port_id);
  const isOn = interfacesOf(world, routerId).some((one) =>
    one.fixed_ips.some((ip) => ip.subnet_id === subnetId),
  );
  return isOn && gateway?.network_id === externalId;
}

interface Path {
  readonly port: PortRow;
  readonly address: string;
  readonly externalId: string;
}

function* floatingIpsAreReached(world: World) {
  const portOf = byId(world.ports);
  const forwarding = new Set(world.portForwardings.map(({ floating_ip_id }) => floating_ip_id));
  for (const fip of world.floatingIps) {
    const { id, port_id, fixed_ip_address: address, router_id, floating_network_id: externalId } = fip;
    if ((port_id === null) !== (address === null)) yield `half of ${id}`;
    if (port_id !== null && forwarding.has(id)) yield `${id} stands for a port and forwards`;
    if ((router_id !== null) !== (port_id !== null || forwarding.has(id))) yield `the router of ${id}`;
    if (port_id === null || address === null || router_id === null) continue;
    const port = portOf.get(port_id);
    if (!port?.fixed_ips.some((ip) => ip.ip_address === address)) yield `${address} of ${id}`;
    else if (!leads(world, router_id, { port, address, externalId }))
      yield `router ${router_id} does not lead to ${id}`;
  }
  yield* twice(world.floatingIps, (one) =>
    one.port_id === null ? null : `${one.floating_network_id} ${one.port_id} ${one.fixed_ip_address}`,
  );
}

function* forwardingsLeadSomewhere(world: World) {
  const portOf = byId(world.ports);
  const floatingOf = byId(world.floatingIps);
  for (const row of world.portForwardings) {
    const fip = floatingOf.get(row.floating_ip_id);
    const port = portOf.get(row.internal_port_id);
    const path = { port, address: row.internal_ip_address, externalId: fip?.floating_network_id ?? '' };
    if (fip?.router_id !== row.router_id) yield `the router of ${row.id}`;
    if (!path.port || !leads(world, row.router_id, path as Path))
      yield `router ${row.router_id} does not lead to ${row.id}`;
    const width = row.external_port_last - row.external_port_first;
    if (width < 0 || row.internal_port_last < row.internal_port_first) yield `the ports of ${row.id}`;
  }
  for (const [one, other] of pairs(world.portForwardings)) {
    if (one.protocol !== other.protocol) continue;
    const outside =
      one.floating_ip_id === other.floating_ip_id &&
      one.external_port_first <= other.external_port_last &&
      other.external_port_first <= one.external_port_last;
    const inside =
      one.internal_port_id === other.internal_port_id &&
      one.internal_ip_address === other.internal_ip_address &&
      one.internal_port_first <= other.internal_port_last &&
      other.internal_port_first <= one.internal_port_last;
    if (outside || inside) yield `${one.id} and ${other.id} collide`;
  }
}

function* replicasAreOnTheirHosts({ routerBindings, dhcpBindings, agents }: World) {
  const hostOf = new Map(agents.map(({ id, host }) => [id, host]));
  for (const { agent_id, host, ...of } of [...routerBindings, ...dhcpBindings])
    if (hostOf.get(agent_id) !== host) yield JSON.stringify(of);
  yield* twice(routerBindings, ({ router_id, rank }) => `rank ${rank} of ${router_id}`);
  yield* twice(routerBindings, ({ router_id, host }) => `${host} of ${router_id}`);
}

export const ROUTER_INVARIANTS = {
  'a gateway port is its router’s': gatewaysAreTheirRouters,
  'a router reaches each address once': routersReachEachAddressOnce,
  'the next hop of a route is reached': routesAreReached,
  'an HA router has its segment': haRoutersHaveTheirSegment,
  'a floating IP is its port': floatingIpsAreTheirPorts,
  'a floating IP is reached by its router': floatingIpsAreReached,
  'a forwarding leads to its port': forwardingsLeadSomewhere,
  'a replica is on its agent’s host': replicasAreOnTheirHosts,
} satisfies Record<string, Invariant>;
