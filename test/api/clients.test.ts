/** The `openstack` client and openstacksdk, as Debian has them, against a server process: every route is asked by one of them, or is named here with why not. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import bcrypt from 'bcryptjs';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import type { Role } from '../../src/resources/agent.ts';
import { HttpTransport } from '../../src/watch/client.ts';
import { openTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { watchRequest } from '../support/watch-world.ts';

/** Debian's Python: another may come first in the PATH, without Debian's packages. */
const PYTHON = '/usr/bin/python3';
const script = (name: string) => fileURLToPath(new URL(`clients/${name}.py`, import.meta.url));
const isMissing = spawnSync(PYTHON, ['-c', 'import openstack, openstackclient.shell']).status !== 0;
const skip = isMissing
  ? 'NOT TESTED: there is no `openstack` client here (apt-get install python3-openstackclient)'
  : false;

/** What no client of Debian's has a call for (openstacksdk 0.101, python-openstackclient 6.0). */
const UNASKED: readonly (readonly [route: RegExp, why: string])[] = [
  [/ \/(metrics|healthz|readyz|openapi\.json)$/, 'is no part of the Networking API'],
  [/ \/v2\.0\/deuteron\//, "is Deuteron's own: bin/deuteron asks for it"],
  [/ \/(v2\.0)?$/, 'whoever names the endpoint is not looking for versions'],
  [/ \/v2\.0\/floatingip-pools/, 'the client lists the pools of Nova only'],
  [/ \/v2\.0\/address-(groups|scopes)\/\{id\}\/tags/, 'no tags of these'],
  [/ \/v2\.0\/subnetpools\/\{id\}\/(add|remove)_prefixes$/, 'prefixes are set as a whole'],
  [/ \/v2\.0\/subnetpools\/\{id\}\/onboard_network_subnets$/, 'a command of python-neutronclient'],
  [/^PUT \/v2\.0\/qos\/policies\/\{id\}\/tags$/, 'openstacksdk sets them below /v2.0/policies'],
  [/ \/v2\.0\/qos\/policies\/\{policy\}\/packet_rate_limit_rules/, 'no such type of rule'],
  [/ \/v2\.0\/qos\/alias-/, 'rules are asked for below their policy'],
  [/ \/v2\.0\/flavors\/\{id\}\/next_providers$/, 'no call'],
  [/ \/v2\.0\/quotas\/(tenant|project)$/, 'a project is named'],
];

const PASSWORD = 'pw';
let database: TestDatabase;
let server: ServerProcess;
let directory: string;
let front: Server;
const watches: (() => void)[] = [];

before(async () => {
  if (skip) return;
  directory = mkdtempSync(join(tmpdir(), 'dtn-clients-'));
  const hash = bcrypt.hashSync(PASSWORD, 4);
  writeFileSync(
    join(directory, 'users'),
    `root:${hash}\nred:${hash}:red\nblue:${hash}:blue\noperator:${hash}:ops:admin\n`,
  );
  database = await openTestDatabase();
  const identity = ['--identity', 'http_basic', '--identity-file', join(directory, 'users')];
  // What follows from an agent's silence is no matter of this test, and its agents only open their watches.
  const patient = ['--agent-down-seconds', '3600'];
  server = await startServer({ args: ['--database-url', database.url, ...identity, ...patient] });
  front = await startFront(server.apiPort);
  const clouds = Object.fromEntries(['root', 'red', 'blue', 'operator'].map((name) => [name, cloudOf(name)]));
  // JSON is YAML.
  writeFileSync(join(directory, 'clouds.yaml'), JSON.stringify({ clouds }));
  await openWatch('h1', ['l2', 'dhcp', 'l3']);
  await openWatch('h2', ['l2', 'dhcp', 'l3']);
  await openWatch('h3', ['l2']);
});

after(async () => {
  for (const close of watches) close();
  front?.close();
  front?.closeAllConnections();
  await server?.stop();
  await database?.close();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

/** As docs/operate/clients.md has it. */
const cloudOf = (name: string) => ({
  auth_type: 'http_basic',
  auth: {
    username: name,
    password: PASSWORD,
    endpoint: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
  },
});

/**
 * The address of a cloud: the Networking API, and as much of Keystone as tells the id of a project. With such a login clients
 * look for both at one endpoint.
 */
async function startFront(apiPort: number): Promise<Server> {
  const started = createServer((asked, answer) => {
    const [projects, name] = /^(?:\/v3)?\/projects(?:\/(\w+))?$/.exec(asked.url ?? '') ?? [];
    if (projects !== undefined) {
      const project = { id: name ?? 'red', name: name ?? 'red' };
      answer.setHeader('content-type', 'application/json');
      return void answer.end(JSON.stringify(name === undefined ? { projects: [project] } : { project }));
    }
    const { method, headers, url: path } = asked;
    const passed = request({ port: apiPort, host: '127.0.0.1', method, headers, path }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return started;
}

/** An agent of each role, which lives as long as its watch is open. */
async function openWatch(host: string, roles: Role[]): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${server.apiPort}/v2.0/deuteron/hosts`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`root:${PASSWORD}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ host: { name: host } }),
  });
  const added = (await response.json()) as { host: { credential: string } };
  const transport = new HttpTransport({
    servers: [`http://127.0.0.1:${server.agentPort}`],
    credential: added.host.credential,
    clock: realClock,
    random: realRandom,
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onEnd = ({ reason }: { reason: string }) => reject(new Error(`${host}: ${reason}`));
  const description = watchRequest(host, { roles, tunnel_ip: '192.0.2.1', physical_networks: ['physnet1'] });
  const close = transport.connect(0, description, { onFrame: () => resolve(), onEnd });
  watches.push(() => {
    close();
    transport.close();
  });
  await promise;
}

/** Runs one of the scripts, each line of whose output is JSON. */
async function run<Line>(name: string): Promise<Line[]> {
  const child = spawn(PYTHON, ['-B', script(name)], {
    env: {
      ...{ PATH: '/usr/bin:/bin', HOME: directory },
      ...{ OS_CLIENT_CONFIG_FILE: join(directory, 'clouds.yaml'), OS_CLOUD: 'operator' },
    },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  assert.equal(code, 0, err);
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** Runs a script and fails with all that went wrong in it. */
async function allWell(name: string): Promise<void> {
  const walks = await run<{ walk: string; error: string | null }>(name);
  assert.ok(walks.length > 0);
  const wrong = walks.filter(({ error }) => error !== null);
  assert.equal(wrong.map(({ walk, error }) => `${walk}: ${error}`).join('\n'), '');
}

test('openstacksdk makes, lists, shows, changes and deletes all there is', { skip }, () =>
  allWell('sdk_walk'),
);

test('the openstack client does', { skip }, () => allWell('commands'));

test('each route that is documented was asked by one of them, and none failed', { skip }, async () => {
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${server.apiPort}${path}`)).text();
  const { paths } = JSON.parse(await get('/openapi.json')) as { paths: Record<string, object> };
  const asked = new Set<string>();
  const failed: string[] = [];
  for (const [, method, route, status] of (await get('/metrics')).matchAll(
    /^deuteron_http_request_duration_seconds_count\{method="(.*?)",route="(.*?)",status="(.*?)"\}/gm,
  )) {
    if (Number(status) < 400) asked.add(`${method} ${route?.replace(/:(\w+)/g, '{$1}')}`);
    if (Number(status) >= 500) failed.push(`${method} ${route}: ${status}`);
  }
  assert.deepEqual(failed, []);
  const documented = Object.entries(paths).flatMap(([path, verbs]) =>
    Object.keys(verbs).map((verb) => `${verb.toUpperCase()} ${path}`),
  );
  const isUnasked = (route: string) => UNASKED.some(([pattern]) => pattern.test(route));
  const notWalked = documented.filter((route) => !asked.has(route) && !isUnasked(route));
  assert.equal(notWalked.map((route) => `not walked: ${route}`).join('\n'), '');
  const isNeeded = ([pattern]: (typeof UNASKED)[number]) =>
    documented.some((route) => pattern.test(route) && !asked.has(route));
  const needless = UNASKED.filter((one) => !isNeeded(one));
  assert.deepEqual(needless, [], 'these are asked for, or are there no more');
});
