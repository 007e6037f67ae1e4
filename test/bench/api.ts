/**
 * The whole API: a mix over all resources by eight callers with tokens of a Keystone, with an agent that follows it all, on one
 * server with its embedded database; a dashboard's page; beside what ports alone cost.
 */
import { type FakeKeystone, SERVICE_USER, startFakeKeystone } from '../support/fake-keystone.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { type Measured, prepareMix } from './api-mix.ts';
import { measurePage } from './api-page.ts';
import { type HttpCaller, httpCaller } from './http-caller.ts';
import type { Bench, BenchOptions } from './main.ts';
import { cpuMs, type Figures, ownCpuMs, pssMiB, quantile, round } from './measure.ts';
import { portsBench } from './ports.ts';
import { ServingAgent } from './serving-agent.ts';

const CALLERS = 8;
const REQUESTS = 6_000;
/** Before anything is measured: code is compiled, plans and statements are made. */
const WARM_UP = 800;
const HOST = 'h1';

type Table = readonly Readonly<Record<string, string | number>>[];

const p = (times: readonly number[], q: number) => round(quantile(times, q));

/** A row of each verb of each resource, the slowest first. */
const rowsOf = (measured: readonly Measured[]): Table =>
  measured
    .map(({ verb, resource, times }) => ({
      ...{ verb, resource, requests: times.length },
      ...{ p50_ms: p(times, 0.5), p99_ms: p(times, 0.99) },
    }))
    .sort((one, other) => other.p50_ms - one.p50_ms);

function verbsOf(measured: readonly Measured[]): Figures {
  const byVerb = Map.groupBy(measured, ({ verb }) => verb);
  const figures = [...byVerb].flatMap(([verb, all]): [string, number][] => {
    const times = all.flatMap((one) => one.times);
    return [
      [`${verb}_p50_ms`, p(times, 0.5)],
      [`${verb}_p99_ms`, p(times, 0.99)],
    ];
  });
  return Object.fromEntries(figures);
}

interface Stage {
  readonly server: ServerProcess;
  readonly http: HttpCaller;
}

async function measureMix(
  { server, http }: Stage,
  { requests, say }: { requests: number; say(text: string): void },
) {
  const ask = (as: string, method: string, path: string, body?: unknown) =>
    http.ask(method, path, { body, token: as });
  say(`making what ${WARM_UP + requests} requests need`);
  const warmUp = await prepareMix({ callers: CALLERS, requests: WARM_UP, ask });
  await warmUp.run();
  const mix = await prepareMix({ callers: CALLERS, requests, ask });
  say(`${requests} requests by ${CALLERS} callers`);
  const [all, own] = [cpuMs(server.pid), ownCpuMs(server.pid)];
  const began = performance.now();
  const measured = await mix.run();
  const tookMs = performance.now() - began;
  const serverMs = ownCpuMs(server.pid) - own;
  const databaseMs = cpuMs(server.pid) - all - serverMs;
  const times = measured.flatMap((one) => one.times);
  const refused = measured.flatMap((one) => one.refused.map((why) => `${one.verb} ${one.resource}: ${why}`));
  for (const why of refused.slice(0, 5)) say(why);
  const rows = rowsOf(measured);
  const [slowest] = rows;
  say(`slowest: ${slowest?.['verb']} ${slowest?.['resource']}`);
  return {
    rows,
    figures: {
      requests: times.length,
      refused: refused.length,
      requests_per_s: round((times.length * 1000) / tookMs),
      p50_ms: p(times, 0.5),
      p99_ms: p(times, 0.99),
      ...verbsOf(measured),
      slowest_p50_ms: Number(slowest?.['p50_ms']),
      over_30_ms: rows.filter((row) => Number(row['p50_ms']) > 30).length,
      cpu_server_ms: round(serverMs / times.length, 2),
      cpu_postgres_ms: round(databaseMs / times.length, 2),
    },
  };
}

/** What `ports` measured, one caller and no agent, beside the same verbs in the mix. */
function beside(alone: Figures, rows: Table): Table {
  const of = (verb: string) => rows.find((row) => row['verb'] === verb && row['resource'] === 'ports') ?? {};
  return [
    { port: 'create p50 ms', alone: alone['create_p50_ms']!, mix: of('create')['p50_ms']! },
    { port: 'create p99 ms', alone: alone['create_p99_ms']!, mix: of('create')['p99_ms']! },
    { port: 'show p50 ms', alone: alone['show_p50_ms']!, mix: of('show')['p50_ms']! },
    { port: 'show p99 ms', alone: alone['show_p99_ms']!, mix: of('show')['p99_ms']! },
    { port: 'update p50 ms', alone: alone['update_p50_ms']!, mix: of('update')['p50_ms']! },
    { port: 'delete p50 ms', alone: alone['delete_p50_ms']!, mix: of('delete')['p50_ms']! },
  ];
}

const PROJECTS = [...Array.from({ length: CALLERS }, (_, at) => `project-${at}`), 'dashboard', 'admin'];

function issueTokens(keystone: FakeKeystone): void {
  const expiresAt = Date.now() + 86_400_000;
  for (const project of PROJECTS) {
    const roles = [...(project === 'admin' ? ['admin'] : []), 'member', 'reader'];
    keystone.tokens.set(project, { user: project, project, roles, expiresAt });
  }
}

async function onStage<Result>(work: (stage: Stage) => Promise<Result>): Promise<Result> {
  const keystone = await startFakeKeystone(() => Date.now());
  issueTokens(keystone);
  const identity = ['--identity', 'keystone', '--keystone-auth-url', keystone.url];
  const server = await startServer({
    args: [...identity, '--keystone-username', SERVICE_USER.username],
    env: { DEUTERON_KEYSTONE_PASSWORD: SERVICE_USER.password },
  });
  let agent: ServingAgent | undefined;
  try {
    const http = httpCaller(server.apiPort);
    await lift(http);
    const { host } = await http.call('POST', '/v2.0/deuteron/hosts', { host: { name: HOST } }, 'admin');
    agent = new ServingAgent({
      ...{ host: HOST, credential: host.credential, agentPort: server.agentPort },
      roles: ['l2', 'dhcp'],
    });
    agent.connect();
    while (!agent.live) await new Promise((resolve) => setTimeout(resolve, 10));
    return await work({ server, http });
  } finally {
    agent?.end();
    await server.stop();
    await keystone.close();
  }
}

/** Every quota, whichever there are. */
async function lift({ call }: HttpCaller): Promise<void> {
  for (const project of PROJECTS) {
    const { quota } = await call('GET', `/v2.0/quotas/${project}`, undefined, 'admin');
    const none = Object.fromEntries(
      Object.keys(quota)
        .filter((name) => !/_id$/.test(name))
        .map((name) => [name, -1]),
    );
    await call('PUT', `/v2.0/quotas/${project}`, { quota: none }, 'admin');
  }
}

/** The number of `--name=N`; undefined without it. */
const asked = (args: readonly string[], name: string): number | undefined => {
  const text = args.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  return text === undefined ? undefined : Number(text);
};

async function run({ args, say, table }: BenchOptions): Promise<Figures> {
  const requests = asked(args, 'requests') ?? REQUESTS;
  const { mix, page, memory } = await onStage(async (stage) => ({
    mix: await measureMix(stage, { requests, say }),
    page: await measurePage(stage.http),
    memory: round(pssMiB(stage.server.pid)),
  }));
  table('verbs', mix.rows);
  table('page', page.lists);
  const figures = { ...mix.figures, ...page.figures, server_pss_mib: memory };
  if (asked(args, 'alone') === 0) return figures;
  say(`ports alone: ${portsBench.summary}`);
  const alone = await portsBench.run({ args: [], say, table: () => undefined });
  table('beside', beside(alone, mix.rows));
  const ports = Object.fromEntries(Object.entries(alone).map(([name, value]) => [`ports_${name}`, value]));
  return { ...figures, ...ports };
}

export const apiBench: Bench = {
  summary: `60 % show and list, 40 % writes over all resources by ${CALLERS} callers (--requests=${REQUESTS}); a dashboard's page of 2,000 ports; ports alone, unless --alone=0`,
  options: ['requests', 'alone'],
  run,
};
