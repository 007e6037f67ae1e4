/** Network segment ranges: for admins; out of which of them a project's networks get their ids. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi({ settings: { vniRange: [100, 103], vlanNetworks: ['*'] } });
});
after(() => api?.close());

const url = '/v2.0/network-segment-ranges';
const make = (more: object): Promise<Json> =>
  api.make('network_segment_ranges', { network_type: 'vxlan', shared: false, ...more }, 'admin');

async function network(project_id: string, more: object = {}): Promise<Json> {
  return api.make('networks', { project_id, ...more }, 'admin');
}
const idOf = (made: Json): number => made['provider:segmentation_id'];

test("a project gets its own first, then the configured and the shared, never another's", async () => {
  const own = await make({ project_id: 'red', minimum: 102, maximum: 103 });
  const shared = await make({ shared: true, minimum: 200, maximum: 200, physical_network: '' });
  assert.deepEqual(
    [own.project_id, shared.project_id, own.default, own.physical_network],
    [...['red', '', false, null]],
  );
  const networks = [];
  for (let n = 0; n < 5; n++) networks.push(await network('red'));
  assert.deepEqual(networks.slice(0, 2).map(idOf).sort(), [102, 103]);
  assert.deepEqual(networks.slice(2).map(idOf).sort(), [100, 101, 200]);
  const body = { network: { project_id: 'red' } };
  await api.refused([503, 'NoNetworkAvailable'], 'POST', '/v2.0/networks', { body });
  const path = `${url}/${own.id}`;
  const seen = (await api.expect(200, 'GET', path)).network_segment_range;
  assert.deepEqual([seen.used, seen.available], [{ 102: 'red', 103: 'red' }, []]);

  for (const made of networks.slice(0, 2)) await api.expect(204, 'DELETE', `/v2.0/networks/${made.id}`);
  await api.refused([503, 'NoNetworkAvailable'], 'POST', '/v2.0/networks', {
    body: { network: { project_id: 'blue' } },
  });
  assert.deepEqual((await api.expect(200, 'GET', path)).network_segment_range.available, [102, 103]);
  for (const made of networks.slice(2)) await api.expect(204, 'DELETE', `/v2.0/networks/${made.id}`);
  for (const { id } of [own, shared]) await api.expect(204, 'DELETE', `${url}/${id}`);
});

test('a range keeps what networks have of it, and overlaps with no other of its kind', async () => {
  const made = await make({ project_id: 'red', minimum: 1000, maximum: 1005 });
  const path = `${url}/${made.id}`;
  const { id, ...one } = await network('red');
  const change = (changes: object) => ({ body: { network_segment_range: changes } });
  const referenced = [409, 'NetworkSegmentRangeReferencedByProject'] as const;
  await api.refused(referenced, 'PUT', path, change({ minimum: 1006, maximum: 1010 }));
  await api.refused(referenced, 'DELETE', path, {});
  const wider = { name: 'wide', minimum: 990, maximum: 1010 };
  const changed = (await api.expect(200, 'PUT', path, change(wider))).network_segment_range;
  assert.deepEqual([changed.minimum, changed.maximum, changed.name], [990, 1010, 'wide']);
  assert.deepEqual(changed.used, { [idOf(one)]: 'red' });
  const other = { network_type: 'vxlan', shared: false, project_id: 'blue', minimum: 1010, maximum: 1020 };
  await api.refused([409, 'NetworkSegmentRangeOverlaps', made.id], 'POST', url, change(other));
  const vlan = { network_type: 'vlan', physical_network: 'physnet1', project_id: 'red' };
  await make({ ...vlan, minimum: 1000, maximum: 1000 });
  const tagged = { 'provider:network_type': 'vlan', 'provider:physical_network': 'physnet1' };
  assert.equal(idOf(await network('red', tagged)), 1000);
  await api.expect(204, 'DELETE', `/v2.0/networks/${id}`);
  await api.expect(204, 'DELETE', path);
});

test('refuses what is no range, and everybody but admins', async () => {
  const good = { network_type: 'vxlan', project_id: 'red', shared: false, minimum: 5000, maximum: 5001 };
  const wrong = [
    { network_type: 'flat' },
    { minimum: 5002 },
    { minimum: 0 },
    { maximum: 2 ** 24 },
    { project_id: '' },
    { network_type: 'vlan', minimum: 1, maximum: 2 },
    { network_type: 'vlan', physical_network: 'physnet1', maximum: 5001 },
    { default: true },
  ];
  for (const one of wrong) {
    const body = { network_segment_range: { ...good, ...one } };
    const answer = await api.ask('POST', url, { body });
    assert.equal(answer.status, 400, JSON.stringify(one) + answer.text);
  }
  const { id } = await make(good);
  const as = 'red';
  assert.deepEqual((await api.expect(200, 'GET', url, { as })).network_segment_ranges, []);
  assert.deepEqual((await api.expect(200, 'GET', `${url}?id=33`)).network_segment_ranges, []);
  await api.refused([404, 'NetworkSegmentRangeNotFound'], 'GET', `${url}/${id}`, { as });
  await api.refused([404, 'NetworkSegmentRangeNotFound'], 'DELETE', `${url}/${id}`, { as });
  const body = { network_segment_range: good };
  await api.refused([403, 'PolicyNotAuthorized'], 'POST', url, { as, body });
});
