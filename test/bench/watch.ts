/** Fan-out: hollow agents on one server, 100 hosts a network; how soon a commit reaches all, what a watcher costs, how all come back. */
import { callApi } from '../../src/cli/api-client.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { HollowAgent } from './hollow-agent.ts';
import type { Bench } from './main.ts';
import { cpuMs, type Figures, pssMiB, quantile, round, timeTogether } from './measure.ts';

const HOSTS_A_NETWORK = 100;

export async function until(what: string, timeoutMs: number, reached: () => boolean): Promise<number> {
  const began = performance.now();
  while (!reached()) {
    if (performance.now() - began > timeoutMs) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return (performance.now() - began) / 1000;
}

export async function populate(server: ServerProcess, hosts: number, say: (text: string) => void) {
  const api = { url: `http://127.0.0.1:${server.apiPort}` };
  const credentials = new Map<string, string>();
  say(`adding ${hosts} hosts`);
  await timeTogether(8, hosts, async (at) => {
    const name = `host${at}`;
    const { host } = (await callApi(api, 'POST', '/v2.0/deuteron/hosts', { host: { name } })).body;
    credentials.set(name, host.credential);
  });
  const networks: string[] = [];
  say(`binding a port on each, ${HOSTS_A_NETWORK} hosts a network`);
  for (let first = 0; first < hosts; first += HOSTS_A_NETWORK) {
    const { network } = (await callApi(api, 'POST', '/v2.0/networks', { network: { name: `n${first}` } }))
      .body;
    const ports = Array.from({ length: Math.min(HOSTS_A_NETWORK, hosts - first) }, (_, i) => ({
      network_id: network.id,
      'binding:host_id': `host${first + i}`,
    }));
    await callApi(api, 'POST', '/v2.0/ports', { ports });
    networks.push(network.id);
  }
  return { api, credentials, networks };
}

async function measure(server: ServerProcess, hosts: number, say: (text: string) => void): Promise<Figures> {
  const { api, credentials, networks } = await populate(server, hosts, say);
  const committedAt = new Map<string, number>();
  const delays: number[] = [];
  const memoryBefore = pssMiB(server.pid);
  let snapshots = 0;
  const agents = Array.from({ length: hosts }, (_, at) => {
    const host = `host${at}`;
    return new HollowAgent({
      host,
      credential: credentials.get(host) as string,
      agentPort: server.agentPort,
      onFrame: (_agent, frame) => {
        if (frame.type === 'group') snapshots += 1;
        if (frame.type !== 'batch') return;
        for (const group of Object.keys(frame.changes)) {
          const began = committedAt.get(group);
          if (began !== undefined) delays.push(performance.now() - began);
        }
      },
    });
  });
  try {
    say(`connecting ${hosts} hollow agents`);
    for (const agent of agents) agent.connect();
    const connectS = await until('all connected', 300_000, () => agents.every((agent) => agent.live));
    const bytesEach = ((pssMiB(server.pid) - memoryBefore) * 2 ** 20) / hosts;
    say('changing every network once');
    const cpuBefore = cpuMs(server.pid);
    await timeTogether(8, networks.length, async (at) => {
      const id = networks[at] as string;
      committedAt.set(`network/${id}`, performance.now()); // from before the request: commit to all is within it
      await callApi(api, 'PUT', `/v2.0/networks/${id}`, { network: { name: `renamed${at}` } });
    });
    await until('every agent told', 60_000, () => delays.length >= hosts);
    const fanoutCpu = cpuMs(server.pid) - cpuBefore;
    const told = delays.splice(0); // what comes after the restart is another question
    committedAt.clear();
    say('restarting the server (kill -9)');
    snapshots = 0;
    await server.restart();
    const reconnectS = await until('all back', 300_000, () => agents.every((agent) => agent.live));
    return {
      connections: hosts,
      connect_all_s: round(connectS, 2),
      fanout_p50_ms: round(quantile(told, 0.5)),
      fanout_p99_ms: round(quantile(told, 0.99)),
      fanout_cpu_ms: round(fanoutCpu),
      bytes_each: Math.round(bytesEach),
      reconnect_all_s: round(reconnectS, 2),
      snapshots_on_reconnect: snapshots,
      server_pss_mib: round(pssMiB(server.pid)),
    };
  } finally {
    for (const agent of agents) agent.end();
  }
}

export const watchBench: Bench = {
  summary: 'hollow agents on one server (--connections=N, by default 10000)',
  options: ['connections'],
  run: async ({ args, say }) => {
    const asked = args
      .map((word) => /^--connections=(\d+)$/.exec(word)?.[1])
      .find((text) => text !== undefined);
    const server = await startServer({
      args: ['--quota-port', '-1', '--quota-network', '-1', '--quota-subnet', '-1'],
    });
    try {
      return await measure(server, Number(asked ?? 10_000), say);
    } finally {
      await server.stop();
    }
  },
};
