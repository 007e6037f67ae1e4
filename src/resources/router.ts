import type { StandardAttributes } from './standard.ts';
import type { HostRoute } from './subnet.ts';

/** A router as stored. `external_gateway_info` is made of `enable_snat` and the gateway port. */
export interface RouterRow extends StandardAttributes {
  name: string;
  admin_state_up: boolean;
  status: 'ACTIVE' | 'ALLOCATING' | 'ERROR';
  ha: boolean;
  /** The segment on which its replicas talk, and VRRP's number of it there; null unless `ha`. */
  ha_network_id: string | null;
  ha_vr_id: number | null;
  gw_port_id: string | null;
  enable_snat: boolean;
  routes: HostRoute[];
  availability_zone_hints: string[];
}

/** A replica of a router. */
export interface RouterBindingRow {
  readonly router_id: string;
  readonly agent_id: string;
  readonly host: string;
  /** 0 is preferred; of one router no two are equal. */
  rank: number;
  /** It serves on until enough others do, and then goes. */
  leaving: boolean;
  /** As last reported; of a router that is not HA always `unknown`. */
  ha_state: 'active' | 'standby' | 'unknown';
  /** The transaction that made it, and its position (null until that has committed): served from there on counts. */
  readonly tag: number;
  readonly position: number | null;
}

/** A segment on which replicas of one project's HA routers talk; the network itself has no project. */
export interface HaNetworkRow {
  readonly network_id: string;
  readonly project_id: string;
}

export const ROUTER_INTERFACE_OWNER = 'network:router_interface';
export const ROUTER_GATEWAY_OWNER = 'network:router_gateway';
export const ROUTER_HA_OWNER = 'network:router_ha_interface';
export const ROUTER_REPLICATED_OWNER = 'network:ha_router_replicated_interface';

/** Neutron's owners of ports that a router has. */
export type RouterPortOwner =
  | typeof ROUTER_INTERFACE_OWNER
  | typeof ROUTER_GATEWAY_OWNER
  | typeof ROUTER_HA_OWNER
  | typeof ROUTER_REPLICATED_OWNER;

/** Owners of the ports by which networks are attached to routers. */
export const INTERFACE_OWNERS: readonly string[] = [ROUTER_INTERFACE_OWNER, ROUTER_REPLICATED_OWNER];

export const ROUTER_PORT_OWNERS: readonly string[] = [
  ...INTERFACE_OWNERS,
  ROUTER_GATEWAY_OWNER,
  ROUTER_HA_OWNER,
];
