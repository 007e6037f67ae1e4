/** From sending POST /ports until dnsmasq has acknowledged a real DHCP exchange for it, across hosts, idle and busy. */
import { enterNode } from '../../src/lab/ground.ts';
import type { Machine } from '../../src/lab/machine.ts';
import type { Network, Stage } from '../lab/stage.ts';
import { startProber } from '../support/dhcp-prober.ts';
import { withLab } from './lab-stage.ts';
import type { Bench } from './main.ts';
import { cpuMs, type Figures, pssMiB, quantile, round } from './measure.ts';

const TRIALS = 40;
const BUSY_PER_SECOND = 20;

const macOf = (number: number) =>
  `fa:16:3e:bb:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`;

/** Milliseconds from before the request until the ACK. The machine asks for the new port's MAC already before it exists. */
async function trial(
  stage: Stage,
  parts: { network: Network; machine: Machine; mac: string },
): Promise<number> {
  const { ground, layout } = stage.lab.place;
  const { network, machine, mac } = parts;
  const enter = [...enterNode(ground, layout, machine.host), 'ip', 'netns', 'exec', machine.name];
  const prober = startProber(enter, { link: 'eth0', mac });
  try {
    await prober.ready;
    const sentAt = performance.timeOrigin + performance.now();
    await stage.port(network, undefined, { mac_address: mac });
    const result = await prober.result;
    if (result.ackedAt === null) throw new Error(`no ACK for ${mac} within 10 s: ${JSON.stringify(result)}`);
    return result.ackedAt - sentAt;
  } finally {
    prober.stop();
  }
}

/** Creates ports at a steady rate until told to stop; resolves when the last is answered. */
function keepCreating(stage: Stage, network: Network): () => Promise<number> {
  const under = new Set<Promise<unknown>>();
  let created = 0;
  const timer = setInterval(() => {
    const one = stage.port(network).then(() => (created += 1));
    under.add(one);
    one.finally(() => under.delete(one)).catch(() => undefined);
  }, 1000 / BUSY_PER_SECOND);
  return async () => {
    clearInterval(timer);
    await Promise.all(under);
    return created;
  };
}

function processMemory(stage: Stage): Figures {
  const [server] = stage.lab.find('ctl1', 'server');
  const [agent] = stage.lab.find('h1', 'agent');
  return {
    server_pss_mib: round(server === undefined ? Number.NaN : pssMiB(server.pid)),
    agent_pss_mib: round(agent === undefined ? Number.NaN : pssMiB(agent.pid)),
  };
}

async function measure(stage: Stage, say: (text: string) => void): Promise<Figures> {
  const network = await stage.network({ cidr: '10.60.0.0/16' });
  const port = await stage.port(network, 'h2');
  const machine = await stage.machine(network, port, 'h2');
  await stage.untilActive(port);
  let number = 0;
  const series = async (what: string) => {
    say(`${what}: ${TRIALS} ports`);
    const times: number[] = [];
    for (let at = 0; at < TRIALS; at++)
      times.push(await trial(stage, { network, machine, mac: macOf(++number) }));
    return times;
  };
  await trial(stage, { network, machine, mac: macOf(++number) }); // the first compiles
  const idle = await series('idle');
  const [server] = stage.lab.find('ctl1', 'server');
  const cpuBefore = server === undefined ? 0 : cpuMs(server.pid);
  const stop = keepCreating(stage, network);
  const busy = await series(`busy, ${BUSY_PER_SECOND} creates a second beside`);
  const created = (await stop()) + TRIALS;
  const serverCpu = server === undefined ? Number.NaN : (cpuMs(server.pid) - cpuBefore) / created;
  return {
    idle_p50_ms: round(quantile(idle, 0.5)),
    idle_p95_ms: round(quantile(idle, 0.95)),
    busy_p50_ms: round(quantile(busy, 0.5)),
    busy_p95_ms: round(quantile(busy, 0.95)),
    busy_cpu_ms_per_port: round(serverCpu),
    ...processMemory(stage),
  };
}

export const serveBench: Bench = {
  summary: 'POST /ports sent until a DISCOVER, asked every 2 ms on another host, is ACKed by dnsmasq',
  run: ({ say }) => withLab({ id: 'bserve', hosts: 2, say }, (stage) => measure(stage, say)),
};
