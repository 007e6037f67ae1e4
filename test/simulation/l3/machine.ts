/** A host of this world without its agent: the fake host with keepalived on it, its cards, and power that goes and comes back. */
import { FakeHost, type FakeProgram, type Finished } from '../../../src/host/fake/fake-host.ts';
import type {
  FloodEntry,
  GuardedResult,
  GuardedRun,
  HostEvent,
  Link,
  ProcessSpec,
} from '../../../src/host/host.ts';
import type { Random } from '../../../src/lib/random.ts';
import type { Scheduler } from '../scheduler.ts';
import { delay } from '../weather.ts';
import { FakeKeepalived, tapOfLink } from './keepalived.ts';
import { endOf, installChecks, type ScriptMode } from './scripts.ts';
import { WIRES, type Wire } from './underlay.ts';
import type { Advert, VrrpState } from './vrrp.ts';

/** The link to the outside, and the network that it leads to. */
export const OUTSIDE = { network: 'physnet1', link: 'eth1' } as const;
/** The cards by which a host is on each wire. */
const CARDS: Readonly<Record<Wire, string>> = { tunnel: 'eth0', external: OUTSIDE.link, management: 'eth2' };
/** Until a process that stands still is found to. */
const NOTICED_MS = 1_000;
const NAMESPACE = 'qrouter-';

/** Tells of what befalls cards, too. */
class CardHost extends FakeHost {
  readonly #listeners = new Set<(event: HostEvent) => void>();

  override async follow(onEvent: (event: HostEvent) => void, signal: AbortSignal): Promise<void> {
    this.#listeners.add(onEvent);
    await super.follow(onEvent, signal);
    this.#listeners.delete(onEvent);
  }

  tellOfCard(name: string, isUp: boolean): void {
    const news = isUp ? 'up' : 'no-carrier';
    for (const listen of [...this.#listeners]) listen({ type: 'link', name, namespace: null, news });
  }
}

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
  /** How its check script behaves. */
  readonly scriptMode: () => ScriptMode | undefined;
  /** What a short program of the agent's does. */
  readonly run: (machine: L3Machine, argv: readonly string[]) => Finished | undefined;
}

interface Command {
  readonly confPath: string;
  readonly isGuarded: boolean;
}

/** What a command line runs keepalived with, by itself or under a shell; undefined: it does not. */
function commandOf({ argv }: ProcessSpec): Command | undefined {
  const at = argv.findIndex((word) => /(^|\/)keepalived$/.test(word));
  const flag = argv.findIndex((word, i) => i > at && (word === '-f' || word === '--use-file'));
  const confPath = at < 0 || flag < 0 ? undefined : argv[flag + 1];
  return confPath === undefined ? undefined : { confPath, isGuarded: at > 0 };
}

export class L3Machine {
  readonly name: string;
  readonly host: CardHost;
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
    this.host = new CardHost({
      program: (spec, pid, host) => this.#program(spec, pid, host),
      guarded: (run) => this.#check(run),
      run: (_namespace, argv) => this.#kill(argv) ?? this.#options.run(this, argv),
    });
    installChecks(this.host);
    for (const wire of WIRES) {
      this.host.plug({ name: CARDS[wire], kind: 'other' });
      this.host.meddle(null, { op: 'set-link', name: CARDS[wire], up: true });
      this.setCarrier(wire, true);
    }
    const onEvent = (event: Parameters<Parameters<FakeHost['follow']>[0]>[0]) => {
      this.#changed();
      for (const one of this.keepaliveds()) one.hostChanged(event);
    };
    void this.host.follow(onEvent, new AbortController().signal);
  }

  /** Those that run, or stand still. */
  keepaliveds(): FakeKeepalived[] {
    this.#forgetDead();
    return [...this.#keepaliveds.values()];
  }

  /** Names of the processes that are keepalived, or guard it. */
  keepalivedNames(): string[] {
    this.#forgetDead();
    return [...this.#keepaliveds.keys()];
  }

  keepalivedOf(routerId: string): FakeKeepalived | undefined {
    return this.keepaliveds().find(({ namespace }) => namespace === NAMESPACE + routerId);
  }

  /** The keepalived of the router takes part: it runs and does not stand still. */
  isTakingPart(routerId: string): boolean {
    const one = this.keepalivedOf(routerId);
    return one !== undefined && !this.isOff && !one.hangs && one.state !== 'off';
  }

  isStuck(routerId: string): boolean {
    const one = this.keepalivedOf(routerId);
    return one?.hangs ?? false;
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

  /** The other end of the wire lights up, or goes dark. */
  setCarrier(wire: Wire, isUp: boolean): void {
    const underlay = { link: CARDS[wire], isUp, bond: null };
    const address = { tunnel: this.tunnelIp, management: this.managementIp, external: '' }[wire];
    for (const named of [CARDS[wire], address]) this.host.underlay.set(named, underlay);
    this.host.tellOfCard(CARDS[wire], isUp);
  }

  /** Everything that ran is gone, and what only the kernel kept; files stay. */
  async powerOff(): Promise<void> {
    this.isOff = true;
    this.#changed();
    for (const name of await this.host.processes()) this.host.endProcess(name);
    for (const name of await this.host.namespaces()) await this.host.removeNamespace(name);
    for (const { name } of await this.host.links())
      if (name !== 'lo' && !Object.values(CARDS).includes(name))
        this.host.meddle(null, { op: 'delete-link', name });
  }

  powerOn(): void {
    this.isOff = false;
    this.#changed();
  }

  #changed(): void {
    this.#picture = undefined;
  }

  #program(spec: ProcessSpec, pid: number, host: FakeHost): FakeProgram | undefined {
    if (spec.name.startsWith('lease-')) return this.#lease(spec, pid, host);
    const command = commandOf(spec);
    if (command === undefined || spec.namespace === null) return undefined;
    const { scheduler, random, send, onState } = this.#options;
    const alive = () => !this.isOff && host.process(spec.name)?.pid === pid;
    const program: FakeKeepalived = new FakeKeepalived({
      ...{ host, ...command, namespace: spec.namespace },
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

  /** A shell that ends what it was told, after a while: its last arguments are a file and seconds. */
  #lease(spec: ProcessSpec, pid: number, host: FakeHost): undefined {
    const [path = '', seconds = ''] = spec.argv.slice(-2);
    this.#options.scheduler.after(Number(seconds) * 1_000, `${this.name} ${spec.name} runs out`, () => {
      if (host.process(spec.name)?.pid !== pid) return;
      host.files.write(path, '0\n');
      host.endProcess(spec.name);
    });
    return undefined;
  }

  /** SIGSTOP to keepalived, not to its guard. The host notices after a while. */
  hang(one: FakeKeepalived): void {
    one.hang();
    const [name] = [...this.#keepaliveds].find(([, other]) => other === one) ?? [];
    this.#options.scheduler.after(NOTICED_MS, '', () => {
      if (name !== undefined && one.hangs) this.host.hangProcess(name);
    });
  }

  resume(one: FakeKeepalived): void {
    for (const [name, other] of this.#keepaliveds) if (other === one) this.host.resumeProcess(name);
    one.resume();
  }

  /** The agent's way to kill keepalived and leave its guard: by the files with their numbers. */
  #kill(argv: readonly string[]): Finished | undefined {
    if (argv[0] !== 'sh' || !argv[2]?.includes('kill -KILL')) return undefined;
    const ids = argv.flatMap((word) => /\/l3\/([0-9a-f-]{36})\/keepalived\.pid$/.exec(word)?.[1] ?? []);
    for (const [name, one] of this.#keepaliveds) {
      if (!ids.some((id) => one.namespace === NAMESPACE + id)) continue;
      this.host.resumeProcess(name);
      one.crash();
    }
    return { code: 0, stdout: '', stderr: '' };
  }

  /** A check runs for as long as it takes. */
  #check(run: GuardedRun): Promise<GuardedResult> {
    const { scheduler, random, scriptMode } = this.#options;
    const result = endOf(run, scriptMode(), random);
    return new Promise((resolve) => {
      scheduler.after(result.durationMs, '', () => resolve(result));
    });
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
