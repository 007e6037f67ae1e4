/** Filters, fields, order and pages, as Neutron has them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';

let api: ApiUnderTest;

before(async () => {
  api = await startApi();
  const networks = ['b', 'a', 'c', 'b', 'a'].map((name, at) => ({
    name,
    description: `number ${at}`,
    admin_state_up: at % 2 === 0,
    mtu: 1400 + at,
    ...(at === 4 ? { project_id: 'other' } : {}),
  }));
  await api.expect(201, 'POST', '/v2.0/networks', { body: { networks } });
});
after(() => api?.close());

const get = async (query: string): Promise<Json> => api.expect(200, 'GET', `/v2.0/networks?${query}`);
/** The last digits of the MTUs: which networks, in which order. */
const which = (body: Json): string => body.networks.map((network: Json) => network.mtu - 1400).join('');
const list = async (query: string): Promise<string> => which(await get(query));

test('filters: each attribute, several values, several attributes', async () => {
  const bySize = '&sort_key=mtu&sort_dir=asc';
  assert.equal(await list(`name=a${bySize}`), '14');
  assert.equal(await list(`name=a&name=c${bySize}`), '124');
  assert.equal(await list(`name=a&admin_state_up=False${bySize}`), '1');
  assert.equal(await list(`admin_state_up=true&admin_state_up=0${bySize}`), '01234');
  assert.equal(await list(`mtu=1403&mtu=99999999999999999999${bySize}`), '3');
  assert.equal(await list('mtu=99999999999999999999'), '');
  assert.equal(await list(`project_id=other${bySize}`), '4');
  assert.equal(await list(`tenant_id=admin&project_id=admin${bySize}`), '0123');
  assert.equal(await list('id=nonsense'), '');
  assert.equal(await list('name='), '');
  assert.equal(await list(`provider:physical_network=x`), '');
  assert.equal(await list('name=%00'), '');
  assert.equal(await list(`description=number+2${bySize}`), '2');
  assert.equal(
    await list(`shared=false&router:external=no&status=ACTIVE&provider:network_type=vxlan${bySize}`),
    '01234',
  );
});

test('changed_since finds what changed then or later', async () => {
  assert.equal((await list('changed_since=2020-01-01T00:00:00Z')).length, 5);
  assert.equal(await list('changed_since=2999-01-01T00:00:00Z'), '');
  assert.equal((await list('changed_since=2020-01-01T00:00:00&limit=2')).length, 2);
});

test('fields: only those, unknown ones are ignored', async () => {
  assert.deepEqual((await get('mtu=1402&fields=name&fields=nonsense&fields=')).networks, [{ name: 'c' }]);
  const { networks } = await get('mtu=1402&fields=tenant_id&fields=subnets');
  assert.deepEqual(networks, [{ tenant_id: 'admin', subnets: [] }]);
  const { id } = (await get('mtu=1402')).networks[0];
  assert.deepEqual(await api.expect(200, 'GET', `/v2.0/networks/${id}?fields=mtu`), {
    network: { mtu: 1402 },
  });
});

test('order: several keys, each in its direction, ties by id', async () => {
  assert.equal(await list('sort_key=name&sort_key=mtu&sort_dir=asc&sort_dir=desc'), '41302');
  assert.equal(await list('sort_key=name&sort_key=mtu&sort_dir=desc&sort_dir=asc'), '20314');
  const { networks } = await get('sort_key=status&sort_dir=asc');
  const ids = networks.map((network: Json) => network.id);
  assert.deepEqual(ids, [...ids].sort());
});

/** Follows links of one kind from a first page; gives what each page held. */
async function follow(query: string, rel: 'next' | 'previous', most = 10): Promise<string[]> {
  const pages: string[] = [];
  let url: string | undefined = `${api.url}/v2.0/networks?${query}`;
  while (url !== undefined && pages.length < most) {
    assert.ok(url.startsWith(`${api.url}/v2.0/networks?`), url);
    const body: Json = await api.expect(200, 'GET', url.slice(api.url.length));
    pages.push(which(body));
    url = body.networks_links.find((link: Json) => link.rel === rel)?.href;
  }
  return pages;
}

test('pages follow one another, forwards and back, with ties and in any direction', async () => {
  const order = 'sort_key=name&sort_key=mtu&sort_dir=asc&sort_dir=desc';
  assert.deepEqual(await follow(`${order}&limit=2`, 'next'), ['41', '30', '2']);
  assert.deepEqual(await follow(`${order}&limit=5`, 'next'), ['41302', '']);
  const last = (await get('mtu=1402')).networks[0].id;
  assert.deepEqual(await follow(`${order}&limit=2&marker=${last}&page_reverse=True`, 'previous'), [
    '30',
    '41',
    '',
  ]);
  assert.deepEqual(await follow(`${order}&limit=3&page_reverse=True`, 'previous'), ['302', '41']);
  const byId = (await follow('limit=2', 'next')).join('');
  assert.deepEqual([...byId].sort().join(''), '01234');
  assert.deepEqual((await follow('limit=2&page_reverse=true', 'previous')).reverse().join(''), byId);
});

test('links are there as Neutron has them', async () => {
  const rels = async (query: string) => (await get(query)).networks_links?.map((link: Json) => link.rel);
  assert.equal(await rels('name=a'), undefined);
  assert.equal(await rels('limit=0'), undefined);
  assert.deepEqual(await rels('limit=2'), ['next', 'previous']);
  assert.deepEqual(await rels('limit=9'), ['previous']);
  assert.deepEqual(await rels('limit=9&page_reverse=True'), ['next']);
  const { networks, networks_links: links } = await get('limit=1&name=a&name=b&fields=id');
  const { id } = networks[0];
  assert.deepEqual(links, [
    { rel: 'next', href: `${api.url}/v2.0/networks?limit=1&name=a&name=b&fields=id&marker=${id}` },
    {
      rel: 'previous',
      href: `${api.url}/v2.0/networks?limit=1&name=a&name=b&fields=id&marker=${id}&page_reverse=True`,
    },
  ]);
});

test('a page begins after its marker even if filters leave the marker out', async () => {
  const { id } = (await get('mtu=1401')).networks[0];
  assert.equal(await list(`sort_key=mtu&sort_dir=asc&limit=9&marker=${id}&admin_state_up=True`), '24');
});

test('subnets are found by whether their network is shared', async () => {
  for (const shared of [true, false]) {
    const { id } = await api.make('networks', { shared, name: 'of subnets' }, 'admin');
    await api.make(
      'subnets',
      { network_id: id, cidr: '10.0.0.0/24', ip_version: 4, name: `${shared}` },
      'admin',
    );
  }
  const found = async (query: string): Promise<string[]> =>
    (await api.expect(200, 'GET', `/v2.0/subnets?${query}`)).subnets.map((one: Json) => one.name);
  assert.deepEqual(await found('shared=True'), ['true']);
  assert.deepEqual(await found('shared=false'), ['false']);
  assert.deepEqual((await found('shared=0&shared=1')).sort(), ['false', 'true']);
  assert.deepEqual(await found('shared=True&name=false'), []);
});
