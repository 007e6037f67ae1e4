/** Links of a host and of its namespaces, as far as agents can tell them from the kernel's. */
import { assert } from '../../lib/assert.ts';
import type { Bridging, FloodEntry, FloodStep, Link, LinkNews, LinkStep, StepResult } from '../host.ts';
import { addressWithPrefix, ipAddress, linkName, macAddress, mtuValue, namespaceName } from '../grammar.ts';

interface Place {
  /** null: the host's own namespace. */
  readonly namespace: string | null;
  readonly name: string;
}

interface FakeLink {
  readonly name: string;
  readonly kind: Link['kind'];
  up: boolean;
  mtu: number;
  mac: string;
  master: string | null;
  bridging?: Bridging;
  filtered?: true;
  readonly vxlan?: NonNullable<Link['vxlan']>;
  readonly vlan?: NonNullable<Link['vlan']>;
  readonly addresses: Set<string>;
  readonly peer: Place | null;
}

export interface LinkListener {
  linkChanged(place: Place, news: LinkNews): void;
  addressChanged(namespace: string, news: 'came' | 'went', address: string): void;
  namespaceChanged(name: string, news: 'came' | 'went'): void;
  floodChanged(entry: FloodEntry, present: boolean): void;
}

/** A link that something other than the agent made: a hypervisor's tap, a network card. */
export interface ForeignLink {
  readonly name: string;
  readonly kind?: Link['kind'];
  readonly mac?: string;
  readonly mtu?: number;
  readonly master?: string;
}

const LOOPBACK_MTU = 65536;
const DEFAULT_MTU = 1500;
/** As the kernel takes a new member. */
const NEW_MEMBER: Bridging = { isolated: false, learning: true, flood: true };

export class FakeLinks {
  readonly #spaces = new Map<string | null, Map<string, FakeLink>>();
  /** Namespaces that lost their name, with a program inside. */
  readonly #nameless = new Set<string>();
  readonly #flood = new Map<string, Set<string>>();
  readonly #listener: LinkListener;
  /** Whether the kernel has 802.1Q. */
  hasVlans = true;
  #made = 0;
  /** How often a namespace of that name was made. */
  readonly #lives = new Map<string | null, number>();

  constructor(listener: LinkListener) {
    this.#listener = listener;
    this.addNamespace(null);
  }

  namespaces(): Set<string> {
    return new Set(
      [...this.#spaces.keys()].filter((name) => name !== null).filter((name) => !this.#nameless.has(name)),
    );
  }

  addNamespace(name: string | null): void {
    if (name !== null) namespaceName(name);
    if (name !== null && this.#nameless.delete(name)) this.#spaces.delete(name);
    if (this.#spaces.has(name)) return;
    this.#spaces.set(name, new Map());
    this.#lives.set(name, (this.#lives.get(name) ?? 0) + 1);
    if (name !== null) this.#listener.namespaceChanged(name, 'came');
    this.#put(name, { ...this.#fresh('lo', 'other'), up: true, mtu: LOOPBACK_MTU, mac: '00:00:00:00:00:00' });
  }

  removeNamespace(name: string): void {
    const space = this.#spaces.get(name);
    if (space === undefined) return;
    for (const link of [...space.values()]) if (link.peer !== null) this.#delete(name, link.name);
    this.#spaces.delete(name);
    if (!this.#nameless.delete(name)) this.#listener.namespaceChanged(name, 'went');
  }

  /** The namespace is there for those in it only. */
  loseName(name: string): void {
    if (!this.#spaces.has(name) || this.#nameless.has(name)) return;
    this.#nameless.add(name);
    this.#listener.namespaceChanged(name, 'went');
  }

  /** Which of those that bore the name it is; null: none does now. */
  lifeOf(name: string): number | null {
    return this.#isThere(name) ? (this.#lives.get(name) ?? null) : null;
  }

  isNameless(name: string): boolean {
    return this.#nameless.has(name);
  }

  findName(name: string): void {
    if (this.#nameless.delete(name)) this.#listener.namespaceChanged(name, 'came');
  }

  #isThere(namespace: string | null): boolean {
    return this.#spaces.has(namespace) && !(namespace !== null && this.#nameless.has(namespace));
  }

  list(namespace: string | null): Link[] | undefined {
    const space = this.#isThere(namespace) ? this.#spaces.get(namespace) : undefined;
    if (space === undefined) return undefined;
    return [...space.values()].map(({ peer: _, addresses, ...link }) => ({
      ...link,
      addresses: namespace === null ? [] : [...addresses],
    }));
  }

  addForeign({ name, kind = 'tun', mac, mtu = DEFAULT_MTU, master = undefined }: ForeignLink): void {
    const link = this.#fresh(linkName(name), kind);
    const member = master === undefined ? { master: null } : { master, bridging: NEW_MEMBER };
    this.#put(null, { ...link, ...member, mtu, mac: mac ?? link.mac });
  }

  /** One step in the namespace; null: done, or it was so already. */
  change(namespace: string | null, step: LinkStep): StepResult {
    if (!this.#isThere(namespace)) return 'no such namespace';
    switch (step.op) {
      case 'add-bridge':
        return this.#addBridge(namespace, step);
      case 'add-vxlan':
        return this.#addVxlan(namespace, step);
      case 'add-vlan':
        return this.#addVlan(namespace, step);
      case 'add-veth':
        return this.#addVeth(namespace, step);
      case 'set-link':
        return this.#set(namespace, step);
      case 'delete-link':
        this.#delete(namespace, linkName(step.name));
        return null;
      case 'add-address':
      case 'delete-address':
        return this.#changeAddress(namespace, step);
      case 'announce':
        return this.#space(namespace).has(linkName(step.name)) ? null : `no link ${step.name}`;
    }
  }

  floodEntries(): FloodEntry[] {
    return [...this.#flood].flatMap(([link, all]) => [...all].map((destination) => ({ link, destination })));
  }

  changeFlood({ op, link, destination }: FloodStep): StepResult {
    ipAddress(destination);
    const entries = this.#flood.get(linkName(link));
    if (op === 'delete') {
      if (entries?.delete(destination)) this.#listener.floodChanged({ link, destination }, false);
      return null;
    }
    if (entries === undefined) return `no vxlan ${link}`;
    if (entries.has(destination)) return null;
    entries.add(destination);
    this.#listener.floodChanged({ link, destination }, true);
    return null;
  }

  #space(namespace: string | null): Map<string, FakeLink> {
    const space = this.#spaces.get(namespace);
    assert(space !== undefined, 'the namespace is there');
    return space;
  }

  #fresh(name: string, kind: Link['kind']): FakeLink {
    const number = (this.#made++).toString(16).padStart(6, '0');
    const mac = `02:00:00:${number.match(/../g)?.join(':')}`;
    return { name, kind, up: false, mtu: DEFAULT_MTU, mac, master: null, addresses: new Set(), peer: null };
  }

  #put(namespace: string | null, link: FakeLink): void {
    this.#space(namespace).set(link.name, link);
    this.#tell(namespace, link);
  }

  #tell(namespace: string | null, { name, up, peer }: FakeLink): void {
    const other = peer && this.#spaces.get(peer.namespace)?.get(peer.name);
    const news = up ? (peer && !other?.up ? 'no-carrier' : 'up') : 'down';
    this.#listener.linkChanged({ namespace, name }, news);
  }

  #addBridge(namespace: string | null, step: LinkStep & { op: 'add-bridge' }): StepResult {
    const found = this.#space(namespace).get(linkName(step.name));
    if (found) return found.kind === 'bridge' ? null : `${step.name} exists`;
    const link = this.#fresh(step.name, 'bridge');
    this.#put(namespace, { ...link, mtu: mtuValue(step.mtu), mac: macAddress(step.mac ?? link.mac) });
    return null;
  }

  #addVxlan(namespace: string | null, step: LinkStep & { op: 'add-vxlan' }): StepResult {
    const { id, local, port, learning = true } = step;
    const found = this.#space(namespace).get(linkName(step.name))?.vxlan;
    const same = found?.id === id && found.local === local && found.port === port;
    if (same && found.learning === learning) return null;
    if (this.#space(namespace).has(step.name)) return `${step.name} exists`;
    for (const other of this.#space(namespace).values()) {
      if (other.vxlan?.id === id && other.vxlan.port === port) return `VNI ${id} is in use by ${other.name}`;
    }
    const vxlan = { id, local: ipAddress(local), port, learning };
    this.#put(namespace, { ...this.#fresh(step.name, 'vxlan'), mtu: mtuValue(step.mtu), vxlan });
    if (namespace === null) this.#flood.set(step.name, new Set());
    return null;
  }

  #addVlan(namespace: string | null, step: LinkStep & { op: 'add-vlan' }): StepResult {
    const { id, on } = step;
    if (!this.hasVlans) return 'Unknown device type.';
    const space = this.#space(namespace);
    const found = space.get(linkName(step.name));
    if (found?.vlan?.id === id && found.vlan.on === on) return null;
    if (found) return `${step.name} exists`;
    if (!space.has(linkName(on))) return `no link ${on}`;
    for (const { name, vlan } of space.values())
      if (vlan?.id === id && vlan.on === on) return `VLAN ${id} of ${on} is in use by ${name}`;
    this.#put(namespace, { ...this.#fresh(step.name, 'vlan'), mtu: mtuValue(step.mtu), vlan: { id, on } });
    return null;
  }

  #addVeth(namespace: string | null, step: LinkStep & { op: 'add-veth' }): StepResult {
    const { peer } = step;
    const there = this.#spaces.get(namespaceName(peer.namespace));
    if (there === undefined) return `no namespace ${peer.namespace}`;
    if (this.#space(namespace).has(linkName(step.name)) || there.has(linkName(peer.name)))
      return 'link exists';
    const mtu = mtuValue(step.mtu);
    const here = { namespace, name: step.name };
    this.#put(namespace, { ...this.#fresh(step.name, 'veth'), mtu, peer });
    const other = this.#fresh(peer.name, 'veth');
    this.#put(peer.namespace, { ...other, mtu, mac: macAddress(peer.mac), peer: here });
    return null;
  }

  #set(namespace: string | null, step: LinkStep & { op: 'set-link' }): StepResult {
    const link = this.#space(namespace).get(linkName(step.name));
    if (link === undefined) return `no link ${step.name}`;
    const state = () =>
      JSON.stringify([link.up, link.mtu, link.mac, link.master, link.bridging, link.filtered]);
    const before = state();
    let failure: StepResult = null;
    if (step.mac !== undefined) link.mac = macAddress(step.mac);
    if (step.mtu !== undefined) link.mtu = mtuValue(step.mtu);
    if (step.master !== undefined) failure = this.#join(namespace, link, step.master);
    if (step.bridging !== undefined) {
      if (link.master === null) failure ??= `${link.name} is in no bridge`;
      else link.bridging = step.bridging;
    }
    if (step.filtered !== undefined) {
      if (link.kind !== 'bridge') failure ??= `${link.name} is not a bridge`;
      else if (step.filtered) link.filtered = true;
      else delete link.filtered;
    }
    if (step.up !== undefined) link.up = step.up;
    if (state() !== before) {
      this.#tell(namespace, link);
      const other = link.peer && this.#spaces.get(link.peer.namespace)?.get(link.peer.name);
      // It has gained or lost its carrier.
      if (link.peer && other?.up) this.#tell(link.peer.namespace, other);
    }
    return failure;
  }

  #join(namespace: string | null, link: FakeLink, bridge: string | null): StepResult {
    if (bridge !== null && this.#space(namespace).get(linkName(bridge))?.kind !== 'bridge')
      return `no bridge ${bridge}`;
    if (bridge === link.master) return null;
    link.master = bridge;
    if (bridge === null) delete link.bridging;
    else link.bridging = NEW_MEMBER;
    return null;
  }

  #delete(namespace: string | null, name: string): void {
    const space = this.#space(namespace);
    const link = space.get(name);
    if (link === undefined) return;
    space.delete(name);
    if (namespace === null) this.#flood.delete(name);
    for (const member of space.values()) {
      if (member.master !== name) continue;
      member.master = null;
      delete member.bridging;
      this.#tell(namespace, member);
    }
    this.#listener.linkChanged({ namespace, name }, 'gone');
    for (const above of [...space.values()]) if (above.vlan?.on === name) this.#delete(namespace, above.name);
    if (link.peer !== null && this.#spaces.has(link.peer.namespace))
      this.#delete(link.peer.namespace, link.peer.name);
  }

  #changeAddress(
    namespace: string | null,
    step: LinkStep & { op: 'add-address' | 'delete-address' },
  ): StepResult {
    const link = this.#space(namespace).get(linkName(step.link));
    const address = addressWithPrefix(step.address);
    if (step.op === 'add-address' && link === undefined) return `no link ${step.link}`;
    if (link === undefined || link.addresses.has(address) === (step.op === 'add-address')) return null;
    if (step.op === 'add-address') link.addresses.add(address);
    else link.addresses.delete(address);
    if (namespace !== null)
      this.#listener.addressChanged(namespace, step.op === 'add-address' ? 'came' : 'went', address);
    return null;
  }
}
