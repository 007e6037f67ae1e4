/** Availability zones are what agents say of themselves; a network is in those of the agents that serve its DHCP. */
import type { Tables } from '../store/store.ts';
import type { Call } from './operation.ts';

export interface AvailabilityZone {
  readonly name: string;
  readonly resource: 'network' | 'router';
  /** available: an agent in it is connected and switched on. */
  readonly state: 'available' | 'unavailable';
}

/** The zones of the agents that serve each network, in order. */
export async function zonesOfNetworks(
  tables: Tables,
  networkIds: readonly string[],
): Promise<Map<string, string[]>> {
  const zones = new Map<string, string[]>();
  if (networkIds.length === 0) return zones;
  const bindings = await tables.dhcpBindings.find({ network_id: networkIds });
  if (bindings.length === 0) return zones;
  const agents = await tables.agents.find({ id: [...new Set(bindings.map((one) => one.agent_id))] });
  const zoneOf = new Map(agents.map((agent) => [agent.id, agent.availability_zone]));
  for (const [id, own] of Map.groupBy(bindings, (binding) => binding.network_id)) {
    const names = own.map((binding) => zoneOf.get(binding.agent_id)).filter((name) => name !== undefined);
    zones.set(id, [...new Set(names)].sort());
  }
  return zones;
}

/** Every zone that an agent serving networks is in, then every zone with an agent that has routers. */
export async function listZones(tables: Tables, call: Call): Promise<AvailabilityZone[]> {
  const agents = await tables.agents.find({ role: ['dhcp', 'l3'] });
  const zonesOf = (role: 'dhcp' | 'l3', resource: AvailabilityZone['resource']): AvailabilityZone[] =>
    [
      ...Map.groupBy(
        agents.filter((agent) => agent.role === role),
        (agent) => agent.availability_zone,
      ),
    ]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, members]) => {
        const up = members.some((agent) => agent.admin_state_up && call.isAlive(agent));
        return { name, resource, state: up ? 'available' : 'unavailable' };
      });
  return [...zonesOf('dhcp', 'network'), ...zonesOf('l3', 'router')];
}
