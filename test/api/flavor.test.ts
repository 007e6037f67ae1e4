/** Flavors: made by admins, seen by all; a router of one is what its profile says. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const as = 'red';
const L3 = 'L3_ROUTER_NAT';
const NOWHERE = '00000000-0000-4000-8000-000000000000';
const driver = (name: string) => `neutron.services.l3_router.service_providers.${name}`;
const HA = driver('ha.HaDriver');
const SINGLE = driver('single_node.SingleNodeDriver');

const flavor = (more: object = {}): Promise<Json> =>
  api.make('flavors', { name: 'fast', service_type: L3, ...more }, 'admin');

async function profile(body: object): Promise<Json> {
  const made = await api.expect(201, 'POST', '/v2.0/service_profiles', { body: { service_profile: body } });
  return made.service_profile;
}

async function flavorOf(name: string): Promise<{ flavor: Json; profile: Json }> {
  const made = await flavor();
  const own = await profile({ driver: name });
  const body = { service_profile: { id: own.id } };
  await api.expect(201, 'POST', `/v2.0/flavors/${made.id}/service_profiles`, { body });
  return { flavor: made, profile: own };
}

test('members see flavors and change none; profiles are for admins', async () => {
  const made = await flavor({ tenant_id: 'admin' });
  assert.deepEqual(made, {
    ...{ id: made.id, name: 'fast', description: '', service_type: L3, enabled: true },
    service_profiles: [],
  });
  const path = `/v2.0/flavors/${made.id}`;
  assert.deepEqual((await api.expect(200, 'GET', path, { as })).flavor, made);
  assert.deepEqual((await api.expect(200, 'GET', '/v2.0/flavors?id=33', { as })).flavors, []);
  const body = { flavor: { enabled: false } };
  const never = [403, 'PolicyNotAuthorized'] as const;
  await api.refused(never, 'PUT', path, { as, body });
  await api.refused(never, 'DELETE', path, { as });
  await api.refused(never, 'POST', '/v2.0/flavors', { as, body: { flavor: { service_type: L3 } } });
  assert.equal((await api.expect(200, 'PUT', path, { body })).flavor.enabled, false);
  const { id } = await profile({ metainfo: '{"data": "value"}' });
  const hidden = `/v2.0/service_profiles/${id}`;
  await api.refused([404, 'ServiceProfileNotFound'], 'GET', hidden, { as });
  await api.refused([404, 'ServiceProfileNotFound'], 'DELETE', hidden, { as });
  const pair = { as, body: { service_profile: { id } } };
  await api.refused(never, 'POST', `${path}/service_profiles`, pair);
  await api.refused(never, 'DELETE', `${path}/service_profiles/${id}`, { as });
  await api.expect(204, 'DELETE', path);
  await api.refused([404, 'FlavorNotFound'], 'GET', path, { as });
});

test('a profile has a driver that is here, or says what it is', async () => {
  const url = '/v2.0/service_profiles';
  const unknown = { body: { service_profile: { driver: driver('dvr.DvrDriver') } } };
  await api.refused([404, 'ServiceProfileDriverNotFound'], 'POST', url, unknown);
  await api.refused([400, 'InvalidInput'], 'POST', url, { body: { service_profile: {} } });
  const { id } = await profile({ driver: SINGLE });
  await api.refused([404, 'ServiceProfileDriverNotFound'], 'PUT', `${url}/${id}`, unknown);
  const body = { service_profile: { enabled: false } };
  assert.equal((await api.expect(200, 'PUT', `${url}/${id}`, { body })).service_profile.enabled, false);
  await api.expect(204, 'DELETE', `${url}/${id}`);
});

test('a flavor has profiles, each once, and they stay while it has them', async () => {
  const made = await flavorOf(HA);
  const path = `/v2.0/flavors/${made.flavor.id}`;
  const one = `/v2.0/service_profiles/${made.profile.id}`;
  const shown = (await api.expect(200, 'GET', path, { as })).flavor;
  assert.deepEqual(shown.service_profiles, [made.profile.id]);
  assert.deepEqual(await api.expect(200, 'GET', `${path}/next_providers`, { as }), {
    next_providers: [{ provider: 'ha', driver: HA }],
  });
  const add = (id: string) => ({ body: { service_profile: { id } } });
  const all = `${path}/service_profiles`;
  await api.refused([409, 'FlavorServiceProfileBindingExists'], 'POST', all, add(made.profile.id));
  await api.refused([404, 'ServiceProfileNotFound'], 'POST', all, add(NOWHERE));
  await api.refused([400, 'HTTPBadRequest'], 'POST', all, add('x'));
  await api.refused([409, 'ServiceProfileInUse'], 'DELETE', one, {});
  const body = { service_profile: { enabled: false } };
  await api.refused([409, 'ServiceProfileInUse'], 'PUT', one, { body });
  await api.expect(204, 'DELETE', `${all}/${made.profile.id}`);
  const absent = [404, 'FlavorServiceProfileBindingNotFound'] as const;
  await api.refused(absent, 'DELETE', `${all}/${made.profile.id}`, {});
  await api.refused(absent, 'GET', `${path}/next_providers`, { as });
  await api.expect(204, 'DELETE', one);
});

test('a router of a flavor is HA or not as its profile says, and keeps the flavor', async () => {
  const ha = await flavorOf(HA);
  const single = await flavorOf(SINGLE);
  for (const [{ flavor: made }, isHa] of [
    [ha, true],
    [single, false],
  ] as const) {
    const router = await api.make('routers', { flavor_id: made.id }, as);
    assert.equal(router.flavor_id, made.id);
    const seen = await api.expect(200, 'GET', `/v2.0/routers/${router.id}`);
    assert.equal(seen.router.ha, isHa);
    await api.refused([409, 'FlavorInUse'], 'DELETE', `/v2.0/flavors/${made.id}`, {});
    const body = { router: { flavor_id: null } };
    await api.refused([400, 'HTTPBadRequest'], 'PUT', `/v2.0/routers/${router.id}`, { body });
  }
  assert.equal((await api.make('routers', {}, as)).flavor_id, null);
});

test('no router of a flavor that cannot be used', async () => {
  const create = (router: object) => ['POST', '/v2.0/routers', { body: { router } }] as const;
  const made = await flavorOf(SINGLE);
  const { id } = made.flavor;
  await api.refused([400, 'BadRequest'], ...create({ flavor_id: id, ha: true }));
  await api.refused([400, 'HTTPBadRequest'], ...create({ flavor_id: id, distributed: true }));
  await api.refused([404, 'FlavorNotFound'], ...create({ flavor_id: NOWHERE }));
  const other = await flavor({ service_type: 'FLAVORS' });
  await api.refused([400, 'BadRequest'], ...create({ flavor_id: other.id }));
  const empty = await flavor();
  await api.refused([404, 'FlavorServiceProfileBindingNotFound'], ...create({ flavor_id: empty.id }));
  await api.expect(200, 'PUT', `/v2.0/flavors/${id}`, { body: { flavor: { enabled: false } } });
  await api.refused([503, 'FlavorDisabled'], ...create({ flavor_id: id }));
});

test('what routers are made by', async () => {
  assert.deepEqual(await api.expect(200, 'GET', '/v2.0/service-providers', { as }), {
    service_providers: [
      { service_type: L3, name: 'single_node', default: true },
      { service_type: L3, name: 'ha', default: false },
    ],
  });
});
