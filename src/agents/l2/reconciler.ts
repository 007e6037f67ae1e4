/** The l2 role: see README.md. */
import type { Host, HostEvent, Link } from '../../host/host.ts';
import { CONVERGED, type Outcome } from '../../reconcile/controller.ts';
import {
  hostGroup,
  type InterfaceBody,
  networkGroup,
  type PortBody,
  splitKey,
  tapName,
} from '../../resources/agent-view.ts';
import type { ObjectChange, RoleAgent, World } from '../role.ts';
import { applyPlan } from './apply.ts';
import {
  bridgeName,
  type DesiredNetwork,
  desiredNetwork,
  isOurBridge,
  isTap,
  type L2Settings,
  portsOf,
} from './desired.ts';
import { isFirewallTable } from './firewall/frame.ts';
import { Firewall } from './firewall/firewall.ts';
import { HEALTH_LINKS, HealthLink } from './health-link.ts';
import { HostView } from './host-view.ts';
import { planNetwork, planRemoval } from './plan.ts';
import { QosKeeper } from './qos.ts';
import { QOS_TABLE } from './qos-rules.ts';
import { GUARD_TABLE, TunnelGuard } from './tunnel-guard.ts';
import { HEARTBEAT_PORT, heartbeatName, isVxlan, vlanName, VXLAN_PORT, vxlanName } from './uplinks.ts';

export interface L2Options extends L2Settings {
  readonly host: Host;
  readonly world: World;
}

/** Groups of what ports' firewalls are made of; each is a key. */
const OF_FIREWALL: ReadonlySet<string> = new Set(['security-group', 'members', 'address-group']);

const FIREWALL_RETRY_MS = 1_000;

const NOT_YET: Outcome = {
  shortfalls: [{ object: '', state: 'waiting', reason: 'the mirror is not whole yet' }],
  again: 1000,
};

export function createL2Agent(options: L2Options): RoleAgent {
  return new L2Agent(options);
}

class L2Agent implements RoleAgent {
  readonly role = 'l2';
  readonly #host: Host;
  readonly #world: World;
  readonly #settings: L2Settings;
  readonly #view: HostView;
  readonly #guard: TunnelGuard;
  readonly #firewall: Firewall;
  readonly #qos: QosKeeper;
  /** By name of the link. */
  readonly #health: ReadonlyMap<string, HealthLink>;
  /** Link name to key, for host events; null: to be made anew. */
  #names: Map<string, string> | null = null;
  /** By a link, the keys of what stands on it as VLANs; made with the names. */
  readonly #above = new Map<string, string[]>();
  /** The one device under both ways of HA segments; null: there is none, as far as known. */
  #sharedDevice: string | null = null;
  /** Whether the mirror holds all that it must; null: to be found out anew. */
  #whole: boolean | null = null;

  constructor(options: L2Options) {
    this.#host = options.host;
    this.#world = options.world;
    const { hostName, tunnelIp, managementIp = '', bridgeMappings } = options;
    this.#settings = { hostName, tunnelIp, managementIp, bridgeMappings };
    this.#view = new HostView(options.host);
    this.#guard = new TunnelGuard(options.host, options.world, this.#settings);
    this.#firewall = new Firewall({
      ...{ host: options.host, world: options.world, settings: this.#settings },
      isMember: (link) => isOurBridge(this.#view.link(link)?.master ?? ''),
    });
    this.#qos = new QosKeeper(options.host, options.world);
    const where = { host: options.host, world: options.world, settings: this.#settings };
    this.#health = new Map(
      (['tunnel', 'management'] as const).map((way) => [HEALTH_LINKS[way], new HealthLink(where, way)]),
    );
  }

  *keysOf({ group, key, before, after }: ObjectChange): Iterable<string> {
    const { kind } = splitKey(group);
    if (OF_FIREWALL.has(kind)) {
      this.#firewall.worldChanged();
      yield group;
    }
    if (kind === 'network') {
      this.#forgetWorld();
      yield group;
    }
    if (kind === 'router' && key === group) {
      this.#forgetWorld();
      for (const network of this.#networksOfRouter(group)) yield `network/${network}`;
    }
    const isPort = group === hostGroup(this.#world.host) && splitKey(key).kind === 'port';
    if (group === hostGroup(this.#world.host)) this.#forgetWorld();
    if (!isPort && !(kind === 'router' && splitKey(key).kind === 'interface')) return;
    this.#forgetWorld();
    const was = (before as PortBody | InterfaceBody | undefined)?.network_id;
    const is = (after as PortBody | InterfaceBody | undefined)?.network_id;
    if (is !== undefined) yield `network/${is}`;
    if (was !== undefined && was !== is) yield `network/${was}`;
  }

  /** Also while it is down. */
  #networksOfRouter(group: string): Set<string> {
    const objects = [...(this.#world.group(group) ?? [])];
    return new Set(
      objects.flatMap(([, body]) => ('network_id' in body && 'owner' in body ? [body.network_id] : [])),
    );
  }

  keysOfHostEvent(event: HostEvent): Iterable<string> | 'all' {
    switch (event.type) {
      case 'overflow':
        this.#everythingChanged();
        return 'all';
      case 'ruleset':
        if (event.table !== GUARD_TABLE && event.table !== QOS_TABLE) return [];
        this.#guard.hostChanged();
        this.#qos.hostChanged();
        return this.#anyKey();
      case 'inside':
        // Of what our own hand did there, nothing is told.
        if (!isFirewallTable(event.what) && event.what !== 'unknown') return [];
        this.#firewall.hostChanged();
        return this.#anyKey();
      case 'process-ended':
      case 'process-stuck':
      case 'address':
      case 'namespace':
      case 'file':
        return [];
      case 'flood':
        if (this.#health.has(event.link)) return this.#keysOfHealth(event.link);
        // Mostly the echo of our own steps.
        return this.#view.floodIs(event, event.present) ? this.#keysOfLink(event.link) : [];
      case 'link':
        if (event.namespace !== null) return [];
        return this.#health.has(event.name) ? this.#keysOfHealth(event.name) : this.#keysOfLink(event.name);
    }
  }

  async allKeys(): Promise<string[]> {
    await this.#view.refreshStale();
    const keys = new Set<string>();
    const bridges = new Set<string>();
    for (const group of this.#world.groups()) {
      const { kind, id } = splitKey(group);
      if (kind !== 'network') continue;
      keys.add(group);
      bridges.add(bridgeName(id));
    }
    for (const bridge of this.#view.bridges()) if (!bridges.has(bridge)) keys.add(`bridge/${bridge}`);
    for (const name of this.#orphanTunnels()) keys.add(`tunnel/${name}`);
    return [...keys].sort();
  }

  async observeAll(): Promise<void> {
    this.#everythingChanged();
    this.#sharedDevice = await this.#readSharedDevice();
    // Unless a change that goes before the pass has read it all meanwhile.
    await this.#view.refreshStale();
  }

  async #readSharedDevice(): Promise<string | null> {
    const { tunnelIp, managementIp = '' } = this.#settings;
    if (tunnelIp === '' || managementIp === '') return null;
    const found = await this.#host.underlays([tunnelIp, managementIp]);
    const [one, ...others] = new Set([...found.values()].flatMap(({ devices = [] }) => devices));
    return found.size === 2 && others.length === 0 ? (one ?? null) : null;
  }

  /** A network whose links look as they should is wired: all that a remedy can do is to look again. */
  forget(_key: string): void {
    this.#everythingChanged();
  }

  #everythingChanged(): void {
    this.#guard.hostChanged();
    this.#firewall.hostChanged();
    this.#qos.hostChanged();
    for (const link of this.#health.values()) link.hostChanged();
    this.#view.everythingChanged();
  }

  configurations(): Record<string, unknown> {
    const { tunnelIp, bridgeMappings } = this.#settings;
    return {
      devices: [...portsOf(this.#world)].length,
      tunneling_ip: tunnelIp,
      tunnel_types: tunnelIp === '' ? [] : ['vxlan'],
      l2_population: true,
      ...(this.#sharedDevice === null ? {} : { heartbeat_device: this.#sharedDevice }),
      interface_mappings: Object.fromEntries(bridgeMappings),
      extensions: ['qos'],
    };
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const outcomes = await Promise.all([
      this.#reconcileWithQos(key, signal),
      this.#ensure('tunnel guard', this.#guard),
      ...[...this.#health.values()].map((link) => this.#ensure('health link', link)),
    ]);
    const shortfalls = outcomes.flatMap((outcome) => outcome.shortfalls);
    const [{ again }] = outcomes;
    return {
      shortfalls,
      ...(again === undefined ? {} : { again }),
      ...(outcomes.some(({ repaired }) => repaired) ? { repaired: true } : {}),
    };
  }

  async #reconcileWithQos(key: string, signal: AbortSignal): Promise<Outcome> {
    const links = await this.#reconcileOne(key, signal);
    // Once it is known which links are there.
    const qos = await this.#ensureQos(splitKey(key).id);
    const shortfalls = [...links.shortfalls, ...qos.shortfalls];
    return { ...links, shortfalls, ...(links.repaired || qos.repaired ? { repaired: true } : {}) };
  }

  async #reconcileOne(key: string, signal: AbortSignal): Promise<Outcome> {
    const { kind, id } = splitKey(key);
    if (kind === 'network') return this.#reconcileNetwork(id, signal);
    if (!OF_FIREWALL.has(kind)) return this.#sweep(id);
    const { reason, repaired } = await this.#ensureFirewall();
    const shortfalls = reason === null ? [] : [{ object: '', state: 'failed' as const, reason }];
    return repaired ? { shortfalls, repaired } : { shortfalls };
  }

  /** `reason`: why it is not as it should be. */
  async #ensureFirewall(): Promise<{ reason: string | null; repaired: boolean }> {
    // From half of the mirror it would close what serves.
    try {
      if (!this.#mirrorIsWhole()) {
        await this.#firewall.look();
        return { reason: null, repaired: false };
      }
      return { reason: null, repaired: await this.#firewall.ensure() };
    } catch (error) {
      return { reason: error instanceof Error ? error.message : String(error), repaired: false };
    }
  }

  /** Ports whose firewall does not stand are in no bridge; those whose firewall is not as it should be are not served. */
  #guarded(desired: DesiredNetwork): DesiredNetwork {
    const shortfalls = [...desired.shortfalls];
    const taps = desired.taps.map((tap) => {
      if (!tap.filtered) return tap;
      const reason = this.#firewall.shortfallOf(splitKey(tap.object).id);
      const stands = this.#firewall.stands(tap.link);
      if (stands !== true)
        return {
          ...tap,
          closed: { reason: reason ?? 'its firewall is not there', leaves: stands === false },
        };
      if (reason !== null) shortfalls.push({ object: tap.object, state: 'failed', reason });
      return tap;
    });
    return { ...desired, taps, shortfalls };
  }

  /** What was closed because it was to leave its bridge, and has left it, is forgotten; says why it could not be. */
  async #finishLeaving(): Promise<string | null> {
    const closing = this.#firewall.closing();
    if (closing.length === 0) return null;
    for (const link of closing) this.#view.linkChanged(link);
    await this.#view.refreshStale();
    return (await this.#ensureFirewall()).reason;
  }

  async #reconcileNetwork(id: string, signal: AbortSignal): Promise<Outcome> {
    const desired = desiredNetwork(this.#world, id, this.#settings);
    const bridge = bridgeName(id);
    if (desired === null && !this.#mirrorIsWhole()) return NOT_YET;
    if (desired === null) await this.#view.refreshStale();
    else await this.#view.refresh(bridge, linkNames(desired));
    if (signal.aborted) return { shortfalls: [{ object: '', state: 'failed', reason: 'interrupted' }] };
    const { reason, repaired } = await this.#ensureFirewall();
    const plan =
      desired === null
        ? planRemoval(bridge, this.#view, this.#orphanTunnels())
        : planNetwork(this.#guarded(desired), this.#view);
    const outcome = await applyPlan(plan, this.#host, this.#view);
    const left = (await this.#finishLeaving()) ?? reason;
    // Where no port is left to tell of it, it is tried again all the same.
    const again = left !== null && outcome.again === undefined ? { again: FIREWALL_RETRY_MS } : {};
    return { ...outcome, ...again, ...(repaired ? { repaired } : {}) };
  }

  /** Tunnels as this agent makes them, on no bridge and of no network that the mirror has. */
  #orphanTunnels(): string[] {
    if (!this.#mirrorIsWhole()) return [];
    const wanted = new Set<string>();
    for (const group of this.#world.groups()) {
      const network = this.#world.group(group)?.get(group);
      if (network === undefined || !('network_type' in network)) continue;
      wanted.add(vxlanName(network.segmentation_id ?? 0));
      if (network.ha) wanted.add(heartbeatName(network.segmentation_id ?? 0));
    }
    const { tunnelIp, managementIp } = this.#settings;
    const isAsMadeHere = ({ name, vxlan }: Link) =>
      vxlan !== undefined &&
      ((name === vxlanName(vxlan.id) && vxlan.port === VXLAN_PORT && vxlan.local === tunnelIp) ||
        (name === heartbeatName(vxlan.id) && vxlan.port === HEARTBEAT_PORT && vxlan.local === managementIp));
    return this.#view
      .tunnels()
      .filter((link) => link.master === null && !wanted.has(link.name) && isAsMadeHere(link))
      .map((link) => link.name);
  }

  #forgetWorld(): void {
    this.#names = null;
    this.#whole = null;
    this.#guard.worldChanged();
    this.#firewall.worldChanged();
    this.#qos.worldChanged();
    for (const link of this.#health.values()) link.worldChanged();
  }

  /**
   * An agent that lost its mirror gets it group by group, while machines use what an earlier life made. Nothing may be
   * taken away until the networks of all bound ports are there.
   */
  #mirrorIsWhole(): boolean {
    if (this.#whole !== null) return this.#whole;
    this.#whole = this.#world.group(hostGroup(this.#world.host)) !== undefined;
    for (const port of portsOf(this.#world)) {
      if (this.#world.group(networkGroup(port.network_id)) === undefined) this.#whole = false;
    }
    return this.#whole;
  }

  /** A bridge, or a tunnel, that no network of the mirror has. */
  async #sweep(bridge: string): Promise<Outcome> {
    for (const group of this.#world.groups()) {
      const { kind, id } = splitKey(group);
      if (kind === 'network' && bridgeName(id) === bridge) return CONVERGED;
    }
    if (!this.#mirrorIsWhole()) return NOT_YET;
    await this.#view.refreshStale();
    return applyPlan(planRemoval(bridge, this.#view, this.#orphanTunnels()), this.#host, this.#view);
  }

  /** What is the host's as a whole. */
  async #ensure(what: string, part: TunnelGuard | HealthLink): Promise<Outcome> {
    // From half of the networks it would shut out the other half's endpoints.
    if (!this.#mirrorIsWhole()) return CONVERGED;
    try {
      return { shortfalls: [], repaired: await part.ensure() };
    } catch (error) {
      // The ports work without it: it is the host that falls short, not the network.
      const reason = `${what}: ${error instanceof Error ? error.message : String(error)}`;
      return { shortfalls: [{ object: hostGroup(this.#world.host), state: 'failed', reason }] };
    }
  }

  /** Limits and marks of ports: what does not stand, its port falls short of. */
  async #ensureQos(networkId: string): Promise<Outcome> {
    // From a part of the ports it would take away what the others have.
    if (!this.#mirrorIsWhole()) return CONVERGED;
    return this.#qos.ensure(networkId, (link) => this.#view.link(link) !== undefined);
  }

  #keysOfHealth(link: string): string[] {
    this.#health.get(link)?.hostChanged();
    return this.#anyKey();
  }

  /** Any network's run looks after what is the host's. */
  #anyKey(): string[] {
    for (const group of this.#world.groups()) if (splitKey(group).kind === 'network') return [group];
    return [];
  }

  #keysOfLink(name: string): string[] {
    const master = this.#view.link(name)?.master ?? '';
    const names = this.#nameIndex();
    const ours = isOurBridge(name) || isTap(name) || isVxlan(name) || isOurBridge(master) || names.has(name);
    const physical = !ours && [...this.#settings.bridgeMappings.values()].includes(name);
    if (!ours && !physical) return [];
    this.#view.linkChanged(name);
    this.#qos.linkChanged(name);
    const key = names.get(name) ?? names.get(master);
    const above = this.#above.get(name) ?? [];
    return key === undefined ? above : [key, ...above];
  }

  #nameIndex(): ReadonlyMap<string, string> {
    if (this.#names !== null) return this.#names;
    const names = new Map<string, string>();
    this.#above.clear();
    for (const group of this.#world.groups()) {
      const { kind, id } = splitKey(group);
      if (kind !== 'network') continue;
      names.set(bridgeName(id), group);
      const network = this.#world.group(group)?.get(group);
      if (network === undefined || !('network_type' in network)) continue;
      const vni = network.segmentation_id ?? 0;
      if (network.network_type === 'vxlan') names.set(vxlanName(vni), group);
      if (network.ha) names.set(heartbeatName(vni), group);
      const physical = this.#settings.bridgeMappings.get(network.physical_network ?? '');
      if (physical === undefined) continue;
      if (network.network_type === 'flat') names.set(physical, group);
      if (network.network_type !== 'vlan') continue;
      names.set(vlanName(physical, vni), group);
      this.#addAbove(physical, group);
    }
    for (const { id, network_id, subport } of portsOf(this.#world)) {
      names.set(tapName(id), `network/${network_id}`);
      if (subport) this.#addAbove(tapName(subport.parent), `network/${network_id}`);
    }
    this.#names = names;
    return names;
  }

  #addAbove(link: string, key: string): void {
    this.#above.set(link, [...(this.#above.get(link) ?? []), key]);
  }
}

function linkNames(desired: DesiredNetwork): string[] {
  const taps = desired.taps.flatMap(({ vlan }) => (vlan ? [vlan.on] : []));
  const uplinks = desired.uplinks.flatMap((one) => (one.kind === 'vlan' ? [one.on] : []));
  return [...[...desired.uplinks, ...desired.taps].map((one) => one.link), ...taps, ...uplinks];
}
