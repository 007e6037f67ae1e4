/**
 * A member's view of what is not realised: of his own ports, subnets and networks, without the names of hosts and without
 * what a host's programs said (paths, names of others). Pure.
 */
import { splitKey } from '../resources/agent-view.ts';
import type { Role } from '../resources/agent.ts';
import type { AgentLag, OwedNow } from './lag.ts';

export interface OwnPort {
  readonly networkId: string;
  readonly host: string;
  /** What its firewall is made of, as keys of the L2 agent. */
  readonly firewall: ReadonlySet<string>;
}

/** What of it is the member's. */
export interface OwnResources {
  /** His ports by id, and where they are. */
  readonly ports: ReadonlyMap<string, OwnPort>;
  readonly subnets: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
}

/** One resource that one role has not realised, wherever that is. */
export interface OwnOwed {
  /** `port/<id>`, `subnet/<id>`, `network/<id>` */
  readonly resource: string;
  readonly role: Role;
  readonly state: OwedNow['state'];
  readonly since: number;
  readonly sinceAt: string | null;
  readonly overdue: boolean;
  readonly reason: string;
}

const WORDS: Readonly<Record<Role, Readonly<Record<OwedNow['state'], string>>>> = {
  l2: {
    waiting: 'the host waits for its link: the machine is not plugged in yet',
    failed: 'the host could not connect it, and tries again',
    pending: 'the host has not connected it yet',
  },
  dhcp: {
    waiting: 'its DHCP waits for the host',
    failed: 'its DHCP could not be set up as asked, and is tried again',
    pending: 'its DHCP is not set up yet',
  },
  l3: {
    waiting: 'its router waits for the host',
    failed: 'its router could not be set up as asked, and is tried again',
    pending: 'its router is not set up yet',
  },
};

const RANK = { failed: 0, pending: 1, waiting: 2 } as const;

/** The member's resources that something owed bears on. */
function resourcesOf(own: OwnResources, lag: AgentLag, owed: OwedNow): string[] {
  const object = splitKey(owed.object);
  if (object.kind === 'port') return own.ports.has(object.id) ? [owed.object] : [];
  if (object.kind === 'subnet') return own.subnets.has(object.id) ? [owed.object] : [];
  const network = splitKey(owed.key);
  if (network.kind !== 'network') {
    const behind = [...own.ports].filter(([, port]) => port.host === lag.host && port.firewall.has(owed.key));
    return behind.map(([id]) => `port/${id}`);
  }
  const found = own.networks.has(network.id) ? [owed.key] : [];
  // Who another host floods to concerns nobody's port in particular.
  if (owed.object !== '') return found;
  for (const [id, port] of own.ports) {
    if (port.networkId === network.id && (lag.role === 'dhcp' || port.host === lag.host))
      found.push(`port/${id}`);
  }
  return found;
}

/** Each resource once for each role, in order: the worst that any agent says of it, since the oldest. */
export function ownOwed(lags: readonly AgentLag[], own: OwnResources): OwnOwed[] {
  const found = new Map<string, OwnOwed>();
  for (const lag of lags) {
    for (const owed of lag.owed) {
      for (const resource of resourcesOf(own, lag, owed)) {
        const name = `${resource} ${lag.role}`;
        found.set(name, worse(found.get(name), { resource, role: lag.role, owed }));
      }
    }
  }
  return [...found.values()].sort(ownOrder);
}

/** In the order of `resource:role`, by which pages go. */
export const ownOrder = (a: OwnOwed, b: OwnOwed): number => (nameOf(a) < nameOf(b) ? -1 : 1);

const nameOf = ({ resource, role }: OwnOwed): string => `${resource}:${role}`;

/** What agents owe, and what nobody is there to do: of both, that nobody is there, since the older has been owed. */
export function withUnattended(owed: readonly OwnOwed[], unattended: readonly OwnOwed[]): OwnOwed[] {
  const found = new Map(owed.map((one) => [nameOf(one), one]));
  for (const one of unattended) {
    const before = found.get(nameOf(one));
    found.set(nameOf(one), before ? { ...before, state: one.state, reason: one.reason } : one);
  }
  return [...found.values()].sort(ownOrder);
}

function worse(
  before: OwnOwed | undefined,
  { resource, role, owed }: { resource: string; role: Role; owed: OwedNow },
): OwnOwed {
  const state = before && RANK[before.state] < RANK[owed.state] ? before.state : owed.state;
  const isOlder = !before || owed.since < before.since;
  return {
    resource,
    role,
    state,
    since: isOlder ? owed.since : before.since,
    sinceAt: isOlder ? owed.sinceAt : before.sinceAt,
    overdue: owed.overdue || (before?.overdue ?? false),
    reason: WORDS[role][state],
  };
}
