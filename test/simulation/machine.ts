/**
 * A host without its agent: the fake host with dnsmasq on it, things that are not ours, and a hypervisor that plugs and
 * unplugs. It outlives every agent; what it shows is what the invariants are about.
 */
import { FakeHost } from '../../src/host/fake/fake-host.ts';
import type { FloodEntry, Link } from '../../src/host/host.ts';
import type { Random } from '../../src/lib/random.ts';
import { FakeDnsmasq } from './fake-dnsmasq.ts';
import { Violation } from './violation.ts';
import type { Scheduler } from './scheduler.ts';
import { delay, pick, type Weather } from './weather.ts';

const DNSMASQ = 'dnsmasq-';
const DNSMASQ_MS = 3;
/** Links that lead to physical networks: ours to enslave, not to make or delete. */
export const PHYSICAL: ReadonlyMap<string, string> = new Map([['physnet1', 'eth1']]);
const FOREIGN = ['eth0', 'virbr0', 'vnet7', 'vxlan-ops'];
const STAYING = new Set([...FOREIGN, ...PHYSICAL.values()]);
const FOREIGN_FILE = 'other/keep';
const FOREIGN_PROCESS = 'other';

/** What was done; undefined: there was nothing to do it to. */
type Done = string | undefined;

const isOurs = ({ name }: Link) => /^(brq|tap|vxlan-\d)/.test(name);
const serversOf = ({ processes }: HostPicture) => processes.filter((name) => name !== FOREIGN_PROCESS);
const entriesOf = ({ flood }: HostPicture) => flood.filter(({ link }) => !FOREIGN.includes(link));

/** Each breaks one thing. */
const DRIFTS: readonly ((machine: Machine, random: Random, picture: HostPicture) => Done)[] = [
  ({ host }, random, picture) => {
    const server = pick(random, serversOf(picture));
    if (server === undefined) return undefined;
    host.endProcess(server);
    return `end ${server}`;
  },
  ({ host }, random, picture) => {
    const entry = pick(random, entriesOf(picture));
    if (!entry) return undefined;
    host.meddleFlood({ op: 'delete', ...entry });
    return `delete flood ${JSON.stringify(entry)}`;
  },
  ({ host }, random, picture) => {
    const entry = pick(random, entriesOf(picture));
    if (!entry) return undefined;
    host.meddleFlood({ op: 'add', link: entry.link, destination: '203.0.113.9' });
    return `add flood to ${entry.link}`;
  },
  ({ host }, random, { links }) => {
    // a tap of a machine is the hypervisor's to delete
    const link = pick(
      random,
      [...links.values()].filter((one) => isOurs(one) && one.kind !== 'tun'),
    );
    if (!link) return undefined;
    host.meddle(null, { op: 'delete-link', name: link.name });
    return `delete ${link.name}`;
  },
  ({ host }, random, { links }) => {
    const link = pick(random, [...links.values()].filter(isOurs));
    if (!link) return undefined;
    const change = link.master && random.next() < 0.5 ? { master: null } : { up: false };
    host.meddle(null, { op: 'set-link', name: link.name, ...change });
    return `set ${link.name} ${JSON.stringify(change)}`;
  },
  ({ host }, random, { processes }) => {
    const paths = processes
      .filter((name) => name.startsWith(DNSMASQ))
      .flatMap((name) => (host.process(name)?.program as FakeDnsmasq | undefined)?.hostFiles() ?? []);
    const path = pick(random, paths);
    if (path === undefined) return undefined;
    host.files.remove(path);
    return `remove ${path}`;
  },
];

/** What a host shows at one moment. */
export interface HostPicture {
  readonly links: ReadonlyMap<string, Link>;
  readonly flood: readonly FloodEntry[];
  readonly namespaces: ReadonlySet<string>;
  readonly processes: readonly string[];
}

export interface MachineOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly weather: () => Weather;
  /** Of PHYSICAL. */
  readonly physicalNetworks: readonly string[];
}

export class Machine {
  readonly name: string;
  readonly physicalNetworks: readonly string[];
  readonly host: FakeHost;
  /** Powered off for good. */
  isOff = false;
  /** Grows with whatever the invariants look at. */
  changes = 1;
  /** Grows with what another hand does to it. */
  meddled = 0;
  /** Whether anything that the invariants look at may have changed since the last picture. */
  #isStale = true;
  #picture: HostPicture | undefined;
  /** What is not ours, as it was at first. */
  #foreign: string | undefined;

  constructor(name: string, options: MachineOptions) {
    const { scheduler, random, weather } = options;
    this.name = name;
    this.physicalNetworks = options.physicalNetworks;
    this.host = new FakeHost({
      program: (spec, pid, host) => {
        const [program, , conf = ''] = spec.argv;
        if (program !== 'dnsmasq') return undefined;
        let free = 0;
        return new FakeDnsmasq({
          files: host.files,
          confPath: conf.slice(conf.indexOf('=') + 1),
          pid,
          later: (label, act) => {
            free = Math.max(free + 0.001, scheduler.now + delay(random, DNSMASQ_MS, weather().slowness));
            scheduler.after(free - scheduler.now, `${name} dnsmasq ${pid} ${label}`, () => {
              if (host.process(spec.name)?.pid === pid) act();
            });
          },
          onChange: () => this.#changed(),
        });
      },
      run: (namespace, argv, host) => {
        if (argv[0] === 'dhcp_release') this.#dnsmasqIn(namespace)?.release(argv[2] ?? '');
        if (argv[0] === 'truncate') host.files.write(argv.at(-1) ?? '', '');
        return undefined;
      },
    });
    this.host.plug({ name: 'eth0', kind: 'other' });
    this.host.meddle(null, { op: 'add-bridge', name: 'virbr0', mtu: 1500 });
    this.host.plug({ name: 'vnet7', master: 'virbr0' });
    this.host.meddle(null, {
      op: 'add-vxlan',
      name: 'vxlan-ops',
      id: 9999,
      local: '198.51.100.1',
      port: 8472,
      mtu: 1450,
    });
    this.host.meddleFlood({ op: 'add', link: 'vxlan-ops', destination: '198.51.100.2' });
    this.host.files.write(this.host.absolute(FOREIGN_FILE), 'not ours');
    void this.host.startProcess({ name: FOREIGN_PROCESS, namespace: null, argv: ['other'], configHash: '' });
    for (const name of options.physicalNetworks)
      this.host.plug({ name: PHYSICAL.get(name) as string, kind: 'other' });
    void this.host.follow(() => this.#changed(), new AbortController().signal);
  }

  #changed(): void {
    this.#isStale = true;
    this.changes += 1;
  }

  /** The power goes, and does not come back. */
  die(): void {
    this.isOff = true;
    this.#changed();
  }

  /** What it shows now; `anew` also where nothing told of a change (namespaces come and go unheard). */
  async look(anew = false): Promise<HostPicture> {
    if (this.#picture && !this.#isStale && !anew) return this.#picture;
    this.#isStale = false;
    const { host } = this;
    const links = await host.links();
    this.#picture = {
      links: new Map(links.map((link) => [link.name, link])),
      flood: await host.floodEntries(),
      namespaces: await host.namespaces(),
      processes: await host.processes(),
    };
    const foreign = this.#foreignText(this.#picture);
    this.#foreign ??= foreign;
    if (foreign !== this.#foreign) {
      throw new Violation('nothing unmarked touched', `${this.name}: ${this.#foreign} became ${foreign}`);
    }
    return this.#picture;
  }

  #foreignText({ links, flood }: HostPicture): string {
    return JSON.stringify([
      FOREIGN.map((name) => links.get(name)),
      flood.filter((entry) => FOREIGN.includes(entry.link)),
      this.host.files.read(this.host.absolute(FOREIGN_FILE)),
      this.host.process(FOREIGN_PROCESS)?.pid,
    ]);
  }

  /** The host goes down and comes up: processes, namespaces and links are gone, its files are there, machines are not yet. */
  async reboot(): Promise<void> {
    this.meddled += 1;
    const { links, namespaces, processes } = await this.look(true);
    for (const name of processes) if (name !== FOREIGN_PROCESS) this.host.endProcess(name);
    for (const name of namespaces) await this.host.removeNamespace(name);
    for (const { name } of links.values()) {
      if (name !== 'lo' && !STAYING.has(name)) this.host.meddle(null, { op: 'delete-link', name });
    }
  }

  /** Another hand breaks something that is the agent's; says what. */
  async meddle(random: Random): Promise<string | undefined> {
    const drift = pick(random, DRIFTS) as (machine: Machine, random: Random, picture: HostPicture) => Done;
    const picture = await this.look(true);
    const done = drift(this, random, picture);
    if (done !== undefined) this.#changed();
    this.meddled += 1;
    return done;
  }

  /** The networks whose dnsmasq runs here. */
  servedNetworks({ processes }: HostPicture): string[] {
    return processes.filter((name) => name.startsWith(DNSMASQ)).map((name) => name.slice(DNSMASQ.length));
  }

  /** The network's dnsmasq, if it runs here. */
  dnsmasq(networkId: string): FakeDnsmasq | undefined {
    return this.host.process(`dnsmasq-${networkId}`)?.program as FakeDnsmasq | undefined;
  }

  #dnsmasqIn(namespace: string | null): FakeDnsmasq | undefined {
    return namespace?.startsWith('qdhcp-') ? this.dnsmasq(namespace.slice('qdhcp-'.length)) : undefined;
  }
}
