/** The links that everything goes over: read when one of them may have changed, and now and then. */
import type { Host, HostEvent, Underlay } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Carrier } from './health.ts';

/** Links that agents make: their news says nothing of what is below. */
const MADE_HERE = /^(tap|brq|vxlan-|vxh-|ns-|qr-|qg-|ha-)/;
const GATHER_MS = 20;
const PERIOD_MS = 15_000;

export interface CarriersOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** Addresses of the host's own, or names of links. */
  readonly tunnel: string;
  readonly management?: string;
  readonly external: readonly string[];
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
}

export class Carriers {
  readonly #options: CarriersOptions;
  #found: ReadonlyMap<string, Underlay> | null = null;
  /** Links that are known to have lost their carrier since they were last read. */
  readonly #lost = new Set<string>();
  #wake = new AbortController();

  constructor(options: CarriersOptions) {
    this.#options = options;
  }

  get isKnown(): boolean {
    return this.#found !== null;
  }

  onHostEvent(event: HostEvent): void {
    if (event.type === 'overflow') this.#wake.abort();
    if (event.type !== 'link' || event.namespace !== null || MADE_HERE.test(event.name)) return;
    const isOurs = [...(this.#found?.values() ?? [])].some(({ link }) => link === event.name);
    // This is not left to wait for a program.
    if (isOurs && event.news !== 'up') {
      this.#lost.add(event.name);
      this.#options.onChange();
    }
    this.#wake.abort();
  }

  tunnel(): Carrier | null {
    return this.#carrier(this.#options.tunnel, 'tunnel');
  }

  /** The links of both paths to the other hosts have lost their carriers; false where there is one path only. */
  get isCut(): boolean {
    const { tunnel, management = '' } = this.#options;
    const ways = [tunnel, management].map((named) => this.#carrier(named, 'tunnel'));
    return ways.every((carrier) => carrier?.isUp === false);
  }

  external(link: string): Carrier | null {
    return this.#carrier(link, 'external');
  }

  #carrier(named: string, carries: Carrier['carries']): Carrier | null {
    const underlay = this.#found?.get(named);
    if (underlay === undefined) return null;
    const { link, isUp, bond } = underlay;
    return { link, carries, isUp: isUp && !this.#lost.has(link), bond };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, onFailure } = this.#options;
    const stop = () => this.#wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      this.#wake = new AbortController();
      await this.#read().catch(onFailure);
      if (signal.aborted) break;
      await sleep(clock, PERIOD_MS, this.#wake.signal);
      await sleep(clock, GATHER_MS, signal);
    }
    signal.removeEventListener('abort', stop);
  }

  async #read(): Promise<void> {
    const { host, tunnel, management = '', external, onChange } = this.#options;
    const named = [tunnel, management, ...external].filter((one) => one !== '');
    const found = await host.underlays(named);
    // What was lost while this was being read is read again at once: its event has woken the loop.
    if (!this.#wake.signal.aborted) this.#lost.clear();
    // An address that went, with its link or without, is lost as well.
    const gone = [...(this.#found ?? [])].filter(([name]) => !found.has(name));
    for (const [name, underlay] of gone) found.set(name, { ...underlay, isUp: false });
    this.#found = found;
    onChange();
  }
}
