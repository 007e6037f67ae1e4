/** What is known of a program of the operator's before it is run: owner and mode of each step of its path, and its content. */
import { createHash } from 'node:crypto';
import { lstat, open, readFile, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Host, Interpreter, PathStep, ProgramFacts } from '../host.ts';
import { FIRST_LINE, runnersOf } from './program-path.ts';

const LARGEST = 4 * 2 ** 20;
const MOST_STEPS = 64;
/** A script may be run by a script, and so on; the kernel goes on four times (execve(2)). */
const MOST_INTERPRETERS = 4;

/** Every step of the path from the root, links followed; ends early where something is missing, or links have no end. */
async function stepsOf(path: string): Promise<PathStep[]> {
  const steps: PathStep[] = [];
  const left = resolve('/', path).split('/').slice(1);
  let at = '/';
  for (let name: string | undefined = ''; name !== undefined; name = left.shift()) {
    const here = join(at, name);
    if (steps.length >= MOST_STEPS) {
      steps.push({ path, kind: 'endless', uid: -1, gid: -1, mode: 0 });
      return steps;
    }
    const found = await lstat(here).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) {
      steps.push({ path: here, kind: 'missing', uid: -1, gid: -1, mode: 0 });
      return steps;
    }
    const { uid, gid } = found;
    const kind = found.isFile()
      ? 'file'
      : found.isDirectory()
        ? 'directory'
        : found.isSymbolicLink()
          ? 'link'
          : 'other';
    steps.push({ path: here, kind, uid, gid, mode: found.mode & 0o7777 });
    if (kind === 'link') {
      const target = resolve(dirname(here), await readlink(here));
      left.unshift(
        ...target
          .split('/')
          .slice(1)
          .filter((one) => one !== ''),
      );
      at = '/';
    } else at = here;
  }
  return steps;
}

/** Users whose files may be relied on. Seen from a user namespace that maps one user only, root's are everybody's. */
async function trustedUsers(): Promise<number[]> {
  const own = process.getuid?.() ?? 0;
  const map = (await readFile('/proc/self/uid_map', 'latin1')).trim().split(/\s+/).map(Number);
  const isWhole = map.length === 3 && map[0] === 0 && map[1] === 0 && (map[2] ?? 0) >= 2 ** 32 - 1;
  if (isWhole) return [...new Set([0, own])];
  const overflow = Number(await readFile('/proc/sys/kernel/overflowuid', 'latin1'));
  return [...new Set([0, own, overflow])];
}

export async function findUser(name: string): Promise<{ uid: number; gid: number } | null> {
  for (const line of (await readFile('/etc/passwd', 'latin1')).split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name || (uid === name && /^\d+$/.test(name))) return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}

/** The steps of the first of these paths that leads somewhere; of the last where none does. */
async function firstOf(paths: readonly string[]): Promise<PathStep[]> {
  let steps: PathStep[] = [];
  for (const path of paths) {
    steps = await stepsOf(path);
    if (steps.at(-1)?.kind !== 'missing') return steps;
  }
  return steps;
}

async function headOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(FIRST_LINE), position: 0 });
    return buffer.subarray(0, bytesRead).toString('latin1');
  } finally {
    await file.close();
  }
}

async function interpretersOf(head: string, most: number): Promise<Interpreter[]> {
  const runners = runnersOf(head);
  if ('unclear' in runners) return [runners];
  if (runners.length > 0 && most === 0) return [{ unclear: 'too many scripts run one another' }];
  const found: Interpreter[] = [];
  for (const paths of runners) {
    const steps = await firstOf(paths);
    const last = steps.at(-1);
    const own = last?.kind === 'file' ? await headOf(last.path) : '';
    const isScript = own.startsWith('#!');
    found.push({ steps, isScript }, ...(isScript ? await interpretersOf(own, most - 1) : []));
  }
  return found;
}

export function createProgramFacts(): Pick<Host, 'inspectProgram' | 'findUser'> {
  return {
    findUser,
    async inspectProgram(path): Promise<ProgramFacts> {
      const [steps, trusted] = await Promise.all([stepsOf(path), trustedUsers()]);
      const last = steps.at(-1);
      const of = { steps, trusted, interpreters: [] };
      if (last?.kind !== 'file') return { ...of, content: null };
      const { size } = await lstat(last.path);
      if (size > LARGEST) return { ...of, content: { size, sha256: '', head: '' } };
      const bytes = await readFile(last.path);
      const head = bytes.subarray(0, FIRST_LINE).toString('latin1');
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const interpreters = await interpretersOf(head, MOST_INTERPRETERS);
      return { steps, trusted, interpreters, content: { size: bytes.length, sha256, head } };
    },
  };
}
