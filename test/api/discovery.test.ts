/** What a client finds out before it knows anything: versions, extensions, the document, health, methods. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { collections } from '../../src/api/collections.ts';
import { ALIASED, qosAliasMaps, qosRuleMaps } from '../../src/resources/qos-rule.ts';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let reason: string | null = null;
let api: ApiUnderTest;
before(async () => {
  api = await startApi({ ready: () => Promise.resolve(reason), maxBodyBytes: 1000 });
});
after(() => api?.close());

test('versions, as clients look for them', async () => {
  assert.deepEqual(await api.expect(200, 'GET', '/', { as: '' }), {
    versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${api.url}/v2.0/` }] }],
  });
  const { resources } = await api.expect(200, 'GET', '/v2.0/', { as: '' });
  assert.deepEqual(
    resources.map((it: Json) => [it.name, it.links[0].href]),
    collections.map(({ map }) => [map.singular, `${api.url}/v2.0/${map.path}`]),
  );
});

test('links are made for the scheme that the client used', async () => {
  const headers = { 'x-forwarded-proto': 'https' };
  const { versions } = await api.expect(200, 'GET', '/', { headers });
  assert.match(versions[0].links[0].href, /^https:/);
});

test('extensions have what clients show, and one alone is found', async () => {
  const { extensions } = await api.expect(200, 'GET', '/v2.0/extensions');
  for (const extension of extensions) {
    assert.deepEqual(Object.keys(extension).sort(), ['alias', 'description', 'links', 'name', 'updated']);
    assert.deepEqual(await api.expect(200, 'GET', `/v2.0/extensions/${extension.alias}`), { extension });
  }
  const { NeutronError } = await api.expect(404, 'GET', '/v2.0/extensions/bgpvpn');
  assert.equal(NeutronError.message, 'Extension with alias bgpvpn does not exist');
});

test('collections may be named with hyphens or underscores', async () => {
  const { id } = await api.make('address_groups', {}, 'admin');
  for (const path of [
    'address_groups',
    'address-groups',
    `address_groups/${id}`,
    `address_groups/${id}/tags`,
  ])
    await api.expect(200, 'GET', `/v2.0/${path}`);
  for (const path of ['service-profiles', 'metering/metering_labels', 'network_segment_ranges'])
    await api.expect(200, 'GET', `/v2.0/${path}`);
});

test('paths may end in .json or a slash; HEAD is GET without a body', async () => {
  for (const path of ['/v2.0/networks.json?limit=0', '/v2.0/networks/', '/v2.0/networks.json'])
    assert.deepEqual((await api.expect(200, 'GET', path)).networks, []);
  const head = await api.ask('HEAD', '/v2.0/networks');
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('a method that a path has not is 405, and says which it has', async () => {
  const answer = await api.ask('PATCH', '/v2.0/networks');
  assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, POST, HEAD']);
  assert.equal(answer.body.NeutronError.type, 'MethodNotAllowed');
});

test('a body beyond the limit is refused', async () => {
  const raw = `{"network": {"name": "${'x'.repeat(1000)}"}}`;
  const { NeutronError } = await api.expect(413, 'POST', '/v2.0/networks', { raw });
  assert.equal(NeutronError.type, 'RequestTooLarge');
});

test('readiness says why not', async () => {
  await api.expect(200, 'GET', '/readyz', { as: '' });
  reason = 'the database is away';
  assert.deepEqual(await api.expect(503, 'GET', '/readyz', { as: '' }), { status: 'unavailable', reason });
  reason = null;
});

test('requests are measured by route', async () => {
  await api.ask('GET', '/v2.0/networks/nonsense');
  const { text } = await api.ask('GET', '/metrics', { as: '' });
  assert.match(
    text,
    /deuteron_http_request_duration_seconds_count\{method="GET",route="\/v2.0\/networks\/:id",status="404"\} 1/,
  );
});

test('the OpenAPI document holds together and covers what is served', async () => {
  const document = await api.expect(200, 'GET', '/openapi.json', { as: '' });
  assert.equal(document.openapi, '3.1.0');
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
    (match) => match[1] as string,
  );
  for (const ref of refs) {
    const found = ref.split('/').reduce((part: Json, key) => part?.[key], document);
    assert.ok(found, ref);
  }
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } });
  const described = Object.keys(document.components.schemas.Network.properties);
  assert.deepEqual(Object.keys(network).sort(), described.sort());
  const create = document.components.schemas.PortCreate;
  assert.deepEqual(create.required, ['network_id']);
  assert.equal(create.properties['binding:host_id']['x-set-by'], 'admin');
  assert.ok(!('status' in create.properties));
  const methods = Object.entries(document.paths).map(
    ([path, item]) => `${path} ${Object.keys(item as object).join(' ')}`,
  );
  const others = [
    '/ get',
    '/healthz get',
    '/metrics get',
    '/openapi.json get',
    '/readyz get',
    '/v2.0 get',
    '/v2.0/agents get',
    '/v2.0/agents/{id} get put delete',
    '/v2.0/agents/{id}/dhcp-networks get post',
    '/v2.0/agents/{id}/dhcp-networks/{network} delete',
    '/v2.0/agents/{id}/l3-routers get post',
    '/v2.0/agents/{id}/l3-routers/{router} delete',
    '/v2.0/availability_zones get',
    '/v2.0/deuteron/convergence get',
    '/v2.0/deuteron/events get',
    '/v2.0/deuteron/explain/agent/{name} get',
    '/v2.0/deuteron/explain/network/{id} get',
    '/v2.0/deuteron/explain/port/{id} get',
    '/v2.0/deuteron/explain/router/{id} get',
    '/v2.0/deuteron/hosts get post',
    '/v2.0/deuteron/hosts/{name} delete',
    '/v2.0/deuteron/hosts/{name}/drain get put',
    '/v2.0/deuteron/routers/{id} get',
    '/v2.0/deuteron/routers/{id}/failover post',
    '/v2.0/extensions get',
    '/v2.0/extensions/{alias} get',
    '/v2.0/floatingip-pools get',
    '/v2.0/floatingip-pools/{id} get',
    '/v2.0/flavors get post',
    '/v2.0/flavors/{id} get put delete',
    '/v2.0/flavors/{id}/next_providers get',
    '/v2.0/flavors/{id}/service_profiles post',
    '/v2.0/flavors/{id}/service_profiles/{profile} delete',
    '/v2.0/network-segment-ranges get post',
    '/v2.0/network-segment-ranges/{id} get put delete',
    '/v2.0/auto-allocated-topology/{project} get delete',
    '/v2.0/metering/metering-label-rules get post',
    '/v2.0/metering/metering-label-rules/{id} get delete',
    '/v2.0/metering/metering-labels get post',
    '/v2.0/metering/metering-labels/{id} get delete',
    '/v2.0/service-providers get',
    '/v2.0/service_profiles get post',
    '/v2.0/service_profiles/{id} get put delete',
    '/v2.0/floatingips/{floatingip}/port_forwardings get post',
    '/v2.0/floatingips/{floatingip}/port_forwardings/{id} get put delete',
    '/v2.0/network-ip-availabilities get',
    '/v2.0/network-ip-availabilities/{id} get',
    '/v2.0/networks/{id}/dhcp-agents get',
    ...Object.values(qosRuleMaps).flatMap(({ path }) => [
      `/v2.0/qos/policies/{policy}/${path} get post`,
      `/v2.0/qos/policies/{policy}/${path}/{id} get put delete`,
    ]),
    ...ALIASED.map((type) => `/v2.0/${qosAliasMaps[type].path}/{id} get put delete`),
    '/v2.0/qos/rule-types get',
    '/v2.0/qos/rule-types/{type} get',
    '/v2.0/quotas get',
    '/v2.0/quotas/project get',
    '/v2.0/quotas/tenant get',
    '/v2.0/quotas/{project} get put delete',
    '/v2.0/quotas/{project}/default get',
    '/v2.0/quotas/{project}/details get',
    '/v2.0/routers/{id}/add_router_interface put',
    '/v2.0/routers/{id}/l3-agents get',
    '/v2.0/routers/{id}/remove_router_interface put',
    '/v2.0/trunks/{id}/get_subports get',
  ];
  const standard = collections
    .filter(({ table }) => table !== undefined)
    .flatMap(({ map: { path, byName }, actions, update }) => [
      `/v2.0/${path} get post`,
      `/v2.0/${path}/{id} get ${update ? 'put ' : ''}delete`,
      ...(byName.has('tags')
        ? [`/v2.0/${path}/{id}/tags get put delete`, `/v2.0/${path}/{id}/tags/{tag} get put delete`]
        : []),
      ...actions.map(({ name }) => `/v2.0/${path}/{id}/${name} put`),
    ]);
  assert.deepEqual(methods.sort(), [...others, ...standard].sort());
  const operations: Json[] = Object.values(document.paths).flatMap((item) => Object.values(item as object));
  const ids = operations.map((operation) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  const { parameters } = document.paths['/v2.0/agents/{id}/dhcp-networks/{network}'].delete;
  assert.deepEqual(
    parameters.map((it: Json) => [it.name, it.in, it.required]),
    [
      ['id', 'path', true],
      ['network', 'path', true],
    ],
  );
  assert.deepEqual(document.paths['/v2.0'].get.security, []);
  assert.equal(document.paths['/v2.0/quotas'].get.security, undefined);
});

test('the page at /docs shows the document, without a token and with nothing from elsewhere', async () => {
  const as = '';
  const page = await api.ask('GET', '/docs', { as });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/);
  const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
  assert.ok(loaded.some((path) => path.endsWith('swagger-ui-bundle.js')));
  for (const path of loaded) {
    assert.match(path, /^\/docs\//);
    assert.equal((await api.ask('GET', path, { as })).status, 200, path);
  }
  const shown = await api.expect(200, 'GET', '/docs/json', { as });
  assert.deepEqual(shown, await api.expect(200, 'GET', '/openapi.json', { as }));
});
