/** Malformed requests by the hundred: what is sent, and the status that it must get. */

import { badNetworks, badPorts, badSubnets } from './bad-creates.ts';
import { badRouters } from './bad-routers.ts';

/** What the table's requests may refer to. */
export interface World {
  readonly network: string;
  readonly otherNetwork: string;
  readonly subnet: string;
  readonly v6subnet: string;
  readonly port: string;
  /** Its address and MAC are taken. */
  readonly takenIp: string;
  readonly takenMac: string;
  readonly agent: string;
  readonly missing: string;
}

export interface BadRequest {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly headers?: Record<string, string>;
  /** The NeutronError's type, where it matters. */
  readonly type?: string;
}

const shown = (value: unknown): string => JSON.stringify(value);

const put = (path: string, body: unknown, status: number, type?: string): BadRequest => ({
  what: `PUT ${path} ${shown(body).slice(0, 80)}`,
  method: 'PUT',
  path,
  body,
  status,
  ...(type === undefined ? {} : { type }),
});

function* badUpdates(world: World): Generator<BadRequest> {
  const network = `/v2.0/networks/${world.network}`;
  const subnet = `/v2.0/subnets/${world.subnet}`;
  const port = `/v2.0/ports/${world.port}`;
  const agent = `/v2.0/agents/${world.agent}`;
  for (const attributes of [
    { id: world.missing },
    { project_id: 'x' },
    { tenant_id: 'x' },
    { status: 'DOWN' },
    { name: 5 },
    { colour: 1 },
    { 'provider:segmentation_id': 9 },
    { mtu: 99_999 },
    { mtu: 9_000 },
    { subnets: [] },
    { shared: 'x' },
  ])
    yield put(network, { network: attributes }, 400);
  for (const attributes of [
    { cidr: '10.0.0.0/8' },
    { ip_version: 6 },
    { network_id: world.otherNetwork },
    { gateway_ip: 'x' },
    { gateway_ip: '2001:db8::1' },
    { allocation_pools: [{ start: '10.20.1.1', end: '10.20.1.9' }] },
    { allocation_pools: 5 },
    { allocation_pools: null },
    { dns_nameservers: ['x'] },
    { ipv6_ra_mode: 'slaac' },
    { host_routes: [5] },
  ])
    yield put(subnet, { subnet: attributes }, 400);
  for (const attributes of [
    { network_id: world.otherNetwork },
    { mac_address: 'x' },
    { fixed_ips: 5 },
    { fixed_ips: [{ ip_address: '203.0.113.9' }] },
    { extra_dhcp_opts: [{}] },
    { 'binding:vif_type': 'x' },
    { 'binding:host_id': 'a b' },
    { dns_name: 'a b' },
    { revision_number: 4 },
  ])
    yield put(port, { port: attributes }, 400);
  yield put(port, { port: { fixed_ips: [{ subnet_id: world.missing }] } }, 400);
  yield put(port, { port: { mac_address: '0c:00:00:00:00:77' } }, 409, 'MacAddressInUse');
  for (const attributes of [
    { alive: true },
    { host: 'x' },
    { admin_state_up: 'x' },
    { description: 5 },
    { colour: 1 },
  ])
    yield put(agent, { agent: attributes }, 400);
  for (const [plural, type] of [
    ['networks', 'NetworkNotFound'],
    ['subnets', 'SubnetNotFound'],
    ['ports', 'PortNotFound'],
    ['agents', 'AgentNotFound'],
  ] as const) {
    const singular = plural.slice(0, -1);
    for (const id of [world.missing, 'nonsense', '%00', '%ff', 'a%2Fb', 'x'.repeat(300)]) {
      const path = `/v2.0/${plural}/${id}`;
      const status = id === '%ff' ? 400 : 404;
      const found = id === '%ff' ? {} : { type };
      yield { what: `show ${path.slice(0, 60)}`, method: 'GET', path, status, ...found };
      yield { what: `delete ${path.slice(0, 60)}`, method: 'DELETE', path, status, ...found };
      yield {
        ...put(path, { [singular]: { description: 'x' } }, status),
      };
    }
  }
}

function* badBodies(world: World): Generator<BadRequest> {
  const bodies: readonly [string, Partial<BadRequest>, number][] = [
    ['no body', {}, 400],
    ['an empty body', { raw: '' }, 400],
    ['broken JSON', { raw: '{"network": {' }, 400],
    ['a trailing comma', { raw: '{"network": {},}' }, 400],
    ['single quotes', { raw: "{'network': {}}" }, 400],
    ['NaN', { raw: '{"network": {"mtu": NaN}}' }, 400],
    ['a body that is not UTF-8', { raw: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) }, 400],
    ['a number', { raw: '5' }, 400],
    ['null', { raw: 'null' }, 400],
    ['a list', { raw: '[]' }, 400],
    ['a string', { raw: '"network"' }, 400],
    ['an empty object', { body: {} }, 400],
    ['another resource', { body: { subnet: {} } }, 400],
    ['a network that is null', { body: { network: null } }, 400],
    ['a network that is a list', { body: { network: [] } }, 400],
    ['a network that is a word', { body: { network: 'x' } }, 400],
    ['no networks', { body: { networks: [] } }, 400],
    ['networks as an object', { body: { networks: {} } }, 400],
    ['networks as null', { body: { networks: null } }, 400],
    ['networks with null in it', { body: { networks: [null] } }, 400],
    ['networks with a bad one', { body: { networks: [{ name: 'fine' }, { name: 5 }] } }, 400],
    ['networks with a number in it', { body: { networks: [5] } }, 400],
    ['XML', { raw: '<network/>', headers: { 'content-type': 'application/xml' } }, 415],
    ['a form', { raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['text', { raw: '{"network": {}}', headers: { 'content-type': 'text/plain' } }, 415],
    ['a content type that is none', { raw: '{"network": {}}', headers: { 'content-type': 'json' } }, 415],
    ['a huge body', { raw: `{"network": {"name": "${'x'.repeat(5_000_000)}"}}` }, 413],
    ['a body of blanks', { raw: ' '.repeat(5_000_000) }, 413],
    ['a very deep name', { raw: `{"network": {"name": ${'['.repeat(900_000)}${']'.repeat(900_000)}}}` }, 400],
    [
      'a very deep profile',
      { raw: `{"network": {"is_default": ${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}}` },
      400,
    ],
    ['too many networks', { body: { networks: Array.from({ length: 10_001 }, () => ({})) } }, 413],
    ['very deep JSON', { raw: `{"network": ${'['.repeat(50_000)}${']'.repeat(50_000)}}` }, 400],
  ];
  for (const [what, sent, status] of bodies)
    yield { what: `create with ${what}`, method: 'POST', path: '/v2.0/networks', ...sent, status };
  const path = `/v2.0/networks/${world.network}`;
  for (const body of [{}, { networks: [{ name: 'x' }] }, { network: null }, { network: 5 }, { port: {} }])
    yield put(path, body, 400);
  yield { what: 'a DELETE with a body', method: 'DELETE', path, body: { network: {} }, status: 400 };
  for (const [tag, status, type] of [
    ['revision_number=x', 400],
    ['revision_number=', 400],
    ['revision_number=1, revision_number=2', 400],
    ['revision_number=-1', 400],
    ['revision_number=999', 412, 'RevisionNumberConstraintFailed'],
    ['"revision_number=999"', 412],
  ] as const) {
    const headers = { 'if-match': tag };
    const found = type === undefined ? {} : { type };
    yield {
      ...put(path, { network: { name: 'x' } }, status),
      what: `PUT If-Match: ${tag}`,
      headers,
      ...found,
    };
    yield { what: `DELETE If-Match: ${tag}`, method: 'DELETE', path, headers, status };
  }
}

function* badQueries(world: World): Generator<BadRequest> {
  const get = (path: string, status = 400): BadRequest => ({
    what: `GET ${path}`,
    method: 'GET',
    path,
    status,
  });
  for (const query of [
    'limit=x',
    'limit=-1',
    'limit=1.5',
    'limit=1e3',
    'limit=99999999999999999999',
    'limit=%00',
    'sort_key=name',
    'sort_dir=asc',
    'sort_key=name&sort_dir=up',
    'sort_key=colour&sort_dir=asc',
    'sort_key=fixed_ips&sort_dir=asc',
    'sort_key=name&sort_key=id&sort_dir=asc',
    'sort_key=%27;drop&sort_dir=asc',
    'colour=red',
    'tag=x',
    'admin_state_up=maybe',
    'fixed_ips=x',
    'fixed_ips==',
    'fixed_ips=colour=red',
    'changed_since=yesterday',
    'changed_since=2026-13-01T00:00:00Z',
    'constructor=1',
    '__proto__=1',
    'revision_number=x',
    'extra_dhcp_opts=x',
    'allowed_address_pairs=x',
  ])
    yield get(`/v2.0/ports?${query}`);
  for (const query of [
    'limit=1&marker=nonsense',
    `limit=1&marker=${world.missing}`,
    'limit=1&marker=%00',
    'limit=1&marker=%27',
    `limit=1&marker=${world.network}`,
  ])
    yield get(`/v2.0/ports?${query}`, 404);
  for (const query of ['shared=x', 'router:external=x', 'mtu=x', 'subnets=x', 'provider:segmentation_id=x'])
    yield get(`/v2.0/networks?${query}`);
  for (const query of ['ip_version=x', 'enable_dhcp=x', 'allocation_pools=x', 'dns_nameservers=x'])
    yield get(`/v2.0/subnets?${query}`);
  for (const query of ['alive=x', 'configurations=x', 'sort_key=alive&sort_dir=asc', 'admin_state_up=2'])
    yield get(`/v2.0/agents?${query}`);
}

function* badPaths(world: World): Generator<BadRequest> {
  const network = `/v2.0/networks/${world.network}`;
  for (const path of [
    '/v2.0/nothing',
    '/v2',
    '/v3.0/networks',
    '/nothing',
    '/v2.0/networks/a/b/c',
    `${network}/nothing`,
    `${network}/tag`,
    '/v2.0/bgpvpns',
    '/v2.0/extensions/bgpvpn',
    '/v2.0/extensions/%00',
    '/v2.0//networks',
  ])
    yield { what: `GET ${path}`, method: 'GET', path, status: 404 };
  for (const [method, path] of [
    ['PATCH', '/v2.0/networks'],
    ['PUT', '/v2.0/networks'],
    ['DELETE', '/v2.0/networks'],
    ['POST', network],
    ['PATCH', network],
    ['POST', '/'],
    ['DELETE', '/v2.0'],
    ['OPTIONS', '/v2.0/ports'],
    ['POST', '/v2.0/quotas/x'],
    ['PUT', '/v2.0/extensions'],
    ['POST', '/healthz'],
    ['PUT', `/v2.0/agents/${world.agent}/dhcp-networks`],
  ] as const)
    yield { what: `${method} ${path}`, method, path, status: 405 };
  for (const path of ['/v2.0/networks/%', '/v2.0/%zz', '/v2.0/networks/%c0%80'])
    yield { what: `GET ${path}`, method: 'GET', path, status: 400 };
}

function* badSchedules(world: World): Generator<BadRequest> {
  const path = `/v2.0/agents/${world.agent}/dhcp-networks`;
  const post = (body: unknown, status: number, type?: string): BadRequest => ({
    what: `POST dhcp-networks ${shown(body)}`,
    method: 'POST',
    path,
    body,
    status,
    ...(type ? { type } : {}),
  });
  yield post({}, 400);
  yield post({ network_id: 'x' }, 400);
  yield post({ network_id: null }, 400);
  yield post({ network_id: world.network, colour: 1 }, 400);
  yield post([], 400);
  yield post({ network_id: world.missing }, 404, 'NetworkNotFound');
  yield {
    what: 'a schedule on no agent',
    method: 'POST',
    path: `/v2.0/agents/${world.missing}/dhcp-networks`,
    body: { network_id: world.otherNetwork },
    status: 404,
  };
  yield {
    what: 'the networks of no agent',
    method: 'GET',
    path: `/v2.0/agents/${world.missing}/dhcp-networks`,
    status: 404,
  };
  yield {
    what: 'unscheduling what is not',
    method: 'DELETE',
    path: `${path}/${world.otherNetwork}`,
    status: 409,
    type: 'NetworkNotHostedByDhcpAgent',
  };
  yield { what: 'unscheduling no network', method: 'DELETE', path: `${path}/nonsense`, status: 404 };
  yield {
    what: 'the agents of no network',
    method: 'GET',
    path: `/v2.0/networks/${world.missing}/dhcp-agents`,
    status: 404,
  };
  yield { what: 'making an agent', method: 'POST', path: '/v2.0/agents', body: { agent: {} }, status: 400 };
}

function* badQuotas(): Generator<BadRequest> {
  const path = '/v2.0/quotas/someone';
  for (const quota of [
    { network: 'x' },
    { network: -2 },
    { network: 1e12 },
    { network: null },
    { network: 1.5 },
    { colour: 5 },
    { bgpvpn: 5 },
    'all',
    [],
    null,
  ])
    yield put(path, { quota }, 400);
  yield put(path, { network: 5 }, 400);
  yield { what: 'deleting no quota', method: 'DELETE', path: '/v2.0/quotas/nobody', status: 404 };
  yield { what: 'the quota of a NUL', method: 'GET', path: '/v2.0/quotas/%00', status: 404 };
}

/** All of them. */
export function badRequests(world: World): BadRequest[] {
  return [
    ...badNetworks(),
    ...badSubnets(world),
    ...badPorts(world),
    ...badUpdates(world),
    ...badBodies(world),
    ...badQueries(world),
    ...badPaths(world),
    ...badSchedules(world),
    ...badQuotas(),
    ...badRouters(world),
  ];
}
