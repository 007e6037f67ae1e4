/** Whatever a client sends, it gets the right 4xx and a NeutronError: never a 500, and nothing of it is stored. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { startApi, type ApiUnderTest, type Json } from './api-under-test.ts';
import { badRequests, type World } from './bad-requests.ts';
import { addAgent } from './agents.ts';

let api: ApiUnderTest;
let world: World;

before(async () => {
  api = await startApi();
  const network = async (attributes: object): Promise<string> =>
    (await api.expect(201, 'POST', '/v2.0/networks', { body: { network: attributes } })).network.id;
  const subnet = async (attributes: object): Promise<string> =>
    (await api.expect(201, 'POST', '/v2.0/subnets', { body: { subnet: attributes } })).subnet.id;
  const first = await network({ 'provider:network_type': 'vxlan', 'provider:segmentation_id': 77 });
  const other = await network({ 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1' });
  const v4 = await subnet({ network_id: first, ip_version: 4, cidr: '10.20.0.0/24' });
  const v6 = await subnet({ network_id: first, ip_version: 6, cidr: '2001:db8:1::/64' });
  const port = async (attributes: object) =>
    (await api.expect(201, 'POST', '/v2.0/ports', { body: { port: { network_id: first, ...attributes } } }))
      .port;
  const mine = await port({ mac_address: '0c:00:00:00:00:01', fixed_ips: [{ ip_address: '10.20.0.50' }] });
  await port({ mac_address: '0c:00:00:00:00:77' });
  world = {
    network: first,
    otherNetwork: other,
    subnet: v4,
    v6subnet: v6,
    port: mine.id,
    takenIp: '10.20.0.50',
    takenMac: '0c:00:00:00:00:01',
    agent: await addAgent(api, { host: 'h1', role: 'dhcp' }),
    missing: '3b1fcb9e-0000-4000-8000-00000000dead',
  };
});
after(() => api?.close());

const everything = async () => {
  const bodies = [];
  for (const plural of ['networks', 'subnets', 'ports', 'routers', 'floatingips', 'quotas'])
    bodies.push(await api.expect(200, 'GET', `/v2.0/${plural}`));
  return bodies;
};

test('malformed requests get the right answer and change nothing', async () => {
  const table = badRequests(world);
  assert.ok(table.length >= 200, `${table.length} requests`);
  const stored = await everything();
  const wrong: string[] = [];
  for (const { what, method, path, status, type, ...sent } of table) {
    const answer = await api.ask(method, path, sent);
    const error = answer.body?.NeutronError;
    const wellFormed =
      typeof error?.type === 'string' &&
      typeof error.message === 'string' &&
      typeof error.detail === 'string';
    if (answer.status !== status || !wellFormed || (type !== undefined && error.type !== type))
      wrong.push(
        `${what}: expected ${status} ${type ?? ''}, got ${answer.status} ${answer.text.slice(0, 300)}`,
      );
  }
  assert.deepEqual(wrong, []);
  assert.deepEqual(api.bugs, []);
  assert.deepEqual(await everything(), stored);
});

test('a message names the attribute and what is wrong with it, in Neutron’s words', async () => {
  const messages: readonly [string, object, string][] = [
    ['network', { name: 5 }, "Invalid input for name. Reason: '5' is not a valid string."],
    ['network', { colour: 1, size: 2 }, "Unrecognized attribute(s) 'colour, size'"],
    ['network', { status: 'x' }, "Attribute 'status' not allowed in POST"],
    ['network', { shared: 'x' }, "Invalid input for operation: 'x' cannot be converted to boolean."],
    ['port', {}, "Failed to parse request. Required attribute 'network_id' not specified"],
    ['port', { network_id: 'x' }, "Invalid input for network_id. Reason: 'x' is not a valid UUID."],
    [
      'subnet',
      { network_id: '00000000-0000-4000-8000-000000000000', ip_version: 4, segment_id: 'x' },
      "Invalid input for segment_id. Reason: 'x' is refused: routed networks are not there yet.",
    ],
  ];
  for (const [singular, attributes, message] of messages) {
    const body = await api.expect(400, 'POST', `/v2.0/${singular}s`, { body: { [singular]: attributes } });
    assert.equal(body.NeutronError.message, message);
  }
});

test('a body in another charset than UTF-8 is refused, not misread', async () => {
  const text = JSON.stringify({ network: { name: 'Zürich' } });
  for (const [charset, encoding] of [
    ['utf-16', 'utf16le'],
    ['latin1', 'latin1'],
    ['iso-8859-1', 'utf8'],
  ] as const) {
    const headers = { 'content-type': `application/json; charset=${charset}` };
    const sent = { raw: Buffer.from(text, encoding), headers };
    const { NeutronError } = await api.expect(415, 'POST', '/v2.0/networks', sent);
    assert.equal(NeutronError.type, 'UnsupportedMediaType');
  }
  const headers = { 'content-type': 'application/json;charset=UTF-8' };
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', { raw: text, headers });
  assert.equal(network.name, 'Zürich');
});

/** Sends bytes and gives all that comes back until the server closes. */
function sendBytes(text: string): Promise<string> {
  const { port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
    let got = '';
    socket.on('data', (chunk) => {
      got += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
  });
}

test('what is not even HTTP gets a NeutronError as well', async () => {
  assert.match(await sendBytes('NONSENSE\r\n\r\n'), /^HTTP\/1.1 400 [\s\S]*"NeutronError"/);
  const long = `GET /v2.0/networks?name=${'x'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`;
  assert.match(await sendBytes(long), /^HTTP\/1.1 431 [\s\S]*"NeutronError"/);
});

test('a body without a content type is JSON in an update, and refused in what another site could send', async () => {
  const send = (method: string, path: string) =>
    fetch(`${api.url}${path}`, {
      method,
      headers: { authorization: 'as admin' },
      body: new Blob(['{"network": {"name": "silent"}}']),
    });
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', { body: { network: {} } });
  const updated = await send('PUT', `/v2.0/networks/${network.id}`);
  assert.deepEqual([updated.status, ((await updated.json()) as Json).network.name], [200, 'silent']);
  assert.equal((await send('POST', '/v2.0/networks')).status, 415);
});
