/** An agent with both roles on real Linux, one served network with a machine on it: where drifts are caused and seen mended. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDhcpAgent } from '../../src/agents/dhcp/reconciler.ts';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import { AgentRunner, type Audit } from '../../src/agents/runner.ts';
import type { Host } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import type { Body } from '../../src/resources/agent-view.ts';
import type { Place } from '../../src/resources/place.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Frame, Report } from '../../src/watch/protocol.ts';
import type { Transport } from '../../src/watch/transport.ts';
import { type ProbeOptions, type ProbeResult, startProber } from '../support/dhcp-prober.ts';
import { endpoint, portBody, TestWorld } from '../support/network-objects.ts';
import { HOST, macOf, sh, TestNetwork } from './dhcp-stage.ts';
import type { Drift, DriftTarget } from './drifts.ts';

const REMOTE = '192.0.2.2';
const TUNNEL_IP = '192.0.2.1';
const PORT = 5;
const PLACE: Place = { position: 1, tag: 1 };

/** A server that has nothing but this world to tell, once. */
function transportOf(world: TestWorld, onReport: (report: Report) => void): Transport {
  return {
    servers: 1,
    connect(_server, _request, { onFrame }) {
      const groups = [...world.groups()];
      const frames: Frame[] = [
        { type: 'hello', version: 1, server: 's', mode: 'groups' },
        ...groups.map(
          (group): Frame => ({
            type: 'group',
            at: PLACE,
            group,
            objects: Object.fromEntries(world.group(group) as ReadonlyMap<string, Body>),
          }),
        ),
        { type: 'synced', at: PLACE, scope: groups, sent: groups },
      ];
      const cancel = realClock.after(0, () => {
        for (const frame of frames) onFrame(frame);
      });
      // As a server does, so that the watch is not given up.
      let beat: (() => void) | undefined;
      const heartbeat = () => {
        onFrame({ type: 'batch', from: PLACE, to: PLACE, enter: {}, leave: [], changes: {} });
        beat = realClock.after(2_000, heartbeat);
      };
      beat = realClock.after(2_000, heartbeat);
      return () => {
        cancel();
        beat?.();
      };
    },
    report: async (_server, report) => {
      onReport(report);
      return { accepted: true };
    },
  };
}

export interface DriftStageOptions {
  /** Networks besides the one that is looked at; default none. */
  readonly others?: number;
  readonly auditMs?: number;
  readonly stateDirectory?: string;
  /** Each audit, as the agent logs it. */
  readonly onAudit?: (audit: Audit) => void;
  readonly onFailure?: (what: string, error: unknown) => void;
}

/** Must be made inside network and mount namespaces of its own, with a private /run (see support/own-namespaces.ts). */
export class DriftStage {
  readonly stateDirectory: string;
  readonly world = new TestWorld(HOST);
  readonly network: TestNetwork;
  readonly networks: TestNetwork[];
  readonly target: DriftTarget;
  /** By role, the last that the agent said. */
  readonly reports = new Map<string, Report>();
  readonly #options: DriftStageOptions;
  #journal = '';
  #stop: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: DriftStageOptions = {}) {
    this.#options = options;
    this.stateDirectory = options.stateDirectory ?? mkdtempSync(join(tmpdir(), 'dtn-drift-'));
    chmodSync(this.stateDirectory, 0o755);
    const count = 1 + (options.others ?? 0);
    this.networks = Array.from({ length: count }, (_, i) => new TestNetwork(this.world, i + 1));
    this.network = this.networks[0] as TestNetwork;
    for (const [i, network] of this.networks.entries()) this.#fill(network, i + 1);
    this.target = {
      networkId: this.network.id,
      dhcpPortId: this.network.dhcpPort,
      dhcpAddress: '10.20.0.2/16',
      portId: this.network.port(PORT),
      portMac: macOf(PORT),
      vni: 101,
      remote: REMOTE,
      stateDirectory: this.stateDirectory,
    };
    this.world.putPort(portBody(this.target.portId, this.network.id, { mac_address: macOf(PORT) }));
    // Links of the host that are not the agent's: its own card, and a machine's tap as a hypervisor makes it.
    sh(`
      ip netns add dtn-remote
      ip link add tun0 type veth peer name tun0 netns dtn-remote
      ip address add ${TUNNEL_IP}/24 dev tun0
      ip link set tun0 up
      ip -n dtn-remote address add ${REMOTE}/24 dev tun0
      ip -n dtn-remote link set tun0 up
      ip netns add dtn-machine
      ip link add tap${this.target.portId.slice(0, 11)} type veth peer name eth0 netns dtn-machine
      ip -n dtn-machine link set lo up
      ip -n dtn-machine link set eth0 address ${macOf(PORT)} up`);
  }

  #fill(network: TestNetwork, n: number): void {
    const { world } = this;
    const body = world.group(network.key)?.get(network.key);
    world.put(network.key, network.key, { ...body, segmentation_id: 100 + n } as Body);
    world.put(network.key, 'endpoint/h2', endpoint('h2', REMOTE));
    if (n > 1)
      for (let i = 1; i <= 10; i++)
        network.port(i + 10, { port_id: network.dhcpPort.replace(/^0d/, `e${i.toString(16)}`) });
  }

  #makeHost(): Host {
    return createLinuxHost({ stateDirectory: this.stateDirectory, clock: realClock });
  }

  /** A life of the agent; resolves once it has realised everything, or `settled` is false. */
  async start(): Promise<void> {
    const host = this.#makeHost();
    const storage = {
      read: async () => this.#journal,
      append: async (text: string) => {
        this.#journal += text;
      },
      replace: async (text: string) => {
        this.#journal = text;
      },
    };
    const journal = await Journal.open(storage, HOST);
    const shared = { host, world: journal.mirror, hostName: HOST, clock: realClock, random: realRandom };
    this.reports.clear();
    const stop = new AbortController();
    const { onAudit, onFailure, auditMs } = this.#options;
    const runner = new AgentRunner({
      ...{ host, journal, clock: realClock, random: realRandom, incarnation: 1, tunnelIp: TUNNEL_IP },
      transport: transportOf(this.world, (report) => void this.reports.set(report.role, report)),
      roles: [
        createL2Agent({ ...shared, tunnelIp: TUNNEL_IP, bridgeMappings: new Map() }),
        createDhcpAgent(shared),
      ],
      ...{ physicalNetworks: [], configurations: {}, concurrency: 4, keyTimeoutMs: 60_000 },
      reportIntervalMs: 10_000,
      // So that what is mended here is not mended by an audit, unless one is asked for.
      auditMs: auditMs ?? 3_600_000,
      ...(onAudit ? { onAudit } : {}),
      onStall: (role, key) => onFailure?.('stall', new Error(`${role} ${key}`)),
      onFailure: (what, error) => onFailure?.(what, error),
    });
    this.#stop = stop;
    this.#running = runner.run(stop.signal);
  }

  /** Every role has realised everything. */
  async settled(limitMs = 20_000): Promise<void> {
    const holds = () =>
      ['l2', 'dhcp'].every((role) => {
        const report = this.reports.get(role);
        return report?.realised?.position === PLACE.position && report.exceptionCount === 0;
      });
    await untilWithin('everything is realised', limitMs, holds);
    await untilWithin('the network is whole', limitMs, () =>
      this.holds(`
        ip netns exec qdhcp-${this.network.id} true
        ip -o link show dev tap${this.network.dhcpPort.slice(0, 11)} | grep -q 'master brq'`),
    );
  }

  /** The agent's life ends; everything on the host stays as it is. */
  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#running;
    this.#stop = null;
  }

  cause(drift: Drift): void {
    sh(drift.cause(this.target));
  }

  async holds(script: string): Promise<boolean> {
    const child = spawn('sh', ['-ec', script], { stdio: 'ignore' });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return code === 0;
  }

  async mended(drift: Drift, limitMs = 30_000): Promise<void> {
    await untilWithin(`${drift.name} is mended`, limitMs, () => this.holds(drift.isMended(this.target)));
  }

  /** Asks as the machine until it is served. */
  async ask(options: Partial<ProbeOptions> = {}): Promise<ProbeResult> {
    const prober = startProber(['ip', 'netns', 'exec', 'dtn-machine'], {
      link: 'eth0',
      mac: macOf(PORT),
      intervalMs: 10,
      limitMs: 30_000,
      ...options,
    });
    return prober.result.finally(() => prober.stop());
  }

  readDnsmasqPid(): number {
    const argument = `--conf-file=${this.stateDirectory}/dhcp/${this.network.id}/conf`;
    return Number(sh(`pgrep -f '^dnsmasq .*${argument}'`).trim());
  }

  /** Ends the agent and removes what it made. */
  async clear(): Promise<void> {
    await this.stop();
    const host = this.#makeHost();
    for (const name of await host.processes()) await host.stopProcess(name, 1000);
    for (const name of await host.namespaces()) await host.removeNamespace(name);
    for (const link of await host.links())
      if (link.name !== 'lo') await host.changeLinks(null, [{ op: 'delete-link', name: link.name }]);
    sh('nft flush ruleset');
    if (this.#options.stateDirectory === undefined)
      rmSync(this.stateDirectory, { recursive: true, force: true });
  }
}

async function untilWithin(
  what: string,
  limitMs: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = realClock.now() + limitMs;
  while (!(await holds())) {
    if (realClock.now() >= deadline) throw new Error(`never came true: ${what}`);
    await sleep(realClock, 15);
  }
}
