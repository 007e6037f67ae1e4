import { existsSync, mkdirSync, watch } from 'node:fs';
import { readdir, readlink, statfs, unlink } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import { namespaceName } from '../grammar.ts';
import { parseLinks } from './links.ts';
import { complaint, inNamespace, type Spawner } from './spawner.ts';

export const NAMESPACES = '/run/netns';
/** linux/magic.h: a file here that is of another filesystem is what a crash in `ip netns add` left. */
const NSFS_MAGIC = 0x6e736673;

async function isNamespace(name: string): Promise<boolean> {
  const found = await statfs(`${NAMESPACES}/${name}`).catch(() => null);
  return found?.type === NSFS_MAGIC;
}

/** A name is made in two steps, of which only the first is told. */
const SETTLE_MS = 30;

/** Tells of names that come and go, by another hand or ours, until `signal` aborts. */
export function followNamespaces(
  clock: Clock,
  onNews: (name: string, news: 'came' | 'went') => void,
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  try {
    mkdirSync(NAMESPACES, { recursive: true });
    const watcher = watch(NAMESPACES, { persistent: false }, (_event, name) => {
      if (name === null) return;
      clock.after(SETTLE_MS, () => onNews(name, existsSync(`${NAMESPACES}/${name}`) ? 'came' : 'went'));
    });
    watcher.on('error', () => undefined);
    signal.addEventListener('abort', () => watcher.close(), { once: true });
  } catch {
    // No inotify instance for us: audits see what becomes of namespaces.
  }
}

/** `pidOf`: of a process of ours. */
export function createNamespaces(spawner: Spawner, pidOf: (holder: string) => Promise<number | null>) {
  async function namespaces(): Promise<Set<string>> {
    const names = await readdir(NAMESPACES).catch((error: unknown) => {
      // Only when it is not there are there none: otherwise it is not known, and what runs in them must stay.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    });
    const real = await Promise.all(names.map(isNamespace));
    return new Set(names.filter((_, index) => real[index]));
  }

  /** Gives the namespace that the process is in its name back; false: it is in the host's own, or gone. */
  async function attach(name: string, holder: string): Promise<boolean> {
    const pid = await pidOf(holder);
    if (pid === null) return false;
    const inside = await readlink(`/proc/${pid}/ns/net`).catch(() => null);
    const own = await spawner.run(['readlink', '/proc/self/ns/net']);
    if (inside === null || own.code !== 0 || inside === own.stdout.trim()) return false;
    await spawner.run(['ip', 'netns', 'attach', name, String(pid)]);
    return isNamespace(name);
  }

  return {
    namespaces,

    async ensureNamespace(name: string, holder?: string): Promise<void> {
      namespaceName(name);
      if (await isNamespace(name)) return;
      await unlink(`${NAMESPACES}/${name}`).catch(() => undefined);
      if (holder !== undefined && (await attach(name, holder))) return;
      const input = `netns add ${name}\nnetns exec ${name} ip link set dev lo up\n`;
      const finished = await spawner.run(['ip', '-batch', '-'], { input });
      if (!(await isNamespace(name))) {
        throw new Error(`cannot make namespace ${name}: ${complaint(finished)}`);
      }
    },

    async removeNamespace(name: string): Promise<void> {
      namespaceName(name);
      if (await isNamespace(name)) {
        // Links first: after `netns delete` alone they linger for as long as any process is inside.
        const listed = await spawner.run(['ip', '-n', name, '-j', '-d', 'link', 'show']);
        const removable =
          listed.code === 0 ? parseLinks(listed.stdout).filter((l) => l.kind !== 'other') : [];
        const input = removable.map((link) => `link delete dev ${link.name}\n`).join('');
        if (input !== '') await spawner.run(['ip', '-n', name, '-force', '-batch', '-'], { input });
      }
      const finished = await spawner.run(['ip', 'netns', 'delete', name]);
      if (finished.code === 0) return;
      await unlink(`${NAMESPACES}/${name}`).catch(() => undefined);
      if (await isNamespace(name)) throw new Error(`cannot delete namespace ${name}: ${complaint(finished)}`);
    },
  };
}

/** The script is fixed; paths and values go in as its arguments, two each. */
const WRITE = `while [ $# -gt 0 ]; do printf '%s\\n' "$2" > "/proc/sys/$1" || exit 1; shift 2; done`;

/** Writes kernel parameters as seen from a namespace: /proc/sys/net shows that of the process which opens it. */
export async function writeSysctls(
  spawner: Spawner,
  namespace: string | null,
  values: readonly (readonly [path: string, value: string])[],
): Promise<void> {
  if (values.length === 0) return;
  const argv = inNamespace(namespace === null ? null : namespaceName(namespace), [
    'sh',
    '-c',
    WRITE,
    'sh',
    ...values.flat(),
  ]);
  const finished = await spawner.run(argv);
  if (finished.code !== 0) throw new Error(`cannot set kernel parameters: ${complaint(finished)}`);
}
