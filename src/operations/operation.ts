/**
 * What every operation is given beside its transaction. An operation is a transaction script: lock the named row, read
 * the facts, take a pure decision, write the rows. It throws a Fault for a request that cannot be served. Status codes,
 * JSON and query strings are the api room's; SQL is the store's.
 *
 * Attributes come validated, with defaults filled in, under the row's column names (`host`, not `binding:host_id`);
 * what the client did not send and has no default is absent.
 */
import type { Kind } from '../convergence/deadlines.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { AgentRow } from '../resources/agent.ts';

/** Who asks. Without identity (`none`) it is an admin of the project named in the configuration. */
export interface Caller {
  /** '' for an admin whose token is for no project. */
  readonly projectId: string;
  /** '' where nobody says who it is. */
  readonly userId: string;
  readonly isAdmin: boolean;
  /** It sees what a member of the project sees, and changes nothing. */
  readonly mayOnlyRead?: true;
  /** It has no role that lets it do anything here: only what a policy file says. */
  readonly hasNoRole?: true;
  /** What the rules of a policy file know of it; absent where nobody could have one. */
  readonly credentials?: Credentials;
  /** What a policy file says; absent where there is none. */
  readonly overrides?: Overrides;
}

/** What a policy file says for a caller, where it says something else than the defaults. */
export interface Overrides {
  /** Whether the file may change what this rule says: then `allows` decides, and what is so by default does not count. */
  changes(rule: string): boolean;
  /** Whether the caller passes. The target: attributes of the API, and those of what it belongs to as `network:project_id`. */
  allows(rule: string, target: Readonly<Record<string, unknown>>): boolean;
  /** Whether the caller would pass for some target: not if the rule asks for a role that it has not. */
  couldPass(rule: string): boolean;
  /** The resources beside the target of which the rule asks for attributes: `network`. */
  beside(rule: string): ReadonlySet<string>;
}

/** By the names that policy files have for them: `user_id`, `project_id`, `roles`, `user_domain_id`. */
export type Credentials = Readonly<Record<string, unknown>>;

/** The server's settings that operations decide by. */
export interface Settings {
  /** VNIs to choose from, both ends included. */
  readonly vniRange: readonly [number, number];
  /** Physical networks on which flat networks may be made; `*` stands for any. */
  readonly flatNetworks: readonly string[];
  /** The same for VLAN networks. */
  readonly vlanNetworks: readonly string[];
  /** MTU of the underlay; a VXLAN network gets 50 (IPv4) less. */
  readonly underlayMtu: number;
  readonly macPrefix: string;
  readonly dhcpAgentsPerNetwork: number;
  /** Replicas of an HA router; 3 if not given. */
  readonly maxL3AgentsPerRouter?: number;
  /** Whether routers that are not HA leave an agent that is dead; true if not given. */
  readonly automaticL3Failover?: boolean;
  /** Whether a router is HA whose creator does not say; false if not given. */
  readonly l3Ha?: boolean;
  readonly dnsDomain: string;
  /** Default limits by resource (`network`, `subnet`, `port`); -1 is none. */
  readonly quotas: Readonly<Record<string, number>>;
  readonly maxDnsNameservers: number;
  readonly maxHostRoutes: number;
  readonly maxFixedIpsPerPort: number;
  /** An agent whose server has not heard it for this long is not alive. */
  readonly agentDownTimeMs: number;
  /** By when each kind of object should be realised; without it as in convergence/deadlines.ts. */
  readonly deadlines?: Readonly<Record<Kind, number>>;
}

/** What is known of an agent's presence, by its row. */
export type SeenAgent = Pick<AgentRow, 'id' | 'host' | 'server_id' | 'liveness'>;

export interface Call {
  readonly caller: Caller;
  /** A policy file lets the caller change what it names and sees, whoever owns it; that alone, not what else is changed with it. */
  readonly permitted?: true;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings;
  /** false once the agent was declared dead and until it is back. Decides placement only, never delivery. */
  readonly isAlive: (agent: SeenAgent) => boolean;
  /** Whether it may be given something new: alive, heard by a living server now, not held down after many deaths. */
  readonly isEligible: (agent: SeenAgent) => boolean;
}

/** `If-Match: revision_number=N` of an update or delete; undefined where the client sent none. */
export type IfMatch = number | undefined;
