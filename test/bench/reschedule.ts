/**
 * One of five hosts falls silent with a thousand networks on it: how long from its last sign of life until each of them is served
 * elsewhere by report, found within 2 s, with hollow agents that are done at once. And the database's part of it alone.
 */
import { callApi } from '../../src/cli/api-client.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import type { Role } from '../../src/resources/agent.ts';
import type { Bench } from './main.ts';
import { cpuMs, type Figures, round, timeTogether } from './measure.ts';
import { measureDatabase } from './reschedule-database.ts';
import { measureLab } from './reschedule-lab.ts';
import { ServingAgent } from './serving-agent.ts';

const HOSTS = 5;
const DETECTION_S = 2;
const PORTS = 2;
const AT_ONCE = 50;
const COMPUTE = 'compute';

async function until(what: string, timeoutMs: number, reached: () => boolean): Promise<void> {
  const began = performance.now();
  while (!reached()) {
    if (performance.now() - began > timeoutMs) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

type Api = Parameters<typeof callApi>[0];

async function addAgents(api: Api, server: ServerProcess): Promise<ServingAgent[]> {
  const agents: ServingAgent[] = [];
  for (const name of [...Array.from({ length: HOSTS }, (_, at) => `host${at}`), COMPUTE]) {
    const { host } = (await callApi(api, 'POST', '/v2.0/deuteron/hosts', { host: { name } })).body;
    const roles: Role[] = name === COMPUTE ? ['l2'] : ['l2', 'dhcp'];
    const { agentPort } = server;
    agents.push(new ServingAgent({ host: name, credential: host.credential, agentPort, roles }));
  }
  return agents;
}

/** Networks with a subnet and a few ports each, on a host that serves no DHCP. */
async function addNetworks(api: Api, count: number): Promise<string[]> {
  const ids: string[] = [];
  await timeTogether(2, Math.ceil(count / AT_ONCE), async (at) => {
    const networks = Array.from({ length: Math.min(AT_ONCE, count - at * AT_ONCE) }, () => ({}));
    const made = (await callApi(api, 'POST', '/v2.0/networks', { networks })).body.networks as {
      id: string;
    }[];
    const subnets = made.map(({ id }) => ({ network_id: id, ip_version: 4, cidr: '10.0.0.0/24' }));
    await callApi(api, 'POST', '/v2.0/subnets', { subnets });
    const ports = made.flatMap(({ id }) =>
      Array.from({ length: PORTS }, () => ({ network_id: id, 'binding:host_id': COMPUTE })),
    );
    await callApi(api, 'POST', '/v2.0/ports', { ports });
    ids.push(...made.map(({ id }) => id));
  });
  return ids;
}

const isServed = (agents: readonly ServingAgent[], networks: readonly string[]) =>
  networks.every((id) => agents.some((agent) => agent.served.has(id)));

async function measure(server: ServerProcess, count: number, say: (text: string) => void): Promise<Figures> {
  const api = { url: `http://127.0.0.1:${server.apiPort}` };
  const agents = await addAgents(api, server);
  const [first, ...others] = agents as [ServingAgent, ...ServingAgent[]];
  const compute = others.pop() as ServingAgent;
  try {
    first.connect();
    compute.connect();
    await until('the first is there', 20_000, () => first.live && compute.live);
    say(`${count} networks on one host`);
    const networks = await addNetworks(api, count);
    await until('they are served', 60_000, () => isServed([first], networks));
    for (const agent of others) agent.connect();
    await until('the others are there', 20_000, () => others.every((agent) => agent.live));
    // Hysteresis and heartbeats settle; nothing else is under way.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    say('the host falls silent');
    const cpuBefore = cpuMs(server.pid);
    const sent = first.heardAt;
    first.fallSilent();
    const began = Math.max(sent, first.heardAt);
    await until('any is served elsewhere', 60_000, () => others.some((agent) => agent.served.size > 0));
    const firstS = (performance.now() - began) / 1000;
    await until('all are served elsewhere', 60_000, () => isServed(others, networks));
    const movedS = (performance.now() - began) / 1000;
    const loads = others.map((agent) => agent.served.size);
    const leaving = async () =>
      ((await callApi(api, 'GET', `/v2.0/ports?device_owner=network:dhcp&fields=id`)).body.ports as [])
        .length;
    while ((await leaving()) > count) await new Promise((resolve) => setTimeout(resolve, 50));
    return {
      networks: count,
      moved_s: round(movedS, 2),
      first_moved_s: round(firstS, 2),
      finished_s: round((performance.now() - began) / 1000, 2),
      detection_s: DETECTION_S,
      least_on_a_host: Math.min(...loads),
      most_on_a_host: Math.max(...loads),
      server_cpu_ms: round(cpuMs(server.pid) - cpuBefore),
    };
  } finally {
    for (const agent of agents) agent.end();
  }
}

/** The number of `--name=N`; undefined without it. */
function asked(args: readonly string[], name: string): number | undefined {
  const text = args.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

export const rescheduleBench: Bench = {
  summary:
    'a silent host with --networks=1000 of five hollow ones: until all are served elsewhere, 2 s detection; --lab=20: real ones too',
  options: ['networks', 'lab'],
  run: async ({ args, say }) => {
    const count = asked(args, 'networks') ?? 1_000;
    const inLab = asked(args, 'lab') ?? 0;
    const quotas = ['network', 'subnet', 'port'].flatMap((name) => [`--quota-${name}`, '-1']);
    const server = await startServer({
      args: [...quotas, '--agent-down-seconds', String(DETECTION_S), '--rebalance-per-minute', '0'],
    });
    let figures: Figures;
    try {
      figures = await measure(server, count, say);
    } finally {
      await server.stop();
    }
    say('the database alone');
    const database = await measureDatabase(count);
    return { ...figures, ...database, ...(inLab > 0 ? await measureLab(inLab, say) : {}) };
  },
};
