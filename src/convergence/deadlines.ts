/**
 * By when what was committed should be realised. Counted from the commit (or from when a server first heard that it is
 * not so) on the clock of the server that holds the agent's watch; past it, something is overdue and remedies begin.
 */
import { splitKey } from '../resources/agent-view.ts';

/** What is owed: an object's kind, a report (of any), or the first look at everything after an agent's start. */
export type Kind =
  | 'port'
  | 'lease'
  | 'subnet'
  | 'network'
  | 'endpoint'
  | 'router'
  | 'floating-ip'
  | 'forwarding'
  | 'security-group'
  | 'members'
  | 'address-group'
  | 'host'
  | 'first-look'
  | 'report';

/**
 * Some times what each takes on a busy host (a lease 20 ms, a network's first dnsmasq 300 ms), so that a burst is not
 * taken for a fault; `report` is three report intervals.
 */
export const DEADLINES_MS: Readonly<Record<Kind, number>> = {
  port: 2_000,
  lease: 2_000,
  endpoint: 2_000,
  subnet: 3_000,
  network: 3_000,
  router: 3_000,
  'floating-ip': 2_000,
  forwarding: 2_000,
  'security-group': 2_000,
  members: 2_000,
  'address-group': 2_000,
  host: 10_000,
  'first-look': 30_000,
  report: 15_000,
};

export const KINDS = Object.keys(DEADLINES_MS) as Kind[];

/** The deadlines, each times `multiplier`: for hosts that are slower than most, or a fleet that may take its time. */
export function deadlinesTimes(multiplier: number): Readonly<Record<Kind, number>> {
  return Object.fromEntries(KINDS.map((kind) => [kind, DEADLINES_MS[kind] * multiplier])) as Record<
    Kind,
    number
  >;
}

const OF_OBJECT: Readonly<Record<string, Kind>> = {
  port: 'port',
  lease: 'lease',
  subnet: 'subnet',
  network: 'network',
  endpoint: 'endpoint',
  router: 'router',
  'floating-ip': 'floating-ip',
  forwarding: 'forwarding',
  'security-group': 'security-group',
  members: 'members',
  member: 'members',
  'address-group': 'address-group',
};

/** The kind of what an agent reports as missing: its object, or its whole key. */
export function kindOf(owed: {
  readonly key: string;
  readonly object: string;
  readonly state: string;
  readonly since: number;
}): Kind {
  // Nothing is older than the first change: it has not been looked at in this life of the agent.
  if (owed.since === 0 && owed.state === 'pending') return 'first-look';
  const { kind } = splitKey(owed.object === '' ? owed.key : owed.object);
  return OF_OBJECT[kind] ?? 'host';
}
