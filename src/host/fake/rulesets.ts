/**
 * Knows of nftables only what agents ask: that a text names tables, replaces or deletes them, that they bear a mark, and
 * that maps have elements; and statements that change parts of a table (table-statements.ts).
 */
import type { ChainForm } from '../host.ts';
import { changePart, isPartStatement } from './table-statements.ts';

export interface FakeTable {
  readonly mark: string | null;
  /** What stands between its braces, as it was given. */
  readonly body: string;
  /** By map, key to value. */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Only what statements of their own made. */
  readonly chains: ReadonlyMap<string, ChainForm>;
  readonly sets: ReadonlyMap<string, ReadonlySet<string>>;
}

type Maps = Map<string, Map<string, string>>;

const EMPTY: FakeTable = { mark: null, body: '', maps: new Map(), chains: new Map(), sets: new Map() };

const TABLE = /^(?:add\s+)?table\s+(\w+\s+\w+)\s*(\{)?|^(delete|destroy)\s+table\s+(\w+\s+\w+)/;

/** The tables after `text`, all or nothing: throws for what nft would not take. */
export function applyText(tables: ReadonlyMap<string, FakeTable>, text: string): Map<string, FakeTable> {
  const after = new Map(tables);
  let rest = text.trim();
  while (rest !== '') {
    const length = isPartStatement(rest) ? changePart(after, rest) : changeTable(after, rest);
    rest = rest.slice(length).replace(/^[\s;]+/, '');
  }
  return after;
}

/** Performs the statement that the text begins with, and says how long it is. */
function changeTable(tables: Map<string, FakeTable>, text: string): number {
  const found = TABLE.exec(text);
  if (found === null) throw new Error(`nft refused the ruleset: at "${text.slice(0, 40)}"`);
  const name = (found[1] ?? found[4] ?? '').replace(/\s+/, ' ');
  const { length } = found[0];
  if (found[3] !== undefined) {
    if (!tables.delete(name) && found[3] === 'delete')
      throw new Error(`nft refused the ruleset: no table ${name}`);
    return length;
  }
  if (found[2] === undefined) {
    if (!tables.has(name)) tables.set(name, EMPTY);
    return length;
  }
  const end = closingBrace(text, length);
  const body = text.slice(length, end).trim();
  const mark = /^comment "(deuteron:[^"]*)"/m.exec(body)?.[1] ?? null;
  tables.set(name, { ...EMPTY, mark, body, maps: mapsIn(body) });
  return end + 1;
}

function mapsIn(body: string): Maps {
  const maps: Maps = new Map();
  for (const found of body.matchAll(/\bmap (\w+) \{/g)) {
    const from = found.index + found[0].length;
    const inside = body.slice(from, closingBrace(body, from));
    maps.set(found[1] ?? '', new Map(pairsIn(/elements = \{([^}]*)\}/.exec(inside)?.[1] ?? '')));
  }
  return maps;
}

function pairsIn(text: string): [string, string][] {
  const elements = text.split(',').map((one) => one.trim());
  return elements
    .filter((one) => one !== '')
    .map((one) => {
      const [key = '', value = ''] = one.split(' : ');
      return [key, value];
    });
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let index = from; index < text.length; index++) {
    if (text[index] === '{') depth++;
    else if (text[index] === '}' && --depth === 0) return index;
  }
  throw new Error('nft refused the ruleset: a brace is missing');
}
