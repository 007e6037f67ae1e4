/** A network with its DHCP agent and one machine beside it, on real Linux, for dhcp-agent.test.ts. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createDhcpAgent } from '../../src/agents/dhcp/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Host } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import type { Outcome } from '../../src/reconcile/controller.ts';
import type { LeaseBody, SubnetBody } from '../../src/resources/agent-view.ts';
import { type ProbeOptions, type ProbeResult, startProber } from '../support/dhcp-prober.ts';
import { id, networkBody, portBody, TestWorld } from '../support/network-objects.ts';

export const HOST = 'h1';
const NEVER = new AbortController().signal;

export function sh(script: string): string {
  const run = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
  assert.equal(run.status, 0, `${script}\n${run.stdout}${run.stderr}`);
  return run.stdout;
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = realClock.now() + 60_000;
  while (!(await holds())) {
    assert.ok(realClock.now() < deadline, `never came true: ${what}`);
    await sleep(realClock, 10);
  }
}

export function v4Subnet(subnetId: string, fields: Partial<SubnetBody> = {}): SubnetBody {
  return {
    id: subnetId,
    ip_version: 4,
    cidr: '10.20.0.0/16',
    gateway_ip: '10.20.0.1',
    enable_dhcp: true,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    dns_nameservers: [],
    host_routes: [],
    ...fields,
  };
}

export function v6Subnet(subnetId: string, mode: SubnetBody['ipv6_address_mode']): SubnetBody {
  const six = { ip_version: 6, cidr: 'fd20::/64', gateway_ip: 'fd20::1' } as const;
  return v4Subnet(subnetId, { ...six, ipv6_ra_mode: mode, ipv6_address_mode: mode });
}

export const macOf = (n: number): string =>
  `fa:16:3e:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;

/** One network (number `n`) in the mirror of the agent's host. */
export class TestNetwork {
  readonly id: string;
  readonly v4: string;
  readonly v6: string;
  readonly key: string;
  readonly dhcpPort: string;
  readonly #world: TestWorld;

  constructor(world: TestWorld, n: number, subnets: readonly SubnetBody[] = [v4Subnet(id(0x400_0000 + n))]) {
    this.id = id(0x100_0000 + n);
    this.v4 = id(0x400_0000 + n);
    this.v6 = id(0x600_0000 + n);
    this.key = `network/${this.id}`;
    this.dhcpPort = id(0xd00_0000 + n);
    this.#world = world;
    world.putNetwork(networkBody(this.id));
    for (const subnet of subnets) this.subnet(subnet);
    const fixed_ips = subnets
      .filter((subnet) => subnet.enable_dhcp)
      .map((s) => ({ subnet_id: s.id, ip_address: s.ip_version === 4 ? '10.20.0.2' : 'fd20::2' }));
    const owner = { device_owner: 'network:dhcp', mac_address: macOf(0xff00 - n), fixed_ips };
    world.putPort(portBody(this.dhcpPort, this.id, owner));
    this.lease(this.dhcpPort, owner);
  }

  get group(): string {
    return `dhcp/${this.id}`;
  }

  subnet(body: SubnetBody): void {
    this.#world.put(this.group, `subnet/${body.id}`, body);
  }

  lease(portId: string, fields: Partial<LeaseBody>): void {
    this.#world.put(this.group, `lease/${portId}`, {
      port_id: portId,
      mac_address: macOf(1),
      fixed_ips: [],
      device_owner: 'compute:nova',
      dns_name: '',
      extra_dhcp_opts: [],
      ...fields,
    });
  }

  /** Port number `n` with 10.20.1.n; its id. */
  port(n: number, fields: Partial<LeaseBody> = {}): string {
    const portId = id(0xa00_0000 + n);
    const fixed_ips = [{ subnet_id: this.v4, ip_address: `10.20.1.${n}` }];
    this.lease(portId, { mac_address: macOf(n), fixed_ips, ...fields });
    return portId;
  }

  remove(portId: string): void {
    this.#world.remove(this.group, `lease/${portId}`);
  }

  /** The mirror knows nothing of it any more. */
  leave(): void {
    this.#world.remove(this.group);
    this.#world.remove(this.key);
    this.#world.remove(`host/${HOST}`, `port/${this.dhcpPort}`);
  }
}

export interface Stage {
  readonly host: Host;
  readonly world: TestWorld;
  agent: RoleAgent;
  /** A new life of the agent, over the same host. */
  restart(): void;
  reconcile(network: TestNetwork): Promise<Outcome>;
  /** Reconciles until nothing is left to do, at once. */
  settle(network: TestNetwork): Promise<void>;
  pid(network: TestNetwork): Promise<number | undefined>;
  /** Asks as the machine that stands beside the network. */
  ask(options: Partial<ProbeOptions> & { mac: string }): Promise<ProbeResult>;
}

/** A machine `dtn-machine` whose eth0 is on the bridge br0, and an agent whose taps are put into br0 as the l2 role would. */
export function makeStage(t: TestContext): Stage {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-dhcp-'));
  chmodSync(stateDirectory, 0o755);
  const world = new TestWorld(HOST);
  const makeHost = () => createLinuxHost({ stateDirectory, clock: realClock });
  const makeAgent = (host: Host) =>
    createDhcpAgent({ host, world, hostName: HOST, clock: realClock, random: realRandom });
  const host = makeHost();
  t.after(async () => {
    // A host that looks anew: it knows also what a later life of the agent started.
    const last = makeHost();
    for (const name of await last.processes()) await last.stopProcess(name, 1000);
    for (const name of await last.namespaces()) await last.removeNamespace(name);
    sh('ip link delete br0');
    rmSync(stateDirectory, { recursive: true, force: true });
  });
  sh(`
    ip link add br0 type bridge mcast_snooping 0 forward_delay 0
    ip link set br0 up
    ip netns add dtn-machine
    ip netns exec dtn-machine sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'
    ip link add tapmachine type veth peer name eth0 netns dtn-machine
    ip link set tapmachine master br0 up
    ip -n dtn-machine link set lo up
    ip -n dtn-machine link set eth0 up`);
  const stage: Stage = {
    host,
    world,
    agent: makeAgent(host),
    restart() {
      stage.agent = makeAgent(makeHost());
    },
    async reconcile(network) {
      const outcome = await stage.agent.reconcile(network.key, NEVER);
      const tap = `tap${network.dhcpPort.slice(0, 11)}`;
      const [link] = await host.links([tap]);
      if (link && link.master === null)
        await host.changeLinks(null, [{ op: 'set-link', name: tap, master: 'br0' }]);
      return outcome;
    },
    async settle(network) {
      const outcome = await stage.reconcile(network);
      assert.deepEqual(outcome.shortfalls, []);
    },
    async pid(network) {
      return (await host.findProcess(`dnsmasq-${network.id}`))?.pid;
    },
    async ask(options) {
      const prober = startProber(['ip', 'netns', 'exec', 'dtn-machine'], {
        link: 'eth0',
        limitMs: 30_000,
        ...options,
      });
      t.after(() => prober.stop());
      return prober.result;
    },
  };
  return stage;
}
