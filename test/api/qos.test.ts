/** QoS policies, their rules, and who may give which to what. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const POLICIES = '/v2.0/qos/policies';
const RED = { as: 'red' };
const NOWHERE = '00000000-0000-4000-8000-000000000000';

const makePolicy = async (more: object = {}): Promise<Json> =>
  (await api.expect(201, 'POST', POLICIES, { body: { policy: { name: 'p', ...more } } })).policy;

async function addRule(policyId: string, type: string, rule: object): Promise<Json> {
  const body = { [`${type}_rule`]: rule };
  return (await api.expect(201, 'POST', `${POLICIES}/${policyId}/${type}_rules`, { body }))[`${type}_rule`];
}

const showPolicy = async (id: string): Promise<Json> =>
  (await api.expect(200, 'GET', `${POLICIES}/${id}`)).policy;

/** Each type: a rule, what it says where that is not all, and a change of it. */
const SAMPLES: readonly (readonly [type: string, rule: object, shown: object, change: object])[] = [
  [
    'bandwidth_limit',
    { max_kbps: 1000 },
    { max_kbps: 1000, max_burst_kbps: 0, direction: 'egress' },
    { max_burst_kbps: 7, direction: 'ingress' },
  ],
  ['dscp_marking', { dscp_mark: 26 }, { dscp_mark: 26 }, { dscp_mark: 0 }],
  ['minimum_bandwidth', { min_kbps: 1 }, { min_kbps: 1, direction: 'egress' }, { min_kbps: 5 }],
  [
    'packet_rate_limit',
    { max_kpps: 1 },
    { max_kpps: 1, max_burst_kpps: 0, direction: 'egress' },
    { max_kpps: 9 },
  ],
  ['minimum_packet_rate', { min_kpps: 1 }, { min_kpps: 1, direction: 'egress' }, { direction: 'any' }],
];

for (const [type, rule, shown, change] of SAMPLES)
  test(`${type} rules: made, shown below their policy and in it, changed, deleted; each a new revision`, async () => {
    const policy = await makePolicy();
    const url = `${POLICIES}/${policy.id}/${type}_rules`;
    const name = `${type}_rule`;
    const made = await addRule(policy.id, type, rule);
    const { id } = made;
    assert.deepEqual(made, { id, ...shown });
    assert.deepEqual(await api.expect(200, 'GET', `${url}/${id}`), { [name]: made });
    assert.deepEqual(await api.expect(200, 'GET', url), { [`${name}s`]: [made] });
    assert.deepEqual(await api.expect(200, 'GET', `${url}?fields=id&limit=1`), {
      ...(await api.expect(200, 'GET', `${url}?fields=id&limit=1`)),
      [`${name}s`]: [{ id }],
    });
    const { rules, revision_number } = await showPolicy(policy.id);
    assert.deepEqual(rules, [{ ...made, type, qos_policy_id: policy.id }]);
    assert.ok(revision_number > policy.revision_number);
    const changed = await api.expect(200, 'PUT', `${url}/${id}`, { body: { [name]: change } });
    assert.deepEqual(changed, { [name]: { ...made, ...change } });
    assert.deepEqual(await api.expect(200, 'GET', `${url}/${id}`), changed);
    await api.expect(204, 'DELETE', `${url}/${id}`);
    await api.refused([404, 'QosRuleNotFound', id], 'GET', `${url}/${id}`, {});
    assert.deepEqual((await showPolicy(policy.id)).rules, []);
  });

test('a rule by its alias, without its policy', async () => {
  const policy = await makePolicy();
  for (const [type, rule, , change] of SAMPLES.filter(([type]) => type !== 'packet_rate_limit')) {
    const { id, ...made } = await addRule(policy.id, type, rule);
    const url = `/v2.0/qos/alias-${type.replaceAll('_', '-')}-rules/${id}`;
    const name = `alias_${type}_rule`;
    assert.deepEqual(await api.expect(200, 'GET', url), { [name]: { id, ...made } });
    const changed = await api.expect(200, 'PUT', url, { body: { [name]: change } });
    assert.deepEqual(changed, { [name]: { id, ...made, ...change } });
    await api.refused([404, 'QosPolicyNotFound'], 'GET', url, RED);
    await api.expect(204, 'DELETE', url);
    await api.refused([404, 'QosRuleNotFound'], 'DELETE', url, {});
  }
});

test('rules that cannot be, or not beside others', async () => {
  const { id } = await makePolicy();
  const url = (type: string) => `${POLICIES}/${id}/${type}_rules`;
  const refused = (expected: readonly [number, string], type: string, rule: object) =>
    api.refused(expected, 'POST', url(type), { body: { [`${type}_rule`]: rule } });
  const BAD = [400, 'HTTPBadRequest'] as const;
  await refused(BAD, 'bandwidth_limit', {});
  await refused(BAD, 'bandwidth_limit', { max_kbps: -1 });
  await refused(BAD, 'bandwidth_limit', { max_kbps: 2 ** 31 });
  await refused(BAD, 'bandwidth_limit', { max_kbps: 1, max_burst_kbps: -1 });
  await refused(BAD, 'bandwidth_limit', { max_kbps: 1, direction: 'any' });
  await refused(BAD, 'dscp_marking', { dscp_mark: 58 });
  await refused(BAD, 'dscp_marking', {});
  await refused(BAD, 'minimum_bandwidth', { direction: 'egress' });
  await refused(BAD, 'minimum_packet_rate', {});
  const CONFLICT = [409, 'QoSRulesConflict'] as const;
  await addRule(id, 'bandwidth_limit', { max_kbps: 1000 });
  await refused(CONFLICT, 'bandwidth_limit', { max_kbps: 7 });
  const other = await addRule(id, 'bandwidth_limit', { max_kbps: 1000, direction: 'ingress' });
  const body = { bandwidth_limit_rule: { direction: 'egress' } };
  await api.refused([409, 'QoSRulesConflict'], 'PUT', `${url('bandwidth_limit')}/${other.id}`, { body });
  await refused([409, 'QoSRuleParameterConflict'], 'minimum_bandwidth', { min_kbps: 1001 });
  await addRule(id, 'dscp_marking', { dscp_mark: 8 });
  await refused(CONFLICT, 'dscp_marking', { dscp_mark: 10 });
  const any = await addRule(id, 'minimum_packet_rate', { min_kpps: 1, direction: 'any' });
  await refused(CONFLICT, 'minimum_packet_rate', { min_kpps: 1, direction: 'ingress' });
  await api.expect(204, 'DELETE', `${url('minimum_packet_rate')}/${any.id}`);
  await addRule(id, 'minimum_packet_rate', { min_kpps: 1, direction: 'ingress' });
  await refused(CONFLICT, 'minimum_packet_rate', { min_kpps: 1, direction: 'any' });
});

test('members see what is shared with them and change nothing of it; without it nothing is there', async () => {
  const rule = { bandwidth_limit_rule: { max_kbps: 1 } };
  // whatever the policy is, and whether or not it is there
  for (const id of ['policy', NOWHERE])
    await api.refused([403, 'PolicyNotAuthorized'], 'POST', `${POLICIES}/${id}/bandwidth_limit_rules`, {
      ...RED,
      body: rule,
    });
  for (const id of ['policy', NOWHERE])
    await api.refused([404, 'QosPolicyNotFound'], 'POST', `${POLICIES}/${id}/bandwidth_limit_rules`, {
      body: rule,
    });
  const { id } = await makePolicy();
  const made = await addRule(id, 'bandwidth_limit', { max_kbps: 1 });
  const url = `${POLICIES}/${id}/bandwidth_limit_rules/${made.id}`;
  await api.refused([404, 'QosPolicyNotFound'], 'PUT', url, { ...RED, body: rule });
  await api.refused([404, 'QosPolicyNotFound'], 'GET', url, RED);
  await api.expect(200, 'PUT', `${POLICIES}/${id}`, { body: { policy: { shared: true } } });
  await api.expect(200, 'GET', url, RED);
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', url, { ...RED, body: rule });
  await api.refused([403, 'PolicyNotAuthorized'], 'DELETE', `${POLICIES}/${id}`, RED);
  // tags are anybody's who sees it
  await api.expect(200, 'PUT', `/v2.0/policies/${id}/tags`, { ...RED, body: { tags: ['one'] } });
  const { policies } = await api.expect(200, 'GET', `${POLICIES}?tags=one`, RED);
  assert.deepEqual(policies, [await showPolicy(id)]);
});

test('networks, ports, floating IPs and gateways have policies that whoever names them sees', async () => {
  const policy = await makePolicy();
  const shared = await makePolicy({ shared: true });
  const hidden = { qos_policy_id: policy.id };
  const seen = { qos_policy_id: shared.id };
  const external = await api.make('networks', { 'router:external': true }, 'admin');
  await api.make('subnets', { network_id: external.id, cidr: '203.0.113.0/24', ip_version: 4 }, 'admin');
  const network = await api.make('networks', seen, 'red');
  const gateway = (qos: object) => ({ external_gateway_info: { network_id: external.id, ...qos } });
  const things: readonly (readonly [plural: string, asked: (qos: object) => object])[] = [
    ['networks', (qos) => qos],
    ['ports', (qos) => ({ network_id: network.id, ...qos })],
    ['floatingips', (qos) => ({ floating_network_id: external.id, ...qos })],
    ['routers', gateway],
  ];
  for (const [plural, asked] of things) {
    const singular = plural.slice(0, -1);
    const idOf = (row: Json) => (plural === 'routers' ? row.external_gateway_info : row).qos_policy_id;
    for (const qos_policy_id of [policy.id, NOWHERE])
      await api.refused([404, 'QosPolicyNotFound'], 'POST', `/v2.0/${plural}`, {
        ...RED,
        body: { [singular]: asked({ qos_policy_id }) },
      });
    const row = await api.make(plural, asked(seen), 'red');
    assert.equal(idOf(row), shared.id);
    const url = `/v2.0/${plural}/${row.id}`;
    const change = (qos: object) => ({
      body: { [singular]: plural === 'routers' ? gateway(qos) : qos },
    });
    await api.refused([404, 'QosPolicyNotFound'], 'PUT', url, { ...RED, ...change(hidden) });
    await api.expect(200, 'PUT', url, change(hidden));
    await api.refused([409, 'QosPolicyInUse', row.id], 'DELETE', `${POLICIES}/${policy.id}`, {});
    // whoever does not see it cannot take it away
    const none = change({ qos_policy_id: null });
    await api.refused([403, 'PolicyRemoveAuthorizationError'], 'PUT', url, { ...RED, ...none });
    await api.expect(200, 'PUT', url, change(seen));
    const { [singular]: freed } = await api.expect(200, 'PUT', url, { ...RED, ...none });
    assert.equal(idOf(freed), null);
  }
  const port = await api.make('ports', { network_id: network.id }, 'red');
  assert.deepEqual([port.qos_policy_id, port.qos_network_policy_id], [null, shared.id]);
  await api.expect(204, 'DELETE', `${POLICIES}/${policy.id}`);
});

test('a gateway that goes takes its policy with it, one that stays keeps it', async () => {
  const { id } = await makePolicy();
  const external = await api.make('networks', { 'router:external': true }, 'admin');
  await api.make('subnets', { network_id: external.id, cidr: '198.51.100.0/24', ip_version: 4 }, 'admin');
  const external_gateway_info = { network_id: external.id, qos_policy_id: id };
  const router = await api.make('routers', { external_gateway_info }, 'admin');
  const url = `/v2.0/routers/${router.id}`;
  const update = async (info: object | null) =>
    (await api.expect(200, 'PUT', url, { body: { router: { external_gateway_info: info } } })).router
      .external_gateway_info;
  assert.equal((await update({ network_id: external.id, enable_snat: false })).qos_policy_id, id);
  await update(null);
  assert.equal((await update({ network_id: external.id })).qos_policy_id, null);
  await api.expect(204, 'DELETE', `${POLICIES}/${id}`);
});

test("a project's default policy is that of its new networks that name none", async () => {
  const first = await makePolicy({ project_id: 'orange', is_default: true });
  const body = { policy: { project_id: 'orange', is_default: true } };
  await api.refused([409, 'QoSPolicyDefaultAlreadyExists', 'orange'], 'POST', POLICIES, { body });
  assert.equal((await api.make('networks', {}, 'orange')).qos_policy_id, first.id);
  assert.equal((await api.make('networks', { project_id: 'orange' }, 'admin')).qos_policy_id, first.id);
  assert.equal((await api.make('networks', {}, 'red')).qos_policy_id, null);
  const other = await makePolicy({ project_id: 'orange' });
  assert.equal((await api.make('networks', { qos_policy_id: other.id }, 'orange')).qos_policy_id, other.id);
  await api.expect(200, 'PUT', `${POLICIES}/${first.id}`, { body: { policy: { is_default: false } } });
  await api.expect(200, 'PUT', `${POLICIES}/${other.id}`, { body: { policy: { is_default: true } } });
  assert.equal((await api.make('networks', {}, 'orange')).qos_policy_id, other.id);
});

test('is not unshared while a project uses it by that, its owner included', async () => {
  const { id } = await makePolicy({ shared: true });
  const { rbac_policies } = await api.expect(200, 'GET', `/v2.0/rbac-policies?object_id=${id}`);
  const [{ id: sharing, project_id, ...said }] = rbac_policies;
  assert.deepEqual(said, {
    ...{ tenant_id: project_id, object_type: 'qos_policy', object_id: id },
    ...{ action: 'access_as_shared', target_tenant: '*' },
  });
  const network = await api.make('networks', { qos_policy_id: id }, 'admin');
  const unshare = { body: { policy: { shared: false } } };
  await api.refused([409, 'RbacPolicyInUse'], 'PUT', `${POLICIES}/${id}`, unshare);
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${sharing}`, {});
  // not for the one that uses it either
  const moved = { body: { rbac_policy: { target_tenant: 'admin' } } };
  await api.refused([409, 'RbacPolicyInUse'], 'PUT', `/v2.0/rbac-policies/${sharing}`, moved);
  await api.expect(204, 'DELETE', `/v2.0/networks/${network.id}`);
  await api.expect(200, 'PUT', `${POLICIES}/${id}`, unshare);
  const target = { object_type: 'qos_policy', object_id: id, action: 'access_as_shared' };
  const rbac = await api.make('rbac_policies', { ...target, target_tenant: 'red' }, 'admin');
  const own = await api.make('networks', { qos_policy_id: id }, 'red');
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${rbac.id}`, {});
  await api.expect(204, 'DELETE', `/v2.0/networks/${own.id}`);
  await api.expect(204, 'DELETE', `/v2.0/rbac-policies/${rbac.id}`);
});

test('bandwidth that is asked for is of a physical network, and told to admins as Placement is asked for it', async () => {
  const { id } = await makePolicy({ shared: true });
  await addRule(id, 'minimum_bandwidth', { min_kbps: 1000 });
  await addRule(id, 'minimum_bandwidth', { min_kbps: 2000, direction: 'ingress' });
  const rate = await addRule(id, 'minimum_packet_rate', { min_kpps: 500, direction: 'any' });
  const tunnelled = await api.make('networks', {}, 'red');
  const asked = { qos_policy_id: id, network_id: tunnelled.id };
  const NO = [409, 'QosRuleNotSupported'] as const;
  await api.refused(NO, 'POST', '/v2.0/ports', { ...RED, body: { port: asked } });
  const port = await api.make('ports', { network_id: tunnelled.id }, 'red');
  await api.refused(NO, 'PUT', `/v2.0/ports/${port.id}`, { ...RED, body: { port: { qos_policy_id: id } } });
  await api.refused(NO, 'PUT', `/v2.0/networks/${tunnelled.id}`, {
    ...RED,
    body: { network: { qos_policy_id: id } },
  });
  const other = await makePolicy({ shared: true });
  await api.expect(200, 'PUT', `/v2.0/ports/${port.id}`, { body: { port: { qos_policy_id: other.id } } });
  const body = { minimum_bandwidth_rule: { min_kbps: 1 } };
  await api.refused(NO, 'POST', `${POLICIES}/${other.id}/minimum_bandwidth_rules`, { body });
  assert.deepEqual((await showPolicy(other.id)).rules, []);

  const flat = { 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1', shared: true };
  const physical = await api.make('networks', flat, 'admin');
  const made = await api.make('ports', { qos_policy_id: id, network_id: physical.id }, 'red');
  assert.ok(!('resource_request' in made));
  const seen = async () => (await api.expect(200, 'GET', `/v2.0/ports/${made.id}`)).port.resource_request;
  const { request_groups: groups, same_subtree } = await seen();
  assert.deepEqual(
    groups.map(({ id: _id, ...group }: Json) => group),
    [
      {
        required: ['CUSTOM_PHYSNET_PHYSNET1', 'CUSTOM_VNIC_TYPE_NORMAL'],
        resources: { NET_BW_EGR_KILOBIT_PER_SEC: 1000, NET_BW_IGR_KILOBIT_PER_SEC: 2000 },
      },
      { required: ['CUSTOM_VNIC_TYPE_NORMAL'], resources: { NET_PACKET_RATE_KILOPACKET_PER_SEC: 500 } },
    ],
  );
  assert.deepEqual(
    same_subtree,
    groups.map((group: Json) => group.id),
  );
  await api.expect(204, 'DELETE', `${POLICIES}/${id}/minimum_packet_rate_rules/${rate.id}`);
  assert.deepEqual((await seen()).request_groups, groups.slice(0, 1));
  await api.expect(200, 'PUT', `/v2.0/ports/${made.id}`, { body: { port: { qos_policy_id: null } } });
  assert.equal(await seen(), null);
});

test('types of rules: all that there are, those that are carried out, and for admins what they may say', async () => {
  const typesOf = async (query: string) =>
    (await api.expect(200, 'GET', `/v2.0/qos/rule-types${query}`, RED)).rule_types;
  const all = await typesOf('?all_rules=true');
  assert.deepEqual(all.map(({ type }: Json) => type).sort(), SAMPLES.map(([type]) => type).sort());
  assert.deepEqual(await typesOf('?all_supported=true'), await typesOf(''));
  await api.refused([400, 'HTTPBadRequest'], 'GET', '/v2.0/qos/rule-types?nonsense=1', RED);
  await api.refused([403, 'PolicyNotAuthorized'], 'GET', '/v2.0/qos/rule-types/dscp_marking', RED);
  await api.refused([404, 'HTTPNotFound'], 'GET', '/v2.0/qos/rule-types/nonsense', {});
  for (const { type } of all) {
    const { rule_type } = await api.expect(200, 'GET', `/v2.0/qos/rule-types/${type}`);
    const isCarriedOut = (await typesOf('')).some((one: Json) => one.type === type);
    assert.deepEqual([rule_type.type, rule_type.drivers.length], [type, isCarriedOut ? 1 : 0]);
  }
});

test('nothing here was a bug', () => assert.deepEqual(api.bugs, []));
