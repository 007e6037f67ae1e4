/** Names that would be published to a DNS service, and what ports keep for others. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;
let network: Json;
before(async () => {
  api = await startApi();
  network = await api.make('networks', { dns_domain: 'inner.test.' }, 'red');
  await api.make('subnets', { network_id: network.id, cidr: '10.0.0.0/24', ip_version: 4 }, 'red');
});
after(() => api?.close());

const port = (body: object, as = 'red'): Promise<Json> =>
  api.make('ports', { network_id: network.id, ...body }, as);
const update = async (id: string, body: object, as = 'red'): Promise<Json> =>
  (await api.expect(200, 'PUT', `/v2.0/ports/${id}`, { as, body: { port: body } })).port;

test('a port has its own domain; its assignment is in the domain of the server', async () => {
  const made = await port({ dns_name: 'D1', dns_domain: 'Test.Org.' });
  const [{ ip_address }] = made.fixed_ips;
  const assigned = (hostname: string) => [{ hostname, ip_address, fqdn: `${hostname}.example.test.` }];
  assert.deepEqual(
    [made.dns_name, made.dns_domain, made.dns_assignment],
    ['d1', 'test.org.', assigned('d1')],
  );
  const now = await update(made.id, { dns_name: 'd2', dns_domain: 'd.org.' });
  assert.deepEqual([now.dns_name, now.dns_domain, now.dns_assignment], ['d2', 'd.org.', assigned('d2')]);
  const none = await update(made.id, { dns_name: '', dns_domain: '' });
  assert.deepEqual(
    [none.dns_name, none.dns_domain, none.revision_number > now.revision_number],
    ['', '', true],
  );
});

test('a whole name of a port is one of the domain of the server, and no name is too long for it', async () => {
  const made = await port({ dns_name: 'a.example.test.' });
  assert.equal(made.dns_assignment[0].fqdn, 'a.example.test.');
  const put = (dns_name: string) =>
    api.refused([400, 'HTTPBadRequest', 'Invalid input for dns_name'], 'PUT', `/v2.0/ports/${made.id}`, {
      ...{ as: 'red', body: { port: { dns_name } } },
    });
  await put('a.elsewhere.test.');
  await put('example.test.');
  // With a dot and the domain 255 characters, which a name may have.
  const longest = `${'a.'.repeat(120)}b`;
  await put(`a.${longest}`);
  await update(made.id, { dns_name: longest });
});

test('a floating IP has a name and a domain, or neither, for good', async () => {
  const out = await api.make('networks', { 'router:external': true }, 'admin');
  await api.make('subnets', { network_id: out.id, cidr: '203.0.113.0/24', ip_version: 4 }, 'admin');
  const asked = (body: object) => ({
    as: 'red',
    body: { floatingip: { floating_network_id: out.id, ...body } },
  });
  const names = { dns_name: 'www', dns_domain: 'example.org.' };
  const { floatingip } = await api.expect(
    201,
    'POST',
    '/v2.0/floatingips',
    asked({ ...names, dns_name: 'WWW' }),
  );
  assert.deepEqual([floatingip.dns_name, floatingip.dns_domain], [names.dns_name, names.dns_domain]);
  const refused = (body: object, type: string, words: string) =>
    api.refused([400, type, words], 'POST', '/v2.0/floatingips', asked(body));
  await refused({ dns_name: 'www' }, 'BadRequest', 'dns_name cannot be specified without a dns_domain');
  await refused({ dns_domain: 'a.org.' }, 'BadRequest', 'dns_domain cannot be specified without a dns_name');
  await refused({ ...names, dns_name: 'www.' }, 'HTTPBadRequest', 'should be a relative domain name');
  await refused({ ...names, dns_domain: 'example.org' }, 'HTTPBadRequest', 'is not a FQDN');
  await refused({ ...names, dns_domain: `${'a.'.repeat(127)}` }, 'HTTPBadRequest', 'Adding a sub-domain');
  const path = `/v2.0/floatingips/${floatingip.id}`;
  const change = { as: 'red', body: { floatingip: { dns_name: 'other' } } };
  await api.refused([400, 'HTTPBadRequest', 'dns_name'], 'PUT', path, change);
});

test('a port keeps what it is given for others', async () => {
  const kept = { propagate_uplink_status: false, device_profile: 'fpga', numa_affinity_policy: 'required' };
  const made = await port(kept);
  const of = (one: Json) => Object.fromEntries(Object.keys(kept).map((name) => [name, one[name]]));
  assert.deepEqual(of(made), kept);
  const changed = await update(made.id, { numa_affinity_policy: null });
  assert.deepEqual(of(changed), { ...kept, numa_affinity_policy: null });
  for (const body of [{ propagate_uplink_status: true }, { device_profile: 'gpu' }]) {
    const asked = { as: 'red', body: { port: body } };
    await api.refused([400, 'HTTPBadRequest'], 'PUT', `/v2.0/ports/${made.id}`, asked);
  }
});

test('an admin says how the data plane of a port is', async () => {
  const made = await port({});
  assert.equal(made.data_plane_status, null);
  const asked = (data_plane_status: unknown, as: string) => ({ as, body: { port: { data_plane_status } } });
  const path = `/v2.0/ports/${made.id}`;
  assert.equal((await update(made.id, { data_plane_status: 'DOWN' }, 'admin')).data_plane_status, 'DOWN');
  await api.refused([403, 'PolicyNotAuthorized'], 'PUT', path, asked('ACTIVE', 'red'));
  await api.refused([400, 'HTTPBadRequest'], 'PUT', path, asked('GOOD', 'admin'));
  const seen = (await api.expect(200, 'GET', path, { as: 'red' })).port;
  assert.deepEqual([seen.data_plane_status, seen.status], ['DOWN', 'DOWN']);
  assert.equal((await update(made.id, { data_plane_status: null }, 'admin')).data_plane_status, null);
});

test('ports that were made without addresses are found', async () => {
  const bare = await port({ fixed_ips: [] });
  const found = async (of: string) =>
    (await api.expect(200, 'GET', `/v2.0/ports?ip_allocation=${of}`, { as: 'red' })).ports.map(
      (it: Json) => it.id,
    );
  assert.deepEqual(await found('none'), [bare.id]);
  assert.deepEqual(await found('deferred'), []);
  assert.ok(!(await found('immediate')).includes(bare.id));
});
