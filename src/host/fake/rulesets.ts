/** Knows of nftables only what agents ask: that a text names tables, replaces or deletes them, and that they bear a mark. */
export interface FakeTable {
  readonly mark: string | null;
  /** What stands between its braces, as it was given. */
  readonly body: string;
}

const STATEMENT = /^(?:add\s+)?table\s+(\w+\s+\w+)\s*(\{)?|^(delete|destroy)\s+table\s+(\w+\s+\w+)/;

/** The tables after `text`, all or nothing: throws for what nft would not take. */
export function applyText(tables: ReadonlyMap<string, FakeTable>, text: string): Map<string, FakeTable> {
  const after = new Map(tables);
  let rest = text.trim();
  while (rest !== '') {
    const found = STATEMENT.exec(rest);
    if (found === null) throw new Error(`nft refused the ruleset: at "${rest.slice(0, 40)}"`);
    const name = (found[1] ?? found[4] ?? '').replace(/\s+/, ' ');
    let length = found[0].length;
    if (found[3] !== undefined) {
      if (!after.delete(name) && found[3] === 'delete')
        throw new Error(`nft refused the ruleset: no table ${name}`);
    } else if (found[2] === undefined) {
      if (!after.has(name)) after.set(name, { mark: null, body: '' });
    } else {
      const end = closingBrace(rest, length);
      const body = rest.slice(length, end).trim();
      const mark = /^comment "(deuteron:[^"]*)"/m.exec(body)?.[1] ?? null;
      after.set(name, { mark, body });
      length = end + 1;
    }
    rest = rest.slice(length).replace(/^[\s;]+/, '');
  }
  return after;
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let index = from; index < text.length; index++) {
    if (text[index] === '{') depth++;
    else if (text[index] === '}' && --depth === 0) return index;
  }
  throw new Error('nft refused the ruleset: a brace is missing');
}
