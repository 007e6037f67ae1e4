/** What the reconciler knows of one router, and what it asks of it. */
import type { Host, TableState } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import { Ahead } from './ahead.ts';
import { Announcements } from './announce.ts';
import { Connections } from './connections.ts';
import { type DesiredLink, namespaceOf } from './desired.ts';
import type { ObservedWiring } from './observe.ts';
import type { Plan } from './plan.ts';
import type { Replica } from './replica.ts';

/** What is known of one router; lost with the process, and never more than a shortcut. */
export interface Known {
  /** null: to be read. */
  wiring: ObservedWiring | null;
  /** null: to be read; undefined: there is none. */
  table: TableState | undefined | null;
  /** Grows with each event about it: what was being read meanwhile does not hold. */
  news: number;
  /** What conntrack has still to forget; null: to be read. */
  cuts: readonly string[] | null;
  /** The radvd configuration that is known to be served; null: not known. */
  ra: string | null;
  /** Names of the links' ends on the host. */
  taps: readonly string[];
  readonly announcements: Announcements;
  /** null: it is not HA, or not looked at yet. */
  replica: Replica | null;
  readonly connections: Connections;
  readonly ahead: Ahead;
  /** The look at the host by which its role was last judged. */
  judged: ObservedWiring | null;
  /** keepalived moved addresses since the links were read. */
  moved: boolean;
  /** It became active: neighbours are to be told of all that it has. */
  rose: boolean;
  /** It is active and was asked whether it is, or told something: others may be too, and neighbours have heard those. */
  doubted: boolean;
}

export const nothingKnown = (id: string, host: Host, clock: Clock): Known => ({
  ...{ wiring: null, table: null, news: 0, cuts: null, ra: null, taps: [], replica: null },
  ...{ judged: null, moved: false, rose: false, doubted: false },
  connections: new Connections(id, { host, clock }),
  ahead: new Ahead(),
  announcements: new Announcements(host, clock, namespaceOf(id)),
});

/** Whether a link's end on the host leads anywhere. */
export const isWiredTo = (tap: string, { taps }: ObservedWiring): boolean => taps.get(tap)?.master != null;

/** The links to networks that lead nowhere, of those that are to be up. */
export const unwiredOf = (links: readonly DesiredLink[], wiring: ObservedWiring): string[] =>
  links
    .filter(({ kind, up, tap }) => kind !== 'ha' && up && !isWiredTo(tap, wiring))
    .map(({ kind, name }) => (kind === 'gateway' ? `${name} to the external network` : name));

/** Nothing that was found holds any more. */
export function distrust(known: Known): Known {
  known.wiring = null;
  known.table = null;
  known.ra = null;
  known.news++;
  return known;
}

/** As `nat.ts` writes them: what else may stand in the file never gets near a program. */
export const isCut = (line: string): boolean =>
  /^-[a-z] [0-9a-z.]+( -[a-z] [0-9a-z.]+)?( (-r|--dport) [0-9.]+)?$/.test(line);

export function isWork(plan: Plan): boolean {
  const { makeNamespace, prepare, ruleset, leavings, outer, inner, routes } = plan;
  return (
    makeNamespace || prepare || ruleset !== '' || [leavings, outer, inner, routes].some((s) => s.length > 0)
  );
}

export function sameTable(now: TableState | undefined, believed: TableState | undefined): boolean {
  if (now === undefined || believed === undefined || now.mark !== believed.mark) return now === believed;
  return [...believed.maps].every(([name, elements]) => {
    const found = now.maps.get(name);
    return found?.size === elements.size && [...elements].every(([key, value]) => found.get(key) === value);
  });
}
