/** Which faults met which states of this world. */
import { addCoverage, type Coverage } from '../coverage.ts';
import type { L3World } from './world.ts';

export class RoleCoverage {
  readonly found: Coverage = {};
  readonly #world: L3World;

  constructor(world: L3World) {
    this.#world = world;
  }

  /** Counts what a fault of this kind meets; to be called before it strikes. */
  async meet(kind: string): Promise<void> {
    const { truth, machines, servers, agents, troubles } = this.#world;
    const holders = await Promise.all(truth.routers().map((id) => truth.holders(id)));
    const wires = troubles.names().map((name) => name.split(' ')[0] ?? '');
    const states: Readonly<Record<string, boolean>> = {
      'one active': holders.every((all) => all.length === 1),
      'two actives': holders.some((all) => all.length > 1),
      'no active': holders.some((all) => all.length === 0),
      'tunnel cut': wires.includes('tunnel'),
      'management cut': wires.includes('management'),
      'external cut': wires.includes('external'),
      'host off': machines.some((machine) => machine.isOff),
      'keepalived hangs': machines.some((machine) => truth.routers().some((id) => machine.isStuck(id))),
      'agent down': agents.some((agent) => !agent.life?.alive),
      'server down': servers.some((server) => !server.life?.alive),
      unattended: truth.isUnattended(),
      'script bad': this.#world.scripts.size > 0,
    };
    for (const [state, isSo] of Object.entries(states))
      if (isSo) addCoverage(this.found, { [kind]: { [state]: 1 } });
  }
}
