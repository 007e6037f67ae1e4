/** What is in tables of nftables, what should be, and the text that turns the one into the other. Pure. */
import { createHash } from 'node:crypto';
import type { TableForm } from '../../../host/host.ts';
import { byText } from './remember.ts';

export interface Rule {
  readonly text: string;
  /** What it stands for, where its end ends connections: see endings.ts. */
  readonly note?: string;
}

export interface Chain {
  /** `prerouting -450 accept`; '' for one that others lead to. */
  readonly hook: string;
  /** null: whatever it has is to stay, what it should have is not known. */
  readonly rules: readonly Rule[] | null;
}

export interface ElementSet {
  /** As nft declares it: `type ifname . ether_addr`. */
  readonly type: string;
  /** null: as of a chain. */
  readonly elements: ReadonlySet<string> | null;
}

export interface ElementMap {
  readonly type: string;
  readonly elements: ReadonlyMap<string, string>;
}

export interface Table {
  readonly chains: ReadonlyMap<string, Chain>;
  readonly sets: ReadonlyMap<string, ElementSet>;
  readonly maps: ReadonlyMap<string, ElementMap>;
}

/** Elements in one statement. */
const AT_ONCE = 500;

const EMPTY: TableForm = { chains: new Map(), sets: new Map(), maps: new Map() };

const hashOf = byText(20_000, (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12));

/** By which a rule is known on the host: what it says, and what it stands for. */
export function commentOf({ text, note }: Rule): string {
  return note === undefined ? hashOf(text) : `${hashOf(text)} ${note}`;
}

/** What a table is once it was made so, coming from `before`. */
export function formOf(table: Table | null, before: TableForm | null): TableForm | null {
  if (table === null) return null;
  const chains = [...table.chains].map(([name, { hook, rules }]) => {
    const kept = before?.chains.get(name)?.rules ?? [];
    return [name, { hook, rules: rules?.map(commentOf) ?? kept }] as const;
  });
  const sets = [...table.sets].map(
    ([name, { elements }]) => [name, elements ?? before?.sets.get(name) ?? new Set<string>()] as const,
  );
  const maps = [...table.maps].map(([name, { elements }]) => [name, elements] as const);
  return { chains: new Map(chains), sets: new Map(sets), maps: new Map(maps) };
}

/** Statements, to be applied with those of other tables in one transaction; [] if nothing differs. */
export function renderChange(name: string, before: TableForm | null, after: Table | null): string[] {
  if (after === null) return before === null ? [] : [`delete table ${name}`];
  const from = before ?? EMPTY;
  const lines = before === null ? [`add table ${name}`] : [];
  const declared = [...declare(name, from, after)];
  // What leads to a chain or a set goes before it; what leads from it comes after.
  lines.push(...declared, ...fill(name, from, after), ...elements(name, from, after));
  lines.push(...drop(name, from, after));
  return lines;
}

/** One whose place among the kernel's hooks is another is made anew. */
const isMoved = (from: TableForm, name: string, { hook }: Chain) =>
  from.chains.has(name) && from.chains.get(name)?.hook !== hook;

function* declare(name: string, from: TableForm, { sets, maps, chains }: Table): Iterable<string> {
  for (const [set, { type }] of sets) if (!from.sets.has(set)) yield `add set ${name} ${set} { ${type}; }`;
  for (const [map, { type }] of maps) if (!from.maps.has(map)) yield `add map ${name} ${map} { ${type}; }`;
  for (const [chain, wanted] of chains) {
    const moved = isMoved(from, chain, wanted);
    if (moved) yield `delete chain ${name} ${chain}`;
    if (!from.chains.has(chain) || moved) yield `add chain ${name} ${chain}${place(wanted.hook)}`;
  }
}

function place(hook: string): string {
  if (hook === '') return '';
  const [at, priority, policy] = hook.split(' ');
  return ` { type filter hook ${at} priority ${priority}; policy ${policy}; }`;
}

function* fill(name: string, from: TableForm, { chains }: Table): Iterable<string> {
  for (const [chain, wanted] of chains) {
    if (wanted.rules === null) continue;
    const found = isMoved(from, chain, wanted) ? [] : (from.chains.get(chain)?.rules ?? []);
    const comments = wanted.rules.map(commentOf);
    if (found.length === comments.length && found.every((one, index) => one === comments[index])) continue;
    if (found.length > 0) yield `flush chain ${name} ${chain}`;
    for (const [index, rule] of wanted.rules.entries())
      yield `add rule ${name} ${chain} ${rule.text} comment "${comments[index]}"`;
  }
}

function* elements(name: string, from: TableForm, { sets, maps }: Table): Iterable<string> {
  for (const [set, { elements: wanted, type }] of sets) {
    if (wanted === null) continue;
    const found = from.sets.get(set) ?? new Set<string>();
    const words = (element: string) => quoted(element, type);
    yield* statements('delete', `${name} ${set}`, [...found].filter((one) => !wanted.has(one)).map(words));
    yield* statements('add', `${name} ${set}`, [...wanted].filter((one) => !found.has(one)).map(words));
  }
  for (const [map, { elements: wanted, type }] of maps) {
    const found = from.maps.get(map) ?? new Map<string, string>();
    const gone = [...found].filter(([key, value]) => wanted.get(key) !== value);
    const come = [...wanted].filter(([key, value]) => found.get(key) !== value);
    yield* statements(
      'delete',
      `${name} ${map}`,
      gone.map(([key]) => quoted(key, type)),
    );
    yield* statements(
      'add',
      `${name} ${map}`,
      come.map(([key, value]) => `${quoted(key, type)} : ${value}`),
    );
  }
}

/** Names of links may be words of nft's own. */
function quoted(element: string, type: string): string {
  if (!/^type(of)? (ifname|iifname)/.test(type)) return element;
  const [link = '', ...others] = element.split(' . ');
  return [`"${link}"`, ...others].join(' . ');
}

function* statements(verb: 'add' | 'delete', where: string, all: readonly string[]): Iterable<string> {
  for (let at = 0; at < all.length; at += AT_ONCE)
    yield `${verb} element ${where} { ${all.slice(at, at + AT_ONCE).join(', ')} }`;
}

function* drop(name: string, from: TableForm, { chains, sets, maps }: Table): Iterable<string> {
  const gone = [...from.chains.keys()].filter((chain) => !chains.has(chain));
  for (const map of from.maps.keys()) if (!maps.has(map)) yield `delete map ${name} ${map}`;
  for (const chain of gone) yield `flush chain ${name} ${chain}`;
  for (const chain of gone) yield `delete chain ${name} ${chain}`;
  for (const set of from.sets.keys()) if (!sets.has(set)) yield `delete set ${name} ${set}`;
}
