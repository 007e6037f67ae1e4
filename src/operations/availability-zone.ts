/** Availability zones are what agents say of themselves; a network is in those of the agents that serve its DHCP. */
import { display } from '../resources/values.ts';
import type { Tables } from '../store/store.ts';
import { availabilityZoneNotFound } from './faults.ts';
import type { Call } from './operation.ts';

export interface AvailabilityZone {
  readonly name: string;
  readonly resource: 'network' | 'router';
  /** available: an agent in it is connected and switched on. */
  readonly state: 'available' | 'unavailable';
}

/**
 * Throws AvailabilityZoneNotFound for a hint that names no zone of the agents that could have the resource, whether these live or not:
 * as Neutron does.
 */
export async function checkZoneHints(
  tables: Tables,
  resource: AvailabilityZone['resource'],
  asked: readonly { readonly availability_zone_hints?: readonly string[] | null | undefined }[],
): Promise<void> {
  const hints = new Set(asked.flatMap((one) => one.availability_zone_hints ?? []));
  if (hints.size === 0) return;
  const role = resource === 'network' ? 'dhcp' : 'l3';
  const agents = await tables.agents.find({ role, availability_zone: [...hints] });
  const known = new Set(agents.map((agent) => agent.availability_zone));
  const unknown = [...hints].find((name) => !known.has(name));
  if (unknown !== undefined) throw availabilityZoneNotFound(display(unknown));
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
