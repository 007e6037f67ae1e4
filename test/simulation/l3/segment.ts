/**
 * Who hears what a replica says on its HA segment: by the links, bridges, tunnels and flood entries that its host and theirs
 * really have, and by the wires between them.
 */
import type { Link } from '../../../src/host/host.ts';
import type { L3Machine, Picture } from './machine.ts';
import { tapOfLink } from './keepalived.ts';
import type { Underlay, Wire } from './underlay.ts';

export interface Hearer {
  readonly machine: L3Machine;
  readonly wire: Wire;
}

const isUp = (link: Link | undefined): link is Link => link?.up === true;

/** Tunnels of the bridge on which the tap is. */
function tunnelsBehind(picture: Picture, tapName: string): Link[] {
  const tap = picture.links.get(tapName);
  const bridge = picture.links.get(tap?.master ?? '');
  if (!isUp(tap) || !isUp(bridge)) return [];
  return [...picture.links.values()].filter(
    (link) => link.kind === 'vxlan' && link.up && link.master === bridge.name,
  );
}

export class Segment {
  readonly #machines: readonly L3Machine[];
  readonly #underlay: Underlay;

  constructor(machines: readonly L3Machine[], underlay: Underlay) {
    this.#machines = machines;
    this.#underlay = underlay;
  }

  /** Machines to whose tunnel of that VNI the flood comes, and by which wire. A machine may be in it once for each wire. */
  async reached(from: L3Machine, link: string): Promise<Hearer[]> {
    const picture = await from.look();
    const found: Hearer[] = [];
    for (const { name, vxlan } of tunnelsBehind(picture, tapOfLink(link))) {
      if (!vxlan) continue;
      for (const { destination } of picture.flood.filter((entry) => entry.link === name)) {
        const hearer = this.#at(destination);
        if (!hearer || hearer.machine === from || !isOwn(from, vxlan.local, hearer.wire)) continue;
        if (!this.#underlay.carries(hearer.wire, from.name, hearer.machine.name)) continue;
        if (await this.#takes(hearer.machine, destination, vxlan)) found.push(hearer);
      }
    }
    return found;
  }

  #at(address: string): Hearer | undefined {
    for (const machine of this.#machines) {
      if (machine.tunnelIp === address) return { machine, wire: 'tunnel' };
      if (machine.managementIp === address) return { machine, wire: 'management' };
    }
    return undefined;
  }

  async #takes(
    machine: L3Machine,
    local: string,
    { id, port }: { id: number; port: number },
  ): Promise<boolean> {
    const { links } = await machine.look();
    return [...links.values()].some(
      ({ vxlan, up, master }) =>
        up &&
        vxlan?.id === id &&
        vxlan.port === port &&
        vxlan.local === local &&
        isUp(links.get(master ?? '')),
    );
  }
}

const isOwn = (machine: L3Machine, local: string, wire: Wire) =>
  local === (wire === 'tunnel' ? machine.tunnelIp : machine.managementIp);
