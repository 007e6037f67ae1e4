/** An agent with 200 networks x 10 ports: started again with nothing changed, after 100 changes, and with nothing there. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { enterNode } from '../../src/lab/ground.ts';
import type { Machine } from '../../src/lab/machine.ts';
import type { Network, Port, Stage } from '../lab/stage.ts';
import { startProber } from '../support/dhcp-prober.ts';
import { withLab } from './lab-stage.ts';
import type { Bench } from './main.ts';
import { type Figures, processTree, pssMiBOf, quantile, round } from './measure.ts';

const NETWORKS = 200;
const PORTS = 10;
const CHANGES = 100;
const HOST = 'h1';

const now = () => performance.timeOrigin + performance.now();

async function populate(stage: Stage, say: (text: string) => void): Promise<Network[]> {
  const networks: Network[] = [];
  for (let at = 0; at < NETWORKS; at++) {
    const network = await stage.network({ cidr: '10.70.0.0/24' });
    const ports = Array.from({ length: PORTS }, () => ({ network_id: network.id }));
    await stage.lab.api('POST', '/v2.0/ports', { ports });
    networks.push(network);
    if ((at + 1) % 50 === 0) say(`${at + 1} networks`);
  }
  return networks;
}

/** Asks again and again, in the machine, for an address that is served; counts what stays without an answer for 200 ms. */
function keepAsking(stage: Stage, machine: Machine): () => Promise<{ asked: number; missed: number }> {
  const enter = proberIn(stage, machine);
  let asked = 0;
  let missed = 0;
  let going = true;
  const loop = (async () => {
    while (going) {
      const prober = startProber(enter, {
        link: 'eth0',
        mac: machine.port.mac_address,
        intervalMs: 50,
        limitMs: 3000,
      });
      const result = await prober.result;
      asked += 1;
      if (result.ackMs === null || result.ackMs > 200) missed += 1;
    }
  })();
  return async () => {
    going = false;
    await loop;
    return { asked, missed };
  };
}

const proberIn = (stage: Stage, machine: Machine) => [
  ...enterNode(stage.lab.place.ground, stage.lab.layout, machine.host),
  ...['ip', 'netns', 'exec', machine.name],
];

/** Starts the agent; seconds until a port made at that moment is served, and until all is realised. */
async function startAndTime(stage: Stage, parts: { network: Network; machine: Machine; mac: string }) {
  const { network, machine, mac } = parts;
  const prober = startProber(proberIn(stage, machine), { link: 'eth0', mac, limitMs: 120_000 });
  await prober.ready;
  const began = now();
  await stage.lab.start(HOST);
  await stage.port(network, undefined, { mac_address: mac });
  const settled = stage.settle(300_000).then(() => now());
  const result = await prober.result;
  if (result.ackedAt === null)
    throw new Error(`the port made at the start was never served: ${JSON.stringify(result)}`);
  return { newPortS: (result.ackedAt - began) / 1000, allS: ((await settled) - began) / 1000 };
}

/** The agent with what it runs for itself; apart from that the dnsmasq processes, which are children of whoever started them. */
function memoryOf(stage: Stage): { agent: number; dnsmasqs: number } {
  const [agent] = stage.lab.find(HOST, 'agent');
  const served = stage.lab.find(HOST, 'dnsmasq').map((one) => one.pid);
  const own = agent === undefined ? [] : processTree(agent.pid).filter((pid) => !served.includes(pid));
  return { agent: agent === undefined ? Number.NaN : pssMiBOf(own), dnsmasqs: pssMiBOf(served) };
}

const dnsmasqs = (stage: Stage) => new Set(stage.lab.find(HOST, 'dnsmasq').map((one) => one.pid));

/** Ends the agent and takes away everything that it made: as a host that was installed anew. */
async function wipe(stage: Stage): Promise<void> {
  const { lab } = stage;
  await lab.kill(HOST, 'agent');
  await lab.kill(HOST, 'dnsmasq');
  const script =
    'for n in $(ip netns list | cut -d" " -f1 | grep ^qdhcp-); do ip netns del $n; done; ' +
    "for l in $(ip -br link | cut -d' ' -f1 | cut -d@ -f1 | grep -E '^(brq|vxlan-)'); do ip link del $l; done";
  await lab.run(HOST, ['sh', '-c', script]);
  rmSync(join(lab.node(HOST).directory, 'agent'), { recursive: true, force: true });
}

async function measure(stage: Stage, say: (text: string) => void): Promise<Figures> {
  const networks = await populate(stage, say);
  await stage.settle(300_000);
  const network = networks[NETWORKS >> 1] as Network;
  const own: Port = await stage.port(network, HOST);
  const machine = await stage.machine(network, own, HOST);
  await stage.untilActive(own);
  const firstLife = memoryOf(stage);

  say('kill -9 and start, nothing changed (3 times)');
  const before = dnsmasqs(stage);
  const stopAsking = keepAsking(stage, machine);
  const unchanged: { newPortS: number; allS: number }[] = [];
  for (let at = 0; at < 3; at++) {
    await stage.lab.kill(HOST, 'agent');
    unchanged.push(await startAndTime(stage, { network, machine, mac: `fa:16:3e:cc:00:0${at}` }));
  }
  const { asked, missed } = await stopAsking();
  const after = dnsmasqs(stage);
  const laterLife = memoryOf(stage);

  say(`kill -9, ${CHANGES} changes, start`);
  await stage.lab.kill(HOST, 'agent');
  for (let at = 0; at < CHANGES; at++) await stage.port(networks[at] as Network);
  const changed = await startAndTime(stage, { network, machine, mac: 'fa:16:3e:cc:01:00' });

  say('cold start');
  await wipe(stage);
  const cold = await startAndTime(stage, { network, machine, mac: 'fa:16:3e:cc:02:00' });
  return {
    networks: NETWORKS,
    ports: NETWORKS * PORTS,
    unchanged_s: round(
      quantile(
        unchanged.map((one) => one.allS),
        0.5,
      ),
      2,
    ),
    unchanged_max_s: round(Math.max(...unchanged.map((one) => one.allS)), 2),
    unchanged_new_port_s: round(
      quantile(
        unchanged.map((one) => one.newPortS),
        0.5,
      ),
      2,
    ),
    changed100_s: round(changed.allS, 2),
    changed100_new_port_s: round(changed.newPortS, 2),
    cold_s: round(cold.allS, 2),
    cold_new_port_s: round(cold.newPortS, 2),
    dnsmasq_restarted: [...before].filter((pid) => !after.has(pid)).length,
    answers_asked: asked,
    answers_missed: missed,
    agent_pss_mib: round(firstLife.agent),
    agent_pss_restarted_mib: round(laterLife.agent),
    dnsmasqs_pss_mib: round(firstLife.dnsmasqs),
  };
}

export const restartBench: Bench = {
  summary: `${NETWORKS} networks x ${PORTS} ports on one host: restart unchanged, after ${CHANGES} changes, cold`,
  run: ({ say }) => withLab({ id: 'brestart', hosts: 1, say }, (stage) => measure(stage, say)),
};
