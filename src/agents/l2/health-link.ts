/**
 * A link of the host's own into the tunnels of the hosts that share HA segments with it, so that they can ask one another
 * whether tunnels carry: that a tunnel address answers says nothing of UDP port 4789 between the two. It has no bridge,
 * nothing is routed by it, and the guard lets in only questions and answers. A host without IPv6 goes without it.
 */
import type { Host, LinkStep } from '../../host/host.ts';
import { Turns } from '../../lib/turns.ts';
import { healthAddress, healthMac } from '../../resources/health-address.ts';
import type { World } from '../role.ts';
import type { L2Settings } from './desired.ts';
import { type HaPeers, haPeers, VXLAN_PORT } from './uplinks.ts';

export const HEALTH_LINK = 'vxlan-health';
/** Of no network: theirs begin at 1. */
const HEALTH_VNI = 0;
/** RFC 8200, section 5. */
const LEAST_MTU = 1280;

const SYSCTLS = {
  [`net/ipv6/conf/${HEALTH_LINK}/accept_ra`]: '0',
  [`net/ipv6/conf/${HEALTH_LINK}/disable_ipv6`]: '0',
};

export class HealthLink {
  readonly #host: Host;
  readonly #world: World;
  readonly #settings: L2Settings;
  #worldChanged = true;
  #wanted: HaPeers | null = null;
  /** What the host has, as far as known; undefined: to be read. */
  #applied: string | undefined;
  /** Counts what was told of the host: what is read before that may be old. */
  #told = 0;
  #isPossible = true;
  readonly #turns = new Turns();

  constructor(host: Host, world: World, settings: L2Settings) {
    this.#host = host;
    this.#world = world;
    this.#settings = settings;
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
      this.#wanted = haPeers(this.#world, this.#settings);
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
    const [found] = await this.#host.links([HEALTH_LINK]);
    if (found?.vxlan?.id !== HEALTH_VNI) return false;
    await this.#change([{ op: 'delete-link', name: HEALTH_LINK }]);
    return true;
  }

  async #make({ local, mtu: wantedMtu, flood }: HaPeers): Promise<boolean> {
    const name = HEALTH_LINK;
    const [found] = await this.#host.links([name]);
    const is = found?.vxlan;
    const same = is?.id === HEALTH_VNI && is.local === local && is.port === VXLAN_PORT && is.learning;
    const mtu = Math.max(wantedMtu, LEAST_MTU);
    const mac = healthMac(local);
    const isRight = same && found?.mac === mac && found.mtu === mtu && found.up && found.master === null;
    if (!same) {
      const old: LinkStep[] = found === undefined ? [] : [{ op: 'delete-link', name }];
      await this.#change([...old, { op: 'add-vxlan', name, id: HEALTH_VNI, local, port: VXLAN_PORT, mtu }]);
    }
    if (!(await this.#allowIpv6())) return this.#remove();
    await this.#change([
      ...(isRight ? [] : [{ op: 'set-link', name, mac, mtu, master: null, up: true } as const]),
      // Always: a link that was down has lost it, and nothing says so.
      { op: 'add-address', link: name, address: `${healthAddress(local)}/64` },
    ]);
    return (await this.#flood(flood)) || !isRight;
  }

  async #allowIpv6(): Promise<boolean> {
    try {
      await this.#host.setSysctls(null, SYSCTLS);
    } catch {
      // The kernel has no IPv6, or may not: that does not change while the agent lives.
      this.#isPossible = false;
    }
    return this.#isPossible;
  }

  async #flood(wanted: readonly string[]): Promise<boolean> {
    const entries = await this.#host.floodEntries([HEALTH_LINK]);
    const present = new Set(entries.map((entry) => entry.destination));
    const missing = wanted.filter((one) => !present.has(one));
    const left = [...present].filter((one) => !wanted.includes(one));
    const step = (op: 'add' | 'delete') => (destination: string) => ({ op, link: HEALTH_LINK, destination });
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
