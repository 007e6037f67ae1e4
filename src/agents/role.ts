/**
 * What the agent process asks of each role (l2, dhcp, l3). A role holds no state that a restart would miss: it reads the
 * mirror (`World`), observes the host, and makes the one like the other, key by key. `runner.ts` does everything else:
 * watch, mirror, queue, reports, audits.
 */
import type { Outcome } from '../reconcile/controller.ts';
import type { Body, Group } from '../resources/agent-view.ts';
import type { Role } from '../resources/agent.ts';
import type { HostEvent } from '../host/host.ts';
import type { ReplicaReport } from '../resources/replica-report.ts';

/** The agent's mirror of its scope, read only. Keys are `kind/id` within a group (see resources/agent-view.ts). */
export interface World {
  readonly host: string;
  groups(): Iterable<Group>;
  /** undefined: not in scope. */
  group(name: Group): ReadonlyMap<string, Body> | undefined;
}

/** An object of the mirror that came, changed or went. */
export interface ObjectChange {
  readonly group: Group;
  readonly key: string;
  readonly before: Body | undefined;
  readonly after: Body | undefined;
}

/** What a role may ask of the runner, beside being called. */
export interface RoleTools {
  /** The key is to be looked at, before those that wait. */
  mark(key: string): void;
  /** There is news that the next report should not wait for. */
  report(): void;
  /** The number of this life of the agent. */
  incarnation(): number;
}

export interface RoleAgent {
  readonly role: Role;
  /** The keys (e.g. `network/<id>`) that this change bears on. Cheap and pure. */
  keysOf(change: ObjectChange): Iterable<string>;
  /** For how many ms what this change asks for may wait here, so that several are done at once; 0, or no such method: it may not. */
  patienceMs?(change: ObjectChange): number;
  /**
   * The keys to look at again after something happened on the host; 'all' when that cannot be told, 'patrol' when a patrol
   * of everything can tell.
   */
  keysOfHostEvent(event: HostEvent): Iterable<string> | 'all' | 'patrol';
  /** Every key that the world wants, and every key that the host still has something of: the sweep. */
  allKeys(): Promise<string[]>;
  /** Makes what this key means so: observe, plan, apply. Idempotent; expected failures are shortfalls, not exceptions. */
  reconcile(key: string, signal: AbortSignal): Promise<Outcome>;
  /**
   * Before a full pass (start, audit): read the host in bulk once, so that the pass need not look key by key. What was
   * read holds for a key until a step of ours or a host event touches it.
   */
  observeAll(): Promise<void>;
  /** A remedy: what was remembered of the key or its objects on the host is not to be relied on by the next run. */
  forget?(key: string): void;
  /**
   * A remedy: makes anew what of this key the role itself sees as not serving; takes nothing down that serves. Never at
   * the same time as `reconcile` of the key, which follows at once. What it throws is the key's failure.
   */
  rebuild?(key: string, signal: AbortSignal): Promise<void>;
  /**
   * Looks at what no event names: at the next small part of it, every few seconds while the agent has a mirror, or at all.
   * Gives the keys that have drifted.
   */
  patrol?(scope: 'all' | 'next'): Promise<Iterable<string>>;
  /** What the role does beside its keys, until `signal` aborts. */
  run?(tools: RoleTools, signal: AbortSignal): Promise<void>;
  /** For its report, see there; undefined: not known yet. */
  roles?(): readonly ReplicaReport[] | undefined;
  /** For `configurations` in `/v2.0/agents`. */
  configurations(): Record<string, unknown>;
}
