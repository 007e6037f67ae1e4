/**
 * Requests made from the OpenAPI document. None may be answered as a bug, every refusal is a NeutronError, and what was accepted
 * breaks no invariant of the database (invariants.ts). FUZZ_REQUESTS says how many, FUZZ_SEED from which seed, FUZZ_CALLERS how many
 * are sent at once, FUZZ_EVERY after how many the invariants are asked for. What broke one between two times is found by sending
 * all again to an empty database, asking after each.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { addAgent } from './agents.ts';
import { type Answer, type ApiUnderTest, type Json, startApi } from './api-under-test.ts';
import { allRequests, CALLERS, HOSTS, Known, PHYSICAL_NETWORK, type Request } from './fuzz-requests.ts';
import { broken, brokenBetween, readWorld } from './invariants.ts';

const number = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const REQUESTS = number('FUZZ_REQUESTS', 1500);
const SEED = number('FUZZ_SEED', 7);
const AT_ONCE = number('FUZZ_CALLERS', 1);
const EVERY = number('FUZZ_EVERY', 250);

interface Stage {
  readonly api: ApiUnderTest;
  readonly known: Known;
}

/** Hosts with all their agents; those that requests took away come back. */
async function connectAgents(api: ApiUnderTest): Promise<void> {
  for (const host of HOSTS)
    for (const role of ['l2', 'dhcp', 'l3'] as const) await addAgent(api, { host, role });
}

async function furnish(stage: Stage): Promise<void> {
  const { api, known } = stage;
  await connectAgents(api);
  known.learn(await api.expect(200, 'GET', '/v2.0/agents'));
  const outside = await Promise.all([0, 1].map((at) => furnishNetwork(stage, 'admin', at)));
  for (const as of CALLERS.slice(1)) {
    const [inside] = await Promise.all([2, 3].map((at) => furnishNetwork(stage, as, at)));
    await furnishRouter(stage, as, { external: outside[0], inside });
  }
  known.learn({
    subnetpool: await api.make('subnetpools', { name: 'pool', prefixes: ['10.0.0.0/14'] }, 'red'),
  });
  const limits = { quota: { port: 12, router: 4, floatingip: 6, trunk: 2 } };
  await api.expect(200, 'PUT', '/v2.0/quotas/green', { body: limits });
}

/** With a subnet and a port; the admin's are external. */
async function furnishNetwork({ api, known }: Stage, as: string, at: number): Promise<Json> {
  const network = await api.make('networks', as === 'admin' ? { 'router:external': true } : {}, as);
  const cidr = { network_id: network.id, cidr: `10.${at}.0.0/24`, ip_version: 4 };
  const subnet = await api.make('subnets', cidr, as);
  const port = await api.make('ports', { network_id: network.id }, as);
  known.learn({ network, subnet, port });
  return { network, subnet, port };
}

/** A router that goes out, and a floating IP that may come to stand for a port. */
async function furnishRouter(
  { api, known }: Stage,
  as: string,
  { external, inside }: { readonly external: Json; readonly inside: Json },
): Promise<void> {
  const id = external.network.id;
  const router = await api.make('routers', { external_gateway_info: { network_id: id } }, as);
  const floatingip = await api.make('floatingips', { floating_network_id: id }, as);
  known.learn({ router, floatingip });
  const body = { subnet_id: inside.subnet.id };
  await api.expect(200, 'PUT', `/v2.0/routers/${router.id}/add_router_interface`, { as, body });
}

async function withStage<Result>(work: (stage: Stage) => Promise<Result>): Promise<Result> {
  const api = await startApi({ settings: { vlanNetworks: [PHYSICAL_NETWORK] } });
  try {
    const stage = { api, known: new Known() };
    await furnish(stage);
    return await work(stage);
  } finally {
    await api.close();
  }
}

const told = ({ method, path, body, as }: Request): string =>
  `${method} ${path} ${JSON.stringify(body)} as ${as}`;

function wrong(request: Request, { status, body, text }: Answer): string | undefined {
  if (status >= 500) return `${told(request)}: ${status} ${text}`;
  if (status < 400) return undefined;
  const { type, message } = body?.NeutronError ?? {};
  const isRight = typeof type === 'string' && typeof message === 'string';
  return isRight ? undefined : `${told(request)}: ${status} ${text}`;
}

async function send({ api, known }: Stage, asked: Request): Promise<{ request: Request; answer: Answer }> {
  const request = known.filled(asked);
  const { method, path, body, as } = request;
  const answer = await api.ask(method, path, { as, ...(body === undefined ? {} : { body }) });
  if (answer.status === 201) known.learn(answer.body);
  if (answer.status === 204) known.forget(path.split('?')[0]?.split('/').at(-1) ?? '');
  return { request, answer };
}

/** Sends them in order, so many at once. */
async function sendAll(
  stage: Stage,
  requests: readonly Request[],
  each: (sent: { request: Request; answer: Answer }) => void,
): Promise<void> {
  const left = requests.values();
  const caller = async () => {
    for (const asked of left) each(await send(stage, asked));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
}

/** Sends the first requests, and then one by one until one breaks something. */
const culprit = (requests: readonly Request[], upTo: number): Promise<string> =>
  withStage(async (stage) => {
    const { api } = stage;
    for (const asked of requests.slice(0, upTo)) await send(stage, asked);
    let world = await readWorld(api.store);
    for (const asked of requests.slice(upTo)) {
      const { request, answer } = await send(stage, asked);
      const now = await readWorld(api.store);
      const complaints = [...broken(now), ...brokenBetween(world, now)];
      if (complaints.length > 0) return `${told(request)}: ${answer.status} ${complaints.join('\n')}`;
      world = now;
    }
    return 'nothing, when they were sent again one by one';
  });

async function fuzz(t: TestContext, stage: Stage, requests: readonly Request[]): Promise<void> {
  const { api } = stage;
  const counts = new Map<string, number>();
  const failures: string[] = [];
  let world = await readWorld(api.store);
  assert.deepEqual(broken(world), []);
  for (let at = 0; at < requests.length; at += EVERY) {
    await sendAll(stage, requests.slice(at, at + EVERY), ({ request, answer }) => {
      const key = `${request.method} ${answer.status}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      const complaint = wrong(request, answer);
      if (complaint !== undefined) failures.push(complaint);
    });
    const now = await readWorld(api.store);
    const complaints = [...broken(now), ...brokenBetween(world, now)];
    if (complaints.length > 0) {
      const by = await culprit(requests.slice(0, at + EVERY), at);
      assert.fail(`after ${at + EVERY} requests:\n${complaints.slice(0, 10).join('\n')}\nby ${by}`);
    }
    await connectAgents(api);
    world = await readWorld(api.store);
  }
  const list = [...counts].sort().map((one) => one.join(': '));
  t.diagnostic(`seed ${SEED}, ${AT_ONCE} at once: ${list.join(', ')}`);
  const rows = Object.entries(world).map(
    ([name, all]: [string, Json]) => `${name} ${all.length ?? all.size}`,
  );
  t.diagnostic(rows.join(', '));
  const first = api.bugs.slice(0, 3).join('\n');
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${REQUESTS}\n${first}`);
  assert.deepEqual(api.bugs, []);
  const made = counts.get('POST 201') ?? 0;
  assert.ok(made > REQUESTS / 50, `of ${REQUESTS} requests ${made} made something`);
}

test(
  'no request that can be made of the document is answered as a bug, or breaks what is always so',
  {
    timeout: 3_600_000,
  },
  (t) =>
    withStage(async (stage) => {
      const document: Json = await stage.api.expect(200, 'GET', '/openapi.json');
      await fuzz(t, stage, fc.sample(allRequests(document), { seed: SEED, numRuns: REQUESTS }));
    }),
);
