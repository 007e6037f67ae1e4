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
import type { Role } from '../../src/resources/agent.ts';
import type { Place } from '../../src/resources/place.ts';
import { Journal } from '../../src/watch/journal.ts';
import type {
  BatchFrame,
  Frame,
  RemedyFrame,
  Report,
  ReportAnswer,
  WatchRequest,
} from '../../src/watch/protocol.ts';
import type { Transport, WatchListener } from '../../src/watch/transport.ts';
import { type ProbeOptions, type ProbeResult, startProber } from '../support/dhcp-prober.ts';
import { endpoint, portBody, TestWorld } from '../support/network-objects.ts';
import { HOST, macOf, sh, TestNetwork } from './dhcp-stage.ts';
import { type Drift, type DriftTarget, driftNamed } from './drifts.ts';

const REMOTE = '192.0.2.2';
const TUNNEL_IP = '192.0.2.1';
const PORT = 5;
const JOURNAL = 'mirror.journal';
const LOOK_MS = 15;
const BOOKMARK_MS = 2_000;

/** A server that knows this world only, and tells what is added to it. */
class OneWorldServer implements Transport {
  readonly servers = 1;
  readonly #world: TestWorld;
  readonly #onReport: (report: Report) => void;
  #place: Place = { position: 1, tag: 1 };
  #send: ((frame: Frame) => void) | undefined;

  constructor(world: TestWorld, onReport: (report: Report) => void) {
    this.#world = world;
    this.#onReport = onReport;
  }

  get head(): number {
    return this.#place.position;
  }

  connect(_server: number, _request: WatchRequest, { onFrame }: WatchListener): () => void {
    let cancel = realClock.after(0, () => {
      for (const frame of this.#snapshot()) onFrame(frame);
      this.#send = onFrame;
      bookmark();
    });
    // As a server does, so that the watch is not given up.
    const bookmark = () => {
      cancel = realClock.after(BOOKMARK_MS, () => {
        this.#tell(this.#place, {});
        bookmark();
      });
    };
    return () => {
      this.#send = undefined;
      cancel();
    };
  }

  async report(_server: number, report: Report): Promise<ReportAnswer> {
    this.#onReport(report);
    return { accepted: true };
  }

  remedy(role: Role, key: string, how: RemedyFrame['how']): void {
    this.#send?.({ type: 'remedy', id: '1', role, keys: [key], how });
  }

  /** These objects of a group are new, or others than before. */
  change(group: string, keys: readonly string[]): void {
    const objects = this.#world.group(group);
    const changes = Object.fromEntries(keys.map((key) => [key, objects?.get(key) ?? null]));
    const from = this.#place;
    this.#place = { ...from, position: from.position + 1 };
    this.#tell(from, { [group]: changes });
  }

  #tell(from: Place, changes: BatchFrame['changes']): void {
    this.#send?.({ type: 'batch', from, to: this.#place, enter: {}, leave: [], changes });
  }

  #snapshot(): Frame[] {
    const at = this.#place;
    const groups = [...this.#world.groups()];
    const objectsOf = (group: string) => Object.fromEntries(this.#world.group(group) ?? []);
    return [
      { type: 'hello', version: 1, server: 's', mode: 'groups' },
      ...groups.map((group): Frame => ({ type: 'group', at, group, objects: objectsOf(group) })),
      { type: 'synced', at, scope: groups, sent: groups },
    ];
  }
}

export interface DriftStageOptions {
  /** Networks besides the one that is looked at; default none. */
  readonly others?: number;
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
  readonly #server: OneWorldServer;
  #stop: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: DriftStageOptions = {}) {
    this.#options = options;
    this.#server = new OneWorldServer(this.world, (report) => void this.reports.set(report.role, report));
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

  /** Begins a life of the agent, which has all that earlier ones left. */
  async start(life: { auditMs?: number } = {}): Promise<void> {
    const host = this.#makeHost();
    const storage = {
      read: () => host.readFile(JOURNAL),
      append: (text: string) => host.appendDurably(JOURNAL, text),
      replace: (text: string) => host.writeFile(JOURNAL, text),
    };
    const journal = await Journal.open(storage, HOST);
    const shared = { host, world: journal.mirror, hostName: HOST, clock: realClock, random: realRandom };
    this.reports.clear();
    const stop = new AbortController();
    const { onAudit, onFailure } = this.#options;
    const runner = new AgentRunner({
      ...{ host, journal, clock: realClock, random: realRandom, incarnation: 1, tunnelIp: TUNNEL_IP },
      transport: this.#server,
      roles: [
        createL2Agent({ ...shared, tunnelIp: TUNNEL_IP, bridgeMappings: new Map() }),
        createDhcpAgent(shared),
      ],
      ...{ physicalNetworks: [], configurations: {}, concurrency: 4, keyTimeoutMs: 60_000 },
      reportIntervalMs: 10_000,
      // So that what is mended here is not mended by an audit, unless one is asked for.
      auditMs: life.auditMs ?? 3_600_000,
      ...(onAudit ? { onAudit } : {}),
      onStall: (role, key) => onFailure?.('stall', new Error(`${role} ${key}`)),
      onFailure: (what, error) => onFailure?.(what, error),
    });
    this.#stop = stop;
    this.#running = runner.run(stop.signal);
  }

  /** Port number `n` of the looked-at network, with 10.20.1.n; the agent is told. */
  addPort(n: number): string {
    const portId = this.network.port(n);
    this.#server.change(this.network.group, [`lease/${portId}`]);
    return portId;
  }

  /** As a server asks for it. Resolves when the agent has reported since. */
  async remedy(role: Role, key: string, how: RemedyFrame['how']): Promise<void> {
    this.reports.delete(role);
    this.#server.remedy(role, key, how);
    await this.until('a report', () => this.reports.has(role));
  }

  /** Every role has realised everything. */
  async settled(limitMs = 20_000): Promise<void> {
    const holds = () =>
      ['l2', 'dhcp'].every((role) => {
        const report = this.reports.get(role);
        return report?.realised?.position === this.#server.head && report.exceptionCount === 0;
      });
    await this.until('everything is realised', holds, limitMs);
    // A drift that nothing is wrong with any more.
    await this.mended(driftNamed('guard-deleted'), limitMs);
  }

  async until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
    const deadline = realClock.now() + limitMs;
    while (!(await holds())) {
      if (realClock.now() >= deadline) throw new Error(`never came true: ${what}`);
      await sleep(realClock, LOOK_MS);
    }
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
    await this.until(`${drift.name} is mended`, () => this.holds(drift.isMended(this.target)), limitMs);
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
