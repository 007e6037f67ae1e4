/**
 * What of keepalived 2.2 a host and its neighbours can tell: adverts on its link, addresses and routes that come and go with
 * its state, lines in its FIFO. The addresses of one that was killed stay until the next one begins, or until the shell that
 * guards it takes them off and starts it again.
 */
import type { FakeHost, FakeProgram, FakeSignal } from '../../../src/host/fake/fake-host.ts';
import type { HostEvent } from '../../../src/host/host.ts';
import { type InstanceConfig, readConfig } from './keepalived-config.ts';
import { type Advert, Vrrp, type VrrpState } from './vrrp.ts';

export interface KeepalivedOptions {
  readonly host: FakeHost;
  readonly namespace: string;
  readonly confPath: string;
  /** A shell starts it again whenever it ends. */
  readonly isGuarded: boolean;
  /** Whether the process still runs. */
  readonly isAlive: () => boolean;
  /** Whether it runs and does not stand still. */
  readonly isRunning: () => boolean;
  readonly now: () => number;
  readonly after: (delayMs: number, label: string, act: () => void) => void;
  /** Puts an advert on its link. */
  readonly send: (from: FakeKeepalived, advert: Advert) => void;
  /** By chance, a little. */
  readonly delay: (usualMs: number) => number;
  readonly onState: (from: FakeKeepalived, state: VrrpState) => void;
}

/** From its start until it takes part (measured: 20 to 60 ms). */
const START_MS = 30;
/** A guard takes away what a killed one left, and starts it again after ever longer. */
const CLEAR_MS = 15;
const PAUSES_MS = [0, 100, 300, 700, 600, 400] as const;
/** After so long a guard begins with the shortest pause again. */
const SOON_MS = 10_000;
const WAKE_MS = 1;
/** A socket's buffer: what comes to one that stands still. */
const MOST_KEPT = 200;
/** A tracked file that says so puts the instance in fault. */
const FAULT = -254;

export class FakeKeepalived implements FakeProgram {
  readonly namespace: string;
  readonly #options: KeepalivedOptions;
  #config: InstanceConfig | undefined;
  #vrrp: Vrrp | undefined;
  #isLinkFit = false;
  #kept: Advert[] = [];
  #hasEnded = false;
  #hangs = false;
  /** Grows with each death: what an earlier life had in mind is not done. */
  #life = 0;
  #begunAt = 0;
  #deaths = 0;
  #timer = Number.POSITIVE_INFINITY;

  constructor(options: KeepalivedOptions) {
    this.#options = options;
    this.namespace = options.namespace;
    this.#soon(START_MS, 'begins', () => this.#begin());
  }

  get config(): InstanceConfig | undefined {
    return this.#config;
  }

  get state(): VrrpState {
    return this.#vrrp?.state ?? 'off';
  }

  get priority(): number {
    return this.#vrrp?.priority ?? 0;
  }

  /** When it last heard another. */
  get heardAt(): number {
    return this.#vrrp?.heardAt ?? Number.NEGATIVE_INFINITY;
  }

  /** It is there and does nothing. */
  get hangs(): boolean {
    return this.#hangs;
  }

  /** SIGSTOP, to it and not to its guard. */
  hang(): void {
    this.#hangs = true;
  }

  /** SIGKILL, to it and not to its guard. */
  crash(): void {
    this.#life += 1;
    this.#hangs = false;
    this.#kept = [];
    this.#timer = Number.POSITIVE_INFINITY;
    const { now, isGuarded } = this.#options;
    const left = this.#config;
    this.#vrrp = undefined;
    if (!isGuarded) return;
    this.#deaths = now() - this.#begunAt < SOON_MS ? this.#deaths + 1 : 0;
    const pause = PAUSES_MS[this.#deaths % PAUSES_MS.length] ?? 0;
    this.#soon(CLEAR_MS, 'is cleared up after', () => {
      if (left) this.#letGo(left);
      this.#soon(START_MS + pause, 'begins again', () => this.#begin());
    });
  }

  signalled(signal: FakeSignal): 'ends' | 'stays' {
    if (signal === 'HUP') this.#soon(WAKE_MS, 'reloads', () => this.#reload());
    if (signal !== 'TERM') return 'stays';
    this.#vrrp?.stop();
    this.#hasEnded = true;
    return 'ends';
  }

  fileChanged(path: string): void {
    if (this.#config?.tracked.some((file) => file.path === path))
      this.#soon(WAKE_MS, 'reads what it tracks', () => this.#weigh());
  }

  /** Something happened on its host. */
  hostChanged(event: HostEvent): void {
    if (event.type !== 'link') return;
    const isOurs =
      event.namespace === this.namespace || (event.namespace === null && this.#isTap(event.name));
    if (isOurs) this.#soon(WAKE_MS, 'looks at its links', () => this.#look());
  }

  /** An advert comes over its link. */
  hear(advert: Advert): void {
    if (this.#isRunning()) this.#heard(advert);
    else if (this.#vrrp && this.#options.isAlive() && this.#kept.length < MOST_KEPT) this.#kept.push(advert);
  }

  /** It goes on after it stood still: what came meanwhile, and what its timer says. */
  resume(): void {
    if (!this.#hangs) return;
    this.#hangs = false;
    if (!this.#isRunning()) return;
    const isTimerFirst = this.#options.delay(1) < 1;
    if (isTimerFirst) this.#expire();
    for (const advert of this.#kept.splice(0)) this.#heard(advert);
    this.#weigh();
    this.#expire();
  }

  #isRunning(): boolean {
    return !this.#hangs && !this.#hasEnded && this.#options.isRunning();
  }

  #heard(advert: Advert): void {
    this.#vrrp?.hear(advert, this.#options.now());
    this.#arm();
  }

  #isTap(name: string): boolean {
    const link = this.#config?.link;
    return link !== undefined && name === tapOfLink(link);
  }

  #soon(usualMs: number, label: string, act: () => void): void {
    const life = this.#life;
    const again = () => {
      if (this.#hasEnded || life !== this.#life || !this.#options.isAlive()) return;
      if (this.#isRunning()) act();
      else this.#options.after(10, '', again);
    };
    this.#options.after(this.#options.delay(usualMs), `keepalived of ${this.namespace} ${label}`, again);
  }

  #begin(): void {
    this.#begunAt = this.#options.now();
    const life = this.#life;
    const { host, confPath } = this.#options;
    try {
      this.#config = readConfig(host.files.read(confPath) ?? '');
    } catch {
      // as with a configuration that is wrong: it ends
      this.#hasEnded = true;
      return;
    }
    this.#letGo(this.#config);
    void this.#readLinks().then(({ isFit, source }) => {
      if (life !== this.#life) return;
      const config = this.#config as InstanceConfig;
      this.#vrrp = new Vrrp({ advertMs: config.advertMs, source }, config.priority, {
        send: (advert) => this.#options.send(this, advert),
        became: (state) => this.#became(state),
      });
      this.#isLinkFit = isFit;
      const weight = this.#weight();
      if (weight !== 'fault') this.#vrrp.setPriority(config.priority + weight);
      this.#vrrp.start(this.#options.now(), isFit && weight !== 'fault');
      this.#arm();
    });
  }

  #reload(): void {
    const before = this.#config as InstanceConfig;
    const now = readConfig(this.#options.host.files.read(this.#options.confPath) ?? '');
    this.#config = now;
    if (this.state !== 'primary') return;
    const isKept = (one: { address: string; link: string }) =>
      now.addresses.some(({ address, link }) => address === one.address && link === one.link);
    this.#letGo({ ...before, addresses: before.addresses.filter((one) => !isKept(one)), routes: [] });
    const wants = new Set(now.routes.map((route) => JSON.stringify(route)));
    this.#dropRoutes(before.routes.filter((route) => !wants.has(JSON.stringify(route))));
    this.#hold(now);
    this.#weigh();
  }

  /** What the tracked files say, as a sum. */
  #weight(): number | 'fault' {
    let sum = 0;
    for (const { path, weight } of this.#config?.tracked ?? []) {
      const value = Math.round(Number(this.#options.host.files.read(path) ?? 0)) || 0;
      const status = weight === 0 ? (value === 0 ? 0 : FAULT) : value * weight;
      if (status <= FAULT) return 'fault';
      sum += status;
    }
    return sum;
  }

  #weigh(): void {
    const vrrp = this.#vrrp;
    if (!vrrp || !this.#config) return;
    const weight = this.#weight();
    if (weight !== 'fault') vrrp.setPriority(this.#config.priority + weight);
    if (weight === 'fault' || !this.#isLinkFit) vrrp.fail();
    else vrrp.recover(this.#options.now());
    this.#arm();
  }

  async #readLinks(): Promise<{ isFit: boolean; source: number }> {
    const { host } = this.#options;
    const config = this.#config as InstanceConfig;
    const inside = (await host.linksIn([this.namespace])).get(this.namespace) ?? [];
    const link = inside.find(({ name }) => name === config.link);
    const [tap] = await host.links([tapOfLink(config.link)]);
    const own = link?.addresses.find((address) => address.includes('.')) ?? '';
    return { isFit: link?.up === true && tap?.up === true, source: numberOf(own) };
  }

  #look(): void {
    if (!this.#vrrp) return;
    void this.#readLinks().then(({ isFit }) => {
      this.#isLinkFit = isFit;
      // links that were made anew have lost what was on them
      if (this.state === 'primary') this.#hold(this.#config as InstanceConfig);
      this.#weigh();
    });
  }

  #became(state: VrrpState): void {
    const config = this.#config as InstanceConfig;
    if (state === 'primary') this.#hold(config);
    else this.#letGo(config);
    this.#options.onState(this, state);
  }

  #hold({ addresses, routes }: InstanceConfig): void {
    const { host } = this.#options;
    for (const { address, link } of addresses)
      host.meddle(this.namespace, { op: 'add-address', link, address });
    for (const route of routes) host.meddleRoute(this.namespace, { op: 'set', ...route });
  }

  #letGo({ addresses, routes }: InstanceConfig): void {
    const { host } = this.#options;
    this.#dropRoutes(routes);
    for (const { address, link } of addresses)
      host.meddle(this.namespace, { op: 'delete-address', link, address });
  }

  #dropRoutes(routes: InstanceConfig['routes']): void {
    for (const route of routes) this.#options.host.meddleRoute(this.namespace, { op: 'delete', ...route });
  }

  /** One event for the timer at a time: one that comes too early looks again. */
  #arm(): void {
    const deadline = this.#vrrp?.deadline ?? Number.POSITIVE_INFINITY;
    const { now, after } = this.#options;
    if (deadline === Number.POSITIVE_INFINITY || this.#timer <= deadline) return;
    this.#timer = deadline;
    after(deadline - now(), '', () => {
      if (this.#timer !== deadline) return;
      this.#timer = Number.POSITIVE_INFINITY;
      this.#expire();
    });
  }

  #expire(): void {
    if (!this.#isRunning()) return;
    this.#vrrp?.expire(this.#options.now());
    this.#arm();
  }
}

/** The other end of a router's link, by the names that agents give them: `ha-01234567-89` and `tap01234567-89`. */
export function tapOfLink(link: string): string {
  return `tap${link.slice(link.indexOf('-') + 1)}`;
}

function numberOf(address: string): number {
  const [ip = ''] = address.split('/');
  return ip.split('.').reduce((sum, part) => sum * 256 + (Number(part) || 0), 0);
}
