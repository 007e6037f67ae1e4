/** A lab's beginning and end. The end works from whatever an interrupted beginning left. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { ANCHOR, type Ground, findGround, holderName } from './ground.ts';
import { type LabNode, type Layout, namespacePrefix } from './layout.ts';
import { listNamespaces, removeNetwork } from './network.ts';
import {
  type Identity,
  end,
  findRunning,
  interrupt,
  isMarked,
  isRunning,
  namespaceOf,
  programName,
  readRecords,
  readStat,
  scanProcesses,
} from './processes.ts';
import { readState, removeStateDirectory } from './state.ts';

/** How long servers and databases get to end by themselves: PostgreSQL leaves shared memory behind when it is killed. */
const GRACE_MS = 8000;

export interface LabName {
  readonly id: string;
  readonly stateDirectory: string;
}

/** The kernel's names (`net:[1234]`) of the network namespaces that lie as files in a directory. */
function namespacesIn(directory: string, prefix: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.startsWith(prefix))
    .flatMap((name) => {
      const found = statSync(join(directory, name), { throwIfNoEntry: false });
      return found ? [`net:[${found.ino}]`] : [];
    });
}

/** The network namespaces that a process of the node sees as its own: the node's, and those made on it. */
export function namespacesOfNode(layout: Layout, node: LabNode): Set<string> {
  const holder = findRunning(layout.stateDirectory, holderName(node));
  if (!holder) return new Set();
  const own = namespaceOf(holder.pid, 'net');
  return new Set([...(own ? [own] : []), ...namespacesIn(`/proc/${holder.pid}/root/run/netns`, '')]);
}

/** Every process of the lab, recorded or not, but for its anchor. */
export function processesOf(name: LabName, ground: Ground | null): Identity[] {
  const { id, stateDirectory } = name;
  const state = readState(stateDirectory);
  const anchor = findRunning(stateDirectory, ANCHOR);
  const root = anchor ? `/proc/${anchor.pid}/root` : '';
  const namespaces = new Set([
    ...(ground ? namespacesIn(`${root}/run/netns`, namespacePrefix(id)) : []),
    ...(state?.layout.nodes ?? []).flatMap((node) => [...namespacesOfNode(state!.layout, node)]),
  ]);
  const recorded = new Set(
    readRecords(stateDirectory)
      .filter(isRunning)
      .map((record) => record.pid),
  );
  return scanProcesses(
    (pid) =>
      pid !== anchor?.pid &&
      (recorded.has(pid) || namespaces.has(namespaceOf(pid, 'net') ?? '') || isMarked(pid, stateDirectory)),
  );
}

/** A PostgreSQL server's first process. */
export function isPostmaster(pid: number): boolean {
  return programName(pid) === 'postgres' && programName(readStat(pid)?.parent ?? 0) !== 'postgres';
}

/** A PostgreSQL process of any kind: killing one of them makes the others recover instead of ending. */
const isPostgres = (pid: number): boolean => programName(pid) === 'postgres';

/**
 * Ends every process of the lab and removes its namespaces and files. Says whether there was anything. Fine to repeat,
 * also with half a lab.
 */
export async function takeDown(clock: Clock, name: LabName): Promise<boolean> {
  const { id, stateDirectory } = name;
  const state = readState(stateDirectory);
  const anchor = findRunning(stateDirectory, ANCHOR);
  const ground = findGround(stateDirectory, state?.rootless ?? anchor !== undefined);
  const before = await leftovers(name);
  if (before.length === 0) return false;
  const servers = new Set(
    readRecords(stateDirectory)
      .filter((record) => record.name.endsWith('.server') || record.name.endsWith('.database'))
      .map((record) => record.pid),
  );
  // What would start things again goes first; servers may end their databases; then the rest, until there is none.
  const first = processesOf(name, ground);
  await end(
    clock,
    first.filter(({ pid }) => !servers.has(pid) && !isPostgres(pid) && !isHolder(state?.layout, pid)),
    0,
  );
  await interrupt(
    clock,
    first.filter(({ pid }) => servers.has(pid)),
    GRACE_MS,
  );
  await interrupt(
    clock,
    processesOf(name, ground).filter(({ pid }) => isPostmaster(pid)),
    GRACE_MS,
  );
  for (let rest = processesOf(name, ground); rest.length > 0; rest = processesOf(name, ground)) {
    await end(clock, rest, 0);
  }
  if (ground) await removeNetwork(ground, id);
  if (anchor) await end(clock, [anchor], 0);
  removeStateDirectory(stateDirectory);
  return true;
}

/** Holders keep the namespaces by which the other processes are known: they go last. */
function isHolder(layout: Layout | undefined, pid: number): boolean {
  return (
    layout?.nodes.some((node) => findRunning(layout.stateDirectory, holderName(node))?.pid === pid) ?? false
  );
}

/** What a lab has on this machine: nothing, if it was taken down well. */
export async function leftovers(name: LabName): Promise<string[]> {
  const { id, stateDirectory } = name;
  const state = readState(stateDirectory);
  const ground = findGround(stateDirectory, state?.rootless ?? false);
  const namespaces = ground ? await listNamespaces(ground, id) : [];
  const anchor = findRunning(stateDirectory, ANCHOR);
  return [
    ...namespaces.map((namespace) => `namespace ${namespace}`),
    ...processesOf(name, ground).map(({ pid }) => `process ${pid} (${programName(pid)})`),
    ...(anchor ? [`process ${anchor.pid} (anchor)`] : []),
    ...(existsSync(stateDirectory) ? [`directory ${stateDirectory}`] : []),
  ];
}
