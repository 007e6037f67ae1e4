/** What the stories do again and again: networks, ports, machines, waiting for the world, tidying up. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Lab } from '../../src/lab/lab.ts';
import {
  agentState,
  hasSharedDatabase,
  type ServiceOptions,
  serviceName,
  serviceOf,
} from '../../src/lab/services.ts';
import { pathInNode } from '../../src/lab/ground.ts';
import { hostsOf, type LabNode, serversOf } from '../../src/lab/layout.ts';
import {
  type Lease,
  leaseOf,
  type Machine,
  makeMachine,
  removeMachine,
  runInMachine,
  startDhcpClient,
  waitForLease,
  waitForPing,
} from '../../src/lab/machine.ts';
import { findRunning, isStopped, signal } from '../../src/lab/processes.ts';
import { until } from '../../src/lab/until.ts';
import { removeRouters } from './routers.ts';
import { realClock } from '../../src/lib/clock.ts';

export interface Network {
  readonly id: string;
  readonly name: string;
  readonly mtu: number;
  readonly subnetId: string;
}

export interface Port {
  readonly id: string;
  readonly name: string;
  readonly network_id: string;
  readonly mac_address: string;
  readonly status: string;
  readonly fixed_ips: readonly { readonly subnet_id: string; readonly ip_address: string }[];
}

interface AgentConvergence {
  readonly host: string;
  readonly role: string;
  readonly alive: boolean;
  readonly realised: number | null;
  readonly exceptions: readonly { readonly key: string; readonly state: string; readonly reason: string }[];
}

export const addressOf = (port: Port): string => port.fixed_ips[0]?.ip_address ?? '';

/** Nothing that a lab does takes longer on a machine that is not stuck. */
export const PATIENCE_MS = 90_000;

/** Of agents whose DHCP is looked at until it has forgotten something: by default that takes half a minute. */
export const FORGETFUL = { 'dhcp-forget-seconds': '2' } as const;

/** Of servers: no quotas; and one that is the only one has nobody to send its callers to, so it does not wait for them to go. */
export const serverOptions = (servers: number): ServiceOptions => ({
  'quota-port': '-1',
  'quota-network': '-1',
  'quota-subnet': '-1',
  'quota-security-group': '-1',
  'quota-security-group-rule': '-1',
  ...(servers === 1 ? { 'drain-seconds': '0' } : {}),
});

export class Stage {
  readonly lab: Lab;
  private networks = 0;
  private readonly machines: Machine[] = [];

  constructor(lab: Lab) {
    this.lab = lab;
  }

  until<T>(
    what: string,
    look: () => Promise<T | undefined | false> | T | undefined | false,
    timeoutMs = PATIENCE_MS,
  ): Promise<T> {
    return until(realClock, { what, timeoutMs, everyMs: 20 }, look);
  }

  /** A network with one IPv4 subnet, each with another range. Its ports have no port security, and so no groups, unless they ask for it. */
  async network(subnet: object = {}): Promise<Network> {
    const number = ++this.networks;
    const name = `net${number}`;
    const { network } = await this.lab.api('POST', '/v2.0/networks', {
      network: { name, port_security_enabled: false },
    });
    const wanted = {
      name,
      network_id: network.id,
      ip_version: 4,
      cidr: `10.30.${number % 256}.0/24`,
      ...subnet,
    };
    const answer = await this.lab.api('POST', '/v2.0/subnets', { subnet: wanted });
    return { id: network.id, name, mtu: network.mtu, subnetId: answer.subnet.id };
  }

  /** A port; with a host it is bound there. */
  async port(network: Network, host?: string, more: object = {}, server = 'ctl1'): Promise<Port> {
    const binding = host === undefined ? {} : { 'binding:host_id': host };
    const body = { port: { network_id: network.id, ...binding, ...more } };
    return (await this.lab.api('POST', '/v2.0/ports', body, server)).port;
  }

  async showPort(id: string, server = 'ctl1'): Promise<Port> {
    return (await this.lab.api('GET', `/v2.0/ports/${id}`, undefined, server)).port;
  }

  /** A machine plugged in on the port's host; it does not ask for an address yet. */
  async machine(network: Network, port: Port, host: string): Promise<Machine> {
    const machine = { name: `m-${port.id.slice(0, 8)}`, host: this.lab.node(host), port };
    this.machines.push(machine);
    await makeMachine(this.lab.place, machine, network.mtu);
    return machine;
  }

  /** The machine goes; its port stays. */
  async remove(machine: Machine): Promise<void> {
    this.machines.splice(this.machines.indexOf(machine), 1);
    await removeMachine(this.lab.place, machine);
  }

  /** A port on the host, a machine, its DHCP client. */
  async machineThatAsks(
    network: Network,
    host: string,
    more: object = {},
  ): Promise<{ port: Port; machine: Machine }> {
    const port = await this.port(network, host, more);
    const machine = await this.machine(network, port, host);
    await startDhcpClient(this.lab.place, machine);
    return { port, machine };
  }

  lease(machine: Machine, timeoutMs = PATIENCE_MS): Promise<Lease> {
    return waitForLease(this.lab.place, machine, { timeoutMs });
  }

  hasLease(machine: Machine): boolean {
    return leaseOf(machine) !== undefined;
  }

  /** Round trip in milliseconds, once a ping is answered. */
  ping(machine: Machine, address: string, timeoutMs = PATIENCE_MS): Promise<number> {
    return waitForPing(this.lab.place, machine, { address, timeoutMs });
  }

  async pingsOnce(machine: Machine, address: string, options: readonly string[] = []): Promise<boolean> {
    const argv = ['ping', '-n', '-c', '1', '-W', '1', ...options, address];
    return (await runInMachine(this.lab.place, machine, argv)).code === 0;
  }

  /**
   * Asks for a lease once, in the machine, without keeping it: DISCOVER to ACK. Gives the address, or undefined when no
   * answer came within a second.
   */
  async askOnce(machine: Machine): Promise<string | undefined> {
    const argv = ['udhcpc', '-f', '-n', '-q', '-i', 'eth0', '-t', '1', '-T', '1', '-s', '/bin/true'];
    const { stdout, stderr } = await runInMachine(this.lab.place, machine, argv);
    return /lease of ([\d.]+) obtained/.exec(stdout + stderr)?.[1];
  }

  async untilActive(port: Port, timeoutMs = PATIENCE_MS, server = 'ctl1'): Promise<void> {
    const look = async () => (await this.showPort(port.id, server)).status === 'ACTIVE';
    await this.until(`port ${port.id} is ACTIVE`, look, timeoutMs);
  }

  /** The hosts whose DHCP serves the port: one of its files there has MAC and address in one line. */
  servingHosts(port: Port): string[] {
    const isServed = (text: string) =>
      text.split('\n').some((line) => line.includes(port.mac_address) && line.includes(addressOf(port)));
    return hostsOf(this.lab.layout)
      .filter((host) => dhcpFiles(this.agentFiles(host)).some(([, text]) => isServed(text)))
      .map((host) => host.name);
  }

  /** The agent's state directory; it may be a file system that only the host has. */
  agentFiles(host: LabNode): string {
    const directory = agentState(host);
    return pathInNode(this.lab.layout, host, directory) ?? directory;
  }

  /** No file of any agent but logs and leases names the address any more. */
  async untilForgotten(macAddress: string, timeoutMs = PATIENCE_MS): Promise<void> {
    await this.until(
      `${macAddress} is in no file`,
      () => {
        for (const host of hostsOf(this.lab.layout)) {
          const directory = this.agentFiles(host);
          for (const [path, text] of dhcpFiles(directory))
            if (text.includes(macAddress)) throw new Error(`${host.name}: ${relative(directory, path)}`);
        }
        return true;
      },
      timeoutMs,
    );
  }

  async untilServed(port: Port, timeoutMs = PATIENCE_MS): Promise<void> {
    const what = `DHCP of ${port.mac_address} with ${addressOf(port)}`;
    await this.until(what, () => this.servingHosts(port).length > 0, timeoutMs);
  }

  async convergence(server = 'ctl1'): Promise<{ head: number; agents: AgentConvergence[] }> {
    return (await this.lab.api('GET', '/v2.0/deuteron/convergence', undefined, server)).convergence;
  }

  /** Every agent is alive and has realised all that is committed, but for ports whose links are not there. */
  async settle(timeoutMs = 60_000, server = 'ctl1'): Promise<void> {
    const expected = hostsOf(this.lab.layout).length;
    await this.until(
      'all agents have realised everything',
      async () => {
        const { head, agents } = await this.convergence(server);
        const hosts = new Set(agents.map((agent) => agent.host));
        if (hosts.size < expected) throw new Error(`agents of ${hosts.size} hosts`);
        for (const agent of agents) {
          const tried = agent.exceptions.filter((exception) => exception.state !== 'waiting');
          if (!agent.alive || (agent.realised ?? -1) < head || tried.length > 0)
            throw new Error(`head ${head}, and ${JSON.stringify(agent)}`);
        }
        return true;
      },
      timeoutMs,
    );
  }

  /** Starts again what a story ended, as a supervisor would. */
  async startAll(): Promise<void> {
    const { layout } = this.lab;
    if (hasSharedDatabase(layout)) await this.lab.startDatabase({ timeoutMs: PATIENCE_MS });
    for (const server of serversOf(layout)) {
      // One that runs may be about to end, e.g. because its database was killed.
      await this.until(`server ${server.name} answers`, async () => {
        await this.lab.start(server.name);
        await this.lab.api('GET', '/v2.0/networks?limit=1', undefined, server.name);
        return true;
      });
    }
    for (const host of hostsOf(layout)) await this.lab.start(host.name);
  }

  /** Heals, resumes and restarts everything, and removes what the story made, so that the next finds an empty lab. */
  async tidy(): Promise<void> {
    const { lab } = this;
    await lab.heal();
    for (const node of lab.layout.nodes) {
      const service = findRunning(lab.layout.stateDirectory, serviceName(node, serviceOf(node)));
      if (service && isStopped(service)) signal(service, 'SIGCONT');
    }
    await this.startAll();
    for (const machine of this.machines.splice(0)) await removeMachine(lab.place, machine);
    await removeRouters(lab);
    const { ports } = await lab.api('GET', '/v2.0/ports?fields=id&fields=device_owner');
    for (const port of ports as { id: string; device_owner: string }[]) {
      if (!port.device_owner.startsWith('network:')) await lab.api('DELETE', `/v2.0/ports/${port.id}`);
    }
    const { networks } = await lab.api('GET', '/v2.0/networks?fields=id');
    for (const network of networks as { id: string }[])
      await lab.api('DELETE', `/v2.0/networks/${network.id}`);
    await this.settle();
  }
}

/** Path and text of all files below an agent's state but for its mirror, logs (which name former owners) and leases. */
function dhcpFiles(directory: string): [path: string, text: string][] {
  if (!existsSync(directory)) return [];
  const texts: [path: string, text: string][] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) texts.push(...dhcpFiles(path));
    else if (entry.isFile() && !/journal|^log$|\.log$|lease/.test(entry.name))
      texts.push([path, readIfThere(path)]);
  }
  return texts;
}

/** A file that is being replaced may go between the listing and the reading. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
