/**
 * Where a lab stands: as root in the namespaces of this machine, otherwise in one user namespace that an anchor process
 * keeps open. `enter` goes before every command that touches the lab's network.
 */
import { existsSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import type { Layout, LabNode } from './layout.ts';
import { type ProcessRecord, findRunning, launch } from './processes.ts';
import { until } from './until.ts';

export const ANCHOR = 'anchor';

export interface Ground {
  readonly rootless: boolean;
  /** Words before a command so that it runs where the lab's namespaces are. */
  readonly enter: readonly string[];
}

const READY = '/run/.deuteron-lab';
/** An empty /run of its own, so that `ip netns` sees only what was made there. */
const OWN_RUN = `mount -t tmpfs -o mode=0755 tmpfs /run && mkdir -p /run/netns /run/lock && : > ${READY}`;

export const isRoot = (): boolean => process.geteuid?.() === 0;

/** The ground of a lab that is up; null if its anchor is gone. */
export function findGround(stateDirectory: string, rootless: boolean): Ground | null {
  if (!rootless) return { rootless, enter: [] };
  const anchor = findRunning(stateDirectory, ANCHOR);
  return anchor ? { rootless, enter: enterAnchor(anchor) } : null;
}

function enterAnchor(anchor: ProcessRecord): string[] {
  return ['nsenter', '-t', String(anchor.pid), '-U', '-n', '-m', '--preserve-credentials', '--'];
}

/** Makes the user namespace where that is needed. */
export async function breakGround(clock: Clock, stateDirectory: string): Promise<Ground> {
  if (isRoot()) return { rootless: false, enter: [] };
  const script = `${OWN_RUN} && ip link set lo up && exec sleep infinity`;
  const argv = ['unshare', '--map-root-user', '--net', '--mount', 'sh', '-c', script];
  const anchor = await launch({ stateDirectory, name: ANCHOR, argv });
  await becomesReady(clock, anchor);
  return { rootless: true, enter: enterAnchor(anchor) };
}

async function becomesReady(clock: Clock, holder: ProcessRecord): Promise<void> {
  await until(clock, { what: `${holder.name} has its namespaces`, timeoutMs: 10_000, everyMs: 5 }, () =>
    existsSync(`/proc/${holder.pid}/root${READY}`),
  );
}

export const holderName = (node: LabNode): string => `${node.name}.holder`;

/** Gives a node its mount namespace, kept by a process. The network namespace must be there. */
export async function holdNode(
  clock: Clock,
  place: { ground: Ground; stateDirectory: string },
  node: LabNode,
): Promise<void> {
  const quiet =
    'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -w "$f" ] || echo 0 > "$f" || :; done 2> /dev/null';
  const script = `${OWN_RUN} && { ${quiet}; exec sleep infinity; }`;
  // `ip netns exec` brings a mount namespace with the /sys that belongs to the network namespace.
  const argv = [...place.ground.enter, 'ip', 'netns', 'exec', node.namespace, 'sh', '-c', script];
  const holder = await launch({ stateDirectory: place.stateDirectory, name: holderName(node), argv });
  await becomesReady(clock, holder);
}

/** Words before a command so that it runs on the node. Throws when the node has no holder any more. */
export function enterNode(ground: Ground, layout: Layout, node: LabNode): string[] {
  const holder = findRunning(layout.stateDirectory, holderName(node));
  if (!holder) throw new Error(`${node.name} is gone: its holder does not run (deuteron lab down, then up)`);
  return [...ground.enter, 'nsenter', '-t', String(holder.pid), '-n', '-m', '--'];
}

/** A path of the node's file system, seen from outside it. */
export function pathInNode(layout: Layout, node: LabNode, path: string): string | undefined {
  const holder = findRunning(layout.stateDirectory, holderName(node));
  return holder && `/proc/${holder.pid}/root${path}`;
}
