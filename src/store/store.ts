/**
 * The store's contract, kept by two implementations: PostgreSQL (this folder) and the in-memory one for simulation
 * (`memory/`). One contract suite (`test/store/contract.ts`) runs against both.
 *
 * - `transact` runs `work` in one READ COMMITTED transaction. Each statement sees what had committed when it began.
 *   `work` may run again from the start after a serialization failure or deadlock (40001, 40P01), so it must not have
 *   effects outside `tx`. If `work` throws, nothing of it remains, and the error comes through unchanged. A statement
 *   that failed (a UniqueViolation, say) dooms the transaction: further statements throw the same error, and so does
 *   `transact` even if `work` swallowed it.
 * - The first thing a write operation does is `lock` the row that it names, by table order then id:
 *   routers, trunks, networks, subnets, subnet pools, address scopes, security groups, ports, floating IPs, agents. A QoS policy whose rules change is locked first. Uniqueness is by constraint: `insert` throws UniqueViolation.
 * - Rows that agents see stage their hints by themselves (row triggers, cascades included). If anything was staged, the
 *   last act of the transaction appends one change to the log; `place` is where. Otherwise `place` is null.
 * - A COMMIT whose answer was lost is resolved by looking for the transaction's tag, before `transact` returns.
 * - `view` gives one REPEATABLE READ READ ONLY transaction: every read in it is of the same state.
 */
import type { AddressGroupRow } from '../resources/address-group.ts';
import type { AddressScopeRow } from '../resources/address-scope.ts';
import type { AgentRow, DhcpBindingRow, HostRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { FenceCheckRow, FencingRow } from '../resources/fencing.ts';
import type { FlavorProfileRow, FlavorRow, ServiceProfileRow } from '../resources/flavor.ts';
import type { FloatingIpRow } from '../resources/floating-ip.ts';
import type { LeaseRow } from '../resources/lease.ts';
import type { MeteringLabelRow, MeteringLabelRuleRow } from '../resources/metering.ts';
import type { AutoAllocatedTopologyRow, NetworkRow } from '../resources/network.ts';
import type { NetworkSegmentRangeRow } from '../resources/network-segment-range.ts';
import type { Place } from '../resources/place.ts';
import type { IpAllocationRow, PortRow, ProvisioningBlockRow } from '../resources/port.ts';
import type { PortForwardingRow } from '../resources/port-forwarding.ts';
import type { QosPolicyRow } from '../resources/qos-policy.ts';
import type { QosRuleRow } from '../resources/qos-rule.ts';
import type { RbacPolicyRow } from '../resources/rbac-policy.ts';
import type { PortSecurityGroupRow, SecurityGroupRow } from '../resources/security-group.ts';
import type { SecurityGroupRuleRow } from '../resources/security-group-rule.ts';
import type { QuotaRow } from '../resources/quota.ts';
import type { HaNetworkRow, RouterBindingRow, RouterRemovalRow, RouterRow } from '../resources/router.ts';
import type { StandardAttributes } from '../resources/standard.ts';
import type { SubnetPoolRow } from '../resources/subnet-pool.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { TagOperator } from '../resources/tags.ts';
import type { SubportRow, TrunkRow } from '../resources/trunk.ts';

/** Equality (or membership, given an array) on each named column; an empty object is every row. */
export type Where<Row> = { readonly [Column in keyof Row]?: Row[Column] | readonly Row[Column][] };

export type ListFilter<Row> = {
  readonly column: keyof Row & string;
  /**
   * in: equals one of; not in: none of them (null is none of them); contains: text has the substring; prefix: text starts with; from: text is one of them or sorts after it.
   * Values are compared as the column's type. The operators of tags ask which of the values a list of text has.
   */
  readonly operator: 'in' | 'not in' | 'contains' | 'prefix' | 'from' | TagOperator;
  readonly values: readonly unknown[];
};

/** An API list: conjunction of filters, sorted (ties broken by primary key), from after a marker row on. */
export interface ListQuery<Row> {
  readonly filters: readonly ListFilter<Row>[];
  /** If given, a row must match at least one of these as well (own or shared). */
  readonly anyOf?: readonly ListFilter<Row>[];
  readonly sort: readonly { readonly column: keyof Row & string; readonly descending: boolean }[];
  /** The row after which the page begins, in the sort order. */
  readonly after?: Row;
  readonly limit?: number;
}

/** One table. Rows given and returned are plain values: changing one does not change the store. */
export interface Table<Row> {
  /** Rows in primary-key order. */
  find(where: Where<Row>): Promise<Row[]>;
  /** The row, or undefined; two matching rows are a bug. */
  get(where: Where<Row>): Promise<Row | undefined>;
  /** As `find`, and holds each row until the transaction ends (FOR NO KEY UPDATE), waiting for other holders first. */
  lock(where: Where<Row>): Promise<Row[]>;
  list(query: ListQuery<Row>): Promise<Row[]>;
  count(where: Where<Row>): Promise<number>;
  insert(rows: readonly Row[]): Promise<void>;
  /** Sets the given columns; returns the rows as they are now. */
  update(where: Where<Row>, changes: Partial<Row>): Promise<Row[]>;
  /** Deletes (children go by cascade where the schema says so); returns what was deleted. */
  remove(where: Where<Row>): Promise<Row[]>;
}

export interface Tables {
  readonly networks: Table<NetworkRow>;
  readonly subnets: Table<SubnetRow>;
  readonly ports: Table<PortRow>;
  readonly ipAllocations: Table<IpAllocationRow>;
  readonly provisioningBlocks: Table<ProvisioningBlockRow>;
  readonly hosts: Table<HostRow>;
  readonly agents: Table<AgentRow>;
  readonly dhcpBindings: Table<DhcpBindingRow>;
  readonly haNetworks: Table<HaNetworkRow>;
  readonly routers: Table<RouterRow>;
  readonly routerBindings: Table<RouterBindingRow>;
  readonly floatingIps: Table<FloatingIpRow>;
  readonly portForwardings: Table<PortForwardingRow>;
  readonly routerRemovals: Table<RouterRemovalRow>;
  readonly addressGroups: Table<AddressGroupRow>;
  readonly addressScopes: Table<AddressScopeRow>;
  readonly subnetPools: Table<SubnetPoolRow>;
  readonly qosPolicies: Table<QosPolicyRow>;
  readonly qosRules: Table<QosRuleRow>;
  readonly rbacPolicies: Table<RbacPolicyRow>;
  readonly securityGroups: Table<SecurityGroupRow>;
  readonly securityGroupRules: Table<SecurityGroupRuleRow>;
  readonly portSecurityGroups: Table<PortSecurityGroupRow>;
  readonly meteringLabels: Table<MeteringLabelRow>;
  readonly meteringLabelRules: Table<MeteringLabelRuleRow>;
  readonly autoAllocatedTopologies: Table<AutoAllocatedTopologyRow>;
  readonly networkSegmentRanges: Table<NetworkSegmentRangeRow>;
  readonly flavors: Table<FlavorRow>;
  readonly serviceProfiles: Table<ServiceProfileRow>;
  readonly flavorProfiles: Table<FlavorProfileRow>;
  readonly trunks: Table<TrunkRow>;
  readonly subports: Table<SubportRow>;
  readonly quotas: Table<QuotaRow>;
  readonly leases: Table<LeaseRow>;
  readonly fencings: Table<FencingRow>;
  readonly fenceChecks: Table<FenceCheckRow>;
  readonly events: Table<EventRow>;
}

/** The names of tables whose rows have the standard attributes. */
export type StandardTable = {
  [Name in keyof Tables]: Tables[Name] extends Table<infer Row>
    ? Row extends StandardAttributes
      ? Name
      : never
    : never;
}[keyof Tables];

/** The log, as far as the reader sees it. */
export interface Log {
  /** The last place in the log. */
  head(): Promise<Place>;
  /** The changes from `position` on (that one included, if still there), in order, at most `limit`. */
  changesFrom(position: number, limit: number): Promise<Change[]>;
}

/** What an operation is given. */
export interface Transaction extends Tables, Log {
  /** This transaction's random number, the `tag` of its place; provisioning blocks opened here carry it. */
  readonly tag: number;
  /**
   * Waits until no other transaction has gone past the same words and not ended; what they committed is seen by the next
   * statement. For what is decided by counting rows, which no lock of a row holds.
   */
  alone(words: string): Promise<void>;
}

/** A row of the change log: a hint, never a body. */
export interface Change extends Place {
  /** `group|key` of each object that may have changed, `group` before and after. */
  readonly refs: readonly string[];
  /** Hosts whose scope may have changed; a name with a slash is a group: all hosts that have it. */
  readonly hosts: readonly string[];
  /** How long ago it was committed, by the database's clock. */
  readonly ageMs: number;
}

/** One consistent state, with the log as of it. */
export interface View extends Tables, Log {
  /** For hosts (undefined: every host that has any), the groups of its scope besides `host/<name>`. */
  scopes(hosts?: readonly string[]): Promise<Map<string, string[]>>;
  /**
   * By host and role: agents that are told to be held by one of these servers ('' for none), or that are not simply alive;
   * with `died` also those that died lately. Where that is so of one of a host's agents, all of them: one watch carries them.
   */
  sightings(servers: readonly string[], died?: 'died'): Promise<Sighting[]>;
  /** How many hosts have agents. */
  fleet(): Promise<Fleet>;
}

/** What of an agent's row says who hears it, and what is made of it. */
export type Sighting = Pick<
  AgentRow,
  'id' | 'host' | 'role' | 'server_id' | 'liveness' | 'deaths' | 'availability_zone' | 'heartbeat_at'
>;

/** Hosts by zone; one whose agents name several counts in the first of them. */
export type Fleet = ReadonlyMap<string, number>;

export interface Store {
  transact<Result>(
    work: (tx: Transaction) => Promise<Result>,
  ): Promise<{ result: Result; place: Place | null }>;
  view<Result>(work: (view: View) => Promise<Result>): Promise<Result>;
  /**
   * Calls `wake` soon after anything was appended, by this process at once, by others through a notification that may
   * be lost (so the caller polls as well). The returned function ends it.
   */
  onAppend(wake: () => void): () => void;
  /** Forgets changes that are older than `ageMs`, keeping the last `keep` at least (never fewer than one). Returns how many. */
  trim(limits: { ageMs: number; keep: number }): Promise<number>;
  /**
   * Forgets events from before `before` (a timestamp as in their rows), and the oldest of more than `keep`. Alerts that no
   * `alert-ended` names (`data.ends`) stay whatever their age and number, and an end stays as long as its alert.
   */
  trimEvents(limits: { before: string; keep: number }): Promise<void>;
  /**
   * Forgets the whole log but for one new place at its head, which names nothing, and what agents have realised. So every
   * feed drops what it remembers, and every agent compares all that it holds with the rows. For after a restore.
   */
  beginEpoch(): Promise<Place>;
  /** Moves this server's beat; returns every server's. Observers time them on their own clock. */
  beat(serverId: string): Promise<ServerBeat[]>;
}

/** A server's beat: it lives while the number grows. Servers that have not moved it for a day are forgotten. */
export interface ServerBeat {
  readonly id: string;
  readonly beat: number;
}

/** Thrown by `work` to be run again from the start: what it chose at random was taken meanwhile. Counts as a serialization failure. */
export class RunAgain extends Error {
  override readonly name = 'RunAgain';
}

/** A unique or primary key refused the row. */
export class UniqueViolation extends Error {
  override readonly name = 'UniqueViolation';
  readonly constraint: string;
  constructor(constraint: string) {
    super(`already taken: ${constraint}`);
    this.constraint = constraint;
  }
}

/** A foreign key refused: the parent is not there, or a child still is. */
export class ForeignKeyViolation extends Error {
  override readonly name = 'ForeignKeyViolation';
  readonly constraint: string;
  constructor(constraint: string) {
    super(`refers to a missing row, or is still referred to: ${constraint}`);
    this.constraint = constraint;
  }
}

/** The database cannot be reached, or did not answer in time: nothing is known to have happened. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
