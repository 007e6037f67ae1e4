import { fixedIps, hostRoutes } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import type { FixedIp } from './port.ts';
import type { ReplicaReport } from './replica-report.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, standardHead, standardTail } from './standard-attributes.ts';
import type { HostRoute } from './subnet.ts';
import {
  boolean,
  constant,
  isPlainObject,
  listOf,
  nullIsAbsent,
  nullable,
  record,
  shown,
  text,
  uuid,
  type ValueType,
} from './values.ts';

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
  /** Of its gateway. */
  qos_policy_id: string | null;
  /** What it was made of; null for no flavor. */
  readonly flavor_id: string | null;
}

/** That an operator took a router from an agent; until it has all its replicas. */
export interface RouterRemovalRow {
  readonly router_id: string;
  readonly agent_id: string;
  /** UTC. */
  at: string;
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
  /** The role as last reported: since when (UTC, for display; '' before the first report), and what names it. */
  role_since: string;
  role_incarnation: number;
  role_seq: number;
  role_details: RoleDetails | null;
  /** What its agent is told about the role, and the epoch of the last that it was told. */
  order: ReplicaOrder | null;
  epoch: number;
  /** The transaction that made it, and its position (null until that has committed): served from there on counts. */
  readonly tag: number;
  readonly position: number | null;
}

/** What a replica last said of its role, beside what has columns of its own. */
export interface RoleDetails
  extends Pick<
    ReplicaReport,
    'state' | 'penalty' | 'reasons' | 'hears' | 'paths' | 'peers' | 'order' | 'rival' | 'doubts'
  > {
  readonly checks: readonly CheckStanding[];
  /** When it was first heard to know its order: UTC, in ms, by the clock of the server that took the report. Absent: it knows none. */
  readonly order_at?: number;
  /** When it first said, in this role, that it reaches nobody; likewise. Absent: it does not. */
  readonly cut_off_at?: number;
}

/** A check script's standing; `since` is UTC, for display, `text` what it said last, and its last runs, as its agent last told. */
export interface CheckStanding {
  readonly name: string;
  readonly ok: boolean;
  readonly since: string;
  readonly text: string;
}

/**
 * What a server tells a replica about its role. `null` in its place ends all that was told before.
 *
 *   tell    nothing to do but to report that it is known: what is reported with this epoch was so afterwards
 *   prefer  it takes its rank's share off, so that it becomes active if its health allows: a planned move
 *   yield   a weight: it steps back for others that are heard, and stays eligible
 *   fault   it steps back at once, for a lease of 10 s that ends by itself; for replicas that do not hear each other
 *
 * An agent obeys only while (incarnation, seq) are those of its own present role, but for `prefer`, which is for any role.
 * Of two the one of the higher epoch counts; a higher epoch with the same content renews a lease.
 */
export interface ReplicaOrder {
  readonly epoch: number;
  readonly do: 'tell' | 'prefer' | 'yield' | 'fault';
  readonly incarnation: number;
  readonly seq: number;
  /** A sentence, for the agent's log. */
  readonly why: string;
  /** Of `prefer`, where the move was forced: so much of what ails the replica does not count. It holds until it is well, or has moved on. */
  readonly forgives?: number;
  /** Of `prefer`, where a verdict is revised by it: the host that keeps the router until this one has come. */
  readonly revises?: string;
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

/** `external_gateway_info` as it is shown. */
export interface GatewayInfo {
  readonly network_id: string;
  readonly enable_snat: boolean;
  readonly external_fixed_ips: readonly FixedIp[];
  readonly qos_policy_id: string | null;
}

/** As it is asked for. */
export interface GatewayRequest {
  readonly network_id: string;
  readonly enable_snat?: boolean;
  readonly external_fixed_ips?: readonly { readonly subnet_id?: string; readonly ip_address?: string }[];
  readonly qos_policy_id?: string | null;
}

/** A router as the API shows it. */
export type RouterView = RouterRow & { readonly external_gateway_info: GatewayInfo | null };

const gatewayRecord = nullable(
  record(
    { network_id: uuid, enable_snat: boolean, external_fixed_ips: fixedIps, qos_policy_id: nullable(uuid) },
    { what: 'external gateway', optional: ['enable_snat', 'external_fixed_ips', 'qos_policy_id'] },
  ),
);

/** {} is none, as null is. */
const gatewayInfo: ValueType = {
  ...gatewayRecord,
  read: (value) =>
    isPlainObject(value) && Object.keys(value).length === 0 ? { value: null } : gatewayRecord.read(value),
};

/** The attribute map of routers. */
export const routerMap = attributeMap<RouterView>({
  singular: 'router',
  plural: 'routers',
  missing: { type: 'RouterNotFound', title: 'Router', end: '' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'admin_state_up',
      column: 'admin_state_up',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      sort: true,
      description: 'Whether it forwards anything.',
    },
    {
      name: 'status',
      column: 'status',
      type: shown({ type: 'string', enum: ['ACTIVE', 'ALLOCATING', 'ERROR'] }),
      filter: true,
      sort: true,
      description: 'Its state as a whole.',
    },
    {
      name: 'external_gateway_info',
      column: 'external_gateway_info',
      type: gatewayInfo,
      post: 'admin',
      put: 'admin',
      // members may say which network, not how
      limitedTo: ['enable_snat', 'external_fixed_ips'],
      default: null,
      description:
        'Its way out: an external network, and (set by admins) addresses there and whether it translates.',
    },
    {
      name: 'routes',
      column: 'routes',
      type: hostRoutes,
      put: 'owner',
      description: 'Further routes, each by a neighbour on one of its networks.',
    },
    {
      name: 'ha',
      column: 'ha',
      type: nullIsAbsent(boolean),
      post: 'admin',
      put: 'admin',
      see: 'admin',
      filter: true,
      description: 'Whether several hosts stand ready, one of which is active.',
    },
    {
      name: 'flavor_id',
      column: 'flavor_id',
      type: nullable(uuid),
      post: 'owner',
      sort: true,
      description: 'The flavor that it is made of, which says whether it is HA.',
    },
    {
      name: 'distributed',
      column: null,
      type: constant(false, 'distributed routers are not offered; make it HA instead'),
      post: 'admin',
      put: 'admin',
      see: 'admin',
      description: 'Always false: there are no distributed routers.',
    },
    {
      name: 'availability_zone_hints',
      column: 'availability_zone_hints',
      type: listOf(text(255), { max: 32, what: 'availability zone hint', nullIs: [] }),
      post: 'owner',
      default: [],
      description: 'Zones in which its agents should be.',
    },
    {
      name: 'availability_zones',
      column: null,
      type: shown({ type: 'array', items: { type: 'string' } }),
      description: 'Zones of the agents that have it.',
    },
    ...standardTail,
  ],
});
