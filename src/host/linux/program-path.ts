/** By which path a program of the operator's finds others, and who runs it if it is a script. */
import { basename, isAbsolute } from 'node:path';

/** All of PATH that such a program gets. */
export const PROGRAM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** The kernel looks no further for the end of a script's first line (BINPRM_BUF_SIZE). */
export const FIRST_LINE = 256;

/** Who runs a script: one of these paths, the first that there is, and one after the other; or why that cannot be told. */
export type Runners = readonly (readonly string[])[] | { readonly unclear: string };

/**
 * From the first bytes of a program to what runs it (execve(2), "Interpreter scripts"); none where it is no script. Of env(1), which
 * looks for another by PATH, only what names nothing else than that: `env NAME`, `env -S NAME ...`.
 */
export function runnersOf(head: string): Runners {
  if (!head.startsWith('#!')) return [];
  const end = head.indexOf('\n');
  if (end < 0 && head.length >= FIRST_LINE) return { unclear: 'its first line is too long' };
  const line = head.slice(2, end < 0 ? undefined : end).replace(/\0.*$/s, '');
  const [, interpreter = '', rest = ''] = /^[ \t]*([^ \t]*)[ \t]*(.*?)[ \t]*$/s.exec(line) ?? [];
  if (!isAbsolute(interpreter)) return { unclear: 'its first line names no absolute path' };
  if (basename(interpreter) !== 'env') return [[interpreter]];
  // the kernel makes one word of all that follows
  const [name = ''] = rest.startsWith('-S') ? rest.slice(2).trim().split(/\s+/) : [rest];
  if (name === '' || /^-|[=\s"'\\$]/.test(name))
    return { unclear: 'what env is to run cannot be told from its first line: let it name that by its path' };
  if (isAbsolute(name)) return [[interpreter], [name]];
  if (name.includes('/')) return { unclear: `its first line names no absolute path, but ${name}` };
  return [[interpreter], PROGRAM_PATH.split(':').map((directory) => `${directory}/${name}`)];
}
