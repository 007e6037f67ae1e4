/**
 * Tells when another hand changes files in directories of ours. One inotify instance for all (libuv keeps one a loop), a
 * watch each. What this process itself writes is known by inode, time and size, and is not told.
 */
import { type FSWatcher, lstatSync, watch } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** What a directory entry is, as far as it can be told from outside; null: there is none. */
function fingerprint(path: string): string | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  return stat.isDirectory() ? `directory ${stat.ino}` : fingerprintOf(stat);
}

/** Renaming a file into place changes none of these. */
export const fingerprintOf = (stat: { ino: number; mtimeMs: number; size: number }): string =>
  `${stat.ino} ${stat.mtimeMs} ${stat.size}`;

interface Watched {
  readonly self: string;
  readonly watcher: FSWatcher;
  readonly ignored: ReadonlySet<string>;
  /** By name: as we left it, or as it was told. */
  readonly entries: Map<string, string>;
}

export function createFileWatch(stateDirectory: string) {
  const watched = new Map<string, Watched>();
  const listeners = new Set<(path: string) => void>();
  /** Paths that we are changing, and how often at once. */
  const changing = new Map<string, number>();

  const split = (path: string) => {
    const slash = path.lastIndexOf('/');
    return [path.slice(0, slash), path.slice(slash + 1)] as const;
  };

  /** The directory and what is below it is not watched any more. */
  function forget(directory: string): void {
    for (const [path, { watcher }] of watched) {
      if (path !== directory && !path.startsWith(`${directory}/`)) continue;
      watched.delete(path);
      watcher.close();
    }
    const [parent, name] = split(directory);
    watched.get(parent)?.entries.delete(name);
  }

  function onChange(directory: string, name: string): void {
    const found = watched.get(directory);
    if (found === undefined || found.ignored.has(name)) return;
    const path = join(directory, name);
    if (changing.has(path)) return;
    const now = fingerprint(path);
    const before = found.entries.get(name) ?? null;
    if (now === before) return;
    if (now === null) found.entries.delete(name);
    else found.entries.set(name, now);
    // A directory that comes is empty, and whoever fills it is told of then.
    if (before === null && now?.startsWith('directory')) return;
    if (before?.startsWith('directory'))
      for (const key of watched.keys()) {
        if (key === path || key.startsWith(`${path}/`)) {
          watched.get(key)?.watcher.close();
          watched.delete(key);
        }
      }
    for (const listener of listeners) listener(relative(stateDirectory, path));
  }

  return {
    forget,

    /**
     * Does `act`, which leaves the entry like that (null: gone). Messages that come meanwhile are of what was before, or of
     * this; what another hand did at the same time is seen afterwards.
     */
    async ours(
      path: string,
      left: { ino: number; mtimeMs: number; size: number } | null,
      act: () => Promise<void>,
    ): Promise<void> {
      const [parent, name] = split(path);
      changing.set(path, (changing.get(path) ?? 0) + 1);
      try {
        await act();
        if (left === null) watched.get(parent)?.entries.delete(name);
        else watched.get(parent)?.entries.set(name, fingerprintOf(left));
      } finally {
        const others = (changing.get(path) ?? 1) - 1;
        if (others > 0) changing.set(path, others);
        else changing.delete(path);
        onChange(parent, name);
      }
    },

    async watchDirectory(directory: string, ignored: readonly string[]): Promise<void> {
      const self = fingerprint(directory);
      if (self === null || watched.get(directory)?.self === self) return;
      watched.get(directory)?.watcher.close();
      watched.delete(directory);
      let watcher: FSWatcher;
      try {
        watcher = watch(directory, { persistent: false }, (_event, name) => {
          if (name !== null) onChange(directory, name);
        });
      } catch {
        // ENOSPC or EMFILE: no more watches for us. Audits see what changes here.
        return;
      }
      watcher.on('error', () => undefined);
      const entries = new Map<string, string>();
      watched.set(directory, { self, watcher, ignored: new Set(ignored), entries });
      // ENOENT: gone again meanwhile.
      for (const name of await readdir(directory).catch(() => [])) {
        const found = entries.has(name) ? null : fingerprint(join(directory, name));
        if (found !== null) entries.set(name, found);
      }
    },

    listen(listener: (path: string) => void, signal: AbortSignal): void {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
    },

    /** No watch keeps the process from ending, and none outlives its use. */
    close(): void {
      for (const { watcher } of watched.values()) watcher.close();
      watched.clear();
    },
  };
}

export type FileWatch = ReturnType<typeof createFileWatch>;
