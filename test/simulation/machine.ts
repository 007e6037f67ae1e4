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

const DNSMASQ_MS = 3;
const FOREIGN = ['eth0', 'virbr0', 'vnet7', 'vxlan-ops'];
const FOREIGN_FILE = 'other/keep';
const FOREIGN_PROCESS = 'other';

/** What a host shows at one moment. */
export interface HostPicture {
  readonly links: ReadonlyMap<string, Link>;
  readonly flood: readonly FloodEntry[];
  readonly namespaces: ReadonlySet<string>;
  readonly processes: readonly string[];
}

export class Machine {
  readonly name: string;
  readonly host: FakeHost;
  /** Whether anything that the invariants look at may have changed since the last picture. */
  #isStale = true;
  #picture: HostPicture | undefined;
  /** What is not ours, as it was at first. */
  #foreign: string | undefined;

  constructor(name: string, options: { scheduler: Scheduler; random: Random; weather: () => Weather }) {
    const { scheduler, random, weather } = options;
    this.name = name;
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
          onChange: () => {
            this.#isStale = true;
          },
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
    void this.host.follow(() => {
      this.#isStale = true;
    }, new AbortController().signal);
  }

  get isStale(): boolean {
    return this.#isStale;
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
    const { links, namespaces, processes } = await this.look(true);
    for (const name of processes) if (name !== FOREIGN_PROCESS) this.host.endProcess(name);
    for (const name of namespaces) await this.host.removeNamespace(name);
    for (const { name } of links.values()) {
      if (name !== 'lo' && !FOREIGN.includes(name)) this.host.meddle(null, { op: 'delete-link', name });
    }
  }

  /** Another hand breaks something that is the agent's; says what. */
  async meddle(random: Random): Promise<string | undefined> {
    const { links, flood, processes } = await this.look(true);
    const ours = [...links.values()].filter(({ name }) => /^(brq|tap|vxlan-\d)/.test(name));
    const entries = flood.filter(({ link }) => !FOREIGN.includes(link));
    const servers = processes.filter((name) => name !== FOREIGN_PROCESS);
    const link = pick(random, ours);
    const entry = pick(random, entries);
    const server = pick(random, servers);
    const lot = Math.floor(random.next() * 5);
    if (lot === 0 && server) {
      this.host.endProcess(server);
      return `end ${server}`;
    }
    if (lot === 1 && entry) {
      this.host.meddleFlood({ op: 'delete', ...entry });
      return `delete flood ${JSON.stringify(entry)}`;
    }
    if (lot === 2 && entry) {
      this.host.meddleFlood({ op: 'add', link: entry.link, destination: '203.0.113.9' });
      return `add flood to ${entry.link}`;
    }
    if (!link) return undefined;
    // a tap of a machine is the hypervisor's to delete
    const op = lot === 3 && link.kind !== 'tun' ? 'delete-link' : 'set-link';
    if (op === 'delete-link') this.host.meddle(null, { op, name: link.name });
    else this.host.meddle(null, { op, name: link.name, ...(link.master ? { master: null } : { up: false }) });
    return `${op} ${link.name}`;
  }

  /** The network's dnsmasq, if it runs here. */
  dnsmasq(networkId: string): FakeDnsmasq | undefined {
    return this.host.process(`dnsmasq-${networkId}`)?.program as FakeDnsmasq | undefined;
  }

  #dnsmasqIn(namespace: string | null): FakeDnsmasq | undefined {
    return namespace?.startsWith('qdhcp-') ? this.dnsmasq(namespace.slice('qdhcp-'.length)) : undefined;
  }
}
