import { appendFile, lstat, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { relativePath } from '../grammar.ts';
import type { FileWatch } from './file-watch.ts';

/** Where files are written before they are renamed into place: never in a directory that a program watches. */
const STAGING = '.staging';

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}

export function createFiles(stateDirectory: string, fileWatch: FileWatch) {
  let counter = 0;
  const directories = new Set<string>();
  /** Files whose directory entry is known to be on disk. */
  const anchored = new Set<string>();

  const absolute = (path: string) => join(stateDirectory, relativePath(path));

  async function ensureDirectory(directory: string): Promise<void> {
    if (directories.has(directory)) return;
    await mkdir(directory, { recursive: true });
    directories.add(directory);
  }

  /** Does it, making the directory anew if another hand removed it. */
  async function inDirectory<T>(directory: string, act: () => Promise<T>): Promise<T> {
    await ensureDirectory(directory);
    try {
      return await act();
    } catch (error) {
      if (!isMissing(error)) throw error;
      directories.delete(directory);
      await ensureDirectory(directory);
      return await act();
    }
  }

  /** A file outside the watched directories, for programs that want their input by name. */
  async function stage(text: string): Promise<string> {
    const staging = join(stateDirectory, STAGING);
    const path = join(staging, `${process.pid}-${counter++}`);
    try {
      await inDirectory(staging, () => writeFile(path, text));
    } catch (error) {
      // ENOSPC leaves an empty or half file, and every retry would leave one more.
      await rm(path, { force: true });
      throw error;
    }
    return path;
  }

  async function unstage(paths: readonly string[]): Promise<void> {
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }

  async function putInPlace(staged: string, target: string): Promise<void> {
    anchored.delete(target);
    const move = () => inDirectory(dirname(target), () => rename(staged, target));
    await fileWatch.ours(target, await lstat(staged), move);
  }

  return {
    absolute,
    stage,

    async readFile(path: string): Promise<string | null> {
      try {
        return await readFile(absolute(path), 'utf8');
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },

    async writeFile(path: string, text: string): Promise<void> {
      const target = absolute(path);
      const staged = await stage(text);
      try {
        await putInPlace(staged, target);
      } catch (error) {
        await unstage([staged]);
        throw error;
      }
    },

    async writeFiles(texts: ReadonlyMap<string, string>, before?: () => Promise<void>): Promise<void> {
      const targets = [...texts.keys()].map(absolute);
      const outcomes = await Promise.allSettled([...texts.values()].map(stage));
      const staged = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const failed = outcomes.find((one) => one.status === 'rejected');
      try {
        if (failed) throw failed.reason;
        await Promise.all([...new Set(targets.map((target) => dirname(target)))].map(ensureDirectory));
        await before?.();
        for (const [i, target] of targets.entries()) await putInPlace(staged[i] as string, target);
      } catch (error) {
        await unstage(staged);
        throw error;
      }
    },

    async removeFile(path: string): Promise<void> {
      const target = absolute(path);
      anchored.delete(target);
      await fileWatch.ours(target, null, () => rm(target, { force: true }));
    },

    async watchDirectory(path: string, ignored: readonly string[] = []): Promise<void> {
      await fileWatch.watchDirectory(absolute(path), ignored);
    },

    async listFiles(path: string): Promise<string[]> {
      try {
        return (await readdir(absolute(path))).sort();
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },

    async removeDirectory(path: string): Promise<void> {
      const target = absolute(path);
      for (const known of [directories, anchored]) {
        for (const entry of known)
          if (entry === target || entry.startsWith(`${target}/`)) known.delete(entry);
      }
      fileWatch.forget(target);
      await rm(target, { recursive: true, force: true });
    },

    async appendDurably(path: string, text: string): Promise<void> {
      const target = absolute(path);
      await inDirectory(dirname(target), async () => {
        const file = await open(target, 'a');
        try {
          await appendFile(file, text);
          await file.datasync();
        } finally {
          await file.close();
        }
      });
      if (anchored.has(target)) return;
      // The first append since the file came to be: its name must be durable too (fsync(2), "the directory").
      const directory = await open(dirname(target), 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
      anchored.add(target);
    },
  };
}

export type Files = ReturnType<typeof createFiles>;
