/** What the API costs: one server with its embedded database, real HTTP over loopback, nothing else on the machine. */
import { startServer } from '../support/server-process.ts';
import { httpCaller } from './http-caller.ts';
import type { Bench } from './main.ts';
import { cpuMs, type Figures, pssMiB, quantile, round, timeEach, timeTogether } from './measure.ts';

const CREATES = 300;
const TOGETHER = 600;
const BULKS = 10;

async function measure(port: number, pid: number, say: (text: string) => void): Promise<Figures> {
  const { call } = httpCaller(port);
  const { network } = await call('POST', '/v2.0/networks', { network: { name: 'bench' } });
  await call('POST', '/v2.0/subnets', {
    subnet: { network_id: network.id, ip_version: 4, cidr: '10.32.0.0/16', name: 'bench' },
  });
  const create = () => call('POST', '/v2.0/ports', { port: { network_id: network.id } });
  say(`creating ${CREATES} ports one by one, then ${TOGETHER} by eight callers`);
  await timeEach(50, create); // the first requests compile and fill caches
  const cpuBefore = cpuMs(pid);
  const began = performance.now();
  const one = await timeEach(CREATES, create);
  const onePerSecond = (CREATES * 1000) / (performance.now() - began);
  const createCpu = (cpuMs(pid) - cpuBefore) / CREATES;
  const eight = await timeTogether(8, TOGETHER, create);
  const bulk = await timeEach(BULKS, () =>
    call('POST', '/v2.0/ports', { ports: Array.from({ length: 50 }, () => ({ network_id: network.id })) }),
  );
  const { ports } = await call('GET', '/v2.0/ports');
  for (let missing = 2000 - ports.length; missing > 0; missing -= 100) {
    const some = Array.from({ length: Math.min(100, missing) }, () => ({ network_id: network.id }));
    await call('POST', '/v2.0/ports', { ports: some });
  }
  say('listing, showing, updating, deleting');
  const list = await timeEach(20, () => call('GET', '/v2.0/ports?limit=2000'));
  const id = (at: number) => ports[at % ports.length].id;
  const show = await timeEach(300, (at) => call('GET', `/v2.0/ports/${id(at)}`));
  const update = await timeEach(200, (at) =>
    call('PUT', `/v2.0/ports/${id(at)}`, { port: { name: `n${at}` } }),
  );
  const remove = await timeEach(200, (at) => call('DELETE', `/v2.0/ports/${id(at)}`));
  return {
    create_p50_ms: round(quantile(one, 0.5)),
    create_p99_ms: round(quantile(one, 0.99)),
    create_per_s_1: round(onePerSecond),
    create_per_s_8: round(eight.perSecond),
    create_8_p99_ms: round(quantile(eight.times, 0.99)),
    create_cpu_ms: round(createCpu, 2),
    bulk50_ms: round(quantile(bulk, 0.5)),
    list2000_ms: round(quantile(list, 0.5)),
    show_p50_ms: round(quantile(show, 0.5), 2),
    show_p99_ms: round(quantile(show, 0.99), 2),
    update_p50_ms: round(quantile(update, 0.5), 2),
    delete_p50_ms: round(quantile(remove, 0.5), 2),
    server_pss_mib: round(pssMiB(pid)),
  };
}

export const portsBench: Bench = {
  summary: 'create, bulk, list 2,000, show, update, delete over HTTP; CPU is server and database together',
  run: async ({ say }) => {
    const server = await startServer({
      args: ['--quota-port', '-1', '--quota-network', '-1', '--quota-subnet', '-1'],
    });
    try {
      return await measure(server.apiPort, server.pid, say);
    } finally {
      await server.stop();
    }
  },
};
