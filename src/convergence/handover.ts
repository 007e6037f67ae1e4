/**
 * When one agent may take over what another serves of a network.
 *
 * What the other serves, or comes to serve before it learns that it is to go, is what rows say: no more, and maybe all of it. It may have
 * done more than it has reported, and one that is silent, or taken for dead, may serve on. So the successor is held to the log and not to
 * what the other reported: it must have done each change of the network that was committed. But for those of ports that are not ACTIVE:
 * nothing was promised of these, and where new ones are made all the time they would hold it for good.
 */
import { splitKey, splitRef } from '../resources/agent-view.ts';
import type { Progress } from './provisioning.ts';

/** The end of the log, by what it bears on. */
export interface LogTail {
  /** The first position from which on every change is at hand. */
  readonly from: number;
  readonly byNetwork: ReadonlyMap<string, readonly ChangedObject[]>;
}

export interface ChangedObject {
  readonly position: number;
  /** As in reports: `port/<id>`, `subnet/<id>`; '' for the network itself. */
  readonly object: string;
}

/** The object of a network that this key names for who serves its DHCP. */
function objectOf(key: string): string | undefined {
  const { kind, id } = splitKey(key);
  if (kind === 'lease') return `port/${id}`;
  if (kind === 'subnet') return key;
  return kind === 'network' ? '' : undefined;
}

/** `changes`: dense, in order, up to the head of the log; `next`: the position after it, for none. */
export function tailOf(
  changes: readonly { readonly position: number; readonly refs: readonly string[] }[],
  next: number,
): LogTail {
  const byNetwork = new Map<string, ChangedObject[]>();
  for (const { position, refs } of changes) {
    for (const ref of refs) {
      const { group, key } = splitRef(ref);
      const { kind, id } = splitKey(group);
      const object = kind === 'dhcp' || kind === 'network' ? objectOf(key) : undefined;
      if (object === undefined) continue;
      const known = byNetwork.get(id);
      if (known) known.push({ position, object });
      else byNetwork.set(id, [{ position, object }]);
    }
  }
  return { from: changes[0]?.position ?? next, byNetwork };
}

/** Up to where the agent has done all changes of the network, but for single objects; -1: unknown, or all of it fails. */
export function doneUpTo({ realised, exceptions }: Progress, networkId: string): number {
  const whole = exceptions.filter((one) => one.key === `network/${networkId}` && one.object === '');
  const done = whole.map(({ state, since }) => (state === 'pending' ? since - 1 : -1));
  return Math.min(realised ?? -1, ...done);
}

/** Whether the agent has done all of the network's changes that matter. */
export function hasCaughtUp(
  progress: Progress,
  { networkId, tail }: { readonly networkId: string; readonly tail: LogTail },
  matters: (object: string) => boolean,
): boolean {
  const done = doneUpTo(progress, networkId);
  if (done < 0 || done + 1 < tail.from) return false;
  const changed = tail.byNetwork.get(networkId) ?? [];
  return !changed.some(({ position, object }) => position > done && matters(object));
}
