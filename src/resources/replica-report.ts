/** What an agent says of the replicas of HA routers on its host. */

/** active and standby are Neutron's words; fault: it cannot serve, and does not take part; unknown: not known yet. */
export type ReplicaState = 'active' | 'standby' | 'fault' | 'unknown';
export const REPLICA_STATES: readonly ReplicaState[] = ['active', 'standby', 'fault', 'unknown'];

export type PathState = 'up' | 'down' | 'unknown';
export const PATH_STATES: readonly PathState[] = ['up', 'down', 'unknown'];

/** The ways that heartbeats take. */
export type Path = 'tunnel' | 'management';
export const PATHS: readonly Path[] = ['tunnel', 'management'];

/** One check script's standing. */
export interface CheckReport {
  readonly name: string;
  readonly ok: boolean;
  /** How long it has been so, when this was sent. */
  readonly forMs: number;
  /** The last words of the script. */
  readonly text: string;
}

/**
 * Whether another replica's host answers anything at all: its kernel does, whatever became of its agent. false: it was asked by
 * both ways, has answered by both before, and answers by none.
 */
export interface PeerReport {
  readonly host: string;
  readonly answers: boolean;
  /** It answers by the other path, and not by this one; left out: there is no such path. */
  readonly silentBy?: Path;
}

/** Nobody answers by either way: it hears no advert, and whoever is well is not heard. Or it seems so, and is known in a moment. */
export const isCutOff = ({ paths, doubts }: Pick<ReplicaReport, 'paths' | 'doubts'>): boolean =>
  doubts === true || PATHS.every((path) => paths[path] === 'down');

/** One replica, as what is true on the host shows it: which addresses it holds, what its keepalived says. */
export interface ReplicaReport {
  readonly router: string;
  readonly state: ReplicaState;
  /** Counts the changes of state within this life of the agent; with its incarnation it names the role that an order is for. */
  readonly seq: number;
  /** How long it has been in this state, when this was sent. */
  readonly forMs: number;
  /** What it takes off its priority for what ails it; 0 for nothing. */
  readonly penalty: number;
  /** Why, a sentence each. */
  readonly reasons: readonly string[];
  /** A peer's adverts arrive: one came within three of their intervals and 50 ms. false also where that cannot be known. */
  readonly hears: boolean;
  /** The two ways that heartbeats take to the peers. */
  readonly paths: { readonly tunnel: PathState; readonly management: PathState };
  readonly checks: readonly CheckReport[];
  /** The hosts of the other replicas, as far as there is something to say; an agent from before this says nothing. */
  readonly peers?: readonly PeerReport[];
  /** The epoch of the order that it obeys; null for none. */
  readonly order: number | null;
  /**
   * Of an active one: another host answers for its address on the external network, as seen by the link that leads there. Absent: not
   * known, or not to be found out; an agent from before this says nothing.
   */
  readonly rival?: boolean;
  /**
   * Of an active one: nobody has answered lately by either way, which is not yet taken for silence. It is told ahead, for stand-bys may rise
   * in the same moment. Absent: not so; an agent from before this says nothing.
   */
  readonly doubts?: boolean;
}
