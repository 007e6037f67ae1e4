/** Statements that change parts of a table, one a line, as far as agents make them: nft refuses what this refuses. */
import type { ChainForm, TableForm } from '../host.ts';
import type { FakeTable } from './rulesets.ts';

const STATEMENT = /^(add|delete|flush) (set|map|chain|rule|element) (\w+ \w+) ([\w-]+)(?: ([^\n]*))?(?:\n|$)/;
const HOOK = /^\{ type filter hook (\w+) priority (-?\d+); policy (\w+); \}$/;

/** Whether the text begins with one that is not about a table as a whole. */
export const isPartStatement = (text: string): boolean => STATEMENT.test(text);

/** Performs it, and says how long it is. */
export function changePart(tables: Map<string, FakeTable>, text: string): number {
  const [all = '', verb = '', what = '', name = '', part = '', rest = ''] = STATEMENT.exec(text) ?? [];
  const table = tables.get(name);
  const refuse = (why: string): never => {
    throw new Error(`nft refused the ruleset: ${why} (${all.trim()})`);
  };
  if (table === undefined) return refuse(`no table ${name}`);
  const copy = {
    chains: new Map(table.chains),
    sets: new Map(table.sets),
    maps: new Map(table.maps),
  };
  const has = copy.chains.has(part) || copy.sets.has(part) || copy.maps.has(part);
  if (verb !== 'add' && !has) refuse(`no ${what} ${part}`);
  if (what === 'rule' && !copy.chains.has(part)) refuse(`no chain ${part}`);
  if (what === 'set' && verb === 'add' && !has) copy.sets.set(part, new Set());
  if (what === 'map' && verb === 'add' && !has) copy.maps.set(part, new Map());
  if (what === 'chain' && verb === 'add' && !has) copy.chains.set(part, { hook: hookOf(rest), rules: [] });
  if (what === 'chain' && verb === 'flush')
    copy.chains.set(part, { hook: copy.chains.get(part)?.hook ?? '', rules: [] });
  if (verb === 'delete' && what !== 'element') {
    if (isUsed(copy, part)) refuse(`${part} is in use`);
    for (const parts of [copy.chains, copy.sets, copy.maps]) parts.delete(part);
  }
  if (what === 'rule') addRule(copy.chains, part, rest);
  if (what === 'element') {
    const problem = changeElements(copy, { verb, part, words: rest });
    if (problem !== null) refuse(problem);
  }
  tables.set(name, { ...table, ...copy });
  return all.length;
}

function hookOf(rest: string): string {
  const [, at, priority, policy] = HOOK.exec(rest) ?? [];
  return at === undefined ? '' : `${at} ${priority} ${policy}`;
}

/** A chain that a map leads to cannot go. */
function isUsed({ maps }: Pick<FakeTable, 'maps'>, chain: string): boolean {
  return [...maps.values()].some((map) => [...map.values()].some((value) => value.endsWith(` ${chain}`)));
}

function addRule(chains: Map<string, ChainForm>, name: string, text: string): void {
  const chain = chains.get(name);
  const comment = /comment "([^"]*)"$/.exec(text)?.[1] ?? '';
  if (chain !== undefined) chains.set(name, { ...chain, rules: [...chain.rules, comment] });
}

interface Change {
  readonly verb: string;
  readonly part: string;
  readonly words: string;
}

interface Copies {
  readonly sets: Map<string, ReadonlySet<string>>;
  readonly maps: Map<string, ReadonlyMap<string, string>>;
}

/** Why not; null: done. Elements stay in the words that they were given in. */
function changeElements({ sets, maps }: Copies, { verb, part, words }: Change): string | null {
  const inside = /^\{(.*)\}$/.exec(words)?.[1] ?? '';
  const set = new Set(sets.get(part));
  const map = new Map(maps.get(part));
  for (const one of inside.split(',').map((word) => word.trim())) {
    if (one === '') continue;
    const [key = '', value = ''] = one.split(' : ');
    const there = map.get(key);
    if (sets.has(part)) {
      if (verb === 'add') set.add(key);
      else if (!set.delete(key)) return `no element ${key}`;
    } else if (verb === 'delete' ? there === undefined : (there ?? value) !== value) return `${verb} ${key}`;
    else if (verb === 'delete') map.delete(key);
    else map.set(key, value);
  }
  if (sets.has(part)) sets.set(part, set);
  else maps.set(part, map);
  return null;
}

const bare = (words: string) => words.replaceAll('"', '');
/** nft prints marks as numbers. */
const plain = (words: string) => (/^0x[0-9a-f]{1,8}$/.test(words) ? String(Number(words)) : bare(words));

export function formOf({ chains, sets, maps }: Pick<FakeTable, 'chains' | 'sets' | 'maps'>): TableForm {
  return {
    chains,
    sets: new Map([...sets].map(([name, all]) => [name, new Set([...all].map(bare))] as const)),
    maps: new Map(
      [...maps].map(
        ([name, all]) => [name, new Map([...all].map(([key, value]) => [plain(key), plain(value)]))] as const,
      ),
    ),
  };
}
