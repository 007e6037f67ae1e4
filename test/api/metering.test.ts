/** Metering labels and their rules: an admin's, made and deleted. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const LABELS = '/v2.0/metering/metering-labels';
const RULES = '/v2.0/metering/metering-label-rules';
const NOWHERE = '00000000-0000-4000-8000-000000000000';

const label = async (more: object = {}): Promise<Json> =>
  (await api.expect(201, 'POST', LABELS, { body: { metering_label: more } })).metering_label;
const asked = (id: string, more: object): Json => ({
  body: { metering_label_rule: { metering_label_id: id, direction: 'ingress', ...more } },
});

test('a label and its rules are made, found and deleted; its rules go with it', async () => {
  const made = await label({ name: 'x'.repeat(255), description: 'd', project_id: 'red' });
  assert.deepEqual(made, {
    ...{ id: made.id, project_id: 'red', tenant_id: 'red', name: 'x'.repeat(255) },
    ...{ description: 'd', shared: false },
  });
  const prefix = asked(made.id, { remote_ip_prefix: 'fd02::1/64' });
  const { metering_label_rule: rule } = await api.expect(201, 'POST', RULES, prefix);
  assert.deepEqual(rule, {
    ...{ id: rule.id, metering_label_id: made.id, direction: 'ingress', excluded: false },
    ...{ remote_ip_prefix: 'fd02::/64', source_ip_prefix: null, destination_ip_prefix: null },
  });
  assert.deepEqual((await api.expect(200, 'GET', `${RULES}/${rule.id}`)).metering_label_rule, rule);
  const found = await api.expect(200, 'GET', `${RULES}?metering_label_id=${made.id}`);
  assert.deepEqual(found.metering_label_rules, [rule]);
  assert.deepEqual((await api.expect(200, 'GET', `${LABELS}?id=33`)).metering_labels, []);
  const changed = await api.ask('PUT', `${LABELS}/${made.id}`, { body: { metering_label: { name: 'y' } } });
  assert.equal(changed.status, 405);
  await api.expect(204, 'DELETE', `${LABELS}/${made.id}`);
  await api.refused([404, 'MeteringLabelNotFound'], 'GET', `${LABELS}/${made.id}`, {});
  await api.refused([404, 'MeteringLabelRuleNotFound'], 'DELETE', `${RULES}/${rule.id}`, {});
});

test('a rule says outside, or from where to where, and overlaps with none of its kind', async () => {
  const { id } = await label();
  const good = { remote_ip_prefix: '10.0.0.0/24' };
  await api.expect(201, 'POST', RULES, asked(id, good));
  const overlaps = [409, 'MeteringLabelRuleOverlaps'] as const;
  await api.refused(overlaps, 'POST', RULES, asked(id, { remote_ip_prefix: '10.0.0.128/25' }));
  await api.expect(201, 'POST', RULES, asked(id, { remote_ip_prefix: '10.0.0.128/25', excluded: true }));
  await api.expect(201, 'POST', RULES, asked(id, { ...good, direction: 'egress' }));
  await api.expect(201, 'POST', RULES, asked((await label()).id, good));
  const parts = { source_ip_prefix: '10.0.0.0/24', destination_ip_prefix: '0.0.0.0/0' };
  await api.expect(201, 'POST', RULES, asked(id, parts));
  for (const wrong of [{}, { ...good, ...parts }, { ...parts, destination_ip_prefix: '::/0' }])
    await api.refused([400, 'InvalidInput'], 'POST', RULES, asked(id, wrong));
  for (const wrong of [{ ...good, direction: 'up' }, { remote_ip_prefix: '10.0.0.0/33' }])
    await api.refused([400, 'HTTPBadRequest'], 'POST', RULES, asked(id, wrong));
  await api.refused([404, 'MeteringLabelNotFound'], 'POST', RULES, asked(NOWHERE, good));
});

test('nobody but admins knows of them', async () => {
  const { id } = await label({ project_id: 'red' });
  const as = 'red';
  assert.deepEqual((await api.expect(200, 'GET', LABELS, { as })).metering_labels, []);
  await api.refused([404, 'MeteringLabelNotFound'], 'GET', `${LABELS}/${id}`, { as });
  await api.refused([404, 'MeteringLabelNotFound'], 'DELETE', `${LABELS}/${id}`, { as });
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', LABELS, { as, body: { metering_label: {} } });
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', RULES, {
    ...{ as, ...asked(id, { remote_ip_prefix: '10.0.0.0/24' }) },
  });
});
