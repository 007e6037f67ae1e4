/** The routers of a world, as users ask for them, and what users go on asking. */
import { integerBetween, type Random } from '../../../src/lib/random.ts';
import { createFloatingIp, deleteFloatingIp } from '../../../src/operations/floating-ip.ts';
import { createNetwork } from '../../../src/operations/network.ts';
import { createPort } from '../../../src/operations/port.ts';
import { failoverRouter } from '../../../src/operations/router-failover.ts';
import { addRouterInterface } from '../../../src/operations/router-interface.ts';
import { changeRoutes, createRouter } from '../../../src/operations/router.ts';
import { createSubnet } from '../../../src/operations/subnet.ts';
import { pick } from '../weather.ts';
import type { Request } from '../workload.ts';
import { OUTSIDE } from './machine.ts';
import type { L3World } from './world.ts';

const EXTERNAL_CIDR = '203.0.113.0/24';
const tenantCidr = (i: number) => `10.0.${i}.0/24`;

/** An external network, and so many HA routers that lead to it, each with a network and a port behind it. */
export async function makeRouters(world: L3World, count: number): Promise<void> {
  const external = world.random.uuid();
  const made = await world.askAndWait({
    label: 'make the external network',
    work: async (tx, call) => {
      const physical = { network_type: 'flat' as const, physical_network: OUTSIDE.network };
      await createNetwork(tx, call, [{ id: external, name: 'out', external: true, ...physical }]);
      await createSubnet(tx, call, [{ network_id: external, cidr: EXTERNAL_CIDR, enable_dhcp: false }]);
    },
  });
  if (!made) throw new Error('no external network');
  for (let i = 0; i < count; i++) {
    const request = routerRequest(world.random, { external, cidr: tenantCidr(i), name: `r${i}` });
    if (!(await world.askAndWait(request))) throw new Error('no router');
  }
}

function routerRequest(
  random: Random,
  { external, cidr, name }: { external: string; cidr: string; name: string },
): Request {
  const [network, id] = [random.uuid(), random.uuid()];
  return {
    label: `make ${name}`,
    work: async (tx, call) => {
      await createNetwork(tx, call, [{ id: network, name }]);
      const [subnet] = await createSubnet(tx, call, [{ network_id: network, cidr, enable_dhcp: false }]);
      await createPort(tx, call, [{ network_id: network, name }]);
      await createRouter(tx, call, [{ id, name, ha: true, external_gateway_info: { network_id: external } }]);
      await addRouterInterface(tx, call, { routerId: id, subnetId: subnet?.id });
    },
  };
}

type Action = (world: L3World, random: Random) => Request | undefined;

const short = (id: string) => id.slice(0, 8);

const addFloating: Action = ({ store }, random) => {
  const free = store.rows('ports').filter((port) => port.device_owner === '');
  const port = pick(random, free);
  const external = store.rows('networks').find((network) => network.external);
  if (!port || !external) return undefined;
  const id = random.uuid();
  return {
    label: `give ${short(port.id)} the floating IP ${short(id)}`,
    work: (tx, call) =>
      createFloatingIp(tx, call, [{ id, floating_network_id: external.id, port_id: port.id }]),
  };
};

const dropFloating: Action = ({ store }, random) => {
  const floating = pick(random, store.rows('floatingIps'));
  if (!floating) return undefined;
  return {
    label: `delete the floating IP ${short(floating.id)}`,
    work: (tx, call) => deleteFloatingIp(tx, call, { id: floating.id }),
  };
};

const addRoute: Action = ({ store }, random) => {
  const router = pick(random, store.rows('routers'));
  if (!router) return undefined;
  const index = Number(router.name.slice(1));
  const route = {
    destination: `192.168.${integerBetween(random, 0, 9)}.0/24`,
    nexthop: `10.0.${index}.${integerBetween(random, 200, 250)}`,
  };
  const change = random.next() < 0.5 ? { add: [route] } : { remove: router.routes.slice(0, 1) };
  return {
    label: `routes of ${router.name}: ${JSON.stringify(change)}`,
    work: (tx, call) => changeRoutes(tx, call, { id: router.id, ...change }),
  };
};

/** For maintenance: the active gives way. */
const moveRouter: Action = ({ store }, random) => {
  const router = pick(random, store.rows('routers'));
  if (!router) return undefined;
  const replica = pick(
    random,
    store.rows('routerBindings').filter((binding) => binding.router_id === router.id),
  );
  const to = replica && random.next() < 0.5 ? { to: replica.host } : {};
  return {
    label: `move ${router.name} ${to.to ?? ''}`,
    work: (tx, call) => failoverRouter(tx, call, { routerId: router.id, ...to }),
  };
};

export const ACTIONS: Readonly<Record<string, { readonly weight: number; readonly action: Action }>> = {
  'add-floating': { weight: 4, action: addFloating },
  'drop-floating': { weight: 3, action: dropFloating },
  'change-routes': { weight: 2, action: addRoute },
  'move-router': { weight: 3, action: moveRouter },
};
