import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { namespaceName, tableName } from '../grammar.ts';
import type { TableForm, TableState } from '../host.ts';
import type { Files } from './files.ts';
import { complaint, inNamespace, type Spawner } from './spawner.ts';
import { parseTableForm } from './table-form.ts';

/** A ruleset may name thousands of elements. */
const APPLY_TIMEOUT_MS = 30_000;
/** Far below what execve(2) takes as one. */
const LONGEST_ARGUMENT = 8_192;

/** The script is fixed; table words and names go in as arguments. Prints the name, then the table as it stands. */
const LIST = `f=$1 t=$2; shift 2; for n in "$@"; do
 printf '\\001%s\\n' "$n"
 nsenter --net="/run/netns/$n" -- nft -s list table "$f" "$t" 2>/dev/null; done; true`;

const FINGERPRINTS = '.rulesets';
const MOST_FINGERPRINTS = 64;
const MARK = /^\s*comment "(deuteron:[^"]*)"/m;

const MAP = /^\tmap (\w+) \{\n[\s\S]*?\n\t\}/gm;
/** One that packets add to. */
const DYNAMIC = /^\tset \w+ \{\n[^}]*flags \w*,?dynamic[\s\S]*?\n\t\}/gm;
const ELEMENTS = /\n\s*elements = \{([^}]*)\}/;

/** By map, its elements. */
export function mapsIn(listing: string): Map<string, Map<string, string>> {
  const maps = new Map<string, Map<string, string>>();
  for (const [block, name = ''] of listing.matchAll(MAP)) {
    const elements = (ELEMENTS.exec(block)?.[1] ?? '').split(',').map((one) => one.trim());
    const pairs = elements.filter((one) => one !== '').map((one) => one.split(' : ') as [string, string]);
    maps.set(name, new Map(pairs));
  }
  return maps;
}

/** What a table holds, whatever order its sets are printed in, and whatever its maps and dynamic sets hold. */
function fingerprint(listing: string): string {
  const bare = (block: string) => block.replace(ELEMENTS, '');
  const form = listing.replaceAll(MAP, bare).replaceAll(DYNAMIC, bare);
  const sorted = form.replaceAll(/elements = \{([^}]*)\}/g, (_, elements: string) =>
    elements
      .split(',')
      .map((one) => one.trim())
      .sort()
      .join(','),
  );
  return createHash('sha256').update(sorted).digest('hex').slice(0, 16);
}

/**
 * How tables look that were applied, by family, name and mark: a table whose rules another hand changed keeps its comment.
 * Kept in a file for later lives; a mark that is not in it is believed.
 */
function createFingerprints(files: Files) {
  let loaded: Promise<Map<string, string>> | null = null;
  const load = async () => {
    const text = await files.readFile(FINGERPRINTS).catch(() => null);
    const lines = (text ?? '').split('\n').map((line) => /^(.*) ([0-9a-f]{16})$/.exec(line));
    return new Map(lines.flatMap((found) => (found ? [[found[1] ?? '', found[2] ?? ''] as const] : [])));
  };
  const all = () => (loaded ??= load());
  return {
    async knows(table: string, mark: string): Promise<boolean> {
      return (await all()).has(`${table} ${mark}`);
    },
    async learn(table: string, mark: string, listing: string): Promise<void> {
      if (!listing.includes(mark)) return;
      const known = await all();
      known.set(`${table} ${mark}`, fingerprint(listing));
      for (const old of known.keys()) if (known.size > MOST_FINGERPRINTS) known.delete(old);
      const text = [...known].map(([key, value]) => `${key} ${value}\n`).join('');
      // Without room for it a later life believes marks.
      await files.writeFile(FINGERPRINTS, text).catch(() => undefined);
    },
    /** The mark in a listing, if the table is as it was applied with it. */
    async markIn(table: string, listing: string): Promise<string | null> {
      const mark = MARK.exec(listing)?.[1];
      if (mark === undefined) return null;
      const known = await all();
      const key = `${table} ${mark}`;
      if (!known.has(key) || known.get(key) === fingerprint(listing)) return mark;
      // To be learned anew when it is applied: `nft` itself may print it in another way since an upgrade.
      known.delete(key);
      return null;
    },
  };
}

/** Tables of a text that replaces them whole, with their marks. */
const markedIn = (text: string) =>
  [...text.matchAll(/^table (\w+ \w+) \{\s*comment "(deuteron:[^"]*)"/gm)].map(
    ([, table = '', mark = '']) => ({ table, mark }),
  );

export function createRuleset(spawner: Spawner, files: Files) {
  const fingerprints = createFingerprints(files);

  /** '' if there is no such table, or namespace: `nft` says "No such file or directory" of both. */
  async function list(inside: string | null, table: string): Promise<string> {
    const [family, name] = tableName(table).split(' ') as [string, string];
    const finished = await spawner.run(inNamespace(inside, ['nft', '-s', 'list', 'table', family, name]));
    return finished.code === 0 ? finished.stdout : '';
  }

  /** Listings by namespace, '' where there is no such table. */
  async function listMany(namespaces: readonly string[], table: string): Promise<Map<string, string>> {
    const [family, name] = tableName(table).split(' ') as [string, string];
    const half = Math.ceil(namespaces.length / 2);
    const parts = [namespaces.slice(0, half), namespaces.slice(half)].filter((part) => part.length > 0);
    const outputs = await Promise.all(
      parts.map((part) =>
        spawner.run(['sh', '-c', LIST, 'sh', family, name, ...part.map(namespaceName)], {
          timeoutMs: APPLY_TIMEOUT_MS,
        }),
      ),
    );
    const listings = outputs.flatMap((output) => output.stdout.split('\x01').slice(1));
    return new Map(
      listings.map((part) => {
        const newline = part.indexOf('\n');
        return [part.slice(0, newline), part.slice(newline + 1)] as const;
      }),
    );
  }

  /**
   * What is short goes in as an argument. Else through a file: `nft -f -` refuses the socket that is this process's pipe. Where there
   * is no room for one, through `cat`.
   */
  async function load(inside: string | null, text: string) {
    const options = { timeoutMs: APPLY_TIMEOUT_MS };
    if (text.length <= LONGEST_ARGUMENT)
      return spawner.run(inNamespace(inside, ['nft', '--', text]), options);
    const path = await files.stage(text).catch(() => null);
    if (path === null)
      return spawner.run(inNamespace(inside, ['sh', '-c', 'cat | nft -f -']), { ...options, input: text });
    try {
      return await spawner.run(inNamespace(inside, ['nft', '-f', path]), options);
    } finally {
      await rm(path, { force: true });
    }
  }

  return {
    async applyRuleset(namespace: string | null, text: string): Promise<void> {
      const inside = namespace === null ? null : namespaceName(namespace);
      const finished = await load(inside, text);
      if (finished.code !== 0) throw new Error(`nft refused the ruleset: ${complaint(finished)}`);
      for (const { table, mark } of markedIn(text)) {
        if (await fingerprints.knows(table, mark)) continue;
        await fingerprints.learn(table, mark, await list(inside, table));
      }
    },

    async rulesetMark(namespace: string | null, table: string): Promise<string | null> {
      const inside = namespace === null ? null : namespaceName(namespace);
      return fingerprints.markIn(table, await list(inside, table));
    },

    async tableForm(namespace: string | null, table: string): Promise<TableForm | null> {
      const inside = namespace === null ? null : namespaceName(namespace);
      const [family, name] = tableName(table).split(' ') as [string, string];
      const argv = ['nft', '-j', '-s', 'list', 'table', family, name];
      const finished = await spawner.run(inNamespace(inside, argv), { timeoutMs: APPLY_TIMEOUT_MS });
      if (finished.code === 0) return parseTableForm(finished.stdout);
      if (/No such file or directory/.test(finished.stderr)) return null;
      throw new Error(`cannot list ${table}: ${complaint(finished)}`);
    },

    async rulesetMarks(namespaces: readonly string[], table: string): Promise<Map<string, string>> {
      const marks = new Map<string, string>();
      for (const [namespace, listing] of await listMany(namespaces, table)) {
        const mark = await fingerprints.markIn(table, listing);
        if (mark !== null) marks.set(namespace, mark);
      }
      return marks;
    },

    async tables(namespaces: readonly string[], table: string): Promise<Map<string, TableState>> {
      const states = new Map<string, TableState>();
      for (const [namespace, listing] of await listMany(namespaces, table)) {
        if (listing.trim() === '') continue;
        const mark = await fingerprints.markIn(table, listing);
        states.set(namespace, { mark, maps: mapsIn(listing) });
      }
      return states;
    },
  };
}
