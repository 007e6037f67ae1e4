/** Whether another replica's adverts arrive, for replicas that are not stand-bys because of it. */
import type { Host } from '../../host/host.ts';
import { HEARD, TABLE } from './nftables.ts';

/** One came within three intervals of adverts and 50 ms; false where that cannot be told. */
export async function hearsPeers(host: Host, namespace: string): Promise<boolean> {
  const { code, stdout } = await host.runProgram(namespace, [
    'nft',
    'list',
    'set',
    ...TABLE.split(' '),
    HEARD,
  ]);
  return code === 0 && /elements = \{\s*\d/.test(stdout);
}
