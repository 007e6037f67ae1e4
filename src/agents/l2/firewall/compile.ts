/** From what ports of this host are to be filtered, to the tables that do it. Pure. */
import type { SecurityGroupBody } from '../../../resources/agent-view.ts';
import type { TableForm } from '../../../host/host.ts';
import { bridgeFrame, inetFrame } from './frame.ts';
import type { Chain, ElementMap, ElementSet, Rule, Table } from './form.ts';
import { type Direction, groupChain, groupChains, keptSet, readNote, remoteSets } from './group-rules.ts';
import { CLOSED, OPEN, PASSED, treatmentMark } from './marks.ts';
import { type FilteredPort, sourcesOf, wideChains } from './sources.ts';

export interface FilteredNetwork {
  readonly bridge: string;
  /** Those of its links that are not filtered: to other hosts, and of ports without port security. */
  readonly open: readonly string[];
}

/** null in a map: it is not known here (yet), and what the host has of it stays. */
export interface FilterInput {
  /** Those with a filtered port, by id. */
  readonly networks: ReadonlyMap<string, FilteredNetwork>;
  readonly ports: readonly FilteredPort[];
  readonly groups: ReadonlyMap<string, SecurityGroupBody | null>;
  /** Addresses of the ports of groups that rules name. */
  readonly members: ReadonlyMap<string, readonly string[] | null>;
  readonly addressGroups: ReadonlyMap<string, readonly string[] | null>;
  /** Links that were filtered and leave: closed until they have. */
  readonly closing: readonly string[];
}

export interface Tables {
  readonly bridge: Table;
  readonly inet: Table;
}

export const ZONES = 'zones';
const LAST_ZONE = 65_535;

/** A network keeps its zone as long as the host has the table; another has another. */
function zonesOf(networks: Iterable<FilteredNetwork>, before: TableForm | null): Map<string, number> {
  const known = before?.maps.get(ZONES) ?? new Map<string, string>();
  const bridges = [...networks].map(({ bridge }) => bridge).sort();
  const zones = new Map<string, number>();
  const taken = new Set<number>();
  for (const bridge of bridges) {
    const zone = Number(known.get(bridge) ?? 0);
    if (zone < 1 || zone > LAST_ZONE || taken.has(zone)) continue;
    zones.set(bridge, zone);
    taken.add(zone);
  }
  let next = 1;
  for (const bridge of bridges) {
    if (zones.has(bridge)) continue;
    while (taken.has(next)) next += 1;
    zones.set(bridge, next);
    taken.add(next);
  }
  return zones;
}

/** How ports of one network with the same groups are treated. */
interface Treatment {
  readonly mark: number;
  readonly zone: number;
  readonly groups: readonly string[];
  readonly isStateful: boolean;
}

function treatments(
  input: FilterInput,
  zones: ReadonlyMap<string, number>,
): ReadonlyMap<FilteredPort, Treatment> {
  const made = new Map<string, Treatment>();
  const nameOf = (port: FilteredPort) => `${port.network} ${port.groups.join(' ')}`;
  const byName = Map.groupBy(input.ports, nameOf);
  const taken = new Set<number>();
  for (const [name, [port]] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (port === undefined) continue;
    const mark = treatmentMark(name, (one) => taken.has(one));
    taken.add(mark);
    const { groups } = port;
    const isStateful = groups.every((id) => input.groups.get(id)?.stateful !== false);
    const zone = zones.get(input.networks.get(port.network)?.bridge ?? '') ?? 0;
    made.set(name, { mark, zone, groups, isStateful });
  }
  return new Map(
    input.ports.flatMap((port) => {
      const treatment = made.get(nameOf(port));
      return treatment === undefined ? [] : [[port, treatment] as const];
    }),
  );
}

const treatmentChain = (direction: Direction, { zone, mark }: Treatment) =>
  `${direction === 'ingress' ? 'to' : 'from'}-${zone}-${(mark & 0x0fff_ffff).toString(16)}`;

/** The zone of those that are treated by this chain; null: it is none of those. */
export function zoneOfChain(name: string): number | null {
  const found = /^(?:from|to)-(\d+)-[0-9a-f]+$/.exec(name);
  return found === null ? null : Number(found[1]);
}

function treatmentRules(direction: Direction, { groups, isStateful }: Treatment): Rule[] {
  const asked = groups.map((id) => groupChain(direction, id));
  return [
    { text: `meta l4proto { udp, ipv6-icmp } jump ${direction}-always` },
    ...(isStateful ? [{ text: 'ct state established,related accept' }] : []),
    ...asked.map((chain) => ({ text: `jump ${chain}`, note: `asks ${chain}` })),
    { text: 'counter drop' },
  ];
}

/** `before`: what the host has of the inet table. */
export function compile(input: FilterInput, before: TableForm | null): Tables {
  const zones = zonesOf(input.networks.values(), before);
  const treated = treatments(input, zones);
  const isMixed = [...treated.values()].some(({ isStateful }) => !isStateful);
  return {
    bridge: bridgeTable(input, treated, isMixed),
    inet: inetTable(input, { zones, treated: new Set(treated.values()), isMixed, before }),
  };
}

const mapOf = (type: string, elements: Iterable<readonly [string, string]>): ElementMap => ({
  type,
  elements: new Map(elements),
});
const setOf = (type: string, elements: Iterable<string>): ElementSet => ({
  type,
  elements: new Set(elements),
});

function bridgeTable(
  input: FilterInput,
  treated: ReadonlyMap<FilteredPort, Treatment>,
  isMixed: boolean,
): Table {
  const { closing, networks } = input;
  const ports = [...treated];
  const links = new Map<string, string>(closing.map((link) => [link, String(CLOSED)]));
  for (const { open } of networks.values()) for (const link of open) links.set(link, String(OPEN));
  for (const [{ link }, { mark }] of ports) links.set(link, String(mark));
  const sources = ports.map(([port]) => sourcesOf(port));
  const tracking = ports.filter(([, { isStateful }]) => isStateful).map(([port]) => port);
  const untracking = ports.filter(([, { isStateful }]) => !isStateful).map(([port]) => port);
  const macsOf = (some: readonly FilteredPort[]) =>
    some.flatMap(({ mac, pairs }) => [mac, ...pairs.map((pair) => pair.mac_address)]);
  const linksOf = (some: readonly FilteredPort[]) => some.map(({ link }) => link);
  const mixed: [string, ElementSet][] = [
    ['tracking', setOf('type ifname', linksOf(tracking))],
    ['untracking', setOf('type ifname', linksOf(untracking))],
    ['tracked_macs', setOf('type ether_addr', macsOf(tracking))],
    ['untracked_macs', setOf('type ether_addr', macsOf(untracking))],
  ];
  const wide = wideChains(treated.keys());
  return {
    chains: new Map([...bridgeFrame(isMixed), ...wide.chains]),
    sets: new Map([
      ['filtered', setOf('type ifname', [...closing, ...linksOf([...treated.keys()])])],
      [
        'macs',
        setOf(
          'type ifname . ether_addr',
          sources.flatMap((one) => one.macs),
        ),
      ],
      [
        'sources4',
        setOf(
          'type ifname . ether_addr . ipv4_addr',
          sources.flatMap((one) => one.sources4),
        ),
      ],
      [
        'sources6',
        setOf(
          'type ifname . ether_addr . ipv6_addr',
          sources.flatMap((one) => one.sources6),
        ),
      ],
      [
        'targets',
        setOf(
          'typeof iifname . @th,64,128',
          sources.flatMap((one) => one.targets),
        ),
      ],
      ...(isMixed ? mixed : []),
    ]),
    maps: new Map([
      ['links', mapOf('type ifname : mark', links)],
      ['wide', mapOf('type ifname : verdict', wide.wide)],
      ['wide_targets', mapOf('type ifname : verdict', wide.targets)],
    ]),
  };
}

interface InetParts {
  readonly zones: ReadonlyMap<string, number>;
  readonly treated: ReadonlySet<Treatment>;
  readonly isMixed: boolean;
  readonly before: TableForm | null;
}

/** What rules of groups name that are not known here. */
function keptSets(input: FilterInput, before: TableForm | null): [string, ElementSet][] {
  const unknown = [...input.groups].filter(([, group]) => group === null).map(([id]) => id);
  const chains = unknown.flatMap((id) => [groupChain('ingress', id), groupChain('egress', id)]);
  const notes = chains.flatMap((name) => before?.chains.get(name)?.rules ?? []).map(readNote);
  return notes.flatMap((note): [string, ElementSet][] => (note?.set ? [[note.set, keptSet(note.set)]] : []));
}

interface Remotes {
  readonly sets: ReadonlyMap<string, ElementSet>;
  readonly wide: string;
}

type GroupChains = Readonly<Record<Direction, Chain>>;
const lastChains = new WeakMap<SecurityGroupBody, { readonly wide: string; readonly chains: GroupChains }>();

function chainsOf(group: SecurityGroupBody, { sets, wide }: Remotes): GroupChains {
  const last = lastChains.get(group);
  if (last?.wide === wide) return last.chains;
  const chains = groupChains(group, sets);
  lastChains.set(group, { wide, chains });
  return chains;
}

function inetTable(input: FilterInput, { zones, treated, isMixed, before }: InetParts): Table {
  const has = (name: string) => before?.sets.has(name) ?? false;
  const sets = new Map([
    ...keptSets(input, before),
    ...[...input.members].flatMap(([id, addresses]) => [...remoteSets('m', id, { addresses, has })]),
    ...[...input.addressGroups].flatMap(([id, addresses]) => [...remoteSets('a', id, { addresses, has })]),
  ]);
  // Which sets of prefixes there are decides what a rule with a remote takes.
  const wide = [...sets.keys()].filter((name) => /^[ma]p/.test(name)).join();
  const chains = inetFrame(isMixed);
  for (const [id, group] of input.groups) {
    const made = group === null ? null : chainsOf(group, { sets, wide });
    for (const direction of ['ingress', 'egress'] as const)
      chains.set(groupChain(direction, id), made?.[direction] ?? { hook: '', rules: null });
  }
  const verdicts: Record<Direction, [string, string][]> = { ingress: [], egress: [] };
  for (const treatment of treated)
    for (const direction of ['ingress', 'egress'] as const) {
      const name = treatmentChain(direction, treatment);
      const chain: Chain = { hook: '', rules: treatmentRules(direction, treatment) };
      chains.set(name, chain);
      const mark = direction === 'ingress' ? treatment.mark + PASSED : treatment.mark;
      verdicts[direction].push([String(mark), `goto ${name}`]);
    }
  const numbers = [...zones].map(([bridge, zone]) => [bridge, String(zone)] as const);
  return {
    chains,
    sets,
    maps: new Map([
      [ZONES, mapOf('typeof iifname : ct zone', numbers)],
      ['egress', mapOf('type mark : verdict', verdicts.egress)],
      ['ingress', mapOf('type mark : verdict', verdicts.ingress)],
    ]),
  };
}
