/**
 * A link of the host's own for each of the two ways of an HA segment, to the hosts that share such segments with it, so that they
 * can ask one another whether the way carries: that an address answers says nothing of UDP port 4789 or 14789 between the
 * two. It has no bridge, nothing is routed by it, and the guard lets in only questions and answers. A host without IPv6 goes
 * without it.
 */
import type { Host, LinkStep } from '../../host/host.ts';
import { Turns } from '../../lib/turns.ts';
import { type HealthWay, healthAddress, healthMac } from '../../resources/health-address.ts';
import type { World } from '../role.ts';
import type { L2Settings } from './desired.ts';
import { type HaPeers, haPeers } from './uplinks.ts';

export const HEALTH_LINKS: Readonly<Record<HealthWay, string>> = {
  tunnel: 'vxlan-health',
  management: 'vxlan-healthm',
};
/** Of no network: theirs begin at 1. */
const HEALTH_VNI = 0;
/** RFC 8200, section 5. */
const LEAST_MTU = 1280;

export class HealthLink {
  readonly #host: Host;
  readonly #world: World;
  readonly #settings: L2Settings;
  readonly #way: HealthWay;
  readonly #name: string;
  #worldChanged = true;
  #wanted: HaPeers | null = null;
  /** What the host has, as far as known; undefined: to be read. */
  #applied: string | undefined;
  /** Counts what was told of the host: what is read before that may be old. */
  #told = 0;
  #isPossible = true;
  readonly #turns = new Turns();

  constructor(
    { host, world, settings }: { readonly host: Host; readonly world: World; readonly settings: L2Settings },
    way: HealthWay,
  ) {
    this.#host = host;
    this.#world = world;
    this.#settings = settings;
    this.#way = way;
    this.#name = HEALTH_LINKS[way];
  }

  worldChanged(): void {
    this.#worldChanged = true;
  }

  hostChanged(): void {
    this.#applied = undefined;
    this.#told++;
  }

  /** Makes it so, and says whether it had to; throws if the host refuses. Costs nothing when nothing has changed. */
  ensure(): Promise<boolean> {
    return this.#turns.take(() => this.#ensure());
  }

  async #ensure(): Promise<boolean> {
    if (this.#worldChanged) {
      this.#worldChanged = false;
      this.#wanted = haPeers(this.#world, this.#settings, this.#way);
    }
    const wanted = JSON.stringify(this.#wanted);
    if (this.#applied === wanted || !this.#isPossible) return false;
    const told = this.#told;
    this.#applied = undefined;
    const changed = this.#wanted === null ? await this.#remove() : await this.#make(this.#wanted);
    if (told === this.#told) this.#applied = wanted;
    return changed;
  }

  async #remove(): Promise<boolean> {
    const [found] = await this.#host.links([this.#name]);
    if (found?.vxlan?.id !== HEALTH_VNI) return false;
    await this.#change([{ op: 'delete-link', name: this.#name }]);
    return true;
  }

  async #make({ local, port, mtu: wantedMtu, flood }: HaPeers): Promise<boolean> {
    const name = this.#name;
    const [found] = await this.#host.links([name]);
    const is = found?.vxlan;
    const same = is?.id === HEALTH_VNI && is.local === local && is.port === port && is.learning;
    const mtu = Math.max(wantedMtu, LEAST_MTU);
    const mac = healthMac(local);
    const isRight = same && found?.mac === mac && found.mtu === mtu && found.up && found.master === null;
    if (!same) {
      const old: LinkStep[] = found === undefined ? [] : [{ op: 'delete-link', name }];
      await this.#change([...old, { op: 'add-vxlan', name, id: HEALTH_VNI, local, port, mtu }]);
    }
    if (!(await this.#allowIpv6())) return this.#remove();
    await this.#change([
      ...(isRight ? [] : [{ op: 'set-link', name, mac, mtu, master: null, up: true } as const]),
      // Always: a link that was down has lost it, and nothing says so.
      { op: 'add-address', link: name, address: `${healthAddress(local, this.#way)}/64` },
    ]);
    return (await this.#flood(flood)) || !isRight;
  }

  async #allowIpv6(): Promise<boolean> {
    try {
      const of = `net/ipv6/conf/${this.#name}`;
      await this.#host.setSysctls(null, { [`${of}/accept_ra`]: '0', [`${of}/disable_ipv6`]: '0' });
    } catch {
      // The kernel has no IPv6, or may not: that does not change while the agent lives.
      this.#isPossible = false;
    }
    return this.#isPossible;
  }

  async #flood(wanted: readonly string[]): Promise<boolean> {
    const entries = await this.#host.floodEntries([this.#name]);
    const present = new Set(entries.map((entry) => entry.destination));
    const missing = wanted.filter((one) => !present.has(one));
    const left = [...present].filter((one) => !wanted.includes(one));
    const step = (op: 'add' | 'delete') => (destination: string) => ({ op, link: this.#name, destination });
    const steps = [...missing.map(step('add')), ...left.map(step('delete'))];
    if (steps.length === 0) return false;
    refuse(await this.#host.changeFloodEntries(steps));
    return true;
  }

  async #change(steps: readonly LinkStep[]): Promise<void> {
    refuse(await this.#host.changeLinks(null, steps));
  }
}

function refuse(results: readonly (string | null)[]): void {
  const failed = results.find((result) => result !== null);
  if (failed !== undefined) throw new Error(`${failed}`);
}
