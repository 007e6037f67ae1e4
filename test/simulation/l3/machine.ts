/** A host of this world without its agent: the fake host with keepalived on it. Power goes and comes back. */
import { FakeHost, type FakeProgram } from '../../../src/host/fake/fake-host.ts';
import type { FloodEntry, Link, ProcessSpec } from '../../../src/host/host.ts';
import type { Random } from '../../../src/lib/random.ts';
import type { Scheduler } from '../scheduler.ts';
import { delay } from '../weather.ts';
import { FakeKeepalived, tapOfLink } from './keepalived.ts';
import type { Advert, VrrpState } from './vrrp.ts';

/** The link to the outside, and the network that it leads to. */
export const OUTSIDE = { network: 'physnet1', link: 'eth1' } as const;
const NAMESPACE = 'qrouter-';

/** What a host shows at one moment. */
export interface Picture {
  readonly links: ReadonlyMap<string, Link>;
  readonly flood: readonly FloodEntry[];
  /** By namespace of a router, its links by name. */
  readonly routers: ReadonlyMap<string, ReadonlyMap<string, Link>>;
}

export interface MachineOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly tunnelIp: string;
  readonly managementIp: string;
  readonly send: (machine: L3Machine, from: FakeKeepalived, advert: Advert) => void;
  readonly onState: (machine: L3Machine, from: FakeKeepalived, state: VrrpState) => void;
  /** Whatever its host shows may be another now. */
  readonly onChange: (machine: L3Machine) => void;
}

/** The configuration that a command line of keepalived names, whoever starts it; undefined: it is none. */
function configOf({ argv }: ProcessSpec): string | undefined {
  const words = argv.flatMap((word) => word.split(/[\s=]+/));
  if (!words.some((word) => /(^|\/)keepalived$/.test(word))) return undefined;
  const at = words.findIndex((word) => word === '-f' || word === '--use-file');
  return at < 0 ? undefined : words[at + 1];
}

export class L3Machine {
  readonly name: string;
  readonly host: FakeHost;
  readonly tunnelIp: string;
  readonly managementIp: string;
  isOff = false;
  readonly #options: MachineOptions;
  readonly #keepaliveds = new Map<string, FakeKeepalived>();
  #picture: Picture | undefined;

  constructor(name: string, options: MachineOptions) {
    this.name = name;
    this.tunnelIp = options.tunnelIp;
    this.managementIp = options.managementIp;
    this.#options = options;
    this.host = new FakeHost({ program: (spec, pid, host) => this.#program(spec, pid, host) });
    this.host.plug({ name: OUTSIDE.link, kind: 'other' });
    this.host.meddle(null, { op: 'set-link', name: OUTSIDE.link, up: true });
    const onEvent = (event: Parameters<Parameters<FakeHost['follow']>[0]>[0]) => {
      this.#changed();
      for (const one of this.keepaliveds()) one.hostChanged(event);
    };
    void this.host.follow(onEvent, new AbortController().signal);
  }

  /** Those that run, or stand still. */
  keepaliveds(): FakeKeepalived[] {
    return [...this.#keepaliveds.values()];
  }

  /** Names of the processes of keepalived. */
  keepalivedNames(): string[] {
    return [...this.#keepaliveds.keys()];
  }

  keepalivedOf(routerId: string): FakeKeepalived | undefined {
    return this.keepaliveds().find(({ namespace }) => namespace === NAMESPACE + routerId);
  }

  /** The keepalived of the router takes part: it runs and does not stand still. */
  isTakingPart(routerId: string): boolean {
    const one = this.keepalivedOf(routerId);
    return one !== undefined && !this.isOff && this.#isRunning(one) && one.state !== 'off';
  }

  isStuck(routerId: string): boolean {
    const one = this.keepalivedOf(routerId);
    return one !== undefined && !this.#isRunning(one);
  }

  hang(name: string): void {
    this.host.hangProcess(name);
  }

  resume(name: string): void {
    this.host.resumeProcess(name);
    if (!this.isOff) this.#keepaliveds.get(name)?.resumed();
  }

  async look(): Promise<Picture> {
    if (this.#picture) return this.#picture;
    const links = await this.host.links();
    const namespaces = [...(await this.host.namespaces())].filter((name) => name.startsWith(NAMESPACE));
    const inside = await this.host.linksIn(namespaces);
    const byName = (all: readonly Link[]) => new Map(all.map((link) => [link.name, link]));
    const flood = await this.host.floodEntries();
    this.#picture = {
      ...{ links: byName(links), flood },
      routers: new Map([...inside].map(([name, all]) => [name, byName(all)])),
    };
    return this.#picture;
  }

  /** Everything that ran is gone, and what only the kernel kept; files stay. */
  async powerOff(): Promise<void> {
    this.isOff = true;
    this.#changed();
    for (const name of await this.host.processes()) this.host.endProcess(name);
    for (const name of await this.host.namespaces()) await this.host.removeNamespace(name);
    for (const { name } of await this.host.links())
      if (name !== 'lo' && name !== OUTSIDE.link) this.host.meddle(null, { op: 'delete-link', name });
  }

  powerOn(): void {
    this.isOff = false;
    this.#changed();
  }

  #changed(): void {
    this.#picture = undefined;
    this.#options.onChange(this);
  }

  #isRunning(one: FakeKeepalived): boolean {
    for (const [name, other] of this.#keepaliveds)
      if (other === one) return this.host.process(name)?.stuck === null;
    return false;
  }

  #program(spec: ProcessSpec, pid: number, host: FakeHost): FakeProgram | undefined {
    const confPath = configOf(spec);
    if (confPath === undefined || spec.namespace === null) return undefined;
    const { scheduler, random, send, onState } = this.#options;
    const alive = () => !this.isOff && host.process(spec.name)?.pid === pid;
    const program: FakeKeepalived = new FakeKeepalived({
      ...{ host, confPath, namespace: spec.namespace },
      isAlive: alive,
      isRunning: () => alive() && host.process(spec.name)?.stuck === null,
      now: () => scheduler.now,
      after: (delayMs, label, act) =>
        void scheduler.after(delayMs, label === '' ? '' : `${this.name} ${label}`, act),
      delay: (usualMs) => delay(random, usualMs),
      send: (from, advert) => send(this, from, advert),
      onState: (from, state) => onState(this, from, state),
    });
    this.#forgetDead();
    this.#keepaliveds.set(spec.name, program);
    return program;
  }

  #forgetDead(): void {
    for (const [name, one] of this.#keepaliveds)
      if (this.host.process(name)?.program !== one) this.#keepaliveds.delete(name);
  }
}

/** The links of a router's namespace that are up on both ends, on a bridge that is up. */
export function wiredLinks(picture: Picture, routerId: string): Link[] {
  const inside = picture.routers.get(NAMESPACE + routerId);
  return [...(inside?.values() ?? [])].filter((link) => {
    const tap = picture.links.get(tapOfLink(link.name));
    const bridge = picture.links.get(tap?.master ?? '');
    return link.up && tap?.up === true && bridge?.up === true;
  });
}
