/** Requests about routers and floating IPs that must be refused. */
import type { BadRequest, World } from './bad-requests.ts';

type Case = readonly [body: unknown, status?: number];

const NOT_UUIDS: readonly unknown[] = ['x', '', 5, [], {}];

function routerBodies(world: World): Case[] {
  const gateway = (info: unknown): Case => [{ router: { external_gateway_info: info } }];
  const cases: Case[] = [
    [{ router: { admin_state_up: 'maybe' } }],
    [{ router: { ha: 'maybe' } }],
    [{ router: { distributed: true } }],
    [{ router: { distributed: 'yes' } }],
    [{ router: { name: 1 } }],
    [{ router: { status: 'ACTIVE' } }],
    [{ router: { routes: [] } }],
    [{ router: { gw_port_id: world.port } }],
    [{ router: { availability_zone_hints: 'nova' } }],
    [{ router: null }],
    [{ routers: [] }],
    gateway('x'),
    gateway([]),
    gateway({ enable_snat: true }),
    gateway({ network_id: world.network, more: 1 }),
    gateway({ network_id: world.network, enable_snat: 'maybe' }),
    gateway({ network_id: world.network, external_fixed_ips: [{ ip_address: 'x' }] }),
    gateway({ network_id: world.network }),
    [{ router: { external_gateway_info: { network_id: world.missing } } }, 404],
  ];
  return [...cases, ...NOT_UUIDS.map((network_id): Case => gateway({ network_id }))];
}

function floatingIpBodies(world: World): Case[] {
  const on = { floating_network_id: world.network };
  const cases: Case[] = [
    [{ floatingip: {} }],
    [{ floatingip: on }],
    [{ floatingip: { ...on, floating_ip_address: 'x' } }],
    [{ floatingip: { ...on, router_id: world.missing } }],
    [{ floatingip: { ...on, status: 'ACTIVE' } }],
    [{ floatingip: { ...on, fixed_ip_address: '10.0.0' } }],
    [{ floatingip: { ...on, name: 'x' } }],
    [{ floatingip: { floating_network_id: world.missing } }, 404],
  ];
  const ids = NOT_UUIDS.flatMap((id): Case[] => [
    [{ floatingip: { floating_network_id: id } }],
    [{ floatingip: { ...on, port_id: id } }],
    [{ floatingip: { ...on, subnet_id: id } }],
  ]);
  return [...cases, ...ids];
}

/** No router is there: whatever is asked of one is not found, after what is asked was read. */
function pathCases(world: World): BadRequest[] {
  const router = `/v2.0/routers/${world.missing}`;
  const found: BadRequest[] = [];
  const add = (method: string, path: string, sent: { status: number; type?: string; body?: unknown }) =>
    found.push({ what: `${method} ${path} ${JSON.stringify(sent.body)}`, method, path, ...sent });
  for (const verb of ['add', 'remove']) {
    const path = `${router}/${verb}_router_interface`;
    add('PUT', path, { status: 400, type: 'BadRequest' });
    for (const body of [{}, [], 'x', { subnet_id: 'x' }, { port_id: null }, { network_id: world.network }])
      add('PUT', path, { status: 400, type: 'BadRequest', body });
    const subnet_id = world.subnet;
    add('PUT', path, { status: 404, type: 'RouterNotFound', body: { subnet_id } });
    const routes = `${router}/${verb}_extraroutes`;
    for (const body of [
      {},
      { router: {} },
      { router: { routes: 'x' } },
      { router: { routes: [{ destination: 'x' }] } },
    ])
      add('PUT', routes, { status: 400, body });
    add('PUT', routes, { status: 404, type: 'RouterNotFound', body: { router: { routes: [] } } });
  }
  for (const id of [world.missing, 'x', '%00']) {
    add('GET', `/v2.0/routers/${id}`, { status: 404, type: 'RouterNotFound' });
    add('DELETE', `/v2.0/routers/${id}`, { status: 404, type: 'RouterNotFound' });
    add('GET', `/v2.0/routers/${id}/l3-agents`, { status: 404, type: 'RouterNotFound' });
    add('GET', `/v2.0/agents/${id}/l3-routers`, { status: 404, type: 'AgentNotFound' });
    add('GET', `/v2.0/floatingips/${id}`, { status: 404, type: 'FloatingIPNotFound' });
    add('GET', `/v2.0/floatingips/${id}/port_forwardings`, { status: 404, type: 'FloatingIPNotFound' });
    add('DELETE', `/v2.0/floatingips/${id}`, { status: 404, type: 'FloatingIPNotFound' });
  }
  const scheduled = `/v2.0/agents/${world.agent}/l3-routers`;
  for (const body of [{}, { router_id: 'x' }, { router_id: null }])
    add('POST', scheduled, { status: 400, body });
  add('POST', scheduled, { status: 404, type: 'RouterNotFound', body: { router_id: world.missing } });
  for (const query of ['ha=maybe', 'routes=x', 'external_gateway_info=x', 'sort_key=ha&sort_dir=asc'])
    add('GET', `/v2.0/routers?${query}`, { status: 400 });
  return found;
}

export function badRouters(world: World): BadRequest[] {
  const creates = (plural: string, cases: readonly Case[]): BadRequest[] =>
    cases.map(([body, status = 400]) => ({
      ...{
        what: `POST ${plural} ${JSON.stringify(body)}`,
        method: 'POST',
        path: `/v2.0/${plural}`,
        body,
        status,
      },
    }));
  return [
    ...creates('routers', routerBodies(world)),
    ...creates('floatingips', floatingIpBodies(world)),
    ...pathCases(world),
  ];
}
