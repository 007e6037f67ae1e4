/** Answers what hosts ask of one another's addresses (ICMP echo), by the wires between them. */
import { healthAddress } from '../../../src/resources/health-address.ts';
import type { L3Machine } from './machine.ts';
import type { Wire } from './underlay.ts';
import type { L3World } from './world.ts';

const TICK_MS = 50;

/** Of a server's machine on the management wire. */
export const serverAddress = (i: number): string => `198.51.100.${201 + i}`;

export class ProbeAnswers {
  readonly #world: L3World;
  /** By host, address and size, when the next answer is due. */
  readonly #due = new Map<string, number>();

  constructor(world: L3World) {
    this.#world = world;
  }

  /** Answers from now on, for ever. */
  begin(): void {
    for (const machine of this.#world.machines) if (!machine.isOff) this.#answer(machine);
    this.#world.scheduler.after(TICK_MS, '', () => this.begin());
  }

  #answer(machine: L3Machine): void {
    const { now } = this.#world.scheduler;
    for (const { address, intervalMs, bytes } of machine.host.probed()) {
      const name = `${machine.name} ${address} ${bytes}`;
      if ((this.#due.get(name) ?? 0) > now) continue;
      this.#due.set(name, now + intervalMs);
      machine.host.answerProbe(address, this.#isReached(machine, address));
    }
  }

  #isReached(machine: L3Machine, address: string): boolean {
    const { machines, servers, underlay, network } = this.#world;
    // the machine answers, whatever its server does
    const server = servers.find((_, i) => serverAddress(i) === address);
    if (server) return underlay.joins('management', machine.name, server.name) && !network.isLost();
    return machines.some((other) => {
      const wire = wireOf(other, address);
      if (wire === undefined || !underlay.joins(wire, machine.name, other.name)) return false;
      const isInside = ![other.tunnelIp, other.managementIp].includes(address);
      return (!isInside || underlay.carries(wire, machine.name, other.name)) && !network.isLost();
    });
  }
}

function wireOf(machine: L3Machine, address: string): Wire | undefined {
  const { tunnelIp, managementIp } = machine;
  if ([managementIp, healthAddress(managementIp, 'management')].includes(address)) return 'management';
  return [tunnelIp, healthAddress(tunnelIp)].includes(address) ? 'tunnel' : undefined;
}
