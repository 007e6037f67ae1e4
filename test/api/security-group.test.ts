/** Security groups: what they have beside what every resource has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const as = 'red';
const RED = { as };
const url = '/v2.0/security-groups';

const make = (body: object = {}, who = as): Promise<Json> => api.make('security_groups', body, who);
const listed = async (who: string, query = ''): Promise<Json[]> =>
  (await api.expect(200, 'GET', `${url}?${query}`, { as: who })).security_groups;
const shown = async (id: string, who = as): Promise<Json> =>
  (await api.expect(200, 'GET', `${url}/${id}`, { as: who })).security_group;

/** A port of a project, on a network of its own. */
async function port(who: string, body: object = {}): Promise<Json> {
  const network = await api.make('networks', {}, who);
  return api.make('ports', { network_id: network.id, ...body }, who);
}

/** What a group lets through, in words, sorted. */
const matches = (group: Json): string[] =>
  group.security_group_rules
    .map((rule: Json) =>
      [rule.direction, rule.ethertype, rule.protocol, rule.remote_group_id === group.id && 'itself']
        .filter(Boolean)
        .join(' '),
    )
    .sort();

test('the first look at a project’s groups finds its default one, once however many look', async () => {
  const lists = await Promise.all(Array.from({ length: 8 }, () => listed('fresh')));
  for (const groups of lists) assert.deepEqual(groups, lists[0]);
  const [group, ...others] = lists[0] as Json[];
  assert.deepEqual([group.name, group.project_id, others], ['default', 'fresh', []]);
  assert.deepEqual([group.stateful, group.shared, group.tags], [true, false, []]);
  assert.deepEqual(matches(group), [
    'egress IPv4',
    'egress IPv6',
    'ingress IPv4 itself',
    'ingress IPv6 itself',
  ]);
  const { security_group_rules: rules } = await api.expect(200, 'GET', '/v2.0/security-group-rules', {
    as: 'fresh',
  });
  const byId = (a: Json, b: Json): number => (a.id < b.id ? -1 : 1);
  assert.deepEqual(rules.sort(byId), group.security_group_rules.sort(byId));
});

test('networks, ports and other groups bring it too; an admin brings that of the project that is asked for', async () => {
  const nameOf = async (project: string): Promise<string[]> =>
    (await api.store.view((view) => view.securityGroups.find({ default_of: project }))).map(
      ({ name }) => name,
    );
  const network = await api.make('networks', {}, 'one');
  assert.deepEqual(await nameOf('one'), ['default']);
  await api.make('security_groups', {}, 'two');
  assert.deepEqual(await nameOf('two'), ['default']);
  const made = await api.make('ports', { network_id: network.id, project_id: 'three' }, 'admin');
  const [group] = await listed('three');
  assert.deepEqual(made.security_groups, [group.id]);
  assert.deepEqual(
    (await listed('admin', 'tenant_id=four&name=default')).map(({ project_id }) => project_id),
    ['four'],
  );
  await listed('one', 'project_id=five');
  assert.deepEqual(await nameOf('five'), []);
});

test('a default group keeps its name, and only an admin deletes it; it comes again with a port’s change', async () => {
  const own = await port('gray', { security_groups: [] });
  const [group] = await listed('gray');
  const path = `${url}/${group.id}`;
  for (const name of ['other', 'default']) {
    const body = { security_group: { name } };
    await api.refused([409, 'SecurityGroupCannotUpdateDefault'], 'PUT', path, { as: 'gray', body });
  }
  const described = { security_group: { description: 'mine' } };
  await api.expect(200, 'PUT', path, { as: 'gray', body: described });
  await api.refused([409, 'SecurityGroupCannotRemoveDefault'], 'DELETE', path, { as: 'gray' });
  await api.expect(204, 'DELETE', path);
  await api.expect(200, 'PUT', `/v2.0/ports/${own.id}`, { as: 'gray', body: { port: { name: 'x' } } });
  const after = await api.store.view((view) => view.securityGroups.find({ default_of: 'gray' }));
  assert.equal(after.length, 1);
  assert.notEqual(after[0]?.id, group.id);
});

test('no other group is named default, however it is written', async () => {
  for (const name of ['default', 'Default', 'DEFAULT']) {
    const body = { security_group: { name } };
    await api.refused([409, 'SecurityGroupDefaultAlreadyExists'], 'POST', url, { as, body });
    const { id } = await make();
    await api.refused([409, 'SecurityGroupDefaultAlreadyExists'], 'PUT', `${url}/${id}`, { as, body });
  }
  assert.equal((await make({ name: 'same' })).name, (await make({ name: 'same' })).name);
});

test('a new group lets all out and nothing in; it shows its rules, and goes with them', async () => {
  const group = await make();
  assert.deepEqual(matches(group), ['egress IPv4', 'egress IPv6']);
  const rule = { security_group_id: group.id, direction: 'ingress', protocol: 'tcp' };
  const made = await api.make('security_group_rules', rule, as);
  const after = await shown(group.id);
  assert.deepEqual(
    after.security_group_rules.find(({ id }: Json) => id === made.id),
    made,
  );
  assert.ok(after.revision_number > group.revision_number);
  await api.expect(204, 'DELETE', `/v2.0/security-group-rules/${made.id}`, RED);
  assert.ok((await shown(group.id)).revision_number > after.revision_number);
  const [egress] = group.security_group_rules;
  await api.expect(204, 'DELETE', `${url}/${group.id}`, RED);
  await api.refused(
    [404, 'SecurityGroupRuleNotFound'],
    'GET',
    `/v2.0/security-group-rules/${egress.id}`,
    RED,
  );
});

test('while ports are in it a group is neither deleted nor made stateless', async () => {
  const group = await make();
  const own = await port(as, { security_groups: [group.id] });
  const path = `${url}/${group.id}`;
  await api.refused([409, 'SecurityGroupInUse'], 'DELETE', path, RED);
  const body = { security_group: { stateful: false } };
  await api.refused([409, 'SecurityGroupInUse'], 'PUT', path, { as, body });
  await api.expect(200, 'PUT', path, { as, body: { security_group: { stateful: true, name: 'still' } } });
  await api.expect(204, 'DELETE', `/v2.0/ports/${own.id}`, RED);
  assert.equal((await api.expect(200, 'PUT', path, { as, body })).security_group.stateful, false);
  await api.expect(204, 'DELETE', path, RED);
});

test('a group that goes takes the rules with it that name it', async () => {
  const remote = await make();
  const group = await make();
  const rule = { security_group_id: group.id, direction: 'ingress', remote_group_id: remote.id };
  const { id } = await api.make('security_group_rules', rule, as);
  await api.expect(204, 'DELETE', `${url}/${remote.id}`, RED);
  assert.ok(!(await shown(group.id)).security_group_rules.some((one: Json) => one.id === id));
});

test('the rules of new groups count, those of default groups hinder nobody', async () => {
  const quota = { security_group_rule: 3, security_group: 3 };
  await api.expect(200, 'PUT', '/v2.0/quotas/tight', { body: { quota } });
  assert.equal((await listed('tight')).length, 1);
  const refused = { as: 'tight', body: { security_group: {} } };
  await api.refused([409, 'OverQuota', 'security_group_rule'], 'POST', url, refused);
  assert.equal((await listed('tight')).length, 1);
});

test('shared by policy: seen and used, not changed, and not taken back while ports are in it', async () => {
  const group = await make({ name: 'lent' });
  const path = `${url}/${group.id}`;
  await api.refused([404, 'SecurityGroupNotFound'], 'GET', path, { as: 'blue' });
  const network = await api.make('networks', {}, 'blue');
  const inIt = { network_id: network.id, security_groups: [group.id] };
  const asked = { as: 'blue', body: { port: inIt } };
  await api.refused([404, 'SecurityGroupNotFound', group.id], 'POST', '/v2.0/ports', asked);
  const policy = await api.make(
    'rbac_policies',
    {
      ...{ object_type: 'security_group', object_id: group.id },
      ...{ action: 'access_as_shared', target_tenant: 'blue' },
    },
    as,
  );
  assert.equal((await shown(group.id, 'blue')).shared, true);
  assert.deepEqual(
    (await listed('blue', 'shared=True')).map(({ id }) => id),
    [group.id],
  );
  assert.ok(!(await listed('blue', 'shared=False')).some(({ id }) => id === group.id));
  const renamed = { as: 'blue', body: { security_group: { name: 'taken' } } };
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', path, renamed);
  await api.refused([403, 'PolicyNotAuthorized'], 'DELETE', path, { as: 'blue' });
  const rule = { security_group_rule: { security_group_id: group.id, direction: 'ingress' } };
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', '/v2.0/security-group-rules', {
    as: 'blue',
    body: rule,
  });
  const { id } = await api.make('ports', inIt, 'blue');
  const policyPath = `/v2.0/rbac-policies/${policy.id}`;
  await api.refused([409, 'RbacPolicyInUse'], 'DELETE', policyPath, RED);
  await api.expect(204, 'DELETE', `/v2.0/ports/${id}`, { as: 'blue' });
  await api.expect(204, 'DELETE', policyPath, RED);
  await api.refused([404, 'SecurityGroupNotFound'], 'GET', path, { as: 'blue' });
});
