/** A router's namespace whose name another hand took away (`ip netns delete`) lives on for the programs in it, with all its links. */
import type { Host } from '../../host/host.ts';
import { raName } from './advertiser.ts';
import { conntrackdName } from './connections.ts';
import { namespaceOf } from './desired.ts';
import { keepalivedName } from './guard.ts';

/** There is none of that name: gives it back to the one that a program of the router still runs in; says whether one runs. */
export async function reclaimNamespace(host: Host, routerId: string): Promise<boolean> {
  for (const name of [keepalivedName(routerId), conntrackdName(routerId), raName(routerId)]) {
    if ((await host.findProcess(name)) === null) continue;
    await host.ensureNamespace(namespaceOf(routerId), name);
    return true;
  }
  return false;
}
