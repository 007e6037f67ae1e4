/** Security groups as chains, their remotes as sets. Pure. */
import type { SecurityGroupBody, SecurityRuleBody } from '../../../resources/agent-view.ts';
import { disjoint, isWhole, parsePrefix, type Prefix, type Version } from './addresses.ts';
import type { Chain, ElementSet, Rule } from './form.ts';
import { hex, ruleMark } from './marks.ts';
import { protocolMatch } from './protocols.ts';

export type Direction = SecurityRuleBody['direction'];

export const groupChain = (direction: Direction, groupId: string): string =>
  `${direction === 'ingress' ? 'in' : 'out'}-${groupId}`;

/** Who is meant by a rule: the ports of a group (m), or an address group (a). */
export type RemoteKind = 'm' | 'a';

const setName = (kind: RemoteKind, id: string, of: { version: Version; isWide: boolean }) =>
  `${kind}${of.isWide ? 'p' : ''}${of.version}-${id}`;

/** How a set of remotes is declared, by its name. */
function typeOf(name: string): string {
  const [, wide, version] = /^[ma](p?)([46])-/.exec(name) ?? [];
  const type = version === '4' ? 'type ipv4_addr' : 'type ipv6_addr';
  return wide === 'p' ? `${type}; flags interval` : type;
}

/** One that stays as it is. */
export const keptSet = (name: string): ElementSet => ({ type: typeOf(name), elements: null });

/**
 * `addresses`: null where they are not known here: what is in those sets that the host has stays. Single addresses are in sets
 * of their own, where one more costs one element; a set of prefixes is there only where there are any.
 */
export function remoteSets(
  kind: RemoteKind,
  id: string,
  { addresses, has }: { addresses: Iterable<string> | null; has: (name: string) => boolean },
): Map<string, ElementSet> {
  const sets = new Map<string, ElementSet>();
  const all = [...(addresses ?? [])].flatMap((text) => parsePrefix(text) ?? []);
  for (const version of [4, 6] as const) {
    const own = all.filter((one) => one.version === version);
    const put = (isWide: boolean, prefixes: readonly Prefix[]) => {
      const name = setName(kind, id, { version, isWide });
      const elements = addresses === null ? null : new Set(prefixes.map(({ text }) => text));
      const isThere = !isWide || (elements === null ? has(name) : elements.size > 0);
      if (isThere) sets.set(name, { type: typeOf(name), elements });
    };
    put(false, own.filter(isWhole));
    put(true, halved(disjoint(own.filter((one) => !isWhole(one)))));
  }
  return sets;
}

/** An interval set takes no prefix of all addresses; two halves it takes. */
function halved(prefixes: readonly Prefix[]): Prefix[] {
  return prefixes.flatMap((one) => {
    if (one.length > 0) return [one];
    const texts = one.version === 4 ? ['0.0.0.0/1', '128.0.0.0/1'] : ['::/1', '8000::/1'];
    return texts.flatMap((text) => parsePrefix(text) ?? []);
  });
}

/** The words for who is on the other side, one for each rule that it takes, with the set that it names. */
function remotesOf(rule: SecurityRuleBody, sets: ReadonlyMap<string, ElementSet>): [string, string | null][] {
  const version: Version = rule.ethertype === 'IPv4' ? 4 : 6;
  const family = version === 4 ? 'ip' : 'ip6';
  const side = `${family} ${rule.direction === 'ingress' ? 'saddr' : 'daddr'}`;
  const whole = `meta nfproto ${version === 4 ? 'ipv4' : 'ipv6'}`;
  const { remote_ip_prefix: given, remote_group_id: group, remote_address_group_id: addresses } = rule;
  const [kind, id] = group !== null ? (['m', group] as const) : (['a', addresses] as const);
  if (id !== null) {
    const names = [false, true].map((isWide) => setName(kind, id, { version, isWide }));
    return names.filter((name) => sets.has(name)).map((name) => [`${side} @${name}`, name]);
  }
  if (given === null) return [[whole, null]];
  const prefix = parsePrefix(given);
  if (prefix === null || prefix.version !== version) return [];
  return [[prefix.length === 0 ? whole : `${side} ${prefix.text}`, null]];
}

/**
 * The group's two chains. What a rule lets pass is written down with the connection, so that the rule's end can end it and
 * nothing else. `sets`: all that rules may name.
 */
export function groupChains(
  group: SecurityGroupBody,
  sets: ReadonlyMap<string, ElementSet>,
): Record<Direction, Chain> {
  const of = (direction: Direction): Chain => ({
    hook: '',
    rules: group.rules
      .filter((rule) => rule.direction === direction)
      .flatMap((rule) => rulesOf(rule, { sets, isStateful: group.stateful })),
  });
  return { ingress: of('ingress'), egress: of('egress') };
}

interface Context {
  readonly sets: ReadonlyMap<string, ElementSet>;
  readonly isStateful: boolean;
}

function rulesOf(rule: SecurityRuleBody, { sets, isStateful }: Context): Rule[] {
  const match = protocolMatch(rule);
  if (match === null) return [];
  const mark = ruleMark(rule.id);
  const isIn = rule.direction === 'ingress';
  const sign = isStateful
    ? `ct mark set ct mark & ${isIn ? '0xffff0000' : '0x0000ffff'} | ${hex(isIn ? mark : mark * 0x1_0000)} `
    : '';
  return remotesOf(rule, sets).map(([remote, set]) => ({
    text: `${[remote, match].filter((words) => words !== '').join(' ')} ${sign}accept`,
    note: noteOf({ direction: rule.direction, version: rule.ethertype === 'IPv4' ? 4 : 6, mark, set }),
  }));
}

/** What the end of a rule, or of an element of its set, ends. */
export interface RuleNote {
  readonly direction: Direction;
  readonly version: Version;
  readonly mark: number;
  /** Of those whom it lets pass; null: it names none. */
  readonly set: string | null;
}

function noteOf({ direction, version, mark, set }: RuleNote): string {
  return `${direction === 'ingress' ? 'in' : 'out'} ${version} ${mark}${set === null ? '' : ` ${set}`}`;
}

/** From a rule's comment; null: its end ends nothing. */
export function readNote(comment: string): RuleNote | null {
  const found = /^[0-9a-f]{12} (in|out) ([46]) (\d{1,5})(?: (\S+))?$/.exec(comment);
  if (found === null) return null;
  const [, direction, version, mark, set = null] = found;
  return {
    ...{ direction: direction === 'in' ? 'ingress' : 'egress', version: version === '4' ? 4 : 6 },
    ...{ mark: Number(mark), set },
  };
}
