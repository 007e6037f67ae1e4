/** The lab's directory: one file that says what the lab is, beside the records and logs of its processes. */
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Cut } from './cuts.ts';
import type { Layout } from './layout.ts';
import type { Identity } from './processes.ts';

export interface LabState {
  readonly layout: Layout;
  readonly rootless: boolean;
  readonly cuts: readonly Cut[];
  /** The command that stays with the lab and ends it, e.g. the demo; null when it was left running. */
  readonly owner: Identity | null;
  /** Where the relay listens in the root namespace; null without one. */
  readonly apiPort: number | null;
}

/** Unix socket paths end at 107 bytes; the longest below the directory is `ctl1/postgres/.s.PGSQL.5432`. */
const LONGEST_DIRECTORY = 70;

/**
 * Where the lab of that id is kept unless told otherwise: short because of Unix sockets, and outside /run because each
 * host has a /run of its own.
 */
export function defaultStateDirectory(id: string): string {
  const uid = process.geteuid?.() ?? 0;
  return join(tmpdir(), `deuteron-lab-${uid === 0 ? '' : `${uid}-`}${id}`);
}

/** Throws for a directory that a lab cannot use. */
export function checkStateDirectory(path: string): string {
  const full = resolve(path);
  if (full.startsWith('/run/') || full.startsWith('/var/run/') || full.startsWith('/proc/'))
    throw new RangeError(`${full} cannot be the lab's directory: every host has a /run of its own`);
  if (Buffer.byteLength(full) > LONGEST_DIRECTORY)
    throw new RangeError(`${full} is too long for Unix sockets below it: at most ${LONGEST_DIRECTORY} bytes`);
  if (/[\s"'\\,]/.test(full)) throw new RangeError(`${full} has characters that configuration files misread`);
  return full;
}

/** Makes the directory, for this user only. Throws where it is somebody else's. */
export function makeStateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== process.geteuid?.())
    throw new Error(`${path} is not a directory of yours`);
  if (process.geteuid?.() === 0) checkOpenAbove(path);
}

/** As root, dnsmasq becomes another user, who must get through to its files. */
function checkOpenAbove(path: string): void {
  for (let at = path; at !== '/'; at = dirname(at)) {
    if ((lstatSync(at).mode & 0o001) === 0)
      throw new Error(`${at} is closed to other users, and dnsmasq is one: choose another --state-directory`);
  }
}

const stateFile = (stateDirectory: string) => join(stateDirectory, 'topology.json');

export function writeState(state: LabState): void {
  const path = stateFile(state.layout.stateDirectory);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}

/** null: no lab there, or one of another version. */
export function readState(stateDirectory: string): LabState | null {
  let text: string;
  try {
    text = readFileSync(stateFile(stateDirectory), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const state = JSON.parse(text) as LabState;
  return state.layout?.version === 1 ? state : null;
}

export function removeStateDirectory(stateDirectory: string): void {
  rmSync(stateDirectory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
