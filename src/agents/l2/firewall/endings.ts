/**
 * Which connections a change of the tables ends. What a connection was let pass by is written down with it (marks.ts), so
 * what ends is what the change took away; what another rule lets pass as well begins anew with its next packet. Pure.
 */
import type { ConnectionFilter, TableForm } from '../../../host/host.ts';
import { zoneOfChain } from './compile.ts';
import { type Direction, readNote, type RuleNote } from './group-rules.ts';
import { parsePrefix } from './addresses.ts';
import { OPEN } from './marks.ts';

export interface Forms {
  readonly bridge: TableForm | null;
  readonly inet: TableForm | null;
}

/** `sameLinks`: nothing of the bridge table differs. */
export function endingsOf(
  before: Forms,
  after: Forms,
  { sameLinks = false }: { readonly sameLinks?: boolean } = {},
): ConnectionFilter[] {
  const found = new Map<string, ConnectionFilter>();
  const add = (filters: Iterable<ConnectionFilter>) => {
    for (const one of filters) found.set(JSON.stringify(one), one);
  };
  add(ofRules(before, after));
  if (!sameLinks) add(ofLinks(before, after));
  return [...found.values()];
}

const markOf = ({ direction, mark }: RuleNote) =>
  direction === 'ingress' ? { value: mark, mask: 0xffff } : { value: mark * 0x1_0000, mask: 0xffff_0000 };

const nameOf = ({ direction, version, mark }: RuleNote) => `${direction} ${version} ${mark}`;

function notesIn(form: TableForm | null): RuleNote[] {
  const chains = [...(form?.chains.values() ?? [])];
  return chains.flatMap(({ rules }) => rules.flatMap((comment) => readNote(comment) ?? []));
}

/** Rules that are gone; and elements, for the rules that are still there. */
function* ofRules(before: Forms, after: Forms): Iterable<ConnectionFilter> {
  const left = new Map(notesIn(after.inet).map((note) => [`${nameOf(note)} ${note.set}`, note]));
  const alive = new Set([...left.values()].map(nameOf));
  const lost = new Map<string, readonly string[]>();
  for (const [name, elements] of before.inet?.sets ?? []) {
    const now = after.inet?.sets.get(name);
    lost.set(
      name,
      [...elements].filter((one) => !now?.has(one)),
    );
  }
  for (const note of notesIn(before.inet)) {
    const { version, direction, set } = note;
    const mark = markOf(note);
    if (!alive.has(nameOf(note))) yield { version, mark };
    else if (set !== null)
      for (const address of lost.get(set) ?? [])
        yield direction === 'ingress'
          ? { version, mark, source: address }
          : { version, mark, destination: address };
  }
}

interface LinkState {
  readonly mark: string;
  readonly zone: number;
  readonly groups: Readonly<Record<Direction, readonly string[]>>;
  readonly addresses: ReadonlySet<string>;
}

/** Each link that is filtered, and how. */
function linksIn({ bridge, inet }: Forms): Map<string, LinkState> {
  const addresses = new Map<string, Set<string>>();
  for (const set of ['sources4', 'sources6'])
    for (const element of bridge?.sets.get(set) ?? []) {
      const [link = '', , address = ''] = element.split(' . ');
      const known = addresses.get(link);
      if (known) known.add(address);
      else addresses.set(link, new Set([address]));
    }
  const chainOf = (mark: string) =>
    inet?.maps
      .get('egress')
      ?.get(mark)
      ?.replace(/^goto from-/, '');
  const jumps = groupsOfTreatments(inet);
  const states = new Map<string, LinkState>();
  for (const [link, mark] of bridge?.maps.get('links') ?? []) {
    const rest = chainOf(mark);
    const zone = rest === undefined ? null : zoneOfChain(`from-${rest}`);
    if (rest === undefined || zone === null) continue;
    const groups = { egress: jumps.get(`from-${rest}`) ?? [], ingress: jumps.get(`to-${rest}`) ?? [] };
    states.set(link, { mark, zone, groups, addresses: addresses.get(link) ?? new Set() });
  }
  return states;
}

/** By chain of a treatment, the chains of groups that it asks. */
function groupsOfTreatments(inet: TableForm | null): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, { rules }] of inet?.chains ?? []) {
    if (zoneOfChain(name) === null) continue;
    found.set(
      name,
      rules.flatMap((comment) => /^[0-9a-f]{12} asks (\S+)$/.exec(comment)?.[1] ?? []),
    );
  }
  return found;
}

function* ofLinks(before: Forms, after: Forms): Iterable<ConnectionFilter> {
  const was = linksIn(before);
  const is = linksIn(after);
  for (const [link, old] of was) {
    const now = is.get(link);
    // Without port security everything may go on.
    if (now === undefined && after.bridge?.maps.get('links')?.get(link) === String(OPEN)) continue;
    const isMoved = now === undefined || now.zone !== old.zone;
    for (const address of old.addresses) {
      if (isMoved || !now.addresses.has(address)) yield* ofAddress(address, old.zone);
      else if (now.mark !== old.mark) yield* ofLostGroups(address, { old, now, inet: before.inet });
    }
  }
  for (const [link, now] of is) {
    // It was open: what it had then, no rule let pass.
    if (was.has(link) || before.bridge?.maps.get('links')?.get(link) === undefined) continue;
    for (const address of now.addresses) yield* ofAddress(address, now.zone);
  }
}

function* ofAddress(address: string, zone: number): Iterable<ConnectionFilter> {
  const { version } = parsePrefix(address) ?? { version: 4 };
  yield { version, zone, source: address };
  yield { version, zone, destination: address };
}

interface Lost {
  readonly old: LinkState;
  readonly now: LinkState;
  readonly inet: TableForm | null;
}

/** What rules of groups let pass that the port is in no more. */
function* ofLostGroups(address: string, { old, now, inet }: Lost): Iterable<ConnectionFilter> {
  const { version } = parsePrefix(address) ?? { version: 4 };
  for (const direction of ['ingress', 'egress'] as const)
    for (const chain of old.groups[direction]) {
      if (now.groups[direction].includes(chain)) continue;
      const notes = inet?.chains.get(chain)?.rules.flatMap((comment) => readNote(comment) ?? []) ?? [];
      for (const note of notes) {
        if (note.version !== version) continue;
        const at = direction === 'ingress' ? { destination: address } : { source: address };
        yield { version, zone: old.zone, mark: markOf(note), ...at };
      }
    }
}
