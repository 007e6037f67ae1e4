/** Rules of security groups: what they may say, and whose they are. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
let group: Json;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const as = 'red';
const RED = { as };
const url = '/v2.0/security-group-rules';
const INGRESS = { direction: 'ingress' };
const NOWHERE = '00000000-0000-4000-8000-000000000000';

const newGroup = (who = as): Promise<Json> => api.make('security_groups', {}, who);

async function make(rule: object, who = as): Promise<Json> {
  return api.make('security_group_rules', { security_group_id: group.id, ...INGRESS, ...rule }, who);
}

const bodyOf = (rule: object): object => ({
  security_group_rule: { security_group_id: group.id, ...INGRESS, ...rule },
});

const refuses = (status: number, type: string, rule: object, words?: string): Promise<void> =>
  api.refused([status, type, ...(words === undefined ? [] : [words])] as [number, string], 'POST', url, {
    as,
    body: bodyOf(rule),
  });

test('a rule has what clients expect of one', async () => {
  group = await newGroup();
  const rule = await make({ protocol: 'TCP', port_range_min: '22', port_range_max: 80, ethertype: 'ipv4' });
  const { id, created_at, updated_at, ...rest } = rule;
  assert.equal(created_at, updated_at);
  assert.deepEqual(rest, {
    project_id: 'red',
    tenant_id: 'red',
    description: '',
    security_group_id: group.id,
    direction: 'ingress',
    ethertype: 'IPv4',
    protocol: 'tcp',
    port_range_min: 22,
    port_range_max: 80,
    remote_ip_prefix: null,
    normalized_cidr: null,
    remote_group_id: null,
    remote_address_group_id: null,
    revision_number: 1,
  });
  assert.deepEqual((await api.expect(200, 'GET', `${url}/${id}`, RED)).security_group_rule, rule);
  await api.refused([404, 'HTTPNotFound'], 'GET', `${url}/${id}/tags`, RED);
});

test('protocols by name and number; ICMP in IPv6 is ICMPv6', async () => {
  group = await newGroup();
  const protocolOf = async (rule: object): Promise<string> => (await make(rule)).protocol;
  assert.equal(await protocolOf({ protocol: 17 }), '17');
  assert.equal(await protocolOf({ protocol: '6' }), '6');
  assert.equal(await protocolOf({ protocol: 'any' }), null);
  assert.equal(await protocolOf({ protocol: 'icmp', port_range_min: 8 }), 'icmp');
  const v6 = { ethertype: 'IPv6' };
  assert.equal(await protocolOf({ ...v6, protocol: 'icmp', port_range_min: 128 }), 'ipv6-icmp');
  assert.equal(await protocolOf({ ...v6, protocol: 'icmpv6', port_range_min: 129 }), 'ipv6-icmp');
  assert.equal(await protocolOf({ ...v6, protocol: 1, port_range_min: 130 }), '58');
  for (const protocol of ['nonsense', 256, -1, true, 1.5])
    await refuses(400, 'SecurityGroupRuleInvalidProtocol', { protocol });
  for (const protocol of ['ipv6-icmp', 'icmpv6', 'ipv6-route', 58, 60])
    await refuses(400, 'SecurityGroupEthertypeConflictWithProtocol', { protocol });
});

test('the addresses at the other end: one kind of remote, of the rule’s IP version', async () => {
  group = await newGroup();
  const prefixOf = async (rule: object): Promise<string[]> => {
    const { remote_ip_prefix, normalized_cidr } = await make(rule);
    return [remote_ip_prefix, normalized_cidr];
  };
  assert.deepEqual(await prefixOf({ remote_ip_prefix: '10.1.2.3/24' }), ['10.1.2.3/24', '10.1.2.0/24']);
  assert.deepEqual(await prefixOf({ remote_ip_prefix: '10.1.2.3' }), ['10.1.2.3/32', '10.1.2.3/32']);
  const v6 = { ethertype: 'IPv6', remote_ip_prefix: 'FD00::1/64' };
  assert.deepEqual(await prefixOf(v6), ['fd00::1/64', 'fd00::/64']);
  for (const remote_ip_prefix of ['192.168.1./24', '192.168.1.1/33', 'bad_prefix', '256'])
    await refuses(400, 'InvalidCIDR', { remote_ip_prefix });
  const conflict = 'SecurityGroupRuleParameterConflict';
  await refuses(400, conflict, { ethertype: 'IPv6', remote_ip_prefix: '10.0.0.0/8' });
  await refuses(400, conflict, { remote_ip_prefix: 'fd00::/64' });
  const two = { remote_ip_prefix: '10.0.0.0/8', remote_group_id: group.id };
  await refuses(400, 'SecurityGroupMultipleRemoteEntites', two);
  for (const remote_group_id of ['bad_group_id', NOWHERE])
    await refuses(404, 'SecurityGroupNotFound', { remote_group_id });
  await refuses(404, 'AddressGroupNotFound', { remote_address_group_id: NOWHERE });
  await refuses(404, 'SecurityGroupNotFound', { remote_group_id: (await newGroup('blue')).id });
  await refuses(404, 'SecurityGroupNotFound', { security_group_id: NOWHERE });
  await refuses(404, 'SecurityGroupNotFound', { security_group_id: (await newGroup('blue')).id });
  await refuses(400, 'SecurityGroupRuleInvalidEtherType', { ethertype: 'bad' });
  await refuses(400, 'HTTPBadRequest', { direction: 'sideways' }, 'direction');
});

test('a rule that says what another says is refused, also in other words', async () => {
  group = await newGroup();
  await make({ protocol: 'tcp', port_range_min: 1, port_range_max: 65_535 });
  const exists = 'SecurityGroupRuleExists';
  await refuses(409, exists, { protocol: 'tcp' });
  await refuses(409, exists, { protocol: 6, remote_ip_prefix: '0.0.0.0/0' });
  await refuses(409, exists, { direction: 'egress', remote_ip_prefix: '0.0.0.0/0' });
  const rule = { security_group_id: group.id, ...INGRESS, protocol: 'udp' };
  const both = { security_group_rules: [rule, { ...rule, protocol: 17 }] };
  await api.refused([409, 'DuplicateSecurityGroupRuleInPost'], 'POST', url, { as, body: both });
  const body = { security_group_rules: [rule, { ...rule, protocol: 'sctp' }] };
  const { security_group_rules: made } = await api.expect(201, 'POST', url, { as, body });
  assert.deepEqual(
    made.map(({ protocol }: Json) => protocol),
    ['udp', 'sctp'],
  );
  const other = { ...rule, security_group_id: (await newGroup()).id };
  const mixed = { security_group_rules: [{ ...rule, protocol: 'ah' }, other] };
  await api.refused([400, 'SecurityGroupNotSingleGroupRules'], 'POST', url, { as, body: mixed });
});

test('of many at once that say the same one is made', async () => {
  group = await newGroup();
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => api.ask('POST', url, { as, body: bodyOf({ protocol: 'gre' }) })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409]);
});

test('a rule of an admin in a member’s group is seen by the member, and nobody else’s', async () => {
  group = await newGroup();
  const rule = await make({ protocol: 'esp' }, 'admin');
  assert.equal(rule.project_id, 'admin');
  const ids = async (who: string): Promise<string[]> =>
    (await api.expect(200, 'GET', url, { as: who })).security_group_rules.map(({ id }: Json) => id);
  assert.ok((await ids(as)).includes(rule.id));
  assert.ok(!(await ids('blue')).includes(rule.id));
  await api.expect(200, 'GET', `${url}/${rule.id}`, RED);
  await api.refused([404, 'SecurityGroupRuleNotFound'], 'GET', `${url}/${rule.id}`, { as: 'blue' });
  await api.expect(204, 'DELETE', `${url}/${rule.id}`, RED);
});

test('an address group that a rule names stays, and so does its policy', async () => {
  group = await newGroup('blue');
  const addresses = await api.make('address_groups', { addresses: ['10.0.0.0/24'] }, as);
  const policy = await api.make(
    'rbac_policies',
    {
      ...{ object_type: 'address_group', object_id: addresses.id },
      ...{ action: 'access_as_shared', target_tenant: 'blue' },
    },
    as,
  );
  const rule = await make({ remote_address_group_id: addresses.id }, 'blue');
  const path = `/v2.0/address-groups/${addresses.id}`;
  await api.refused([409, 'AddressGroupInUse'], 'DELETE', path, RED);
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', `/v2.0/rbac-policies/${policy.id}`, RED);
  await api.expect(204, 'DELETE', `${url}/${rule.id}`, { as: 'blue' });
  await api.expect(204, 'DELETE', path, RED);
});

test('lists by what a rule says', async () => {
  group = await newGroup();
  const remote = await newGroup();
  const tcp = await make({
    protocol: 'tcp',
    port_range_min: 5,
    port_range_max: 9,
    remote_group_id: remote.id,
  });
  const net = await make({ protocol: 'udp', remote_ip_prefix: '10.1.2.3/24' });
  const ids = async (query: string): Promise<string[]> =>
    (
      await api.expect(200, 'GET', `${url}?security_group_id=${group.id}&${query}`, RED)
    ).security_group_rules.map(({ id }: Json) => id);
  assert.deepEqual(await ids(`remote_group_id=${remote.id}`), [tcp.id]);
  assert.deepEqual(await ids('protocol=TCP&port_range_min=5'), [tcp.id]);
  assert.deepEqual(await ids('normalized_cidr=10.1.2.0%2F24'), [net.id]);
  assert.deepEqual(await ids('direction=ingress&protocol=udp'), [net.id]);
  assert.deepEqual((await ids('direction=egress&ethertype=ipv6')).length, 1);
  const paged = await api.expect(200, 'GET', `${url}?security_group_id=${group.id}&limit=1`, RED);
  assert.equal(paged.security_group_rules.length, 1);
  assert.ok(paged.security_group_rules_links.length > 0);
});
