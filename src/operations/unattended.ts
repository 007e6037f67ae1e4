/** The facts by which `convergence/unattended.ts` says what nobody is there to realise. Bounded by the rows asked of. */
import type { OwnOwed } from '../convergence/own.ts';
import { type Asked, isOfReplicas, unattended } from '../convergence/unattended.ts';
import type { AgentRow, Role } from '../resources/agent.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { Tables } from '../store/store.ts';

export interface AttendanceQuery {
  readonly asked: Asked;
  readonly roles: readonly Role[];
  /** All of these roles, or at least those of the hosts that have to do with it. */
  readonly agents: readonly AgentRow[];
  readonly isHeard: (agent: AgentRow) => boolean;
}

/** What of it nobody is there to realise. */
export async function readUnattended(tables: Tables, query: AttendanceQuery): Promise<OwnOwed[]> {
  const { asked, roles, agents } = query;
  const networks = roles.includes('dhcp') ? await dhcpNetworks(tables, asked) : [];
  const ids = roles.includes('l3') ? routerIds(asked) : [];
  const routers = ids.length === 0 ? [] : await tables.routers.find({ id: ids, admin_state_up: true });
  const heard = new Set(agents.filter(query.isHeard).map((agent) => agent.id));
  return unattended(asked, {
    roles,
    agents,
    isHeard: (id) => heard.has(id),
    dhcpSubnets:
      networks.length === 0 ? [] : await tables.subnets.find({ network_id: networks, enable_dhcp: true }),
    dhcpBindings: networks.length === 0 ? [] : await tables.dhcpBindings.find({ network_id: networks }),
    routers: new Set(routers.map((router) => router.id)),
    routerBindings: routers.length === 0 ? [] : await tables.routerBindings.find({ router_id: ids }),
  });
}

/** Those that are up, of all that DHCP may be asked of. */
async function dhcpNetworks(tables: Tables, asked: Asked): Promise<string[]> {
  const subnets =
    asked.subnets.size === 0 ? [] : await tables.subnets.find({ id: [...asked.subnets], enable_dhcp: true });
  const bound = asked.ports.filter((port) => port.host !== '').map((port) => port.network_id);
  const ids = new Set([...asked.networks, ...subnets.map((subnet) => subnet.network_id), ...bound]);
  if (ids.size === 0) return [];
  return (await tables.networks.find({ id: [...ids], admin_state_up: true })).map((network) => network.id);
}

const routerIds = ({ ports }: Asked): string[] => [
  ...new Set(ports.filter(isOfReplicas).flatMap((port) => canonicalUuid(port.device_id) ?? [])),
];
