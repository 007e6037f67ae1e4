/** What must hold of service: an active that cannot serve gives way to one that can, and the rows say who is active. */
import { Violation } from '../violation.ts';
import type { L3Machine } from './machine.ts';
import { Since } from './since.ts';
import type { L3World } from './world.ts';

/** How long, in good weather and where messages and steps get lost. */
type Bound = readonly [number, number];
/** An active without tunnels or without the outside, while a replica that was well all along hears it. */
const USELESS_MS: Bound = [1_500, 8_000];
/** The rows are wrong about a replica whose agent runs and reaches every server; a report that got lost is given up after 5 s. */
const WRONG_MS: Bound = [8_000, 40_000];

type Holders = ReadonlyMap<string, readonly L3Machine[]>;

export class ServiceWatch {
  readonly #world: L3World;
  readonly #useless = new Since();
  readonly #wrong = new Since();
  /** Hosts that something was wrong with, at any time. */
  readonly #spotted = new Set<string>();
  longestUselessMs = 0;
  longestWrongMs = 0;

  constructor(world: L3World) {
    this.#world = world;
  }

  async look(holders: Holders, isFair: boolean): Promise<void> {
    const { now } = this.#world.scheduler;
    const at = isFair ? 0 : 1;
    const useless = await this.#uselessActives(holders);
    for (const [name, forMs] of this.#useless.look(useless, now)) {
      this.longestUselessMs = Math.max(this.longestUselessMs, forMs);
      const [id, host, other] = name.split(' ');
      if (forMs > USELESS_MS[at])
        throw new Violation(
          'useful active',
          `${host} has ${id} and cannot serve for ${forMs} ms; ${other} could`,
        );
    }
    for (const [name, forMs] of this.#wrong.look(this.#wrongRows(holders), now)) {
      this.longestWrongMs = Math.max(this.longestWrongMs, forMs);
      if (forMs > WRONG_MS[at]) throw new Violation('rows say who', `${name} for ${forMs} ms`);
    }
  }

  /** Names `router holder other`. */
  async #uselessActives(holders: Holders): Promise<string[]> {
    const { machines, truth, scripts } = this.#world;
    for (const machine of machines)
      if (!this.#isUseful(machine) || !truth.isAgentWell(machine.name) || scripts.has(machine.name))
        this.#spotted.add(machine.name);
    const names: string[] = [];
    for (const [id, [active, second]] of holders) {
      if (!active || second || this.#isUseful(active) || !truth.isAgentWell(active.name)) continue;
      for (const other of machines) {
        if (this.#spotted.has(other.name) || (await truth.readiness(other, id)) !== 'free') continue;
        if (!this.#reachesAny(other, id)) continue;
        if (truth.evidence(id, active, other).includes('heartbeat'))
          names.push(`${id} ${active.name} ${other.name}`);
      }
    }
    return names;
  }

  /** What is sent by its tunnels and to the outside arrives somewhere. */
  #isUseful(machine: L3Machine): boolean {
    const { machines, underlay } = this.#world;
    if (machine.isOff || underlay.isDark('external', machine.name)) return false;
    return machines.some((other) => other !== machine && underlay.joins('tunnel', machine.name, other.name));
  }

  /**
   * By tunnels it reaches a host that the router's networks are on. Others nobody asks for their own sake, and nobody is served there: where
   * all that are asked are silent, each of those who ask seems to be the one that is cut off.
   */
  #reachesAny({ name }: L3Machine, id: string): boolean {
    const { store, truth, underlay } = this.#world;
    const ports = store.rows('ports');
    const networks = ports.filter((port) => port.device_id === id).map((port) => port.network_id);
    const served = ports.filter((port) => networks.includes(port.network_id)).map((port) => port.host);
    const hosts = new Set(
      [...truth.replicas(id), ...served.map((host) => ({ host }))].map(({ host }) => host),
    );
    return [...hosts].some((host) => host && host !== name && underlay.joins('tunnel', name, host));
  }

  #wrongRows(holders: Holders): string[] {
    const { truth, servers, underlay, troubles } = this.#world;
    const areUp = servers.every(({ life }) => life?.alive && !life.isFrozen);
    if (!areUp || troubles.names().some((name) => name.startsWith('no database'))) return [];
    const isHeard = (name: string) =>
      truth.isAgentWell(name) && servers.every((server) => underlay.joins('management', name, server.name));
    return [...holders].flatMap(([id, hosts]) => {
      const have = new Set(hosts.map(({ name }) => name));
      return truth
        .replicas(id)
        .filter(({ host, ha_state }) => isHeard(host) && (ha_state === 'active') !== have.has(host))
        .map(({ host, ha_state }) => `${id} on ${host} is said to be ${ha_state}, and is not`);
    });
  }
}
