/**
 * One emulated host with the l2 and l3 roles on it, two tenant networks with a machine on each, and an outside: what
 * `l3-agent.test.ts` plays on. The agents are driven as a process would drive them: by what happens on the host, and marks.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import { createL3Agent } from '../../src/agents/l3/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Host } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { type Controller, createController } from '../../src/reconcile/controller.ts';
import { id, networkBody, TestWorld } from '../support/network-objects.ts';
import { subnetOf, TestRouter } from '../support/router-objects.ts';

export const HOST = 'dtn-h1';
export const NET_A = id(0xa1);
export const NET_B = id(0xb1);
export const EXTERNAL = id(0xe1);
/** Ports of the router on each network. */
export const PORT_A = 0xaa1;
export const PORT_B = 0xbb1;
export const PORT_GATEWAY = 0xee1;
export const GATEWAY_IP = '203.0.113.5';
export const OUTSIDE_IP = '203.0.113.1';
const LIMIT_MS = 60_000;

export function sh(script: string): string {
  const run = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
  assert.equal(run.status, 0, `${script}\n${run.stdout}${run.stderr}`);
  return run.stdout;
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = realClock.now() + LIMIT_MS;
  while (!(await holds())) {
    assert.ok(realClock.now() < deadline, `never came true: ${what}`);
    await sleep(realClock, 20);
  }
}

/** Whether a machine, or the outside, gets an answer. */
export async function pings(namespace: string, address: string): Promise<boolean> {
  const argv = ['netns', 'exec', namespace, 'ping', '-n', '-q', '-c1', '-W0.2', address];
  const child = spawn('ip', argv, { stdio: 'ignore' });
  return new Promise((resolve) => child.once('close', (code) => resolve(code === 0)));
}

export const untilPings = (namespace: string, address: string): Promise<void> =>
  until(`${namespace} reaches ${address}`, () => pings(namespace, address));

export interface PingCount {
  readonly sent: number;
  readonly received: number;
}

/** Pings every 5 ms until told to stop. */
export function pingAlong(t: TestContext, namespace: string, address: string) {
  const argv = ['netns', 'exec', namespace, 'ping', '-n', '-q', '-i', '0.005', '-W', '1', address];
  const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  return async (): Promise<PingCount> => {
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGINT');
    await ended;
    const [, sent = '0', received = '0'] = /(\d+) packets transmitted, (\d+) received/.exec(out) ?? [];
    return { sent: Number(sent), received: Number(received) };
  };
}

const SERVER = `require('node:net').createServer((s) => s.end(s.remoteAddress)).listen(Number(process.argv[1]), '0.0.0.0', () => console.log('ready'))`;
const CLIENT = `const s = require('node:net').connect(Number(process.argv[2]), process.argv[1]); s.setTimeout(2000, () => s.destroy()); s.pipe(process.stdout); s.on('error', () => process.exit(1))`;

/** A TCP server in the namespace that tells each caller whom it sees. */
export async function serve(t: TestContext, namespace: string, port: number): Promise<ChildProcess> {
  const argv = ['netns', 'exec', namespace, process.execPath, '-e', SERVER, String(port)];
  const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

/** What the server at that address says; '' for nothing. */
export async function ask(namespace: string, address: string, port: number): Promise<string> {
  const argv = ['netns', 'exec', namespace, process.execPath, '-e', CLIENT, address, String(port)];
  const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  return text(child.stdout);
}

/** One life of the agents. */
interface Life {
  readonly agents: readonly RoleAgent[];
  readonly controllers: readonly Controller[];
  end(): Promise<void>;
}

function begin(host: Host, world: TestWorld): Life {
  const bridgeMappings = new Map([['physnet1', 'ext0']]);
  const agents = [
    createL2Agent({ host, world, hostName: HOST, tunnelIp: '192.0.2.1', bridgeMappings }),
    createL3Agent({ host, world, clock: realClock }),
  ];
  const stop = new AbortController();
  const controllers = agents.map((agent) =>
    createController({
      name: agent.role,
      clock: realClock,
      random: realRandom,
      concurrency: 2,
      timeoutMs: 30_000,
      reconcile: (key, signal) => agent.reconcile(key, signal),
    }),
  );
  const running = Promise.all([
    ...controllers.map((controller) => controller.run(stop.signal)),
    host.follow((event) => {
      for (const [index, agent] of agents.entries()) {
        const keys = agent.keysOfHostEvent(event);
        if (keys === 'all') void markAll(agent, controllers[index]!);
        else for (const key of keys) controllers[index]!.mark(key, 0, { urgent: true });
      }
    }, stop.signal),
  ]);
  return {
    agents,
    controllers,
    async end() {
      stop.abort();
      await running;
    },
  };
}

async function markAll(agent: RoleAgent, controller: Controller): Promise<void> {
  await agent.observeAll();
  for (const key of await agent.allKeys()) controller.mark(key, 0);
}

export class Stage {
  readonly world = new TestWorld(HOST);
  readonly router: TestRouter;
  readonly host: Host;
  readonly #makeHost: () => Host;
  #life: Life;

  constructor(makeHost: () => Host) {
    this.#makeHost = makeHost;
    this.host = makeHost();
    this.world.putNetwork(networkBody(NET_A, { segmentation_id: 11 }));
    this.world.putNetwork(networkBody(NET_B, { segmentation_id: 12 }));
    const flat = { network_type: 'flat', physical_network: 'physnet1', segmentation_id: null } as const;
    this.world.putNetwork(networkBody(EXTERNAL, { ...flat, mtu: 1500 }));
    this.router = new TestRouter(this.world, 1);
    this.router.attach(PORT_A, NET_A, subnetOf('10.0.1.0/24', '10.0.1.1'));
    this.router.attach(PORT_B, NET_B, subnetOf('10.0.2.0/24', '10.0.2.1'));
    this.#life = begin(this.host, this.world);
  }

  get l3(): RoleAgent {
    return this.#life.agents[1]!;
  }

  gateway(): void {
    const owner = 'network:router_gateway';
    const subnet = subnetOf('203.0.113.0/24', OUTSIDE_IP);
    this.router.attach(PORT_GATEWAY, EXTERNAL, subnet, { owner, ip: GATEWAY_IP, mtu: 1500 });
  }

  /** Everything is looked at as after a change in the mirror, until nothing falls short. */
  async settle(): Promise<void> {
    const { agents, controllers } = this.#life;
    for (const group of this.world.groups())
      for (const [key, body] of this.world.group(group) ?? [])
        for (const agent of agents) void [...agent.keysOf({ group, key, before: body, after: body })];
    await until('nothing falls short', async () => {
      for (const [index, agent] of agents.entries())
        for (const key of await agent.allKeys()) controllers[index]!.mark(key, 1);
      for (const controller of controllers) await controller.idle();
      const pending = controllers.flatMap((controller) => controller.pending());
      return pending.length === 0;
    });
  }

  /** A new life of both agents, over the same host. */
  async restart(): Promise<void> {
    await this.#life.end();
    this.#life = begin(this.#makeHost(), this.world);
    await this.settle();
  }

  end(): Promise<void> {
    return this.#life.end();
  }
}

/** Host `dtn-h1`, machines `dtn-m1` (10.0.1.10) and `dtn-m2` (10.0.2.10), `dtn-out` beyond the external network. */
export async function makeStage(t: TestContext): Promise<Stage> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-l3-'));
  chmodSync(stateDirectory, 0o755);
  sh(`
    for n in h1 m1 m2 out; do ip netns add dtn-$n; ip -n dtn-$n link set lo up; done
    ip link add tun0 netns dtn-h1 type veth peer name tun0 netns dtn-out
    ip -n dtn-h1 address add 192.0.2.1/24 dev tun0
    ip -n dtn-h1 link set tun0 up
    ip link add ext0 netns dtn-h1 type veth peer name eth0 netns dtn-out
    ip -n dtn-out address add ${OUTSIDE_IP}/24 dev eth0
    ip -n dtn-out address add 2001:db8:ffff::1/64 dev eth0 nodad
    ip -n dtn-out link set eth0 up`);
  const enter = ['nsenter', `--net=/run/netns/${HOST}`, '--'];
  const makeHost = () => createLinuxHost({ stateDirectory, clock: realClock, enter });
  const stage = new Stage(makeHost);
  t.after(async () => {
    await stage.end();
    const last = makeHost();
    for (const name of await last.processes()) await last.stopProcess(name, 500);
    sh('for n in $(ls /run/netns); do ip netns delete $n; done');
    rmSync(stateDirectory, { recursive: true, force: true });
  });
  await stage.settle();
  for (const [n, network] of [
    [1, NET_A],
    [2, NET_B],
  ] as const) {
    sh(`
      ip link add vm${n} netns dtn-h1 type veth peer name eth0 netns dtn-m${n}
      ip -n dtn-m${n} link set eth0 mtu 1450
      ip -n dtn-m${n} address add 10.0.${n}.10/24 dev eth0
      ip -n dtn-m${n} link set eth0 up
      ip -n dtn-m${n} route add default via 10.0.${n}.1`);
    stage.world.putPort({
      id: id(0xc0 + n),
      network_id: network,
      admin_state_up: true,
      mac_address: 'fa:16:3e:00:00:01',
      device_owner: 'compute:nova',
      device_id: '',
      fixed_ips: [],
      generation: 1,
    });
    sh(`ip -n dtn-h1 link set vm${n} name tap${id(0xc0 + n).slice(0, 11)} up`);
  }
  await stage.settle();
  return stage;
}
