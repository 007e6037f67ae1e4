import { rm } from 'node:fs/promises';
import { namespaceName, tableName } from '../grammar.ts';
import type { Files } from './files.ts';
import { complaint, inNamespace, type Spawner } from './spawner.ts';

/** A ruleset may name thousands of elements. */
const APPLY_TIMEOUT_MS = 30_000;

/** The script is fixed; table words and names go in as arguments. Prints `name mark` for each that has one. */
const MARKS = `f=$1 t=$2; shift 2; for n in "$@"; do
 m=$(nsenter --net="/run/netns/$n" -- nft -t list table "$f" "$t" 2>/dev/null | sed -n 's/^[[:space:]]*comment "\\(deuteron:[^"]*\\)".*/\\1/p;2q')
 printf '%s %s\\n' "$n" "$m"; done`;

export function createRuleset(spawner: Spawner, files: Files) {
  return {
    async applyRuleset(namespace: string | null, text: string): Promise<void> {
      const path = await files.stage(text);
      try {
        const inside = namespace === null ? null : namespaceName(namespace);
        const argv = inNamespace(inside, ['nft', '-f', path]);
        const finished = await spawner.run(argv, { timeoutMs: APPLY_TIMEOUT_MS });
        if (finished.code !== 0) throw new Error(`nft refused the ruleset: ${complaint(finished)}`);
      } finally {
        await rm(path, { force: true });
      }
    },

    async rulesetMark(namespace: string | null, table: string): Promise<string | null> {
      const [family, name] = tableName(table).split(' ') as [string, string];
      const inside = namespace === null ? null : namespaceName(namespace);
      const finished = await spawner.run(inNamespace(inside, ['nft', '-t', 'list', 'table', family, name]));
      // `nft` says "No such file or directory" both for a table and for a namespace that is not there.
      if (finished.code !== 0) return null;
      return /^\s*comment "(deuteron:[^"]*)"/m.exec(finished.stdout)?.[1] ?? null;
    },

    async rulesetMarks(namespaces: readonly string[], table: string): Promise<Map<string, string>> {
      const [family, name] = tableName(table).split(' ') as [string, string];
      const half = Math.ceil(namespaces.length / 2);
      const parts = [namespaces.slice(0, half), namespaces.slice(half)].filter((part) => part.length > 0);
      const outputs = await Promise.all(
        parts.map((part) =>
          spawner.run(['sh', '-c', MARKS, 'sh', family, name, ...part.map(namespaceName)], {
            timeoutMs: APPLY_TIMEOUT_MS,
          }),
        ),
      );
      const marks = new Map<string, string>();
      for (const line of outputs.flatMap((output) => output.stdout.split('\n'))) {
        const [namespace, mark] = line.split(' ');
        if (namespace && mark) marks.set(namespace, mark);
      }
      return marks;
    },
  };
}
