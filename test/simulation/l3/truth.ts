/** What is so, read from hosts and wires and with none of the code under test: who has a router, who could, who can tell whom. */
import type { RouterBindingRow } from '../../../src/resources/router.ts';
import type { MemoryStore } from '../../../src/store/memory/memory-store.ts';
import { type L3Machine, wiredLinks } from './machine.ts';
import type { L3World } from './world.ts';

/**
 * By what it could be known that two are active: they hear each other; the agent of one sees that nothing decides any more over the
 * addresses on its own host; a server hears both agents; one of them reaches nobody, and meets the other on the outside.
 */
export const EVIDENCE = ['heartbeat', 'agent', 'server', 'outside'] as const;
export type Evidence = (typeof EVIDENCE)[number];

export type Readiness = 'free' | 'leased';

export class Truth {
  readonly #world: L3World;

  constructor(world: L3World) {
    this.#world = world;
  }

  get #store(): MemoryStore {
    return this.#world.store;
  }

  /** Ids of the HA routers that are to be served. */
  routers(): string[] {
    return this.#store
      .rows('routers')
      .filter((router) => router.ha && router.admin_state_up)
      .map((router) => router.id);
  }

  replicas(routerId: string): RouterBindingRow[] {
    return this.#store.rows('routerBindings').filter((binding) => binding.router_id === routerId);
  }

  /** The addresses that only the active has, without prefix: of the gateway, or else of an interface. */
  signs(routerId: string): string[] {
    const ports = this.#store.rows('ports').filter((port) => port.device_id === routerId);
    const gateway = ports.find((port) => port.device_owner === 'network:router_gateway');
    const shown = gateway ?? ports.find((port) => port.device_owner !== 'network:router_ha_interface');
    return shown?.fixed_ips.map((one) => one.ip_address) ?? [];
  }

  /** Whether the router has anything by which an active can be told. */
  hasSign(routerId: string): boolean {
    return this.signs(routerId).length > 0;
  }

  /** Hosts that answer for the router's addresses now. */
  async holders(routerId: string): Promise<L3Machine[]> {
    const signs = this.signs(routerId);
    const found: L3Machine[] = [];
    for (const machine of this.#world.machines) {
      if (machine.isOff) continue;
      const links = wiredLinks(await machine.look(), routerId);
      const held = links.flatMap((link) => link.addresses.map((one) => one.split('/')[0] ?? ''));
      if (signs.some((sign) => held.includes(sign))) found.push(machine);
    }
    return found;
  }

  /** Whether it answers for an address on the outside. */
  async answersFor(machine: L3Machine, address: string): Promise<boolean> {
    if (machine.isOff) return false;
    const { routers } = await machine.look();
    const links = [...routers.values()].flatMap((all) => [...all.values()]);
    const holds = ({ addresses }: { addresses: readonly string[] }) =>
      addresses.some((one) => one.startsWith(`${address}/`));
    return links.some((link) => link.name.startsWith('qg-') && link.up && holds(link));
  }

  /** Nobody is to be reached by tunnels or over the management network. */
  isAlone(machine: L3Machine): boolean {
    const { underlay, machines, servers } = this.#world;
    const { name } = machine;
    return (
      !servers.some((server) => underlay.joins('management', name, server.name)) &&
      !machines.some(
        (other) =>
          other !== machine &&
          (['tunnel', 'management'] as const).some((wire) => underlay.joins(wire, name, other.name)),
      )
    );
  }

  /**
   * Its keepalived runs on a link that is wired: nothing of its host keeps it from serving. `leased`: but it was told to stand
   * back for a while.
   */
  async readiness(machine: L3Machine, routerId: string): Promise<Readiness | undefined> {
    if (!machine.isTakingPart(routerId)) return undefined;
    const links = wiredLinks(await machine.look(), routerId);
    const isWired =
      links.some(({ name }) => name.startsWith('ha-')) && links.some(({ name }) => name.startsWith('qg-'));
    if (!isWired) return undefined;
    return machine.keepalivedOf(routerId)?.state === 'fault' ? 'leased' : 'free';
  }

  /**
   * What another hand took from an HA segment, or came to it meanwhile, only an agent that is well and knows of it puts there: one that has
   * heard no server since the other's replica was made sends it nothing. Where a server hears both, two are judged by that.
   */
  async canHear(routerId: string, one: L3Machine, other: L3Machine): Promise<boolean> {
    const made = this.replicas(routerId).map(({ host }) => host);
    const knows = ({ name }: L3Machine, of: L3Machine) => {
      const { hasSynced, mirror } = this.#world.agent(name);
      const isNew = made.includes(of.name) && !mirror?.group(`router/${routerId}`)?.has(`replica/${of.name}`);
      return this.isAgentWell(name) && hasSynced && !isNew;
    };
    if (knows(one, other) && knows(other, one)) return true;
    const hears = async (from: L3Machine, to: L3Machine) => {
      const link = from.keepalivedOf(routerId)?.config?.link;
      const reached = link === undefined ? [] : await this.#world.segment.reached(from, link);
      return reached.some(({ machine }) => machine === to);
    };
    return (await hears(one, other)) && (await hears(other, one));
  }

  isAgentWell(name: string): boolean {
    const { life } = this.#world.agent(name);
    return life?.alive === true && !life.isFrozen;
  }

  /** Names of the servers that could hear its agent now. */
  #serversOf(name: string): string[] {
    const { underlay, servers, troubles } = this.#world;
    const hasNoDatabase = (server: string) =>
      troubles.has('no database') || troubles.has(`no database ${server}`);
    const hears = ({ name: server, life }: (typeof servers)[number]) =>
      life?.alive && !life.isFrozen && !hasNoDatabase(server) && underlay.joins('management', name, server);
    return servers.filter(hears).map((server) => server.name);
  }

  /** A server could hear its agent, and none does: it has yet to find out that the one it went to stands still, or did not hear it. */
  isUnheard(name: string): boolean {
    const able = this.#serversOf(name);
    const isHeard = [...this.#world.network.connections].some(
      ({ agent, server }) => agent === name && able.includes(server),
    );
    return able.length > 0 && !isHeard;
  }

  /** By what it could be known now that the two both have the router. */
  evidence(routerId: string, one: L3Machine, other: L3Machine): Evidence[] {
    const { underlay } = this.#world;
    const both = [one, other];
    const agents = both.every(({ name }) => this.isAgentWell(name));
    const found: Evidence[] = [];
    const takePart = both.every((machine) => machine.isTakingPart(routerId));
    const isJoined = (['tunnel', 'management'] as const).some((wire) =>
      underlay.joins(wire, one.name, other.name),
    );
    if (takePart && isJoined) found.push('heartbeat');
    const isLeft = (machine: L3Machine) => machine.keepalivedOf(routerId) === undefined;
    if (both.some((machine) => isLeft(machine) && this.isAgentWell(machine.name))) found.push('agent');
    if (agents && both.every(({ name }) => this.#serversOf(name).length > 0)) found.push('server');
    const isLone = both.some((machine) => this.isAlone(machine));
    if (agents && takePart && isLone && underlay.joins('external', one.name, other.name))
      found.push('outside');
    return found;
  }

  /** Nobody is there who could decide anything but keepalived. */
  isUnattended(): boolean {
    const { servers, agents } = this.#world;
    const isDown = ({ life }: { life: { alive: boolean; isFrozen: boolean } | undefined }) =>
      !life?.alive || life.isFrozen;
    return servers.every(isDown) && agents.every(isDown);
  }
}
