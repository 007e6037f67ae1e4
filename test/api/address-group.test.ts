/** Address groups: what they have beside what every resource has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
before(async () => {
  api = await startApi();
});
after(() => api?.close());

const as = 'red';
const url = '/v2.0/address-groups';

async function make(addresses: unknown): Promise<Json> {
  const body = { address_group: { addresses } };
  return (await api.expect(201, 'POST', url, { as, body })).address_group;
}

test('addresses are networks, added and taken away; each change is a new revision', async () => {
  const group = await make(['10.0.0.9/24', 'FD00::1/64', '192.0.2.1/32']);
  assert.deepEqual(group.addresses, ['10.0.0.0/24', 'fd00::/64', '192.0.2.1/32']);
  const path = `${url}/${group.id}`;
  const change = async (verb: string, ...addresses: string[]): Promise<Json> =>
    (await api.expect(200, 'PUT', `${path}/${verb}`, { as, body: { addresses } })).address_group;
  const added = await change('add_addresses', '198.51.100.7/25', '2001:db8::/32');
  assert.deepEqual(added.addresses, [...group.addresses, '198.51.100.0/25', '2001:db8::/32']);
  assert.equal(added.revision_number, group.revision_number + 1);
  const fewer = await change('remove_addresses', '10.0.0.7/24', '2001:db8::/32');
  assert.deepEqual(fewer.addresses, ['fd00::/64', '192.0.2.1/32', '198.51.100.0/25']);
  assert.deepEqual((await api.expect(200, 'GET', path, { as })).address_group, fewer);
  assert.deepEqual((await make(null)).addresses, []);
});

test('refuses to add to another revision', async () => {
  const { id, revision_number } = await make([]);
  const body = { addresses: ['10.0.0.0/24'] };
  const at = (revision: number) => ({ as, body, headers: { 'if-match': `revision_number=${revision}` } });
  const path = `${url}/${id}/add_addresses`;
  await api.refused([412, 'RevisionNumberConstraintFailed'], 'PUT', path, at(revision_number + 1));
  await api.expect(200, 'PUT', path, at(revision_number));
});

test('refuses what is there already, what is not there, and what is no network', async () => {
  const { id } = await make(['10.0.0.0/24']);
  const path = `${url}/${id}`;
  const body = { addresses: ['10.0.0.1/24', '10.1.0.0/24'] };
  const { refused } = api;
  await refused([400, 'AddressesAlreadyExist', "['10.0.0.0/24']"], 'PUT', `${path}/add_addresses`, {
    as,
    body,
  });
  await refused([404, 'AddressesNotFound', "['10.1.0.0/24']"], 'PUT', `${path}/remove_addresses`, {
    as,
    body,
  });
  await refused([404, 'AddressesNotFound', '/32'], 'PUT', `${path}/remove_addresses`, {
    as,
    body: { addresses: ['10.0.0.1'] },
  });
  for (const addresses of ['10.0.0.0/24', null, ['10.0.0.0/33'], ['nonsense'], [1]])
    for (const verb of ['add_addresses', 'remove_addresses'])
      await refused([400, 'HTTPBadRequest'], 'PUT', `${path}/${verb}`, { as, body: { addresses } });
  await refused([400, 'HTTPBadRequest'], 'PUT', `${path}/add_addresses`, { as, body: {} });
  await refused([400, 'HTTPBadRequest'], 'POST', url, {
    as,
    body: { address_group: { addresses: ['10.0.0.1'] } },
  });
  await refused([400, 'HTTPBadRequest'], 'PUT', path, { as, body: { address_group: { addresses: [] } } });
  await refused([404, 'AddressGroupNotFound'], 'PUT', `${path}/add_addresses`, { as: 'blue', body });
  assert.deepEqual((await api.expect(200, 'GET', path, { as })).address_group.addresses, ['10.0.0.0/24']);
});
