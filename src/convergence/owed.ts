/**
 * What an agent owes, by the rows alone: how far it says to have realised the log, its exceptions, and the end of the log
 * against its scope. Works on any server, for agents connected anywhere. Pure.
 *
 * An agent to whose scope nothing in (realised, head] belongs has realised the head: bookmarks need not bring it there.
 * The work is bounded: the log is given from a position on, and whoever is behind that owes "everything from there on".
 */
import { dhcpGroup, type Group, hostGroup, splitKey, splitRef } from '../resources/agent-view.ts';
import type { AgentRow, ReportException, Role } from '../resources/agent.ts';
import { type Kind, kindOf } from './deadlines.ts';
import { type Hint, readHint, type Target, targetsOf } from './targets.ts';

/** Of more than this, an agent is said to owe everything from some position on. */
const MAX_CHANGES = 200;

/** A row of the log. */
export interface LoggedChange {
  readonly position: number;
  readonly tag: number;
  readonly refs: readonly string[];
  readonly hosts: readonly string[];
  /** When it was committed (UTC), for display. */
  readonly at: string;
  /** How long ago that was, by the database's clock: the same on every server. */
  readonly ageMs: number;
}

/** One thing that is not realised. */
export interface Owed {
  /** `network/<id>`; '' for the agent as a whole, and where a port's network is not known. */
  readonly key: string;
  /** `port/<id>`, `subnet/<id>`, `endpoint/<host>`; '' for the whole key. */
  readonly object: string;
  readonly kind: Kind;
  /** waiting: for the world; failed: tried, did not work; pending: not done yet. */
  readonly state: ReportException['state'];
  /** The position of the oldest change of it that is not realised; 0: it is no change's (drift, a first look). */
  readonly since: number;
  /** Since when (UTC), as far as that is known; for display. */
  readonly sinceAt: string | null;
  /**
   * For how long, by the database's clock; null: no change at hand tells it, and `sinceAt` is what some server's wall
   * clock said.
   */
  readonly ageMs: number | null;
  readonly reason: string;
}

export interface AgentOwed {
  /** Everything up to here is realised but for the exceptions; null: unknown. */
  readonly realised: number | null;
  /** Once each, the oldest first. */
  readonly owed: readonly Owed[];
}

interface ReadChange extends LoggedChange {
  readonly hint: Hint;
}

/** The end of the log, indexed by what it bears on. */
export class LogEnd {
  readonly head: number;
  /** The first position from which on every change is at hand. */
  readonly from: number;
  readonly #changes: readonly ReadChange[];
  readonly #byGroup = new Map<Group, ReadChange[]>();
  readonly #byHost = new Map<string, ReadChange[]>();

  /** `changes`: dense, in order, the last one at `head`. */
  constructor(head: number, changes: readonly LoggedChange[]) {
    this.head = head;
    this.from = changes[0]?.position ?? head + 1;
    this.#changes = changes.map((change) => ({ ...change, hint: readHint(change.refs) }));
    for (const change of this.#changes) {
      for (const group of change.hint.groups.keys()) push(this.#byGroup, group, change);
      for (const host of change.hosts) push(this.#byHost, host, change);
    }
  }

  /** The change at this position, if it is at hand. */
  at(position: number): LoggedChange | undefined {
    return this.#changes[position - this.from];
  }

  /** The changes after a position that bear on the host, in order. */
  concerning(host: string, scope: ReadonlySet<Group>, after: number): ReadChange[] {
    const found = new Set<ReadChange>(this.#byHost.get(host));
    // Of the two, the fewer are looked up.
    const names = scope.size < this.#byGroup.size ? scope : this.#byGroup.keys();
    for (const group of names) {
      if (scope.has(group)) for (const change of this.#byGroup.get(group) ?? []) found.add(change);
    }
    return [...found].filter((one) => one.position > after).sort((a, b) => a.position - b.position);
  }
}

function push<Key>(map: Map<Key, ReadChange[]>, key: Key, change: ReadChange): void {
  const known = map.get(key);
  if (known) known.push(change);
  else map.set(key, [change]);
}

/** The agent's realised position, if it is of this log. */
export function currentPosition(
  agent: Pick<AgentRow, 'realised_position' | 'realised_tag'>,
  log: LogEnd,
): number | null {
  const { realised_position: position, realised_tag: tag } = agent;
  if (position === null || position > log.head) return null;
  const change = log.at(position);
  return change && change.tag !== tag ? null : position;
}

/** `scope`: the host's groups now, its own among them or not. */
export function owedBy(agent: AgentRow, log: LogEnd, scope: ReadonlySet<Group>): AgentOwed {
  const found = new Map<string, Owed>();
  const add = (one: Owed) => {
    const name = `${one.key} ${one.object}`;
    if ((found.get(name)?.since ?? Number.POSITIVE_INFINITY) > one.since) found.set(name, one);
  };
  for (const exception of agent.exceptions) add(fromException(exception, log));
  const position = currentPosition(agent, log);
  let realised = position;
  if (position === null) add(everything(0, agent, 'it has not said yet what it has realised'));
  else if (position < log.head) {
    const beyond = behind(agent, log, { position, scope });
    for (const one of beyond.owed) add(one);
    realised = beyond.realised;
  }
  return { realised, owed: [...found.values()].sort((a, b) => a.since - b.since) };
}

/** Since its change, if that is at hand; else since it was first reported, by the clock of the server that was told. */
function fromException(exception: AgentRow['exceptions'][number], log: LogEnd): Owed {
  const { key, object, state, since, reason, at = null } = exception;
  const change = since > 0 ? log.at(since) : undefined;
  const sinceAt = change?.at ?? at;
  return {
    key,
    object,
    kind: kindOf(exception),
    state,
    since,
    sinceAt,
    ageMs: change?.ageMs ?? null,
    reason,
  };
}

const everything = (since: number, agent: AgentRow, reason: string): Owed => ({
  ...{ key: '', object: '', kind: 'first-look', state: 'pending', since, reason },
  sinceAt: since === 0 ? agent.started_at || null : null,
  ageMs: null,
});

/** What lies between the agent's position and the head. */
function behind(
  agent: AgentRow,
  log: LogEnd,
  { position, scope }: { position: number; scope: ReadonlySet<Group> },
): AgentOwed {
  if (position + 1 < log.from) {
    const reason = `everything from position ${position + 1} on`;
    return { realised: position, owed: [everything(position + 1, agent, reason)] };
  }
  const { host, role } = agent;
  const owed: Owed[] = [];
  const sees = (group: Group) => group === hostGroup(host) || scope.has(group);
  let first: number | null = null;
  let changes = 0;
  for (const change of log.concerning(host, scope, position)) {
    const targets = concerned(change, { host, role, sees });
    if (targets.length === 0) continue;
    first ??= change.position;
    const { position: since, at: sinceAt, ageMs } = change;
    if (++changes > MAX_CHANGES) {
      owed.push({ ...everything(since, agent, `everything from position ${since} on`), sinceAt, ageMs });
      break;
    }
    for (const { key, object, kind } of targets) {
      owed.push({
        key,
        object,
        kind,
        state: 'pending',
        since,
        sinceAt,
        ageMs,
        reason: 'not reported back yet',
      });
    }
  }
  return { realised: first === null ? log.head : first - 1, owed };
}

/** What a change means for the agent, with what it may have taken out of its scope. */
function concerned(
  change: ReadChange,
  { host, role, sees }: { host: string; role: Role; sees: (group: Group) => boolean },
): readonly Target[] {
  const targets = targetsOf(change.hint, host, sees)[role];
  if (!change.hosts.includes(host)) return targets;
  // Its scope may have changed: what it does not have now, it may have had until then.
  const gone: Target[] = [];
  for (const ref of change.refs) {
    const { group, key } = splitRef(ref);
    if (key !== `endpoint/${host}`) continue;
    const needed = role === 'dhcp' ? dhcpGroup(splitKey(group).id) : group;
    if (!sees(needed)) gone.push({ role, key: group, object: '', kind: 'network' });
  }
  return [...targets, ...gone];
}
