/** Agents' two requests over real HTTP: feed and memory store on one side, the agent's client on the other. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { createAgentApi } from '../../src/api/agent-api.ts';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory/memory-store.ts';
import { HttpTransport } from '../../src/watch/client.ts';
import { Feed } from '../../src/watch/feed.ts';
import { Follower } from '../../src/watch/follow.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Frame, Report, WatchRequest } from '../../src/watch/protocol.ts';
import {
  assertMirror,
  expectedGroups,
  hostRow,
  networkRow,
  portRow,
  watchRequest,
} from '../support/watch-world.ts';

const CREDENTIALS: Readonly<Record<string, string>> = { 'secret-a': 'a', 'secret-b': 'b' };
const WATCH = '/deuteron/v1/watch';
const REPORT = '/deuteron/v1/report';

let store: MemoryStore;
let feed: Feed;
let server: Server;
let ends: (() => Promise<unknown> | unknown)[] = [];
let registered: WatchRequest[] = [];
let reports: Report[] = [];
let isRegistering = true;

function listener() {
  const app = createAgentApi({
    ...{ clock: realClock, random: realRandom, feed },
    authenticate: async (credential) => CREDENTIALS[credential],
    register: async (asked) => {
      if (!isRegistering) throw new Error('not now');
      registered.push(asked);
    },
    applyReport: async (report) => {
      reports.push(report);
      return { accepted: reports.length === 1 };
    },
    log: { error: (fields) => assert.fail(JSON.stringify(fields)) },
  });
  return async (handle: (listener: typeof app.routing) => Server) => {
    await app.ready();
    const opened = handle(app.routing);
    opened.listen(0, '127.0.0.1');
    await once(opened, 'listening');
    ends.push(() => new Promise((resolve) => opened.close(resolve)));
    return opened;
  };
}

const portOf = (it: Server) => (it.address() as AddressInfo).port;

beforeEach(async () => {
  [registered, reports, ends, isRegistering] = [[], [], [], true];
  store = openMemoryStore({ clock: realClock, random: realRandom });
  feed = new Feed({
    ...{ source: agentObjectsSource(store), clock: realClock, random: realRandom, serverId: 's1' },
  });
  const abort = new AbortController();
  const running = feed.run(abort.signal);
  await store.transact((tx) => tx.hosts.insert([hostRow('a'), hostRow('b')]));
  server = await listener()((routing) => createServer(routing));
  ends.push(() => {
    abort.abort();
    return running;
  });
});

afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: { NeutronError?: { type: string; message: string } } & Record<string, unknown>;
}

/** A whole exchange; a watch that is granted never ends, so this is for refusals and reports. */
async function post(
  path: string,
  body: string,
  { credential = 'secret-a', type = 'application/json' }: { credential?: string; type?: string } = {},
): Promise<Answer> {
  const headers = { authorization: `Bearer ${credential}`, 'content-type': type };
  const sent = request({ port: portOf(server), host: '127.0.0.1', path, method: 'POST', headers });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (path === WATCH && response.statusCode === 200) {
    sent.destroy();
    assert.fail(`granted: ${body.slice(0, 1000)}`);
  }
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = realClock.now() + 60_000;
  while (!isSo()) {
    assert.ok(realClock.now() < deadline, `not in time: ${what}`);
    await new Promise<void>((resolve) => realClock.after(2, resolve));
  }
}

const REPORT_OF_A: Report = {
  ...{ version: 1, host: 'a', role: 'l2', incarnation: 1, counter: 1, realised: { position: 3, tag: 4 } },
  exceptions: [{ key: 'network/n', object: 'port/p', state: 'waiting', since: 2, reason: 'no link' }],
  ...{ exceptionCount: 1, configurations: {} },
};

test('without a valid credential nothing is answered', async () => {
  for (const path of [WATCH, REPORT]) {
    for (const credential of ['', 'other', 'secret-a and more']) {
      const { status, body, headers } = await post(path, '{}', { credential });
      assert.equal(status, 401);
      assert.equal(body.NeutronError?.type, 'HTTPUnauthorized');
      assert.equal(headers['www-authenticate'], 'Bearer');
    }
  }
});

test('a host neither watches nor reports for another', async () => {
  const watch = await post(WATCH, JSON.stringify(watchRequest('b')));
  const report = await post(REPORT, JSON.stringify(REPORT_OF_A), { credential: 'secret-b' });
  for (const { status, body } of [watch, report]) {
    assert.equal(status, 403);
    assert.equal(body.NeutronError?.type, 'PolicyNotAuthorized');
  }
  assert.deepEqual([registered, reports, feed.connected()], [[], [], []]);
});

test('what is malformed is refused, field by field', async () => {
  const good = watchRequest('a');
  const wrongWatches: readonly object[] = [
    [],
    { ...good, version: 2 },
    { ...good, host: 7 },
    { ...good, incarnation: -1 },
    { ...good, incarnation: 1.5 },
    { ...good, roles: [] },
    { ...good, roles: ['l2', 'l2'] },
    { ...good, roles: ['root'] },
    { ...good, roles: ['toString'] },
    { ...good, tunnel_ip: '300.0.0.1' },
    { ...good, physical_networks: ['a b'] },
    { ...good, physical_networks: 'physnet1' },
    { ...good, configurations: [] },
    { ...good, configurations: { x: 'y'.repeat(70_000) } },
    { ...good, place: 5 },
    { ...good, place: { position: 1 } },
    { ...good, place: { position: 2 ** 60, tag: 1 } },
    { ...good, groups: ['host/a'] },
    { ...good, groups: { 'host/a': 'short' } },
    { ...good, groups: { 'host/a|x': '0000000000000000' } },
    { ...good, mismatched: [1] },
  ];
  const report = REPORT_OF_A;
  const wrongReports: readonly object[] = [
    { ...report, role: 'l4' },
    { ...report, counter: '1' },
    { ...report, realised: undefined },
    { ...report, exceptions: {} },
    { ...report, exceptions: [{ ...report.exceptions[0], state: 'fine' }] },
    { ...report, exceptions: [{ ...report.exceptions[0], key: '' }] },
    { ...report, exceptions: Array(1001).fill(report.exceptions[0]), exceptionCount: 1001 },
    { ...report, exceptionCount: 0 },
  ];
  const bodies = [
    ...wrongWatches.map((it) => [WATCH, JSON.stringify(it)] as const),
    ...wrongReports.map((it) => [REPORT, JSON.stringify(it)] as const),
    ...['', '{', 'null', '"x"', '{"__proto__": {}}'].flatMap((it) => [
      [WATCH, it] as const,
      [REPORT, it] as const,
    ]),
  ];
  for (const [path, body] of bodies) {
    const answer = await post(path, body);
    assert.equal(answer.status, 400, body);
    assert.equal(answer.body.NeutronError?.type, 'HTTPBadRequest', body);
  }
  const line = await post(WATCH, 'not json\n', { type: 'application/x-ndjson' });
  assert.equal(line.status, 400);
  const cut = await post(WATCH, JSON.stringify(good), { type: 'application/x-ndjson' });
  assert.equal(cut.status, 400, 'a line that does not end');
  const type = await post(WATCH, 'x', { type: 'text/plain' });
  assert.equal(type.status, 415);
  for (const kind of ['application/json', 'application/x-ndjson']) {
    const charset = await post(WATCH, `${JSON.stringify(good)}\n`, { type: `${kind}; charset=utf-16` });
    assert.deepEqual([charset.status, charset.body.NeutronError?.type], [415, 'UnsupportedMediaType']);
  }
  assert.equal((await post('/v2.0/ports', '{}')).status, 404);
  assert.deepEqual([registered, reports, feed.connected()], [[], [], []]);
});

test('text that the database cannot store is refused wherever it stands', async () => {
  const [good, report, exception] = [watchRequest('a'), REPORT_OF_A, REPORT_OF_A.exceptions[0]];
  const bodies: [string, object][] = ['\u0000', 'a\u0000b', '\ud800', 'a\udfff'].flatMap((bad) => [
    ...[{ a: bad }, { [bad]: 1 }, { a: [{ b: [bad] }] }, { a: { [bad]: {} } }].flatMap(
      (configurations): [string, object][] => [
        [WATCH, { ...good, configurations }],
        [REPORT, { ...report, configurations }],
      ],
    ),
    [WATCH, { ...good, host: bad }],
    [WATCH, { ...good, physical_networks: [bad] }],
    [WATCH, { ...good, groups: { [`host/${bad}`]: '0000000000000000' } }],
    [WATCH, { ...good, mismatched: [`host/${bad}`] }],
    [REPORT, { ...report, host: bad }],
    [REPORT, { ...report, exceptions: [{ ...exception, key: bad }] }],
    [REPORT, { ...report, exceptions: [{ ...exception, object: bad }] }],
    [REPORT, { ...report, exceptions: [{ ...exception, reason: bad }] }],
  ]);
  bodies.push([REPORT, { ...report, exceptionCount: 2 ** 31 }]);
  for (const [path, body] of bodies) {
    const answer = await post(path, JSON.stringify(body));
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.body.NeutronError?.type, 'HTTPBadRequest');
  }
  const deep = `{"a": ${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
  for (const [path, body] of [
    [WATCH, good],
    [REPORT, report],
  ] as const) {
    const text = JSON.stringify(body).replace('"configurations":{}', `"configurations":${deep}`);
    const answers = [await post(path, text)];
    if (path === WATCH) answers.push(await post(path, `${text}\n`, { type: 'application/x-ndjson' }));
    for (const answer of answers) assert.equal(answer.status, 400, path);
  }
  assert.deepEqual([registered, reports, feed.connected()], [[], [], []]);
});

test('a long reason is cut, between characters', async () => {
  const [exception] = REPORT_OF_A.exceptions;
  const reason = `x${'😀'.repeat(1500)}`;
  const report = { ...REPORT_OF_A, exceptions: [{ ...exception, reason }] };
  assert.equal((await post(REPORT, JSON.stringify(report))).status, 200);
  const stored = reports[0]?.exceptions[0]?.reason ?? '';
  assert.equal(stored.length, 2000);
  assert.ok(stored.isWellFormed() && stored.startsWith('x😀😀'));
});

test('a report arrives as it was sent', async () => {
  const first = await post(REPORT, JSON.stringify({ ...REPORT_OF_A, newer: 'field' }));
  assert.deepEqual([first.status, first.body], [200, { accepted: true }]);
  const second = await post(REPORT, JSON.stringify({ ...REPORT_OF_A, realised: null }));
  assert.deepEqual([second.status, second.body], [200, { accepted: false }]);
  assert.deepEqual(reports, [REPORT_OF_A, { ...REPORT_OF_A, realised: null }]);
});

/** An agent on the real client, its journal in memory. */
async function follow(host: string, servers: readonly string[], ca?: string) {
  const nowhere = { read: async () => null, append: async () => undefined, replace: async () => undefined };
  const journal = await Journal.open(nowhere, host);
  const transport = new HttpTransport({
    ...{ servers, credential: `secret-${host}`, clock: realClock, random: realRandom, heartbeatMs: 20 },
    ...(ca === undefined ? {} : { ca }),
  });
  const follower = new Follower({
    ...{ transport, journal, clock: realClock, random: realRandom, describe: () => watchRequest(host) },
    onChanges: () => undefined,
    onJournalError: (error) => assert.fail(String(error)),
  });
  const abort = new AbortController();
  const running = follower.run(abort.signal);
  ends.push(() => {
    abort.abort();
    transport.close();
    return running;
  });
  return { mirror: journal.mirror, follower, transport };
}

async function addNetwork(ports: number, host: string): Promise<string> {
  const id = realRandom.uuid();
  await store.transact(async (tx) => {
    await tx.networks.insert([networkRow(id, realRandom.tag())]);
    const rows = Array.from({ length: ports }, () =>
      portRow(realRandom.uuid(), id, { host, device_id: 'é'.repeat(100) }),
    );
    await tx.ports.insert(rows);
  });
  return id;
}

test('an agent follows over HTTP, reports, and finds the server again', async () => {
  await addNetwork(3, 'a');
  const url = `http://127.0.0.1:${portOf(server)}`;
  const { mirror, follower, transport } = await follow('a', ['http://127.0.0.1:1', url]);
  await until('live', () => follower.state.name === 'live');
  assert.equal(follower.server, 1);
  await addNetwork(2_000, 'a');
  const isThere = () => mirror.place?.position === store.head().position;
  await until('the change', isThere);
  assertMirror(mirror, expectedGroups(store, 'a'), 'after a large change');
  assert.deepEqual(await transport.report(1, REPORT_OF_A), { accepted: true });
  await assert.rejects(transport.report(1, { ...REPORT_OF_A, host: 'b' }), /403: .*host b/);
  await assert.rejects(transport.report(0, REPORT_OF_A));

  (server as ReturnType<typeof createServer>).closeAllConnections();
  await until('the cut', () => follower.state.name !== 'live');
  await addNetwork(1, 'a');
  await until('the change after the cut', isThere);
  assertMirror(mirror, expectedGroups(store, 'a'), 'after the cut');
  assert.equal(feed.metrics().snapshots.empty, 1);
  assert.equal(registered.length, 2);
});

test('a watch whose registration fails is ended, and comes again', async () => {
  isRegistering = false;
  const { follower } = await follow('a', [`http://127.0.0.1:${portOf(server)}`]);
  await until('a failure', () => follower.state.name === 'waiting' && follower.state.failures > 0);
  isRegistering = true;
  await until('registered', () => registered.length === 1 && follower.state.name === 'live');
});

test('curl may watch: a plain JSON body, frames as lines', async () => {
  const headers = { authorization: 'Bearer secret-a', 'content-type': 'application/json' };
  const sent = request({ port: portOf(server), host: '127.0.0.1', path: WATCH, method: 'POST', headers });
  ends.push(() => sent.destroy());
  sent.end(JSON.stringify(watchRequest('a')));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  assert.equal(response.headers['content-type'], 'application/x-ndjson');
  let text = '';
  response.on('data', (chunk) => (text += chunk));
  response.on('error', () => undefined);
  await until('synced', () => text.split('\n').length > 3);
  const frames = text
    .split('\n')
    .slice(0, 3)
    .map((line) => JSON.parse(line) as Frame);
  assert.deepEqual(
    frames.map((frame) => frame.type),
    ['hello', 'group', 'synced'],
  );
});

test('a reader that stops reading is cut before it costs much, and keeps nobody else', async () => {
  const headers = { authorization: 'Bearer secret-a', 'content-type': 'application/json' };
  const sent = request({ port: portOf(server), host: '127.0.0.1', path: WATCH, method: 'POST', headers });
  ends.push(() => sent.destroy());
  sent.end(JSON.stringify(watchRequest('a')));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  response.pause();
  const { mirror } = await follow('b', [`http://127.0.0.1:${portOf(server)}`]);
  const network = await addNetwork(1_000, 'a');
  await store.transact((tx) => tx.ports.insert([portRow(realRandom.uuid(), network, { host: 'b' })]));
  const ids = (await store.view((view) => view.ports.find({ network_id: network }))).map((port) => port.id);
  for (let i = 0; i < 20; i++) {
    await store.transact(async (tx) => {
      await tx.networks.update({ id: network }, { name: `${i}` });
      await tx.ports.update({ id: ids, host: 'a' }, { device_id: `${i}`.repeat(2_000) });
    });
    await until('b goes on', () => mirror.place?.position === store.head().position);
  }
  await until('a is cut', () => feed.metrics().cuts['fell out'] === 1);
  assert.equal(feed.metrics().ringBytes, 0);
  assertMirror(mirror, expectedGroups(store, 'b'), 'b');
});

test('the watch goes over TLS, to a server whose authority is trusted', async () => {
  const pem = (name: string) =>
    readFileSync(new URL(`../support/tls/localhost-${name}.pem`, import.meta.url), 'utf8');
  const [key, cert] = [pem('key'), pem('certificate')];
  const secure = await listener()((routing) => createTlsServer({ key, cert }, routing));
  const url = `https://127.0.0.1:${portOf(secure)}`;
  const trusting = await follow('a', [url], cert);
  const wary = await follow('b', [url]);
  await until('live', () => trusting.follower.state.name === 'live');
  await until('refused', () => wary.follower.state.name === 'waiting' && wary.follower.state.failures > 1);
  assert.deepEqual(await trusting.transport.report(0, REPORT_OF_A), { accepted: true });
  assert.equal(wary.mirror.place, null);
});
